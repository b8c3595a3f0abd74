// A pool's ring, as a command looks at it: from a configuration file, or from a running proxy,
// which knows what the group has agreed on.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "consensus/cluster/placement.h"

namespace quorate::cli {

struct RingServer {
  std::string name;
  std::string address;
  std::string state;
};

struct PoolRing {
  std::string name;
  std::optional<uint64_t> epoch;  ///< none: from a file
  cluster::PlacementRules rules;
  std::vector<cluster::PlacementMember> members;
  std::vector<RingServer> servers;  ///< who answers for each member
  cluster::Placement placement;

  /// The index of a key's owner; none: any, or nobody.
  std::optional<uint32_t> owner(const std::string& key) const;
};

/// Where to look: `config_file`, or if that is empty the proxy at `admin`.
struct RingSource {
  std::string config_file;
  std::string admin = "127.0.0.1:9180";
  std::string pool;  ///< only this one; empty: all
};

/// Nothing, and `exit_code` says so: why was said on `err`.
std::vector<PoolRing> load_rings(const RingSource& source, int& exit_code, std::ostream& err);

}  // namespace quorate::cli
