// Slots: whose they are, and their generations.
#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/cluster/change_steps.h"
#include "consensus/cluster/mutation.h"
#include "consensus/cluster/slot_members.h"

namespace quorate::cluster::steps {
namespace {

bool in_range(uint16_t first, uint16_t count) {
  return count > 0 && first < kSlots && count <= kSlots - first;
}

}  // namespace

bool is_one_run(const SlotRun& one, const SlotRun& other) {
  SlotRun same = other;
  same.first = one.first;
  same.count = one.count;
  return same == one;
}

std::vector<SlotRun> joined(const std::vector<SlotRun>& runs) {
  std::vector<SlotRun> result;
  for (const SlotRun& run : runs) {
    if (!result.empty() && is_one_run(result.back(), run)) {
      result.back().count = static_cast<uint16_t>(result.back().count + run.count);
    } else {
      result.push_back(run);
    }
  }
  return result;
}

namespace {

/// Calls `change` for the parts of the runs that lie in [first, first + count).
template <class Edit>
void edit(std::vector<SlotRun>& runs, uint32_t first, uint32_t count, Edit change) {
  const uint32_t end = first + count;
  std::vector<SlotRun> result;
  const auto put = [&](SlotRun run, uint32_t from, uint32_t to, bool inside) {
    if (from >= to) return;
    run.first = static_cast<uint16_t>(from);
    run.count = static_cast<uint16_t>(to - from);
    if (inside) change(run);
    result.push_back(run);
  };
  for (const SlotRun& run : runs) {
    const uint32_t from = run.first;
    const uint32_t to = from + run.count;
    const uint32_t inner_from = std::clamp(first, from, to);
    const uint32_t inner_to = std::clamp(end, from, to);
    put(run, from, inner_from, false);
    put(run, inner_from, inner_to, true);
    put(run, inner_to, to, false);
  }
  runs = joined(result);
}

/// The first candidate; none if there is none. Of two with one name, the younger session.
SessionId first_candidate(const std::vector<const Session*>& coordinators, uint16_t slot) {
  SessionId best{};
  uint64_t best_score = 0;
  for (const Session* session : coordinators) {
    const uint64_t score = candidate_score(session->name, slot);
    if (best == SessionId{} || score >= best_score) {
      best = session->id;
      best_score = score;
    }
  }
  return best;
}

std::vector<const Session*> coordinators_of(const ClusterMap& map) {
  std::vector<const Session*> coordinators;
  for (const auto& [id, session] : map.sessions) {
    if (session.coordinator) coordinators.push_back(&session);
  }
  return coordinators;
}

void settle_owners(const ClusterMap& map, std::vector<SlotRun>& slots) {
  const auto has_owner = [&](const SlotRun& run) { return map.sessions.contains(run.owner); };
  if (std::ranges::all_of(slots, has_owner)) return;
  const std::vector<const Session*> coordinators = coordinators_of(map);
  std::vector<SlotRun> result;
  for (const SlotRun& run : slots) {
    if (has_owner(run)) {
      result.push_back(run);
      continue;
    }
    for (uint32_t slot = run.first; slot < uint32_t{run.first} + run.count; ++slot) {
      const auto one = static_cast<uint16_t>(slot);
      SlotRun& alone = result.emplace_back(run);
      alone.first = one;
      alone.count = 1;
      alone.owner = first_candidate(coordinators, one);
    }
  }
  slots = joined(result);
}

Verdict check_range(const ClusterMap& map, PoolSerial serial, uint16_t first, uint16_t count) {
  const auto pool = map.pools.find(serial);
  if (pool == map.pools.end()) return refuse(RefusalKind::kNotFound, "there is no such pool");
  if (!pool->second.rules.replicated()) {
    return refuse(RefusalKind::kInvalid,
                  "pool " + pool->second.rules.name + " has no replicas, and so no slots");
  }
  if (!in_range(first, count)) {
    return refuse(RefusalKind::kInvalid, "slots are 0.." + std::to_string(kSlots - 1));
  }
  return std::nullopt;
}

}  // namespace

void settle_owners(const ClusterMap& map, Pool& pool) { settle_owners(map, pool.slots); }

void spread_owners(ClusterMap& map) {
  const std::vector<const Session*> coordinators = coordinators_of(map);
  for (auto& [serial, pool] : map.pools) {
    std::vector<SlotRun> result;
    for (const SlotRun& run : pool.slots) {
      for (uint32_t slot = run.first; slot < uint32_t{run.first} + run.count; ++slot) {
        SlotRun& alone = result.emplace_back(run);
        alone.first = static_cast<uint16_t>(slot);
        alone.count = 1;
        alone.owner = first_candidate(coordinators, alone.first);
      }
    }
    if (!result.empty()) pool.slots = joined(result);
  }
}

void settle_owners(ClusterMap& map) {
  if (mutated(Mutation::kForgetOwners)) return;
  for (auto& [serial, pool] : map.pools) settle_owners(map, pool.slots);
}

void raise_configurations(Pool& pool, uint16_t first, uint16_t count, uint32_t by) {
  edit(pool.slots, first, count, [by](SlotRun& run) { run.configuration += by; });
}

bool configurations_end(const Pool& pool, uint16_t first, uint16_t count, uint32_t by) {
  return std::ranges::any_of(pool.slots, [&](const SlotRun& run) {
    const bool touched = run.first < first + count && first < run.first + run.count;
    return touched && run.configuration > UINT32_MAX - by;
  });
}

Verdict check(const ClusterMap& map, const SetSlotOwner& change) {
  if (Verdict refusal = check_range(map, change.pool, change.first, change.count)) return refusal;
  const auto owner = map.sessions.find(change.owner);
  if (owner == map.sessions.end()) {
    return refuse(RefusalKind::kNotFound, "there is no such session");
  }
  if (!owner->second.coordinator) {
    return refuse(RefusalKind::kInvalid,
                  "session " + std::to_string(number(change.owner)) + " is not a coordinator's");
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const SetSlotOwner& change) {
  Pool& pool = map.pools.at(change.pool);
  edit(pool.slots, change.first, change.count, [&](SlotRun& run) { run.owner = change.owner; });
  return {number(change.pool), pool.epoch};
}

Verdict check(const ClusterMap& map, const RaiseSlotConfiguration& change) {
  if (Verdict refusal = check_range(map, change.pool, change.first, change.count)) return refusal;
  if (configurations_end(map.pools.at(change.pool), change.first, change.count, 1)) {
    return refuse(RefusalKind::kLimit, "a slot has used up its configurations");
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const RaiseSlotConfiguration& change) {
  Pool& pool = map.pools.at(change.pool);
  raise_configurations(pool, change.first, change.count, 1);
  return {number(change.pool), pool.epoch};
}

}  // namespace quorate::cluster::steps
