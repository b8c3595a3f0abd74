// Health: which backends are ejected. Evidence goes in (probes, what workers' traffic saw),
// verdicts come out. Pure; one for the process, on the control thread.
//
// A backend is ejected after `eject_after` failures in a row, seen by the prober or by one worker,
// unless fewer than `min_up` of its pool would be left. It is used again after `readmit_after`
// probes in a row were answered, and by nothing else: a worker's luck on an old connection is no
// evidence.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "consensus/base/time.h"
#include "consensus/cluster/topology.h"

namespace quorate::control {

struct HealthRules {
  uint32_t eject_after = 3;  ///< zero: never
  uint32_t readmit_after = 2;
  uint32_t min_up = 1;
};

struct HealthChange {
  cluster::BackendId backend;
  bool ejected;
  uint32_t failures;  ///< in a row, that led to it
  bool operator==(const HealthChange&) const = default;
};

class Health {
 public:
  /// Who there is now. What is known of a backend that stays is kept.
  void set_pool(cluster::PoolId pool, const HealthRules& rules,
                const std::vector<cluster::BackendId>& backends);
  void remove_pool(cluster::PoolId pool);

  void on_probe(cluster::BackendId backend, bool answered);
  /// A worker's connections and requests failed so many times in a row.
  void on_traffic(cluster::BackendId backend, uint32_t failures_in_a_row);

  const std::set<cluster::BackendId>& ejected() const { return ejected_; }
  bool was_probed(cluster::BackendId backend) const;
  bool answers(cluster::BackendId backend) const;  ///< the last probe was answered
  /// As many probes in a row were answered as it takes to be used again.
  bool steady(cluster::BackendId backend) const;
  /// The ejection was not carried out: the next failure asks for it again.
  void forget_ejection(cluster::BackendId backend) { ejected_.erase(backend); }
  std::vector<HealthChange> take_changes() { return std::exchange(changes_, {}); }

 private:
  struct Backend {
    cluster::PoolId pool{};
    uint32_t failures = 0;  // probes in a row
    uint32_t answers = 0;   // probes in a row
    bool probed = false;
  };
  struct Pool {
    HealthRules rules;
    std::vector<cluster::BackendId> backends;
  };

  void consider_ejecting(cluster::BackendId id, uint32_t failures);

  std::map<cluster::PoolId, Pool> pools_;
  std::map<cluster::BackendId, Backend> backends_;
  std::set<cluster::BackendId> ejected_;
  std::vector<HealthChange> changes_;
};

}  // namespace quorate::control
