// Elections: §3.4, the restriction of §3.6.1, pre-vote (§9.6), stickiness (§4.2.3), check-quorum
// (§6.2). A vote leaves this member only when it is on disk; so does a request for votes, as it
// claims a term and a log that must still be there after a crash.
#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/raft/mutation.h"
#include "consensus/raft/quorum.h"
#include "consensus/raft/raft.h"

namespace quorate::raft {

Instant Raft::draw_election_deadline() {
  const auto spread = static_cast<uint64_t>(options_.election_timeout.count());
  return now_ + options_.election_timeout + Duration(random_.below(spread));
}

Instant Raft::election_deadline() const {
  if (const auto* role = std::get_if<Follower>(&role_)) return role->election_deadline;
  if (const auto* role = std::get_if<PreCandidate>(&role_)) return role->election_deadline;
  if (const auto* role = std::get_if<Candidate>(&role_)) return role->election_deadline;
  return base::kNever;
}

bool Raft::hears_leader() const {
  if (mutated(Mutation::kForgetStickiness)) return false;
  if (leader() != nullptr) return true;  // check-quorum sees to it that this is not for ever
  const auto* follower = std::get_if<Follower>(&role_);
  return follower != nullptr && follower->leader &&
         now_ - follower->last_contact < options_.election_timeout;
}

/// A voter of the latest configuration; or of the one before, as long as the latest, in which it
/// has no vote, is not committed: it may be the only one that can still commit it (§4.2.2).
bool Raft::may_campaign() const {
  if (log_.configuration().is_voter(self_)) return true;
  return log_.configuration_index() > commit_index_ &&
         log_.previous_configuration().is_voter(self_);
}

bool Raft::log_is_up_to_date(Index last_log_index, Term last_log_term) const {
  if (mutated(Mutation::kVoteForShorterLog)) return true;
  if (last_log_term != log_.last_term()) return last_log_term > log_.last_term();
  return last_log_index >= log_.last_index();
}

void Raft::on_election_deadline() {
  if (may_campaign()) {
    mutated(Mutation::kForgetPreVote) ? campaign(false) : ask_for_pre_votes();
  } else {
    become_follower(hard_state_.term, std::nullopt);
    std::get<Follower>(role_).election_deadline = draw_election_deadline();
  }
}

/// Takes up a follower's life, in `term`. The election deadline stays, unless there was none:
/// only a leader that is heard, or a vote that is given, puts it off.
void Raft::become_follower(Term term, std::optional<MemberId> known) {
  ASSERT(term >= hard_state_.term);
  if (Leader* leading = leader()) fail_reads(*leading);
  if (mutated(Mutation::kStepDownMeansLost)) end_proposals_through(log_.last_index(), Lost{});
  if (term > hard_state_.term) {
    hard_state_ = {term, std::nullopt};
    hard_state_unsaved_ = true;
  }
  fail_unconfirmed_reads();
  const Instant deadline = election_deadline();
  Follower follower;
  follower.leader = known;
  follower.last_contact = now_;
  follower.election_deadline = deadline == base::kNever ? draw_election_deadline() : deadline;
  role_ = follower;
}

/// A leader of the current term was heard. Returns false if this member leads itself: then somebody
/// breaks the rules, and is not followed.
bool Raft::follow(MemberId from) {
  if (leader() != nullptr) return false;
  const auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader != from) become_follower(hard_state_.term, from);
  auto& now_follower = std::get<Follower>(role_);
  now_follower.last_contact = now_;
  now_follower.election_deadline = draw_election_deadline();
  return true;
}

void Raft::ask_for_pre_votes() {
  fail_unconfirmed_reads();
  role_ = PreCandidate{{}, draw_election_deadline()};
  const Term term = hard_state_.term;
  const PreVote question{term, term + 1, log_.last_index(), log_.last_term()};
  for (const MemberId id : log_.configuration().members()) {
    if (id != self_ && log_.configuration().is_voter(id)) send(id, question);
  }
  count_vote(self_, true);
}

void Raft::campaign(bool leadership_transfer) {
  fail_unconfirmed_reads();
  hard_state_ = {hard_state_.term + 1, self_};
  hard_state_unsaved_ = true;
  role_ = Candidate{{}, draw_election_deadline()};
  const RequestVote request{hard_state_.term, log_.last_index(), log_.last_term(),
                            leadership_transfer};
  for (const MemberId id : log_.configuration().members()) {
    if (id == self_ || !log_.configuration().is_voter(id)) continue;
    if (mutated(Mutation::kCampaignBeforePersist)) send(id, request);
    send_when_persisted(id, request);
  }
  send_when_persisted(self_, RequestVoteResponse{hard_state_.term, true});
}

void Raft::handle(MemberId from, const PreVote& m) {
  const bool granted = m.next_term > hard_state_.term && !hears_leader() &&
                       log_is_up_to_date(m.last_log_index, m.last_log_term);
  send(from, PreVoteResponse{hard_state_.term, m.next_term, granted});
}

void Raft::handle(MemberId from, const PreVoteResponse& m) {
  if (m.term > hard_state_.term) return become_follower(m.term, std::nullopt);
  const bool asked = std::holds_alternative<PreCandidate>(role_);
  if (asked && m.next_term == hard_state_.term + 1) count_vote(from, m.granted);
}

void Raft::handle(MemberId from, const RequestVote& m) {
  const bool undecided = !hard_state_.vote && !known_leader();
  const bool free = undecided || hard_state_.vote == from || mutated(Mutation::kVoteTwice);
  if (!free || leader() != nullptr || !log_is_up_to_date(m.last_log_index, m.last_log_term)) {
    return send(from, RequestVoteResponse{hard_state_.term, false});
  }
  if (hard_state_.vote != from) {
    hard_state_.vote = from;
    hard_state_unsaved_ = true;
  }
  if (!known_leader()) become_follower(hard_state_.term, std::nullopt);
  std::get<Follower>(role_).election_deadline = draw_election_deadline();
  const RequestVoteResponse vote{hard_state_.term, true};
  mutated(Mutation::kVoteBeforePersist) ? send(from, vote) : send_when_persisted(from, vote);
}

void Raft::handle(MemberId from, const RequestVoteResponse& m) {
  if (std::holds_alternative<Candidate>(role_)) count_vote(from, m.granted);
}

void Raft::handle(MemberId, const TimeoutNow&) {
  if (leader() == nullptr && !std::holds_alternative<Candidate>(role_) && may_campaign()) {
    campaign(true);
  }
}

void Raft::count_vote(MemberId voter, bool granted) {
  const auto count = [&](auto& role) {
    role.votes.emplace(voter, granted);
    return tally(log_.configuration(), role.votes) == Tally::kWon;
  };
  if (auto* asking = std::get_if<PreCandidate>(&role_)) {
    if (count(*asking)) campaign(false);
  } else if (auto* candidate = std::get_if<Candidate>(&role_)) {
    if (count(*candidate)) become_leader();
  }
}

void Raft::become_leader() {
  role_ = Leader{};
  Leader& leading = *leader();
  leading.heartbeat_deadline = now_;  // a heartbeat at once: it ends other candidacies
  leading.term_start = log_.last_index() + 1;
  for (Index index = commit_index_ + 1; index <= log_.last_index(); ++index) {
    leading.uncommitted_bytes += cost(*log_.at(index));
  }
  follow_configuration();
  if (mutated(Mutation::kForgetNoop)) return;
  append_own(Noop{});
  on_leader_time();
}

}  // namespace quorate::raft
