#include "consensus/storage/storage.h"

#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/raft/bytes.h"
#include "consensus/raft/codec.h"
#include "consensus/raft/mutation.h"
#include "consensus/storage/snapshot_file.h"

namespace quorate::storage {
namespace {

using base::Failure;
using raft::Index;
using raft::mutated;
using raft::Mutation;

}  // namespace

Storage::Storage(Directory& directory, const StorageOptions& options, const Recovery& recovery)
    : directory_(directory),
      options_(options),
      hard_state_(recovery.durable.hard_state),
      last_index_(recovery.last_index),
      segments_(recovery.segments),
      previous_end_(recovery.proven_end) {
  if (recovery.durable.snapshot != nullptr) {
    snapshot_file_ = snapshot_name(recovery.durable.snapshot->head.index);
  }
}

Result<Storage::Opened> Storage::open(Directory& directory, const StorageOptions& options) {
  auto recovered = recover(directory);
  if (!recovered) return Failure{recovered.error()};
  Recovery& recovery = recovered.value();
  // What was read may have a name that is not on disk yet; what it replaces must not go before.
  if (Status done = directory.sync(); !done) return Failure{done.error()};
  for (const std::string& name : recovery.dead_files) {
    if (Status done = directory.remove(name); !done) return Failure{done.error()};
  }
  std::unique_ptr<Storage> storage(new Storage(directory, options, recovery));
  const uint64_t previous = recovery.segments.empty() ? 0 : recovery.segments.back().number;
  Status done = storage->begin_segment(recovery.highest_number + 1, previous, &recovery);
  // Once more: as long as it is not on disk that the new segment is complete, recovery would go
  // back to the last one, of which the end is not proven.
  if (done) done = storage->sync_segment();
  if (!done) return Failure{done.error()};
  return Opened{std::move(storage), std::move(recovery.durable), recovery.empty,
                std::move(recovery.torn_tails)};
}

// ---- Orders.

Status Storage::append(const raft::Persist& order) {
  if (failed_) return Failure{*failed_};
  return remember(write_order(order));
}

Status Storage::sync() {
  if (failed_) return Failure{*failed_};
  Status done = remember(sync_segment());
  if (!done || offset_ < options_.segment_bytes) return done;
  previous_end_ = synced_;
  const uint64_t number = segments_.back().number;
  return remember(begin_segment(number + 1, number, nullptr));
}

Status Storage::remember(Status status) {
  if (!status) failed_ = status.error();
  return status;
}

Status Storage::write_order(const raft::Persist& order) {
  if (order.hard_state) {
    hard_state_ = *order.hard_state;
    put_hard_state();
  }
  if (order.snapshot != nullptr) {
    // Its term may be one that only the hard state before it knows.
    if (Status done = write(); !done) return done;
    if (Status done = sync_segment(); !done) return done;
    if (Status done = save_snapshot(*order.snapshot); !done) return done;
    const raft::SnapshotHead& head = order.snapshot->head;
    if (order.snapshot_replaces_log) put_reset(head);
    if (Status done = remove_segments(head.index); !done) return done;
  }
  for (const raft::EntryRef& entry : order.entries) put_entry(*entry);
  return write();
}

// ---- Segments.

/// Begins a segment and makes it durable. It starts with the hard state, so that those before it
/// can go; after a restart also with what the last one holds but is not proven to be on disk: a
/// sync may have failed, and what recovery could read may have been in the kernel's memory only.
Status Storage::begin_segment(uint64_t number, uint64_t previous, const Recovery* restart) {
  auto file = directory_.create(segment_name(number));
  if (!file) return Failure{file.error()};
  file_ = std::move(file).value();
  segments_.push_back({number, 0});
  synced_ = 0;
  encode(SegmentHeader{number, previous, previous_end_, last_index_}, buffer_);
  offset_ = buffer_.size();
  if (!mutated(Mutation::kForgetHardStateInNewSegment)) put_hard_state();
  if (restart != nullptr) put_unproven(*restart);
  if (Status done = write(); !done) return done;
  if (Status done = sync_segment(); !done) return done;
  return mutated(Mutation::kSkipDirectorySync) ? Status(Done{}) : directory_.sync();
}

void Storage::put_unproven(const Recovery& recovery) {
  const raft::Durable& durable = recovery.durable;
  if (recovery.restart_log && durable.snapshot != nullptr) put_reset(durable.snapshot->head);
  if (recovery.unproven_from == 0 && !recovery.restart_log) return;
  for (const raft::EntryRef& entry : durable.entries) {
    if (recovery.restart_log || entry->index >= recovery.unproven_from) put_entry(*entry);
  }
}

/// Everything written is on disk after this; then a record says so.
Status Storage::sync_segment() {
  ASSERT(buffer_.empty());
  Status done = mutated(Mutation::kSkipLogSync) ? Status(Done{}) : file_->sync();
  if (!done && !mutated(Mutation::kIgnoreSyncFailure)) return done;
  synced_ = offset_;
  put_record(RecordKind::kSynced, 0, 0, {});
  return write();
}

/// Removes the oldest segments, as far as they hold no entry after `through`.
/// REQUIRES: a sync of the current segment since it was begun. Without what that leaves on disk,
/// recovery would take the segment for incomplete, and look for the one before it.
Status Storage::remove_segments(Index through) {
  size_t count = 0;
  while (count + 1 < segments_.size() &&
         (segments_[count].max_index <= through || mutated(Mutation::kRemoveSegmentsTooEarly))) {
    ++count;
  }
  for (size_t i = 0; i < count; ++i) {  // one by one: a gap would look like damage
    if (Status done = directory_.remove(segment_name(segments_[i].number)); !done) return done;
    if (Status done = directory_.sync(); !done) return done;
  }
  segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(count));
  return Done{};
}

