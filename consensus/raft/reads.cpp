// ReadIndex (§6.4): a read that sees everything acknowledged before it was asked, without an entry
// in the log and without a clock.
//
//   any member ── ReadIndex ──► leader: index := its commit index        (once it has committed
//                               round of heartbeats ──► a quorum answers  an entry of its term)
//   wait until applied ≥ index ◄── ReadIndexResponse
//
// The answers prove that no newer leader had been elected when the read was asked. Reads that are
// asked while the heartbeats of a round are still in the outbox share the round.
#include "consensus/raft/mutation.h"
#include "consensus/raft/quorum.h"
#include "consensus/raft/raft.h"

namespace quorate::raft {

void Raft::read(ReadId id, Instant now) {
  advance_clock(now);
  const std::optional<MemberId> whom = known_leader();
  if (!whom || reads_.size() >= options_.max_pending_reads) {
    ended_reads_.push_back({id, std::nullopt});
    return;
  }
  const uint64_t request = ++next_request_;
  reads_[request] = LocalRead{id, now_ + options_.read_timeout, std::nullopt};
  if (leader() != nullptr) {
    take_read(self_, request);
  } else {
    send(*whom, ReadIndex{hard_state_.term, request});
  }
}

// ---- The leader.

void Raft::handle(MemberId from, const ReadIndex& m) { take_read(from, m.request); }

void Raft::take_read(MemberId from, uint64_t request) {
  Leader* leading = leader();
  if (leading == nullptr || leading->reads.size() >= options_.max_pending_reads) {
    return answer_read(from, request, std::nullopt);
  }
  leading->reads.push_back({from, request, 0, 0});
  // Before it has committed an entry of its term, a leader may not know what is committed.
  const bool knows_commit =
      commit_index_ >= leading->term_start || mutated(Mutation::kReadBeforeTermCommits);
  if (knows_commit) start_reads();
}

/// Gives the reads that have no round yet the current commit index and the next round.
void Raft::start_reads() {
  Leader& leading = *leader();
  if (leading.reads.empty() || leading.reads.back().round != 0) return;
  if (!leading.round_unsent) open_round();
  for (auto read = leading.reads.rbegin(); read != leading.reads.rend(); ++read) {
    if (read->round != 0) break;
    read->index = commit_index_;
    read->round = leading.round;
  }
  confirm_reads();
}

void Raft::confirm_reads() {
  Leader& leading = *leader();
  while (!leading.reads.empty() && leading.reads.front().round != 0) {
    const UnconfirmedRead read = leading.reads.front();
    const bool confirmed = quorum_has(log_.configuration(), [&](MemberId id) {
      return id == self_ || leading.progress.at(id).round >= read.round;
    });
    if (!confirmed && !mutated(Mutation::kReadWithoutRound)) return;
    leading.reads.pop_front();
    answer_read(read.from, read.request, read.index);
  }
}

/// On its way out of office.
void Raft::fail_reads(Leader& leading) {
  for (const UnconfirmedRead& read : leading.reads) {
    answer_read(read.from, read.request, std::nullopt);
  }
  leading.reads.clear();
}

// ---- Whoever asked.

void Raft::handle(MemberId, const ReadIndexResponse& m) { answer_read(self_, m.request, m.index); }

void Raft::answer_read(MemberId from, uint64_t request, std::optional<Index> index) {
  if (from != self_) return send(from, ReadIndexResponse{hard_state_.term, request, index});
  const auto found = reads_.find(request);
  if (found == reads_.end() || found->second.index) return;
  if (index) {
    found->second.index = index;
  } else {
    ended_reads_.push_back({found->second.id, std::nullopt});
    reads_.erase(found);
  }
}

/// Their answers, if they come, will be of a leader that is no longer listened to.
void Raft::fail_unconfirmed_reads() {
  for (auto read = reads_.begin(); read != reads_.end();) {
    if (read->second.index) {
      ++read;
      continue;
    }
    ended_reads_.push_back({read->second.id, std::nullopt});
    read = reads_.erase(read);
  }
}

void Raft::expire_reads() {
  while (!reads_.empty() && now_ >= reads_.begin()->second.deadline) {
    ended_reads_.push_back({reads_.begin()->second.id, std::nullopt});
    reads_.erase(reads_.begin());
  }
}

void Raft::release_reads(Output& output) {
  output.reads = std::move(ended_reads_);
  ended_reads_.clear();
  for (auto read = reads_.begin(); read != reads_.end();) {
    const auto& index = read->second.index;
    if (!index || *index > applied_index_) {
      ++read;
      continue;
    }
    output.reads.push_back({read->second.id, index});
    read = reads_.erase(read);
  }
}

}  // namespace quorate::raft
