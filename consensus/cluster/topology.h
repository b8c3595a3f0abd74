// What the proxies agree on about the placement of one pool, ready to be turned into rings: which
// backends are there, which of them are on the ring, and who serves in whose place.
//
// Made from the committed ClusterMap (topology.cpp) and published whole with each change; never
// edited. Two proxies that hold a PoolView of the same pool with the same epoch hold the same one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "consensus/cluster/placement.h"

namespace quorate::cluster {

struct ClusterMap;
struct Pool;

/// 128 random bits. All zero: none.
struct Nonce {
  uint64_t high = 0;
  uint64_t low = 0;

  explicit operator bool() const { return high != 0 || low != 0; }
  auto operator<=>(const Nonce&) const = default;
};

/// Dense, process-wide number of a backend; never reused for another address.
using BackendId = uint32_t;
/// Dense, process-wide number of a pool; never reused for another pool.
using PoolId = uint32_t;

/// The group's number of a backend, the same in every process; never given to another one.
enum class BackendSerial : uint32_t {};  // 0: none
/// The group's number of a pool; never given to another one, not even to one of the same name.
enum class PoolSerial : uint32_t {};  // 0: none

constexpr uint32_t number(BackendSerial serial) { return static_cast<uint32_t>(serial); }
constexpr uint32_t number(PoolSerial serial) { return static_cast<uint32_t>(serial); }

enum class Protocol : uint8_t { kRedis, kMemcached };

enum class BackendState : uint8_t {
  kUp,
  kEjected,   ///< its commands fail at once ("keep"), its keys have moved ("rehash"), or another
              ///< one has them ("spare"); in a replicated pool, only a hint
  kJoining,   ///< known, not on the ring yet: it has to answer steadily, or to be admitted
  kDraining,  ///< on its way out: off the ring, what it holds may still be asked for
  kRemoved,   ///< gone, and remembered until it is forgotten
};

/// One backend of a pool, as its ring sees it.
struct BackendView {
  BackendSerial serial{};  ///< whose name and weight the ring hashes
  BackendSerial server{};  ///< who answers for it: itself, or its stand-in
  std::string address;     ///< the server's
  Nonce incarnation;       ///< the server's
  BackendState state{};
  PlacementMember member;  ///< name, weight, zone, and whether it is on the ring
  /// Whether commands for it fail at once: it is ejected, on the ring, and nobody stands in.
  bool refuses = false;

  bool operator==(const BackendView&) const = default;
};

struct PoolView {
  PoolSerial serial{};
  std::string name;
  uint64_t epoch = 0;  ///< names what follows, and nothing else; grows with every change of it
  PlacementRules rules;
  std::vector<BackendView> members;  ///< ascending by serial; spares and removed ones are left out

  bool operator==(const PoolView&) const = default;
};

/// REQUIRES: `pool` is of `map`.
PoolView view_of(const ClusterMap& map, const Pool& pool);

}  // namespace quorate::cluster
