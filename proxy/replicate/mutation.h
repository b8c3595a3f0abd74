// Planted faults of replication, to show that the simulator would notice; see
// consensus/raft/mutation.h. The numbers go on where the group's end.
#pragma once

#include "consensus/group/mutation.h"

namespace quorate::replicate {

enum class Mutation : uint8_t {
  kNone = static_cast<uint8_t>(group::Mutation::kEnd),
  // Proposals.
  kReuseVersion,          // M1
  kContinueFromOldState,  // M7
  kAckBeforeMajority,
  kCountMissingAsAccepted,
  kApplyAgain,
  kFailedThoughMissing,
  kFailedThoughAccepted,
  kReplyWithoutConfirmation,
  kErrorFromOne,
  // Owners.
  kKeepCache,      // M8
  kFirstTouchAny,  // M11
  kFirstTouchWithoutTerm,
  kSelfBumpWithoutTerm,
  kSkipInstallOfNewMembers,
  kForgetSettlement,
  kServeExpired,
  kExpireWithoutCommit,
  // Reads.
  kMaximumOfMajority,  // M4
  kReadOne,
  kBlankIsOld,
  kReaderIgnoresConfiguration,  // M23
  kReadOvertakesWrite,
  kReadsOutOfOrder,
  // Forwards.
  kLostForwardIsFailed,
  kForwardAgain,
  kHopTwice,
  // Joint phases.
  kSkipJoint,  // M24
  // Sweeps.
  kSkipSweep,           // M20
  kFloorThoughLacking,  // M5
  kForgetWithoutFloor,  // M10
  kFloorBeforeDrained,  // M12: what is under way may be below it
  kEndMoveBeforeComplete,
  // The acceptor (in the simulator's model).
  kNoFloorCheck,        // M2
  kNoBaseCheck,         // M3
  kNoHighWater,         // M6
  kNoIncarnationCheck,  // M22
  // The servers (in the simulator's world).
  kNoProcessCheck,  // M22: who connects does not look whom it meets
  kAdmitEvicting,
  kEnd,
};

#ifdef QUORATE_MUTATIONS
inline bool mutated(Mutation mutation) {
  return static_cast<int>(raft::planted) == static_cast<int>(mutation);
}
#else
constexpr bool mutated(Mutation) { return false; }
#endif

}  // namespace quorate::replicate
