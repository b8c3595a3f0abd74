// Changes of the group, and of its leader: joint consensus (§4.3; why: configuration.h), learners
// that catch up (§4.2.1), removal of the leader itself (§4.2.2), leadership transfer (§3.10).
//
//    change_membership ─► C_old,new in the log ─► committed ─► C_new in the log ─► committed:
//                         in force at once        by both      by whoever leads    others leave
#include <algorithm>
#include <set>

#include "consensus/base/assert.h"
#include "consensus/raft/mutation.h"
#include "consensus/raft/raft.h"

namespace quorate::raft {

using base::Failure;

std::optional<Refusal> Raft::refuse_change() const {
  const Leader* leading = leader();
  if (leading == nullptr) return Refusal{RefusalReason::kNotLeader, known_leader(), {}};
  if (leading->transfer) return Refusal{RefusalReason::kTransferring, self_, {}};
  if (mutated(Mutation::kOverlappingChanges)) return std::nullopt;
  if (commit_index_ < leading->term_start) return Refusal{RefusalReason::kNotReady, self_, {}};
  if (log_.configuration_index() > commit_index_ || log_.configuration().joint()) {
    return Refusal{RefusalReason::kChangeInProgress, self_, {}};
  }
  return std::nullopt;
}

base::Result<Index, Refusal> Raft::change_membership(ProposalId id, const Change& change,
                                                     Instant now) {
  advance_clock(now);
  if (const auto refusal = refuse_change()) return Failure{*refusal};
  const auto entered = enter(log_.configuration(), change);
  if (!entered) return Failure{Refusal{RefusalReason::kInvalidChange, self_, entered.error()}};
  for (const auto& step : change) {
    const auto* promotion = std::get_if<Promote>(&step);
    if (promotion == nullptr) continue;
    const auto progress = leader()->progress.find(promotion->id);
    if (progress == leader()->progress.end() ||
        !keeps_up(progress->second, now_, options_.election_timeout)) {
      return Failure{Refusal{RefusalReason::kNotCaughtUp, self_, {}}};
    }
  }
  const Index index = append_configuration(entered.value());
  expect(id, index);
  return index;
}

Index Raft::append_configuration(Configuration configuration) {
  if (mutated(Mutation::kSkipJoint) && configuration.joint())
    configuration = leave_joint(configuration);
  return append_own(std::move(configuration));
}

/// The log goes to every member; and to those that have left, until the configuration that leaves
/// them out is committed and for a while after.
void Raft::follow_configuration() {
  Leader* leading = leader();
  if (leading == nullptr) return;
  const std::vector<MemberId> members = log_.configuration().members();
  std::set<MemberId> receivers(members.begin(), members.end());
  if (log_.configuration_index() > commit_index_) {
    const std::vector<MemberId> leaving = log_.previous_configuration().members();
    receivers.insert(leaving.begin(), leaving.end());
  }
  receivers.erase(self_);
  for (auto& [id, progress] : leading->progress) {
    if (receivers.contains(id)) {
      progress.farewell_until.reset();
    } else if (!progress.farewell_until) {
      progress.farewell_until = now_ + 2 * options_.election_timeout;
    }
  }
  for (const MemberId id : receivers) {
    const auto [place, is_new] = leading->progress.try_emplace(id);
    if (!is_new) continue;
    Progress& progress = place->second;
    progress.next = log_.last_index() + 1;
    progress.last_contact = now_;
    progress.catch_up_target = log_.last_index();
    progress.catch_up_began = now_;
  }
}

/// What a leader does when the commit index has moved; `configured`: over a configuration.
void Raft::after_commit(bool configured) {
  if (commit_index_ >= leader()->term_start) start_reads();
  if (log_.configuration_index() > commit_index_) return;
  const Configuration& configuration = log_.configuration();
  // A joint one may have been committed under an earlier leader.
  if (configuration.joint()) {
    append_configuration(leave_joint(configuration));
    return;
  }
  if (!configuration.is_voter(self_) && !mutated(Mutation::kStayThoughRemoved)) return leave();
  if (configured) follow_configuration();
}

/// The configuration without this leader is committed: its work is done. Departure from §4.2.2: the
/// voter that has most is told to campaign, so that nobody waits for an election timeout.
void Raft::leave() {
  open_round();
  const auto& progress = leader()->progress;
  const auto& voters = log_.configuration().voters;
  const auto heir = std::max_element(voters.begin(), voters.end(), [&](MemberId a, MemberId b) {
    return progress.at(a).match < progress.at(b).match;
  });
  send(*heir, TimeoutNow{hard_state_.term});
  become_follower(hard_state_.term, std::nullopt);
}

/// Learners that joined to vote do so as soon as they would not hold the group up (§4.2.1).
void Raft::promote_joining() {
  if (refuse_change()) return;
  Change change;
  for (const Learner& learner : log_.configuration().learners) {
    const Progress& progress = leader()->progress.at(learner.id);
    if (learner.joining && keeps_up(progress, now_, options_.election_timeout)) {
      change.emplace_back(Promote{learner.id});
    }
  }
  if (change.empty()) return;
  if (auto entered = enter(log_.configuration(), change)) {
    append_configuration(std::move(entered).value());
  }
}

base::Result<Term, Refusal> Raft::transfer_leadership(MemberId target, Instant now) {
  advance_clock(now);
  Leader* leading = leader();
  if (leading == nullptr) return Failure{Refusal{RefusalReason::kNotLeader, known_leader(), {}}};
  if (leading->transfer) return Failure{Refusal{RefusalReason::kTransferring, self_, {}}};
  if (target == self_ || !log_.configuration().is_voter(target)) {
    return Failure{Refusal{RefusalReason::kNotVoter, self_, {}}};
  }
  leading->transfer = Transfer{target, now_ + options_.election_timeout, false};
  return hard_state_.term;
}

/// As soon as the target has the whole log, it is told to campaign.
void Raft::hand_over(Transfer& transfer) {
  const auto target = leader()->progress.find(transfer.target);
  if (target == leader()->progress.end()) return leader()->transfer.reset();
  if (transfer.told || target->second.match < log_.last_index()) return;
  transfer.told = true;
  send(transfer.target, TimeoutNow{hard_state_.term});
}

}  // namespace quorate::raft
