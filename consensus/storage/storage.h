// Storage: a member's log, hard state and snapshots on disk.
//
// Carries out the orders of the core (raft::Persist) in their order. append() writes, sync() makes
// what was written durable; several orders may share one sync. Only then may on_persisted be
// called. Snapshots are durable when append() returns, as the log before them may go then.
//
// Belongs to one thread, which may wait for the disk: the one that runs the core must not.
// Any error is final: it is returned again from every later call, and the member has to stop. After
// a failed sync nobody knows what is on disk (the kernel may have dropped what it could not write),
// so there is no second try; recovery sorts it out, from what can be proven (segment.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/storage/recovery.h"
#include "consensus/storage/segment.h"

namespace quorate::storage {

struct StorageOptions {
  uint64_t segment_bytes = uint64_t{8} << 20;  ///< a segment that is larger is followed by the next
};

class Storage {
 public:
  struct Opened;
  /// Recovers what is there, and begins a new segment. `directory` must outlive the Storage.
  static Result<Opened> open(Directory& directory, const StorageOptions& options = {});

  Status append(const raft::Persist& order);
  Status sync();

  size_t segment_count() const { return segments_.size(); }

 private:
  Storage(Directory& directory, const StorageOptions& options, const Recovery& recovery);
  Status write_order(const raft::Persist& order);
  Status begin_segment(uint64_t number, uint64_t previous, const Recovery* restart);
  Status sync_segment();
  Status remove_segments(raft::Index through);
  Status save_snapshot(const raft::Snapshot& snapshot);
  Status remember(Status status);

  void put_unproven(const Recovery& recovery);
  void put_hard_state();
  void put_entry(const raft::Entry& entry);
  void put_reset(const raft::SnapshotHead& head);
  void put_record(RecordKind kind, uint64_t term, uint64_t index, std::string_view payload);
  Status write();

  Directory& directory_;
  StorageOptions options_;
  std::optional<Error> failed_;

  raft::HardState hard_state_;
  raft::Index last_index_ = 0;
  std::string snapshot_file_;          ///< empty: there is none
  std::vector<KeptSegment> segments_;  ///< the last one is being written
  uint64_t previous_end_ = 0;          ///< how much of the last segment counts, for the next one

  std::unique_ptr<File> file_;
  uint64_t offset_ = 0;  ///< where the next record will stand
  uint64_t synced_ = 0;  ///< what was before this offset is on disk
  std::string buffer_;   ///< records that are not written yet
  std::string payload_;  ///< of the next one; kept for its memory
};

struct Storage::Opened {
  std::unique_ptr<Storage> storage;
  raft::Durable durable;
  bool empty = false;  ///< nothing was there: a member that founds a group, or joins one
  std::vector<TornTail> torn_tails;
};

}  // namespace quorate::storage
