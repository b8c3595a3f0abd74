// Planted faults, to show that the tests would notice. `mutated(...)` is false at compile time in
// everything that is shipped; only the programs that `make mutations` builds (-DQUORATE_MUTATIONS)
// can switch one fault on. The list with what each one breaks: tests/mutations/mutations.h.
#pragma once

#include <cstdint>

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
  kCountRemovedLeader,
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
inline Mutation planted = Mutation::kNone;
inline bool mutated(Mutation mutation) { return planted == mutation; }
#else
constexpr bool mutated(Mutation) { return false; }
#endif

}  // namespace quorate::raft
