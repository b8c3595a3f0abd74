// Planted faults of this layer, to show that the tests would notice; see consensus/raft/mutation.h.
// The numbers go on where Raft's end, as both come from one variable of the environment.
#pragma once

#include "consensus/raft/mutation.h"

namespace quorate::group {

enum class Mutation : uint8_t {
  kNone = static_cast<uint8_t>(raft::Mutation::kEnd),
  // Evidence.
  kEjectByOneWitness,
  kEjectAfterOneFailure,
  kTrustOldEvidence,
  kTrustLateReports,
  kForgetBackoff,
  kForgetPauses,
  // Observers.
  kFeedSkipsEntries,
  kFollowerSkipsGaps,
  kFollowerKeepsGeneration,
  // Requests.
  kUnknownMeansRefused,
  kForwardTwice,
  // The map.
  kReuseSessions,
  kForgetFloor,
  kForgetZone,
  kForgetEpoch,
  kApplyWithoutCheck,
  kSkipUnknownChange,
  kEnd,
};

#ifdef QUORATE_MUTATIONS
inline bool mutated(Mutation mutation) {
  return static_cast<int>(raft::planted) == static_cast<int>(mutation);
}
#else
constexpr bool mutated(Mutation) { return false; }
#endif

}  // namespace quorate::group
