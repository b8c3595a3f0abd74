// What holds between two events, whatever has happened. Tests ask after every event.
#include "consensus/base/assert.h"
#include "consensus/raft/raft.h"

namespace quorate::raft {
namespace {

void check_progress(const Progress& progress, const Log& log) {
  ASSERT(progress.match < progress.next);
  ASSERT(progress.match <= log.last_index());
  ASSERT(progress.next <= log.last_index() + 1);
  if (const auto* replicate = std::get_if<Replicate>(&progress.state)) {
    Index before = progress.match;
    for (const InFlight& message : replicate->in_flight) {
      ASSERT(message.last > before);
      before = message.last;
    }
    ASSERT(before < progress.next);
  }
  if (const auto* install = std::get_if<Install>(&progress.state)) {
    ASSERT(install->snapshot != nullptr);
    ASSERT(install->offset <= install->snapshot->head.size);
  }
}

void check_leader(const Leader& leading, const Log& log, MemberId self) {
  ASSERT(!leading.progress.contains(self));
  ASSERT(leading.term_start <= log.last_index());
  for (const MemberId id : log.configuration().members()) {
    ASSERT(id == self || leading.progress.contains(id));
  }
  for (const auto& [id, progress] : leading.progress) check_progress(progress, log);
  uint64_t before = 0;
  for (const UnconfirmedRead& read : leading.reads) {
    ASSERT(read.round == 0 || read.round >= before);
    ASSERT(read.round <= leading.round);
    before = read.round;
  }
}

}  // namespace

void Raft::check_invariants() const {
  ASSERT(log_.last_term() <= hard_state_.term);
  ASSERT(log_.base_index() <= applied_index_);
  ASSERT(applied_index_ <= commit_index_);
  ASSERT(commit_index_ <= log_.last_index());
  ASSERT(persisted_index_ <= log_.last_index());
  ASSERT(unsaved_from_ > log_.base_index());
  ASSERT(unsaved_from_ <= log_.last_index() + 1);
  ASSERT(persisted_index_ < unsaved_from_);
  ASSERT(snapshot_ == nullptr || snapshot_->head.index >= log_.base_index());
  ASSERT(snapshot_ == nullptr || snapshot_->head.index <= commit_index_);
  ASSERT(snapshot_ != nullptr || log_.base_index() == 0);

  ASSERT(confirmed_ <= ordered_);
  Index before = 0;
  uint64_t sequence = confirmed_;
  for (const Write& write : writes_) {
    ASSERT(write.sequence > sequence);
    sequence = write.sequence;
  }
  for (const Held& held : held_) {
    ASSERT(held.sequence > confirmed_ && held.sequence <= ordered_ + 1);
    ASSERT(held.sequence >= before);
    before = held.sequence;
  }

  for (const auto& [index, proposal] : proposals_) ASSERT(index > applied_index_);
  if (std::holds_alternative<Candidate>(role_)) ASSERT(hard_state_.vote == self_);
  if (const Leader* leading = leader()) check_leader(*leading, log_, self_);
  if (const auto* follower = std::get_if<Follower>(&role_)) ASSERT(follower->leader != self_);
}

}  // namespace quorate::raft
