// Topology: what a worker needs to know to place a key. An immutable snapshot, replaced whole and
// never edited; a command takes the pointer once and keeps to it.
//
// Built by the control thread from the configuration (later: from the committed ClusterMap), read
// by every worker without a lock. Backends are named by a dense id that never changes its meaning
// while the process lives, so that connections survive a new epoch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "consensus/cluster/placement.h"

namespace quorate::cluster {

/// Dense, process-wide number of a backend; never reused for another address.
using BackendId = uint32_t;
/// Dense number of a pool; never reused for another pool.
using PoolId = uint32_t;

enum class Protocol : uint8_t { kRedis, kMemcached };

enum class BackendState : uint8_t {
  kUp,
  kEjected,  ///< its commands fail at once ("keep"), or it is off the ring ("rehash")
};

struct BackendView {
  BackendId id{};
  BackendState state{};
};

struct PoolView {
  PoolId id{};
  uint64_t epoch{};                  ///< grows with every change of this pool's ring
  std::vector<BackendView> members;  ///< in the order of Placement's member indexes
  Placement placement;
};

struct Topology {
  uint64_t epoch{};             ///< grows with every change of any pool
  std::vector<PoolView> pools;  ///< by PoolId

  const PoolView& pool(PoolId id) const { return pools[id]; }
};

}  // namespace quorate::cluster
