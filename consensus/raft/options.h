// Every limit and every time of a member, in one place; the same for all members of a group.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "consensus/base/time.h"
#include "consensus/raft/ids.h"

namespace quorate::raft {

struct Options {
  /// A leader shows itself this often.
  base::Duration heartbeat_interval = std::chrono::milliseconds(40);
  /// The shortest a member waits for a leader before it campaigns; each wait is drawn from one to
  /// two of these. Also: for how long a member that heard a leader helps nobody else to become it.
  base::Duration election_timeout = std::chrono::milliseconds(200);
  /// Unanswered for so long, entries and pieces of snapshots are sent again.
  base::Duration resend_timeout = std::chrono::milliseconds(200);
  /// A proposal whose fate is not known after so long ends as unknown.
  base::Duration proposal_timeout = std::chrono::seconds(5);
  /// A read that is not confirmed after so long ends as failed.
  base::Duration read_timeout = std::chrono::seconds(1);

  size_t max_command_bytes = size_t{1} << 20;
  size_t max_message_bytes = size_t{64} << 10;  ///< of entries in one message; one always fits
  size_t max_in_flight = 64;                    ///< unanswered AppendEntries to one member
  size_t max_uncommitted_bytes = size_t{16} << 20;
  size_t max_pending_reads = 4096;           ///< of its own, and again of other members
  size_t max_apply_bytes = size_t{1} << 20;  ///< of entries in one output; one always fits
  size_t snapshot_piece_bytes = size_t{64} << 10;
  uint64_t max_snapshot_bytes = uint64_t{256} << 20;
  /// Entries kept in memory behind a snapshot, so that a member a little behind needs none.
  Index trailing_entries = 1024;
};

}  // namespace quorate::raft
