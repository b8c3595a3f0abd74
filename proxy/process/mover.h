// Mover: has slots of replicated pools moved to where they belong, while this process leads. What
// is to be moved, consensus/cluster/reconfiguration.h says from the map; here it is proposed.
//
// Of each pool one change is under way at a time. Nothing is remembered that the map does not hold,
// so a leader that is lost is missed by nobody.
//
// On the control loop. Called by Process, on its ticks.
#pragma once

#include <map>
#include <memory>

#include "consensus/cluster/reconfiguration.h"
#include "proxy/member/membership.h"

namespace quorate::process {

class Mover {
 public:
  using Answers = cluster::Reconfiguration::Answers;

  /// `moving_slots`: of each pool at once, at most.
  void on_tick(member::Membership& membership, uint32_t moving_slots, const Answers& answers,
               base::Instant now);

 private:
  struct Pool {
    bool is_proposing = false;
    bool has_moved = false;  ///< something has, since it was last said that all is in its place
    base::Instant next_look{};
    base::Instant next_line{};
    cluster::Index looked_at = 0;  ///< index of the map
  };

  void look(member::Membership& membership, const cluster::ClusterMap& map,
            const cluster::Pool& pool, uint32_t moving_slots, const Answers& answers,
            base::Instant now);
  void tell(const cluster::ClusterMap& map, const cluster::Pool& pool, base::Instant now);

  cluster::Reconfiguration reconfiguration_;
  std::map<cluster::PoolSerial, Pool> pools_;
};

}  // namespace quorate::process
