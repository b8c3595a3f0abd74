// Snapshots: taking one, sending it in pieces to a member that is too far behind, installing it
// (§5.1). A snapshot carries the configuration in force at its index: whoever installs it has no
// other way to learn who votes.
//
// Pieces go one at a time. The receiver says which it wants next, so that a transfer goes on where
// it stopped, over lost messages and also from a new leader if that one has the very same snapshot.
#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/raft/crc32c.h"
#include "consensus/raft/mutation.h"
#include "consensus/raft/raft.h"

namespace quorate::raft {

void Raft::on_snapshot_taken(Index index, std::string state) {
  ASSERT(index <= applied_index_);
  // One from the leader may have overtaken it.
  if (index <= log_.base_index() || (snapshot_ != nullptr && index <= snapshot_->head.index))
    return;
  snapshot_ =
      make_snapshot(index, *log_.term_at(index), log_.configuration_at(index), std::move(state));
  unsaved_snapshot_ = snapshot_;
}

/// The snapshot is on disk: what it stands for need not be in memory.
void Raft::compact(const Snapshot& snapshot) {
  const Index index = snapshot.head.index;
  const Index keep_after = index - std::min(index, options_.trailing_entries);
  if (keep_after > log_.base_index()) log_.compact_to(keep_after);
}

// ---- A follower.

void Raft::handle(MemberId from, const InstallSnapshot& m) {
  if (!follow(from)) return;
  const SnapshotHead& head = m.snapshot;
  const bool in_log = log_.term_at(head.index) == head.term;
  if (head.index > commit_index_ && in_log && !mutated(Mutation::kSnapshotForgetsTail)) {
    advance_commit(head.index);  // the log has it all, and perhaps more
  }
  if (head.index > commit_index_) {
    if (!receive_piece(m)) {
      const uint64_t next = incoming_ ? incoming_->state.size() : 0;
      return send(from, InstallSnapshotResponse{hard_state_.term, head.index, next, false});
    }
    const Configuration& configuration =
        mutated(Mutation::kSnapshotWithoutConfiguration) ? log_.configuration() : m.configuration;
    install(std::make_shared<const Snapshot>(
        Snapshot{head, configuration, std::move(incoming_->state)}));
    incoming_.reset();
  }
  const InstallSnapshotResponse done{hard_state_.term, head.index, head.size, true};
  mutated(Mutation::kAckSnapshotBeforePersist) ? send(from, done) : send_when_persisted(from, done);
}

/// Returns whether the snapshot is complete now.
bool Raft::receive_piece(const InstallSnapshot& m) {
  const SnapshotHead& head = m.snapshot;
  if (head.size > options_.max_snapshot_bytes) return false;
  const bool same = incoming_ && (incoming_->head == head || mutated(Mutation::kMixSnapshots));
  if (!same) incoming_ = Incoming{head, {}};
  std::string& state = incoming_->state;
  if (m.offset != state.size() || m.data.size() > head.size - m.offset) return false;
  state += m.data;
  if (state.size() < head.size) return false;
  if (crc32c(state) == head.checksum || mutated(Mutation::kMixSnapshots)) return true;
  incoming_.reset();
  return false;
}

void Raft::install(SnapshotRef snapshot) {
  log_.reset(*snapshot);
  const Index index = snapshot->head.index;
  commit_index_ = index;
  applied_index_ = index;
  unsaved_from_ = index + 1;
  // Whatever is on disk, or on the way there, is of another log until the snapshot is there too.
  persisted_index_ = 0;
  for (Write& write : writes_) write.last_index = 0;
  end_proposals_through(index, Unknown{});
  unsaved_snapshot_ = snapshot;
  unsaved_snapshot_replaces_log_ = true;
  restore_ = snapshot;
  snapshot_ = std::move(snapshot);
}

// ---- A leader.

void Raft::send_piece(MemberId to, Progress& progress, Install& install) {
  const Snapshot& snapshot = *install.snapshot;
  InstallSnapshot m;
  m.term = hard_state_.term;
  m.snapshot = snapshot.head;
  m.configuration = snapshot.configuration;
  m.offset = install.offset;
  m.data = snapshot.state.substr(install.offset, options_.snapshot_piece_bytes);
  progress.told_commit = std::max(progress.told_commit, snapshot.head.index);
  install.sent = now_;
  send(to, std::move(m));
}

void Raft::handle(MemberId from, const InstallSnapshotResponse& m) {
  Progress* progress = contact(from);
  if (progress == nullptr) return;
  auto* install = std::get_if<Install>(&progress->state);
  if (install == nullptr || install->snapshot->head.index != m.snapshot_index) return;
  if (m.installed) {
    const bool news = advance(*progress, m.snapshot_index);
    count_catch_up(*progress, log_.last_index(), now_, options_.election_timeout);
    if (news) commit_what_a_quorum_has();
    return;
  }
  // A second answer to the same piece says nothing new; if it was the piece that was lost, it is
  // sent again in time.
  if (m.next_offset == install->offset || m.next_offset > install->snapshot->head.size) return;
  install->offset = m.next_offset;
  install->sent.reset();
}

}  // namespace quorate::raft
