// PlanBuilder: the configuration, and which backends are ejected -> the ServingPlan that workers
// follow.
//
// Gives pools and backends their ids and remembers them, so that the same backend keeps its id (and
// with it its connections) from plan to plan. An id is never given to another. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "proxy/config/settings.h"
#include "proxy/relay/serving_plan.h"

namespace quorate::control {

class PlanBuilder {
 public:
  /// The next plan. `ejected`: backends whose commands fail at once, or whose keys have moved.
  std::shared_ptr<const relay::ServingPlan> build(const config::Settings& settings,
                                                  const std::set<cluster::BackendId>& ejected);

 private:
  cluster::PoolId pool_id(const config::PoolSettings& pool);
  cluster::BackendId backend_id(cluster::PoolId pool, const config::BackendSettings& backend);

  uint64_t epoch_ = 0;
  std::map<std::string, cluster::PoolId> pool_ids_;
  std::map<std::string, cluster::BackendId> backend_ids_;
  std::map<cluster::PoolId, uint64_t> ring_epochs_;
  std::map<cluster::PoolId, std::string> ring_marks_;  // what the ring was made of
};

}  // namespace quorate::control
