#include "consensus/cluster/reconfiguration.h"

#include <algorithm>
#include <utility>

#include "consensus/base/assert.h"
#include "consensus/cluster/slot_members.h"

namespace quorate::cluster {
namespace {

const Backend& backend_of(const ClusterMap& map, BackendSerial serial) {
  return map.backends.at(serial);
}

/// Whether it can be given keys.
bool takes_keys(const Backend& backend) {
  return backend.incarnation &&
         (backend.state == BackendState::kUp || backend.state == BackendState::kJoining);
}

bool is_majority(size_t count, const SlotMembers& members) { return count > members.count / 2u; }

/// Whether those of them that have lost nothing, and are there, are a majority.
bool is_able(const ClusterMap& map, const SlotMembers& members) {
  const auto able = std::ranges::count_if(members.all(), [&](const SlotMembers::Place& place) {
    if (place.backend == BackendSerial{}) return false;
    const Backend& backend = backend_of(map, place.backend);
    return backend.incarnation && backend.state != BackendState::kEjected &&
           backend.state != BackendState::kRemoved;
  });
  return is_majority(static_cast<size_t>(able), members);
}

bool are_the_same(const SlotMembers& members, const std::vector<BackendSerial>& wanted) {
  if (members.count != wanted.size()) return false;
  return std::ranges::all_of(wanted,
                             [&](BackendSerial serial) { return members.contains(serial); });
}

}  // namespace

const std::vector<std::vector<BackendSerial>>& Reconfiguration::places_of(const ClusterMap& map,
                                                                          const Pool& pool) {
  std::erase_if(known_, [&](const auto& one) { return !map.pools.contains(one.first); });
  Ring ring{.rules = pool.rules.placement, .replicas = pool.rules.replicas, .backends = {}};
  for (const auto& [serial, backend] : map.backends) {
    if (backend.pool != pool.serial || backend.rules.spare) continue;
    if (backend.state == BackendState::kDraining || backend.state == BackendState::kRemoved) {
      continue;
    }
    // One of the same name and another number is another one.
    ring.backends.push_back(backend.rules);
    ring.backends.back().address = std::to_string(number(serial));
  }
  Known& known = known_[pool.serial];
  if (known.places.empty() || known.ring != ring) {
    known.places = places_of_slots(map, pool);
    known.ring = std::move(ring);
  }
  return known.places;
}

Reconfiguration::Fate Reconfiguration::fate_of(const ClusterMap& map, const Pool& pool,
                                               const SlotRun& run,
                                               const std::vector<BackendSerial>& wanted,
                                               const Answers& answers) {
  if (run.phase == SlotPhase::kJoint) return Fate::kMoving;
  const SlotMembers& members = pool.member_sets[run.members];
  if (are_the_same(members, wanted)) return Fate::kInPlace;
  const auto filled = std::ranges::count_if(members.all(), [](const SlotMembers::Place& place) {
    return place.backend != BackendSerial{};
  });
  if (!is_majority(static_cast<size_t>(filled), members)) return Fate::kFrozen;
  const bool can_begin =
      wanted.size() == pool.rules.replicas && std::ranges::all_of(wanted, [&](BackendSerial one) {
        return members.contains(one) || (takes_keys(backend_of(map, one)) && answers(one));
      });
  return can_begin ? Fate::kWaiting : Fate::kHeld;
}

PoolMotion Reconfiguration::motion_of(const ClusterMap& map, const Pool& pool) {
  const auto& places = places_of(map, pool);
  const auto answers = [](BackendSerial) { return true; };
  PoolMotion motion;
  for (const auto& [serial, backend] : map.backends) {
    if (backend.pool == pool.serial) motion.backends[serial];
  }
  for (const SlotRun& run : pool.slots) {
    const SlotMembers& members = pool.member_sets[run.members];
    for (const SlotMembers::Place& place : members.all()) {
      if (place.backend != BackendSerial{}) motion.backends[place.backend].held += run.count;
    }
    if (run.phase == SlotPhase::kJoint) {
      for (const SlotMembers::Place& place : pool.member_sets[run.next].all()) {
        if (place.backend == BackendSerial{} || members.contains(place.backend)) continue;
        motion.backends[place.backend].arriving += run.count;
      }
    }
    const bool is_served =
        run.owner != SessionId{} && is_able(map, members) &&
        (run.phase == SlotPhase::kStable || is_able(map, pool.member_sets[run.next]));
    if (!is_served) motion.unserved += run.count;
    for (uint32_t slot = run.first; slot < uint32_t{run.first} + run.count; ++slot) {
      for (const BackendSerial serial : places[slot]) ++motion.backends[serial].wanted;
      switch (fate_of(map, pool, run, places[slot], answers)) {
        case Fate::kInPlace: ++motion.slots.in_place; break;
        case Fate::kMoving: ++motion.slots.moving; break;
        case Fate::kWaiting: ++motion.slots.waiting; break;
        case Fate::kHeld: ++motion.slots.held; break;
        case Fate::kFrozen: ++motion.slots.frozen; break;
      }
    }
  }
  return motion;
}

std::vector<Change> Reconfiguration::next(const ClusterMap& map, const Pool& pool,
                                          uint32_t moving_slots, const Answers& answers) {
  ASSERT(moving_slots > 0);
  const auto& places = places_of(map, pool);
  EndMove back{.pool = pool.serial, .slots = {}, .back = true};
  uint32_t moving = 0;
  std::map<SessionId, uint32_t> moving_of;  // by owner
  std::map<SessionId, std::vector<BeginMove::Slot>> waiting_of;
  for (const SlotRun& run : pool.slots) {
    if (run.phase == SlotPhase::kJoint) {
      // What has lost its old members cannot be copied, and is not waited for.
      if (!is_able(map, pool.member_sets[run.members])) continue;
      moving += run.count;
      moving_of[run.owner] += run.count;
      if (is_able(map, pool.member_sets[run.next])) continue;
      for (uint32_t i = 0; i < run.count && back.slots.size() < kMaxSlotsInMove; ++i) {
        back.slots.push_back({static_cast<uint16_t>(run.first + i), run.configuration});
      }
      continue;
    }
    for (uint32_t slot = run.first; slot < uint32_t{run.first} + run.count; ++slot) {
      if (fate_of(map, pool, run, places[slot], answers) != Fate::kWaiting) continue;
      std::vector<BeginMove::Slot>& waiting = waiting_of[run.owner];
      if (waiting.size() == kMaxSlotsInMove) continue;
      waiting.push_back({static_cast<uint16_t>(slot), run.configuration, places[slot]});
    }
  }
  if (!back.slots.empty()) return {std::move(back)};
  if (waiting_of.empty() || moving * 2 > moving_slots) return {};
  const auto idlest = std::ranges::min_element(
      waiting_of, {}, [&](const auto& one) { return moving_of[one.first]; });
  BeginMove begin{.pool = pool.serial, .slots = std::move(idlest->second)};
  const size_t room = moving_slots - moving;
  if (begin.slots.size() > room) begin.slots.resize(room);
  return {std::move(begin)};
}

bool holds_its_slots(const ClusterMap& map, const Backend& backend) {
  const Pool& pool = map.pools.at(backend.pool);
  const bool rests = std::ranges::all_of(
      pool.slots, [](const SlotRun& run) { return run.phase == SlotPhase::kStable; });
  if (!rests) return false;  // the next ones wait for these
  const auto places = places_of_slots(map, pool);
  return std::ranges::all_of(pool.slots, [&](const SlotRun& run) {
    if (pool.member_sets[run.members].contains(backend.serial)) return true;
    return std::ranges::none_of(
        places.begin() + run.first, places.begin() + run.first + run.count,
        [&](const auto& wanted) { return std::ranges::binary_search(wanted, backend.serial); });
  });
}

}  // namespace quorate::cluster
