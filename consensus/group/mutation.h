// Planted faults of this layer, to show that the tests would notice; see consensus/raft/mutation.h.
// The numbers go on where the cluster map's end.
#pragma once

#include "consensus/cluster/mutation.h"

namespace quorate::group {

enum class Mutation : uint8_t {
  kNone = static_cast<uint8_t>(cluster::Mutation::kEnd),
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
  // Requests.
  kUnknownMeansRefused,
  kForwardTwice,
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