Status Storage::save_snapshot(const raft::Snapshot& snapshot) {
  const std::string name = snapshot_name(snapshot.head.index);
  const std::string partial = name + std::string(kPartialSuffix);
  auto file = directory_.create(partial);
  if (!file) return Failure{file.error()};
  if (Status done = file.value()->append(encode_snapshot(snapshot)); !done) return done;
  if (!mutated(Mutation::kRenameBeforeSync)) {
    if (Status done = file.value()->sync(); !done) return done;
  }
  if (Status done = directory_.rename(partial, name); !done) return done;
  if (Status done = directory_.sync(); !done) return done;
  if (!snapshot_file_.empty() && snapshot_file_ != name) {
    if (Status done = directory_.remove(snapshot_file_); !done) return done;
  }
  snapshot_file_ = name;
  return Done{};
}

// ---- Records.

void Storage::put_hard_state() {
  const bool voted = hard_state_.vote.has_value() && !mutated(Mutation::kForgetVoteOnDisk);
  payload_.clear();
  raft::put<uint8_t>(payload_, voted ? 1 : 0);
  raft::put<uint64_t>(payload_, voted ? raft::number(*hard_state_.vote) : 0);
  put_record(RecordKind::kHardState, hard_state_.term, 0, payload_);
}

void Storage::put_entry(const raft::Entry& entry) {
  payload_.clear();
  raft::encode(entry.data, payload_);
  put_record(RecordKind::kEntry, entry.term, entry.index, payload_);
  last_index_ = entry.index;
  segments_.back().max_index = std::max(segments_.back().max_index, entry.index);
}

void Storage::put_reset(const raft::SnapshotHead& head) {
  put_record(RecordKind::kReset, head.term, head.index, {});
  last_index_ = head.index;
}

void Storage::put_record(RecordKind kind, uint64_t term, uint64_t index, std::string_view payload) {
  encode(Record{kind, term, index, synced_, offset_, payload}, segments_.back().number, buffer_);
  offset_ += kRecordHeaderBytes + payload.size();
}

Status Storage::write() {
  Status done = file_->append(buffer_);
  buffer_.clear();
  return done;
}

}  // namespace quorate::storage
