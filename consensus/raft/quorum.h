// Quorum arithmetic, all of it: what a majority is, and what a configuration's majorities have
// voted for or stored. While a configuration is joint, every answer needs a majority of C_new and
// a majority of C_old (§4.3). Learners are never counted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <vector>

#include "consensus/raft/configuration.h"
#include "consensus/raft/mutation.h"

namespace quorate::raft {

constexpr size_t majority(size_t voters) { return voters / 2 + 1; }

/// Whether a majority of `voters` has what `has(MemberId)` asks. Of no voters: never.
template <class Has>
bool majority_has(const std::vector<MemberId>& voters, Has has) {
  const auto count = static_cast<size_t>(std::count_if(voters.begin(), voters.end(), has));
  return !voters.empty() && count >= majority(voters.size());
}

/// Whether a quorum of the configuration has what `has(MemberId)` asks.
template <class Has>
bool quorum_has(const Configuration& configuration, Has has) {
  if (!majority_has(configuration.voters, has)) return false;
  if (!configuration.joint() || mutated(Mutation::kJointByOneMajority)) return true;
  return majority_has(configuration.old_voters, has);
}

/// The largest index that `needed` of `ids` have reached, where `match(MemberId)` is each one's.
/// 0 if there are not so many.
template <class Match>
Index index_reached_by(const std::vector<MemberId>& ids, size_t needed, Match match) {
  if (ids.size() < needed) return 0;
  std::vector<Index> reached;
  reached.reserve(ids.size());
  for (const MemberId id : ids) reached.push_back(match(id));
  const auto place = reached.begin() + static_cast<ptrdiff_t>(needed - 1);
  std::nth_element(reached.begin(), place, reached.end(), std::greater<>());
  return *place;
}

template <class Match>
Index majority_index(const std::vector<MemberId>& voters, Match match) {
  return index_reached_by(voters, majority(voters.size()), match);
}

/// The largest index that a quorum of the configuration has reached.
template <class Match>
Index quorum_index(const Configuration& configuration, Match match) {
  const std::vector<MemberId>& voters = configuration.voters;
  if (mutated(Mutation::kCountLearners))
    return index_reached_by(configuration.members(), majority(voters.size()), match);
  const Index reached = majority_index(voters, match);
  if (!configuration.joint() || mutated(Mutation::kJointByOneMajority)) return reached;
  return std::min(reached, majority_index(configuration.old_voters, match));
}

enum class Tally { kPending, kWon, kLost };

/// How an election stands. `votes`: who answered, and whether the vote was granted.
Tally tally(const Configuration& configuration, const std::map<MemberId, bool>& votes);

}  // namespace quorate::raft
