// Snapshots as files: snapshot-<index, 16 hex digits>, written beside under another name, synced,
// and only then renamed. A file of this name is complete, or damaged.
//
//   "QUORATE\n" version:4 index:8 term:8 configuration(length:4 …) state(length:8 …) crc:4
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "consensus/raft/entry.h"
#include "consensus/storage/error.h"

namespace quorate::storage {

inline constexpr std::string_view kPartialSuffix = ".partial";

std::string snapshot_name(raft::Index index);
/// The index in such a name.
std::optional<raft::Index> snapshot_index(std::string_view name);

std::string encode_snapshot(const raft::Snapshot& snapshot);
Result<raft::SnapshotRef> decode_snapshot(const std::string& name, std::string_view bytes);

}  // namespace quorate::storage
