// The planted faults of the layer above Raft, and what each one breaks.
#pragma once

#include <array>

#include "consensus/group/mutation.h"
#include "tests/mutations/mutations.h"

namespace quorate::mutations {

struct GroupFault {
  int number;
  std::string_view name;
  std::string_view what;
};

constexpr GroupFault fault(cluster::Mutation mutation, std::string_view name,
                           std::string_view what) {
  return {static_cast<int>(mutation), name, what};
}
constexpr GroupFault fault(group::Mutation mutation, std::string_view name, std::string_view what) {
  return {static_cast<int>(mutation), name, what};
}

inline constexpr std::array kGroupFaults = {
    // The map.
    fault(cluster::Mutation::kReuseSessions, "reuse_sessions",
          "a session gets the number of one that has ended"),
    fault(cluster::Mutation::kForgetFloor, "forget_floor", "ejects below min_up"),
    fault(cluster::Mutation::kForgetZone, "forget_zone", "ejects a whole zone by evidence"),
    fault(cluster::Mutation::kForgetEpoch, "forget_epoch", "the ring changes and keeps its epoch"),
    fault(cluster::Mutation::kEpochOfPoolOnly, "epoch_of_pool_only",
          "two pools get the same epoch"),
    fault(cluster::Mutation::kApplyWithoutCheck, "apply_without_check",
          "applies what was allowed when it was proposed"),
    fault(cluster::Mutation::kKeepStandIn, "keep_stand_in",
          "a stand-in stays though the backend is back"),
    fault(cluster::Mutation::kForgetOwners, "forget_owners",
          "slots stay with a session that has ended"),
    // Evidence.
    fault(group::Mutation::kEjectByOneWitness, "eject_by_one_witness",
          "ejects without a majority of voters"),
    fault(group::Mutation::kEjectAfterOneFailure, "eject_after_one_failure",
          "one slow answer is enough"),
    fault(group::Mutation::kTrustOldEvidence, "trust_old_evidence",
          "what a voter saw long ago still counts"),
    fault(group::Mutation::kTrustLateReports, "trust_late_reports",
          "a report is dated by its arrival"),
    fault(group::Mutation::kForgetBackoff, "forget_backoff",
          "a backend that flaps comes back at once"),
    fault(group::Mutation::kForgetPauses, "forget_pauses",
          "a leader that was held up takes everybody for dead"),
    // Observers.
    fault(group::Mutation::kFeedSkipsEntries, "feed_skips_entries",
          "an observer is not sent every change"),
    fault(group::Mutation::kFollowerSkipsGaps, "follower_skips_gaps",
          "an observer takes changes though some before are missing"),
    // Requests.
    fault(group::Mutation::kUnknownMeansRefused, "unknown_means_refused",
          "says that a request was refused when nobody knows"),
    fault(group::Mutation::kForwardTwice, "forward_twice",
          "carries out a forwarded request as often as it arrives"),
    fault(group::Mutation::kSkipUnknownChange, "skip_unknown_change",
          "goes on after a committed change that it does not know"),
};

static_assert(kGroupFaults.size() == static_cast<size_t>(group::Mutation::kEnd) -
                                         static_cast<size_t>(raft::Mutation::kEnd) - 2,
              "each one is described");

}  // namespace quorate::mutations
