#include "proxy/process/mover.h"

#include <utility>

#include "proxy/io/clock.h"
#include "proxy/io/log.h"
#include "proxy/member/group_log.h"

namespace quorate::process {

namespace {

using namespace std::chrono_literals;

/// A map that has not changed is looked at again after so long: backends come and go besides.
constexpr base::Duration kLook = 500ms;
constexpr base::Duration kAfterRefusal = 100ms;
/// Between two lines of the log that say how far it is.
constexpr base::Duration kLine = 5s;

}  // namespace

void Mover::on_tick(member::Membership& membership, uint32_t moving_slots, const Answers& answers,
                    base::Instant now) {
  const auto map = membership.map();
  end_moves(membership, *map, now);
  if (!membership.standing().leads) {
    pools_.clear();
    return;
  }
  std::erase_if(pools_, [&](const auto& one) { return !map->pools.contains(one.first); });
  for (const auto& [serial, pool] : map->pools) {
    if (pool.rules.replicated()) look(membership, *map, pool, moving_slots, answers, now);
  }
}

void Mover::end_move(cluster::PoolSerial pool, uint16_t slot, uint32_t configuration) {
  copied_[pool].slots[slot] = configuration;
}

void Mover::end_moves(member::Membership& membership, const cluster::ClusterMap& map,
                      base::Instant now) {
  std::erase_if(copied_, [&](const auto& one) { return !map.pools.contains(one.first); });
  for (auto& [serial, copied] : copied_) {
    const cluster::Pool& pool = map.pools.at(serial);
    // A move that has ended is over, whatever became of what was proposed.
    std::erase_if(copied.slots, [&](const auto& one) {
      const cluster::SlotRun& run = cluster::run_of(pool, one.first);
      return run.phase != cluster::SlotPhase::kJoint || run.configuration != one.second;
    });
    if (copied.slots.empty() || copied.is_proposing || now < copied.not_before) continue;
    cluster::EndMove end{.pool = serial, .slots = {}};
    for (const auto& [slot, configuration] : copied.slots) {
      if (end.slots.size() < cluster::kMaxSlotsInMove) end.slots.push_back({slot, configuration});
    }
    copied.is_proposing = true;
    membership.request(cluster::Change(std::move(end)),
                       [this, serial = serial](const group::Outcome& outcome) {
                         const auto found = copied_.find(serial);
                         if (found == copied_.end()) return;
                         found->second.is_proposing = false;
                         if (std::holds_alternative<group::Done>(outcome)) return;
                         found->second.not_before = io::monotonic_now() + kAfterRefusal;
                         io::log_debug("moves do not end", {{"why", member::text_of(outcome)}});
                       });
  }
}

void Mover::look(member::Membership& membership, const cluster::ClusterMap& map,
                 const cluster::Pool& pool, uint32_t moving_slots, const Answers& answers,
                 base::Instant now) {
  Pool& state = pools_[pool.serial];
  if (state.is_proposing) return;
  if (now < state.next_look && state.looked_at == map.index) return;
  state.next_look = now + kLook;
  state.looked_at = map.index;
  for (cluster::Change& change : reconfiguration_.next(map, pool, moving_slots, answers)) {
    state.is_proposing = state.has_moved = true;
    membership.request(std::move(change), [this, serial = pool.serial](const group::Outcome& end) {
      const auto found = pools_.find(serial);
      if (found == pools_.end()) return;
      found->second.is_proposing = false;
      if (std::holds_alternative<group::Done>(end)) return;
      found->second.next_look = io::monotonic_now() + kAfterRefusal;
      io::log_debug("slots do not begin to move", {{"why", member::text_of(end)}});
    });
  }
  tell(map, pool, now);
}

void Mover::tell(const cluster::ClusterMap& map, const cluster::Pool& pool, base::Instant now) {
  Pool& state = pools_[pool.serial];
  if (!state.has_moved || now < state.next_line) return;
  state.next_line = now + kLine;
  const cluster::SlotCounts slots = reconfiguration_.motion_of(map, pool).slots;
  state.has_moved = slots.moving + slots.waiting > 0 || state.is_proposing;
  io::log_info(state.has_moved ? "slots move" : "slots have moved", {{"pool", pool.rules.name},
                                                                     {"in_place", slots.in_place},
                                                                     {"moving", slots.moving},
                                                                     {"waiting", slots.waiting},
                                                                     {"held", slots.held},
                                                                     {"frozen", slots.frozen}});
}

}  // namespace quorate::process
