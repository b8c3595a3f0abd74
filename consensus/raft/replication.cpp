// Log replication: §3.5, what may be committed by counting (§3.6.2), batching and pipelining
// (§10.2.2), the leader's own disk in parallel with its followers' (§10.2.1).
#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/raft/mutation.h"
#include "consensus/raft/quorum.h"
#include "consensus/raft/raft.h"

namespace quorate::raft {

// ---- A follower.

void Raft::handle(MemberId from, const AppendEntries& m) {
  if (!follow(from)) return;
  // What is committed is in every later leader's log (leader completeness, §3.6.3): before the
  // commit index there is nothing to compare, and may be nothing to compare with.
  const bool fits =
      m.prev_log_index <= commit_index_ || log_.term_at(m.prev_log_index) == m.prev_log_term ||
      (mutated(Mutation::kForgetLogMatching) && m.prev_log_index <= log_.last_index());
  if (!fits) return refuse_append(from, m.prev_log_index);

  if (mutated(Mutation::kTruncateOnEveryAppend) && log_.last_index() > m.prev_log_index)
    truncate_from(m.prev_log_index + 1);
  for (const EntryRef& entry : m.entries) {
    if (entry->index <= commit_index_ || log_.term_at(entry->index) == entry->term) continue;
    if (entry->term < *log_.term_at(entry->index - 1)) return;  // no log of any leader
    if (entry->index <= log_.last_index()) truncate_from(entry->index);
    append(entry);
  }
  // Beyond the last entry of the message the logs may differ.
  const Index last_new = m.prev_log_index + m.entries.size();
  const Index known = mutated(Mutation::kCommitPastWhatMatches) ? log_.last_index() : last_new;
  advance_commit(std::min(m.leader_commit, known));
  const AppendEntriesResponse promise{hard_state_.term, std::max(last_new, commit_index_)};
  mutated(Mutation::kAckBeforePersist) ? send(from, promise) : send_when_persisted(from, promise);
}

/// Says where the term that stands in the way begins, so that the leader skips all of it at once.
void Raft::refuse_append(MemberId from, Index prev_log_index) {
  AppendEntriesRefused refusal{hard_state_.term, prev_log_index, log_.last_index() + 1, 0};
  if (const std::optional<Term> found = log_.term_at(prev_log_index)) {
    refusal.conflict_term = *found;
    refusal.conflict_index = std::max(log_.first_of_term_at(prev_log_index), commit_index_ + 1);
  }
  send(from, refusal);
}

void Raft::handle(MemberId from, const Heartbeat& m) {
  if (!follow(from)) return;
  advance_commit(std::min(m.commit_index, log_.last_index()));
  send(from, HeartbeatResponse{hard_state_.term, m.round});
}

// ---- A leader.

/// The progress of a member that has just answered; none if it has none, or this is no leader.
Progress* Raft::contact(MemberId from) {
  Leader* leading = leader();
  if (leading == nullptr) return nullptr;
  const auto found = leading->progress.find(from);
  if (found == leading->progress.end()) return nullptr;
  found->second.last_contact = now_;
  return &found->second;
}

void Raft::handle(MemberId from, const HeartbeatResponse& m) {
  Progress* progress = contact(from);
  if (progress == nullptr) return;
  progress->round = std::max(progress->round, m.round);
  confirm_reads();
}

void Raft::handle(MemberId from, const AppendEntriesResponse& m) {
  Progress* progress = contact(from);
  if (progress == nullptr || m.match_index > log_.last_index()) return;
  const bool news = advance(*progress, m.match_index);
  count_catch_up(*progress, log_.last_index(), now_, options_.election_timeout);
  if (news) commit_what_a_quorum_has();
}

void Raft::handle(MemberId from, const AppendEntriesRefused& m) {
  Progress* progress = contact(from);
  if (progress == nullptr || std::holds_alternative<Install>(progress->state)) return;
  // Overtaken by a later answer, or by another question of a probe.
  if (m.prev_log_index <= progress->match || m.prev_log_index >= progress->next) return;
  Index next = m.conflict_index;
  if (m.conflict_term != 0) {
    const std::optional<Index> last = log_.last_of_term(m.conflict_term);
    if (last && *last < m.prev_log_index) next = *last + 1;
  }
  progress->state = Probe{};
  progress->next = std::clamp(next, progress->match + 1, m.prev_log_index);
}

void Raft::on_connection_lost(MemberId member) {
  Leader* leading = leader();
  if (leading == nullptr) return;
  const auto found = leading->progress.find(member);
  if (found != leading->progress.end()) stop_waiting(found->second);
}

bool Raft::hears_quorum() const {
  if (mutated(Mutation::kForgetCheckQuorum)) return true;
  const Leader& leading = *leader();
  return quorum_has(log_.configuration(), [&](MemberId id) {
    if (id == self_) return true;
    const Instant heard = leading.progress.at(id).last_contact;
    return now_ - heard < 2 * options_.election_timeout;
  });
}

void Raft::on_leader_time() {
  Leader& leading = *leader();
  if (leading.transfer && now_ >= leading.transfer->deadline) leading.transfer.reset();
  if (now_ < leading.heartbeat_deadline) return;  // replicate() sees to what has to be sent again
  // Check-quorum (§6.2): whoever hears no quorum leaves the field, and its clients look elsewhere.
  if (!hears_quorum()) return become_follower(hard_state_.term, std::nullopt);
  leading.heartbeat_deadline = now_ + options_.heartbeat_interval;
  std::erase_if(leading.progress, [this](const auto& entry) {
    const auto& until = entry.second.farewell_until;
    return until && now_ >= *until;
  });
  for (auto& [id, progress] : leading.progress) {
    count_catch_up(progress, log_.last_index(), now_, options_.election_timeout);
  }
  promote_joining();
  open_round();
}

void Raft::open_round() {
  Leader& leading = *leader();
  ++leading.round;
  leading.round_unsent = true;
  for (auto& [id, progress] : leading.progress) send_heartbeat(id, progress);
}

void Raft::send_heartbeat(MemberId to, Progress& progress) {
  // Its log may differ from the leader's after `match`.
  const Index known =
      mutated(Mutation::kHeartbeatCommitsUnmatched) ? log_.last_index() : progress.match;
  const Index commit = std::min(known, commit_index_);
  progress.told_commit = std::max(progress.told_commit, commit);
  send(to, Heartbeat{hard_state_.term, commit, leader()->round});
}

/// Sends every member what it lacks and may be sent. Called when all events of a turn are in, so
/// that what was proposed together travels together.
void Raft::replicate() {
  Leader* leading = leader();
  if (leading == nullptr) return;
  for (auto& [id, progress] : leading->progress) send_pending(id, progress);
  if (leading->transfer) hand_over(*leading->transfer);
}

void Raft::send_pending(MemberId to, Progress& progress) {
  if (now_ >= resend_at(progress, options_.resend_timeout)) stop_waiting(progress);
  if (!std::holds_alternative<Install>(progress.state) && progress.next <= log_.base_index()) {
    ASSERT(snapshot_ != nullptr && snapshot_->head.index >= log_.base_index());
    progress.state = Install{snapshot_, 0, std::nullopt};
  }
  if (auto* install = std::get_if<Install>(&progress.state)) {
    if (!install->sent) send_piece(to, progress, *install);
    return;
  }
  while (send_entries(to, progress)) {
  }
  if (progress.told_commit < std::min(progress.match, commit_index_)) send_heartbeat(to, progress);
}

/// One AppendEntries, if the state allows it. Returns whether another may follow.
bool Raft::send_entries(MemberId to, Progress& progress) {
  auto* probe = std::get_if<Probe>(&progress.state);
  auto* replicate = std::get_if<Replicate>(&progress.state);
  if (probe != nullptr && probe->sent) return false;
  if (replicate != nullptr && (progress.next > log_.last_index() ||
                               replicate->in_flight.size() >= options_.max_in_flight)) {
    return false;
  }
  AppendEntries m;
  m.term = hard_state_.term;
  m.prev_log_index = progress.next - 1;
  m.prev_log_term = *log_.term_at(m.prev_log_index);
  m.leader_commit = commit_index_;
  size_t bytes = 0;
  Index index = progress.next;
  for (; index <= log_.last_index(); ++index) {
    bytes += cost(*log_.at(index));
    if (!m.entries.empty() && bytes > options_.max_message_bytes) break;
    m.entries.push_back(log_.at(index));
  }
  send(to, std::move(m));
  if (probe != nullptr) {
    probe->sent = now_;
    return false;
  }
  progress.told_commit = std::max(progress.told_commit, std::min(commit_index_, index - 1));
  progress.next = index;
  replicate->in_flight.push_back({index - 1, now_});
  return true;
}

// ---- Commit.

void Raft::commit_what_a_quorum_has() {
  const Leader* leading = leader();
  if (leading == nullptr) return;
  const Index reached = quorum_index(log_.configuration(), [&](MemberId id) {
    if (id != self_) return leading->progress.at(id).match;
    return mutated(Mutation::kCountOwnUnpersisted) ? log_.last_index() : persisted_index_;
  });
  // Only entries of its own term are committed by counting; what is before them, with them (§3.6.2,
  // figure 3.7): an older entry may be on a majority and still be overwritten.
  const bool own = log_.term_at(reached) == hard_state_.term;
  if (reached <= commit_index_ || !(own || mutated(Mutation::kCommitOldTermByCounting))) return;
  const bool configured = log_.configuration_index() > commit_index_;
  advance_commit(reached);
  after_commit(configured);
}

void Raft::advance_commit(Index index) {
  if (index <= commit_index_) return;
  ASSERT(index <= log_.last_index());
  if (Leader* leading = leader()) {
    for (Index i = commit_index_ + 1; i <= index; ++i) {
      leading->uncommitted_bytes -= cost(*log_.at(i));
    }
  }
  commit_index_ = index;
}

}  // namespace quorate::raft
