// The file that says who the owner of a data directory is: its number in the group, and the
// cluster, once it has one. Written beside, synced and renamed, like a snapshot.
//
// It is what tells a member that comes back from one that has lost its disk.
#pragma once

#include <optional>
#include <string>

#include "consensus/cluster/cluster_map.h"
#include "consensus/storage/directory.h"

namespace quorate::member {

struct Identity {
  raft::MemberId id{};
  cluster::Nonce cluster;  ///< none: not known yet
  std::string name;        ///< for people who look at it
};

inline constexpr std::string_view kIdentityFile = "member";

/// Nothing: there is no such file. Damage is an error.
storage::Result<std::optional<Identity>> read_identity(storage::Directory& directory);
storage::Status write_identity(storage::Directory& directory, const Identity& identity);

std::string hex(const cluster::Nonce& nonce);

}  // namespace quorate::member
