// The planted faults of versioned writes, what each one breaks, and the family of simulated worlds
// (tests/simulation/replicate/profile.h) in which it is looked for.
//
// Not among them, as nothing could show it:
//   - that a slot is owned once one fence has the term. Each read, proposal and floor asks for a
//     majority by exactly that term itself, and sets the other fences on its way.
//   - that a direct read only begins too early, beside the write before it: it waits for its turn
//     then, and begins once more. read_overtakes_write leaves out the second as well.
#pragma once

#include <array>
#include <string_view>

#include "proxy/replicate/mutation.h"

namespace quorate::mutations {

struct ReplicateFault {
  int number;
  std::string_view name;
  std::string_view what;
  std::string_view mix;
};

constexpr ReplicateFault fault(replicate::Mutation mutation, std::string_view name,
                               std::string_view what, std::string_view mix = "any") {
  return {static_cast<int>(mutation), name, what, mix};
}

inline constexpr std::array kReplicateFaults = {
    // Proposals.
    fault(replicate::Mutation::kReuseVersion, "reuse_version", "one version stands for two states"),
    fault(replicate::Mutation::kContinueFromOldState, "continue_from_old_state",
          "goes on from what was before a proposal whose end is unknown"),
    fault(replicate::Mutation::kAckBeforeMajority, "ack_before_majority",
          "one member that has it is enough"),
    fault(replicate::Mutation::kCountMissingAsAccepted, "count_missing_as_accepted",
          "a member that did not answer has accepted"),
    fault(replicate::Mutation::kApplyAgain, "apply_again",
          "runs a command again where its state was to be proposed again"),
    fault(replicate::Mutation::kFailedThoughMissing, "failed_though_missing",
          "says that a write failed though an answer is missing"),
    fault(replicate::Mutation::kFailedThoughAccepted, "failed_though_accepted",
          "says that a write failed though a member has it"),
    fault(replicate::Mutation::kReplyWithoutConfirmation, "reply_without_confirmation",
          "replies from what it remembers", "duels"),
    fault(replicate::Mutation::kErrorFromOne, "error_from_one",
          "an error that one member gives is the reply", "duels"),
    // Owners.
    fault(replicate::Mutation::kKeepCache, "keep_cache",
          "remembers in a new term what it knew in the last"),
    fault(replicate::Mutation::kFirstTouchAny, "first_touch_any", "believes whoever answers first"),
    fault(replicate::Mutation::kFirstTouchWithoutTerm, "first_touch_without_term",
          "reads what an older owner can still change", "duels"),
    fault(replicate::Mutation::kSelfBumpWithoutTerm, "self_bump_without_term",
          "gives a proposal up and keeps its term", "stranded"),
    fault(replicate::Mutation::kSkipInstallOfNewMembers, "skip_install_of_new_members",
          "goes on with its term when members change", "moves"),
    fault(replicate::Mutation::kForgetSettlement, "forget_settlement",
          "builds on a state that no majority has"),
    fault(replicate::Mutation::kServeExpired, "serve_expired", "shows values whose time is up",
          "expiry"),
    fault(replicate::Mutation::kExpireWithoutCommit, "expire_without_commit",
          "says that a value is gone, and writes it nowhere", "expiry"),
    // Reads.
    fault(replicate::Mutation::kMaximumOfMajority, "maximum_of_majority",
          "reads the newest of a majority that differs"),
    fault(replicate::Mutation::kReadOne, "read_one", "one member's answer is enough"),
    fault(replicate::Mutation::kBlankIsOld, "blank_is_old", "nothing agrees with everything"),
    fault(replicate::Mutation::kReaderIgnoresConfiguration, "reader_ignores_configuration",
          "counts members of another configuration", "moves"),
    fault(replicate::Mutation::kReadOvertakesWrite, "read_overtakes_write",
          "a read does not wait for the write before it"),
    fault(replicate::Mutation::kReadsOutOfOrder, "reads_out_of_order",
          "a later read shows something older"),
    // Forwards.
    fault(replicate::Mutation::kLostForwardIsFailed, "lost_forward_is_failed",
          "a forward without an answer has failed"),
    fault(replicate::Mutation::kForwardAgain, "forward_again",
          "a forward without an answer is sent again"),
    fault(replicate::Mutation::kHopTwice, "hop_twice",
          "a forward that came to the wrong proxy goes on to another"),
    // Joint phases.
    fault(replicate::Mutation::kSkipJoint, "skip_joint", "asks the old members only", "moves"),
    // Sweeps.
    fault(replicate::Mutation::kSkipSweep, "skip_sweep", "new members are left empty", "moves"),
    fault(replicate::Mutation::kFloorThoughLacking, "floor_though_lacking",
          "raises the floor where keys are missing", "forgetting"),
    fault(replicate::Mutation::kForgetWithoutFloor, "forget_without_floor",
          "forgets deletes that no floor stands for", "forgetting"),
    fault(replicate::Mutation::kFloorBeforeDrained, "floor_before_drained",
          "raises the floor over proposals that are under way", "forgetting"),
    fault(replicate::Mutation::kEndMoveBeforeComplete, "end_move_before_complete",
          "a slot has moved before its new members have its keys", "moves"),
    // The acceptor.
    fault(replicate::Mutation::kNoFloorCheck, "no_floor_check", "older owners may write", "duels"),
    fault(replicate::Mutation::kNoBaseCheck, "no_base_check", "commands run on any state"),
    fault(replicate::Mutation::kNoHighWater, "no_high_water", "late writes fill what was forgotten",
          "forgetting"),
    fault(replicate::Mutation::kNoIncarnationCheck, "no_incarnation_check",
          "a member without its memory answers", "moves"),
    fault(replicate::Mutation::kNoProcessCheck, "no_process_check",
          "a server that was restarted with old memory answers", "restarts"),
    fault(replicate::Mutation::kAdmitEvicting, "admit_evicting",
          "a server that evicts keys may hold replicas"),
};

static_assert(kReplicateFaults.size() == static_cast<size_t>(replicate::Mutation::kEnd) -
                                             static_cast<size_t>(replicate::Mutation::kNone) - 1,
              "each one is described");

}  // namespace quorate::mutations
