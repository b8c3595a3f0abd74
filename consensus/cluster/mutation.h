// Planted faults of the cluster map, to show that the tests would notice; see
// consensus/raft/mutation.h. The numbers go on where Raft's end, as one variable of the environment
// chooses among all.
#pragma once

#include "consensus/raft/mutation.h"

namespace quorate::cluster {

enum class Mutation : uint8_t {
  kNone = static_cast<uint8_t>(raft::Mutation::kEnd),
  kReuseSessions,
  kForgetFloor,
  kForgetZone,
  kForgetEpoch,
  kEpochOfPoolOnly,
  kApplyWithoutCheck,
  kKeepStandIn,
  kForgetOwners,
  kEnd,
};

#ifdef QUORATE_MUTATIONS
inline bool mutated(Mutation mutation) {
  return static_cast<int>(raft::planted) == static_cast<int>(mutation);
}
#else
constexpr bool mutated(Mutation) { return false; }
#endif

}  // namespace quorate::cluster
