// Members of slots: where they begin, how they move (consistency.md §6.9), and what happens when
// one of them loses its memory.
//
//   kStable(old) -- BeginMove --> kJoint(old, new) -- EndMove --> kStable(new), or kStable(old)
//
// Each step raises the configuration, so proxies that have not heard of it are refused by a
// majority's fences. That everything is with the new members before EndMove is the proposer's
// business: the map cannot know.
#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/cluster/change_steps.h"
#include "consensus/cluster/slot_members.h"

namespace quorate::cluster::steps {
namespace {

uint16_t add_set(Pool& pool, const SlotMembers& members) {
  const auto found = std::ranges::find(pool.member_sets, members);
  if (found == pool.member_sets.end()) {
    pool.member_sets.push_back(members);
    return static_cast<uint16_t>(pool.member_sets.size() - 1);
  }
  return static_cast<uint16_t>(found - pool.member_sets.begin());
}

/// Each set once, in the order of first use, and no other; runs that are one, as one.
void tidy(Pool& pool) {
  std::vector<SlotMembers> sets;
  std::vector<uint16_t> renamed(pool.member_sets.size(), SlotRun::kNowhere);
  const auto rename = [&](uint16_t& set) {
    if (set == SlotRun::kNowhere) return;
    if (renamed[set] == SlotRun::kNowhere) {
      const auto known = std::ranges::find(sets, pool.member_sets[set]);
      renamed[set] = static_cast<uint16_t>(known - sets.begin());
      if (known == sets.end()) sets.push_back(pool.member_sets[set]);
    }
    set = renamed[set];
  };
  for (SlotRun& run : pool.slots) {
    rename(run.members);
    rename(run.next);
  }
  pool.member_sets = std::move(sets);
  pool.slots = joined(pool.slots);
}

/// The runs, one for each slot.
std::vector<SlotRun> apart(const std::vector<SlotRun>& runs) {
  std::vector<SlotRun> slots;
  slots.reserve(kSlots);
  for (const SlotRun& run : runs) {
    for (uint16_t i = 0; i < run.count; ++i) {
      SlotRun& slot = slots.emplace_back(run);
      slot.first = static_cast<uint16_t>(run.first + i);
      slot.count = 1;
    }
  }
  return slots;
}

/// The places that `backends` take. Who was a member stays the member it was; a place without
/// anybody is the last.
SlotMembers members_of(const std::vector<BackendSerial>& backends, uint32_t replicas,
                       const SlotMembers* before, uint32_t configuration) {
  SlotMembers members;
  members.count = static_cast<uint8_t>(replicas);
  size_t place = 0;
  for (const BackendSerial backend : backends) {
    members.places[place] = {backend, configuration};
    if (before != nullptr) {
      for (const SlotMembers::Place& old : before->all()) {
        if (old.backend == backend) members.places[place] = old;
      }
    }
    ++place;
  }
  return members;
}

template <class Slots>
Verdict check_slots(const ClusterMap& map, PoolSerial serial, const Slots& slots,
                    SlotPhase expected) {
  const auto pool = map.pools.find(serial);
  if (pool == map.pools.end()) return refuse(RefusalKind::kNotFound, "there is no such pool");
  if (!pool->second.rules.replicated()) {
    return refuse(RefusalKind::kInvalid,
                  "pool " + pool->second.rules.name + " has no replicas, and so no slots");
  }
  if (slots.empty() || slots.size() > kMaxSlotsInMove) {
    return refuse(RefusalKind::kInvalid,
                  "1.." + std::to_string(kMaxSlotsInMove) + " slots move at once");
  }
  int before = -1;
  for (const auto& slot : slots) {
    if (slot.slot >= kSlots || slot.slot <= before) {
      return refuse(RefusalKind::kInvalid, "slots out of order");
    }
    before = slot.slot;
    const SlotRun& run = run_of(pool->second, slot.slot);
    if (run.configuration != slot.configuration || run.phase != expected) {
      return refuse(RefusalKind::kConflict,
                    "slot " + std::to_string(slot.slot) + " has another configuration by now");
    }
    if (run.configuration == UINT32_MAX) {
      return refuse(RefusalKind::kLimit, "a slot has used up its configurations");
    }
  }
  return std::nullopt;
}

}  // namespace

void lay_out_slots(const ClusterMap& map, Pool& pool) {
  const auto places = places_of_slots(map, pool);
  pool.slots.clear();
  pool.member_sets.clear();
  for (uint16_t slot = 0; slot < kSlots; ++slot) {
    SlotRun run{.first = slot, .count = 1};
    run.members = add_set(pool, members_of(places[slot], pool.rules.replicas, nullptr, 1));
    pool.slots.push_back(run);
  }
  settle_owners(map, pool);
  tidy(pool);
}

void empty_places_of(Pool& pool, BackendSerial backend) {
  for (SlotMembers& members : pool.member_sets) {
    // In place, not at the end: who the others are does not change by it.
    for (uint8_t i = 0; i < members.count; ++i) {
      if (members.places[i].backend == backend) members.places[i] = {};
    }
  }
  tidy(pool);
}

uint32_t slots_with(const Pool& pool, BackendSerial backend) {
  uint32_t slots = 0;
  for (const SlotRun& run : pool.slots) {
    const bool old = pool.member_sets[run.members].contains(backend);
    const bool next = run.next != SlotRun::kNowhere && pool.member_sets[run.next].contains(backend);
    if (old || next) slots += run.count;
  }
  return slots;
}

Verdict check(const ClusterMap& map, const BeginMove& change) {
  if (Verdict refusal = check_slots(map, change.pool, change.slots, SlotPhase::kStable)) {
    return refusal;
  }
  const Pool& pool = map.pools.at(change.pool);
  for (const BeginMove::Slot& slot : change.slots) {
    if (slot.members.size() != pool.rules.replicas ||
        std::ranges::adjacent_find(slot.members, std::greater_equal<>()) != slot.members.end()) {
      return refuse(RefusalKind::kInvalid,
                    "a slot needs " + std::to_string(pool.rules.replicas) + " members");
    }
    const SlotMembers& before = pool.member_sets[run_of(pool, slot.slot).members];
    for (const BackendSerial serial : slot.members) {
      const auto backend = map.backends.find(serial);
      if (backend == map.backends.end() || backend->second.pool != change.pool) {
        return refuse(RefusalKind::kNotFound, "there is no such backend");
      }
      if (before.contains(serial)) continue;
      if (!backend->second.incarnation || backend->second.state == BackendState::kRemoved) {
        return refuse(RefusalKind::kConflict,
                      backend->second.rules.name + " is not admitted, so nothing moves to it");
      }
    }
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const BeginMove& change) {
  Pool& pool = map.pools.at(change.pool);
  std::vector<SlotRun> slots = apart(pool.slots);
  for (const BeginMove::Slot& move : change.slots) {
    SlotRun& slot = slots[move.slot];
    ++slot.configuration;
    slot.phase = SlotPhase::kJoint;
    const SlotMembers before = pool.member_sets[slot.members];
    slot.next =
        add_set(pool, members_of(move.members, pool.rules.replicas, &before, slot.configuration));
  }
  pool.slots = std::move(slots);
  tidy(pool);
  return {number(change.pool), pool.epoch};
}

Verdict check(const ClusterMap& map, const EndMove& change) {
  return check_slots(map, change.pool, change.slots, SlotPhase::kJoint);
}

Applied carry_out(ClusterMap& map, const EndMove& change) {
  Pool& pool = map.pools.at(change.pool);
  std::vector<SlotRun> slots = apart(pool.slots);
  for (const EndMove::Slot& end : change.slots) {
    SlotRun& slot = slots[end.slot];
    ++slot.configuration;
    slot.phase = SlotPhase::kStable;
    if (!change.back) slot.members = slot.next;
    slot.next = SlotRun::kNowhere;
  }
  pool.slots = std::move(slots);
  tidy(pool);
  return {number(change.pool), pool.epoch};
}

}  // namespace quorate::cluster::steps
