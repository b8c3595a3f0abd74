// Planted faults, to show that the tests would notice. `mutated(...)` is false at compile time in
// everything that is shipped; only the programs that `make mutations` builds (-DQUORATE_MUTATIONS)
// take the number of one fault from the environment, and have it. What each one breaks is said in
// tests/mutations/mutations.h.
#pragma once

#include <cstdint>
#ifdef QUORATE_MUTATIONS
#include <cstdlib>
#endif

namespace quorate::raft {

enum class Mutation : uint8_t {
  kNone,
  kVoteTwice,
  kVoteForShorterLog,
  kForgetPreVote,
  kForgetStickiness,
  kForgetCheckQuorum,
  kVoteBeforePersist,
  kCampaignBeforePersist,
  kAckBeforePersist,
  kCountOwnUnpersisted,
  kCommitOldTermByCounting,
  kForgetLogMatching,
  kTruncateOnEveryAppend,
  kCommitPastWhatMatches,
  kHeartbeatCommitsUnmatched,
  kApplyUncommitted,
  kCountLearners,
  kJointByOneMajority,
  kOverlappingChanges,
  kSkipJoint,
  kStayThoughRemoved,
  kForgetNoop,
  kReadWithoutRound,
  kReadBeforeTermCommits,
  kReadNumbersRestart,
  kStepDownMeansLost,
  kSnapshotWithoutConfiguration,
  kSnapshotForgetsTail,
  kMixSnapshots,
  kAckSnapshotBeforePersist,
  kForgetPersistedAfterTruncation,
  kSkipLogSync,
  kSkipDirectorySync,
  kRenameBeforeSync,
  kIgnoreSyncFailure,
  kForgetVoteOnDisk,
  kForgetTruncationOnDisk,
  kForgetHardStateInNewSegment,
  kRemoveSegmentsTooEarly,
  kSkipChecksum,
  kKeepTornTail,
  kCutCorruption,
  kTrustUnprovenTail,
  kEnd,
};

#ifdef QUORATE_MUTATIONS
inline const Mutation planted = [] {
  const char* number = std::getenv("QUORATE_MUTATION");
  return static_cast<Mutation>(number == nullptr ? 0 : std::atoi(number));
}();
inline bool mutated(Mutation mutation) { return planted == mutation; }
#else
constexpr bool mutated(Mutation) { return false; }
#endif

}  // namespace quorate::raft
