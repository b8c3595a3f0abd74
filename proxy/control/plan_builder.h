// PlanBuilder: what the group has agreed on (the ClusterMap) and what this proxy alone is told (its
// configuration: addresses to listen on, times, limits, passwords) -> the ServingPlan that workers
// follow.
//
// Gives pools and backends dense ids and remembers them, so that the same backend keeps its id (and
// with it its connections) from plan to plan. An id is never given to another. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "consensus/cluster/cluster_map.h"
#include "proxy/config/settings.h"
#include "proxy/control/discovery.h"
#include "proxy/relay/serving_plan.h"

namespace quorate::control {

class PlanBuilder {
 public:
  /// The next plan, with a pool for each of the file's. One that the map does not have, and one
  /// with nobody on its ring, gets a backend that nobody can reach: its commands fail at once. A
  /// backend's password is that which the file gives to the backend of its name, and if there is
  /// none, to the pool's first. A pool with discovery has the servers that were `found` for it, by
  /// its name, whatever the map says. `session`: this process's own.
  std::shared_ptr<const relay::ServingPlan> build(
      const config::Settings& settings, const cluster::ClusterMap& map,
      const std::map<std::string, FoundServers>& found = {}, cluster::SessionId session = {});

 private:
  cluster::PoolId pool_id(const config::PoolSettings& pool);
  cluster::BackendId backend_id(const relay::BackendPlan& backend, const std::string& name);
  cluster::BackendId add(relay::ServingPlan& plan, relay::BackendPlan backend,
                         const std::string& name);
  void place(relay::ServingPlan& plan, relay::PoolPlan& pool, const config::PoolSettings& from,
             const cluster::ClusterMap& map, const cluster::Pool& agreed);
  void place_nobody(relay::ServingPlan& plan, relay::PoolPlan& pool,
                    const config::PoolSettings& from);
  void place_found(relay::ServingPlan& plan, relay::PoolPlan& pool,
                   const config::PoolSettings& from, const FoundServers& found);
  cluster::BackendId add_found(relay::ServingPlan& plan, const relay::PoolPlan& pool,
                               const config::PoolSettings& from, const ServerAddress& address);

  uint64_t version_ = 0;
  /// The last ring of each pool. Rings are what costs; an epoch is one ring's only, within a
  /// cluster and a generation of it.
  struct Placed {
    cluster::Nonce cluster;
    uint32_t generation = 0;
    uint64_t epoch = 0;
    cluster::Placement placement;
  };
  const cluster::Placement& placement_of(cluster::PoolId pool, const cluster::ClusterMap& map,
                                         const cluster::PoolView& view);

  /// The last servers of each pool with discovery; `epoch` counts how often they were others.
  struct PlacedFound {
    FoundServers found;
    uint64_t epoch = 0;
    cluster::Placement placement;
  };

  std::map<cluster::PoolId, PlacedFound> placed_found_;
  std::map<cluster::PoolId, Placed> placed_;
  /// The last table of each pool that keeps replicas.
  std::map<cluster::PoolId, std::shared_ptr<const cluster::ReplicaTable>> replicas_;
  std::map<std::string, cluster::PoolId> pool_ids_;
  std::map<std::string, cluster::BackendId> backend_ids_;
};

}  // namespace quorate::control
