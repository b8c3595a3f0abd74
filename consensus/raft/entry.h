// What a member keeps on disk: entries, the hard state, snapshots; and the orders to keep them.
//
// Entries and snapshots are immutable and shared by pointer: the log, the messages to each member
// and the disk's queue hold the same one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "consensus/raft/configuration.h"
#include "consensus/raft/ids.h"

namespace quorate::raft {

/// A new leader's first entry; with it, what earlier leaders left commits (§3.6.2, §6.4).
struct Noop {
  bool operator==(const Noop&) const = default;
};

/// A change of the replicated state; opaque here.
struct Command {
  std::string bytes;

  bool operator==(const Command&) const = default;
};

using EntryData = std::variant<Noop, Command, Configuration>;

struct Entry {
  Term term = 0;
  Index index = 0;
  EntryData data;

  bool operator==(const Entry&) const = default;
};

using EntryRef = std::shared_ptr<const Entry>;

/// What an entry takes of a limit that is counted in bytes; about its size on the wire.
size_t cost(const Entry& entry);

/// What must not be forgotten between two messages (the paper's persistent state).
struct HardState {
  Term term = 0;
  std::optional<MemberId> vote;  ///< whom this member voted for in `term`

  bool operator==(const HardState&) const = default;
};

/// Which snapshot, and that its bytes are the same: two members' snapshots at one index may differ.
struct SnapshotHead {
  Index index = 0;  ///< the last entry it stands for
  Term term = 0;    ///< that entry's
  uint64_t size = 0;
  uint32_t checksum = 0;  ///< CRC-32C of the state

  bool operator==(const SnapshotHead&) const = default;
};

/// The replicated state after an entry, and the configuration in force there (§5.1).
struct Snapshot {
  SnapshotHead head;
  Configuration configuration;
  std::string state;  ///< opaque here
};

using SnapshotRef = std::shared_ptr<const Snapshot>;

SnapshotRef make_snapshot(Index index, Term term, Configuration configuration, std::string state);

/// One order to the disk. Orders are carried out in the order of their sequence; several may share
/// one fsync. Within an order: the hard state, then the snapshot, then the entries.
struct Persist {
  uint64_t sequence = 0;
  std::optional<HardState> hard_state;
  SnapshotRef snapshot;
  bool snapshot_replaces_log = false;  ///< it came from the leader: no entry before it counts
  std::vector<EntryRef> entries;       ///< consecutive; those on disk from the first's index on
                                       ///< are void
};

/// What a member finds on its disk when it starts.
struct Durable {
  HardState hard_state;
  SnapshotRef snapshot;           ///< none: the log begins at index 1
  std::vector<EntryRef> entries;  ///< consecutive, from just after the snapshot
};

/// The first order to the disk of a member that founds a group: entry 1 in term 1 holds the
/// configuration. All founders write the same, so that it is committed from the start. Members
/// that join later found nothing: they start with an empty disk, and the leader finds them.
Persist founding(const Configuration& configuration);

}  // namespace quorate::raft
