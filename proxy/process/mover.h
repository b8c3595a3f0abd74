// Mover: has slots of replicated pools moved to where they belong. While this process leads, it
// proposes what is to begin, as consensus/cluster/reconfiguration.h says from the map; whoever owns
// a slot, leader or not, has the end of its move proposed when its keys are copied.
//
// Of each pool one change of each kind is under way at a time. What was proposed in vain is
// proposed again until the map has it. A leader that is lost is missed by nobody: all it knew is in
// the map.
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
  /// A coordinator of this process has copied the slot's keys to its new members, while it was
  /// kJoint under this configuration. To ask again is harmless.
  void end_move(cluster::PoolSerial pool, uint16_t slot, uint32_t configuration);

 private:
  /// Of a pool: slots that this process has copied, and under which configuration.
  struct Copied {
    std::map<uint16_t, uint32_t> slots;
    bool is_proposing = false;
    base::Instant not_before{};
  };
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
  void end_moves(member::Membership& membership, const cluster::ClusterMap& map, base::Instant now);
  void tell(const cluster::ClusterMap& map, const cluster::Pool& pool, base::Instant now);

  cluster::Reconfiguration reconfiguration_;
  std::map<cluster::PoolSerial, Pool> pools_;
  std::map<cluster::PoolSerial, Copied> copied_;
};

}  // namespace quorate::process
