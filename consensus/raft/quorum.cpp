#include "consensus/raft/quorum.h"

namespace quorate::raft {

Tally tally(const Configuration& configuration, const std::map<MemberId, bool>& votes) {
  const auto granted = [&votes](MemberId id) {
    const auto vote = votes.find(id);
    return vote != votes.end() && vote->second;
  };
  const auto may_still_grant = [&votes](MemberId id) {
    const auto vote = votes.find(id);
    return vote == votes.end() || vote->second;
  };
  if (quorum_has(configuration, granted)) return Tally::kWon;
  return quorum_has(configuration, may_still_grant) ? Tally::kPending : Tally::kLost;
}

}  // namespace quorate::raft
