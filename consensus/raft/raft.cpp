#include "consensus/raft/raft.h"

#include <algorithm>
#include <utility>

#include "consensus/base/assert.h"
#include "consensus/raft/mutation.h"

namespace quorate::raft {
namespace {

Log log_of(const Durable& durable) {
  const Snapshot* snapshot = durable.snapshot.get();
  Log log = snapshot == nullptr
                ? Log(0, 0, {})
                : Log(snapshot->head.index, snapshot->head.term, snapshot->configuration);
  for (const EntryRef& entry : durable.entries) log.append(entry);
  return log;
}

/// Requests that only the leader or a candidate of the current term may make.
bool claims_term(const Message& message) {
  return std::holds_alternative<RequestVote>(message) ||
         std::holds_alternative<AppendEntries>(message) ||
         std::holds_alternative<Heartbeat>(message) ||
         std::holds_alternative<InstallSnapshot>(message) ||
         std::holds_alternative<ReadIndex>(message);
}

bool is_pre_vote(const Message& message) {
  return std::holds_alternative<PreVote>(message) ||
         std::holds_alternative<PreVoteResponse>(message);
}

}  // namespace

Raft::Raft(MemberId self, const Options& options, const Durable& durable, uint64_t seed,
           Instant now)
    : self_(self),
      options_(options),
      random_(seed),
      now_(now),
      hard_state_(durable.hard_state),
      log_(log_of(durable)),
      snapshot_(durable.snapshot),
      commit_index_(log_.base_index()),
      applied_index_(log_.base_index()),
      unsaved_from_(log_.last_index() + 1),
      persisted_index_(log_.last_index()),
      restore_(durable.snapshot),
      // Answers to reads of an earlier life may still arrive; they must not fit any of this one.
      next_request_(mutated(Mutation::kReadNumbersRestart) ? 0 : random_.next() >> 1) {
  ASSERT(log_.last_term() <= hard_state_.term);
  Follower follower;
  follower.election_deadline = draw_election_deadline();
  // The only voter need not wait for anybody.
  const Configuration& configuration = log_.configuration();
  const bool alone = !configuration.joint() && configuration.voters == std::vector{self_};
  if (alone) follower.election_deadline = now;
  role_ = follower;
}

void Raft::advance_clock(Instant now) {
  ASSERT(now >= now_);
  now_ = now;
}

void Raft::on_message(MemberId from, Message message, Instant now) {
  advance_clock(now);
  if (!admit(from, message)) return;
  std::visit([this, from](const auto& m) { handle(from, m); }, message);
}

/// The rules for all servers (figure 3.1): a newer term makes a follower, an older one is refused.
bool Raft::admit(MemberId from, const Message& message) {
  const Term term = term_of(message);
  const Term current = hard_state_.term;
  if (is_pre_vote(message)) return true;  // they are about a term that nobody has begun
  if (const auto* vote = std::get_if<RequestVote>(&message)) {
    // Leader stickiness (§4.2.3): while a leader is heard, no candidate even raises the term.
    if (term > current && !vote->leadership_transfer && hears_leader()) return false;
  }
  if (term > current) become_follower(term, std::nullopt);
  if (term >= current) return true;
  if (claims_term(message)) send(from, StaleTerm{current});
  return false;
}

void Raft::on_time(Instant now) {
  advance_clock(now);
  if (leader() != nullptr) {
    on_leader_time();
  } else if (now >= election_deadline()) {
    on_election_deadline();
  }
  expire_proposals();
  expire_reads();
}

Instant Raft::next_deadline() const {
  Instant next = proposals_deadline_;
  if (!reads_.empty()) next = std::min(next, reads_.begin()->second.deadline);  // the oldest
  const Leader* leading = leader();
  if (leading == nullptr) return std::min(next, election_deadline());
  next = std::min(next, leading->heartbeat_deadline);
  if (leading->transfer) next = std::min(next, leading->transfer->deadline);
  for (const auto& [id, progress] : leading->progress) {
    next = std::min(next, resend_at(progress, options_.resend_timeout));
  }
  return next;
}

// ---- To the disk.

bool Raft::has_unsaved() const {
  return hard_state_unsaved_ || unsaved_snapshot_ != nullptr || unsaved_from_ <= log_.last_index();
}

/// Sends `message` as soon as all that the core has decided up to now is on disk.
void Raft::send_when_persisted(MemberId to, Message message) {
  const uint64_t sequence = has_unsaved() ? ordered_ + 1 : ordered_;
  // One promise about the same order replaces another, so that resent entries pile nothing up
  // while the disk is stuck.
  const auto* promise = std::get_if<AppendEntriesResponse>(&message);
  if (promise != nullptr && !held_.empty() && held_.back().sequence == sequence) {
    Envelope& last = held_.back().envelope;
    auto* earlier = std::get_if<AppendEntriesResponse>(&last.message);
    if (earlier != nullptr && last.to == to && earlier->term == promise->term) {
      earlier->match_index = std::max(earlier->match_index, promise->match_index);
      return;
    }
  }
  held_.push_back({sequence, {to, std::move(message)}});
  release_held();
}

void Raft::release_held() {
  while (!held_.empty() && held_.front().sequence <= confirmed_) {
    Envelope envelope = std::move(held_.front().envelope);
    held_.pop_front();
    // What was promised in a term that is over interests nobody; nor do requests for votes, once
    // the election is: the log that they speak of may have been overwritten by the winner's.
    if (term_of(envelope.message) != hard_state_.term) continue;
    const bool request = std::holds_alternative<RequestVote>(envelope.message);
    if (request && !std::holds_alternative<Candidate>(role_)) continue;
    if (envelope.to == self_) {
      count_vote(self_, true);
    } else {
      outbox_.push_back(std::move(envelope));
    }
  }
}

void Raft::on_persisted(uint64_t sequence, Instant now) {
  advance_clock(now);
  ASSERT(sequence <= ordered_);
  confirmed_ = std::max(confirmed_, sequence);
  while (!writes_.empty() && writes_.front().sequence <= confirmed_) {
    const Write write = std::move(writes_.front());
    writes_.pop_front();
    persisted_index_ = std::max(persisted_index_, write.last_index);
    if (write.snapshot != nullptr) compact(*write.snapshot);
  }
  release_held();
  commit_what_a_quorum_has();
}

std::optional<Persist> Raft::take_persist() {
  if (!has_unsaved()) return std::nullopt;
  Persist order;
  order.sequence = ++ordered_;
  if (std::exchange(hard_state_unsaved_, false)) order.hard_state = hard_state_;
  order.snapshot = std::exchange(unsaved_snapshot_, nullptr);
  order.snapshot_replaces_log = std::exchange(unsaved_snapshot_replaces_log_, false);
  for (Index index = unsaved_from_; index <= log_.last_index(); ++index) {
    order.entries.push_back(log_.at(index));
  }
  unsaved_from_ = log_.last_index() + 1;
  writes_.push_back({order.sequence, log_.last_index(), order.snapshot});
  return order;
}

void Raft::append(EntryRef entry) {
  const bool configures = std::holds_alternative<Configuration>(entry->data);
  log_.append(std::move(entry));
  if (configures) follow_configuration();
}

/// What was on disk from `index` on, or is on the way there, says nothing about the entries that
/// will stand there now.
void Raft::truncate_from(Index index) {
  ASSERT(index > commit_index_ || mutated(Mutation::kTruncateOnEveryAppend));
  log_.truncate_from(index);
  unsaved_from_ = std::min(unsaved_from_, index);
  if (mutated(Mutation::kForgetPersistedAfterTruncation)) return;
  persisted_index_ = std::min(persisted_index_, index - 1);
  for (Write& write : writes_) write.last_index = std::min(write.last_index, index - 1);
}

// ---- Out.

Output Raft::take_output() {
  replicate();
  Output output;
  output.persist = take_persist();
  output.send = std::exchange(outbox_, {});
  output.restore = std::exchange(restore_, nullptr);
  hand_out_committed(output);
  output.ended = std::exchange(ended_, {});
  release_reads(output);
  if (Leader* leading = leader()) leading->round_unsent = false;
  return output;
}

void Raft::hand_out_committed(Output& output) {
  size_t bytes = 0;
  const Index end = mutated(Mutation::kApplyUncommitted) ? log_.last_index() : commit_index_;
  while (applied_index_ < end && bytes < options_.max_apply_bytes) {
    const EntryRef& entry = log_.at(++applied_index_);
    bytes += cost(*entry);
    end_proposals_at(*entry);
    output.apply.push_back(entry);
  }
  output.more = applied_index_ < end;
}

std::optional<MemberId> Raft::known_leader() const {
  if (leader() != nullptr) return self_;
  const auto* follower = std::get_if<Follower>(&role_);
  return follower == nullptr ? std::nullopt : follower->leader;
}

bool Raft::removed() const {
  return log_.configuration_index() <= commit_index_ && commit_index_ > 0 &&
         !log_.configuration().contains(self_);
}

Status Raft::status() const {
  Status status;
  status.self = self_;
  status.role = static_cast<RoleName>(role_.index());
  status.term = hard_state_.term;
  status.leader = known_leader();
  status.commit = commit_index_;
  status.applied = applied_index_;
  status.last = log_.last_index();
  status.persisted = persisted_index_;
  status.snapshot = snapshot_ == nullptr ? 0 : snapshot_->head.index;
  if (const Leader* leading = leader()) {
    for (const auto& [id, progress] : leading->progress) {
      const bool installing = std::holds_alternative<Install>(progress.state);
      status.peers.push_back({id, progress.match, progress.last_contact, installing});
    }
  }
  return status;
}

const char* to_string(RoleName role) {
  switch (role) {
    case RoleName::kFollower: return "follower";
    case RoleName::kPreCandidate: return "pre-candidate";
    case RoleName::kCandidate: return "candidate";
    case RoleName::kLeader: return "leader";
  }
  return "";
}

}  // namespace quorate::raft
