#include "consensus/cluster/cluster_change.h"

#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/cluster/change_steps.h"
#include "consensus/cluster/mutation.h"

namespace quorate::cluster {

const char* to_string(RefusalKind kind) {
  switch (kind) {
    case RefusalKind::kNotFound: return "not found";
    case RefusalKind::kConflict: return "conflict";
    case RefusalKind::kInvalid: return "invalid";
    case RefusalKind::kFloor: return "floor";
    case RefusalKind::kZone: return "zone";
    case RefusalKind::kLimit: return "limit";
  }
  return "?";
}

std::optional<Refusal> validate(const ClusterMap& map, const Change& change) {
  return std::visit([&](const auto& one) { return steps::check(map, one); }, change);
}

base::Result<Applied, Refusal> apply(ClusterMap& map, Index index, const Change& change) {
  ASSERT(index > map.index);
  map.index = index;
  if (auto refusal = validate(map, change); refusal && !mutated(Mutation::kApplyWithoutCheck)) {
    return base::Failure{std::move(*refusal)};
  }
  return std::visit([&](const auto& one) { return steps::carry_out(map, one); }, change);
}

void apply(ClusterMap& map, Index index, const raft::Configuration& configuration) {
  ASSERT(index > map.index);
  map.index = index;
  for (const MemberId id : configuration.members()) {
    Member& member = map.members[id];
    member.id = id;
    member.address = configuration.addresses.at(id);
    map.next_member = std::max(map.next_member, number(id) + 1);
  }
  for (auto& [id, member] : map.members) {
    member.role = configuration.is_voter(id)   ? MemberRole::kVoter
                  : configuration.contains(id) ? MemberRole::kLearner
                                               : MemberRole::kObserver;
  }
}

}  // namespace quorate::cluster
