// Placement: which member of a pool owns a key.
//
//   key -> hash tag -> hash -> place -> member        owner(), and explain() for the same, told
//                              place -> members       preference_list(), for replicated pools
//
// Immutable, built whole for each change of the pool, read by every worker without a lock. It does
// not know backends, addresses or their state: a member is an index into what it was built from.
// Two processes that build from equal rules and members (kRing: in any order) place alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/random.h"
#include "consensus/cluster/hash.h"
#include "consensus/cluster/ring.h"
#include "consensus/cluster/slots.h"

namespace quorate::cluster {

enum class Distribution : uint8_t {
  kRing,                ///< virtual nodes: `points` for each unit of weight
  kKetama,              ///< twemproxy's, bit for bit
  kModula,              ///< twemproxy's: hash modulo the sum of the weights
  kRandom,              ///< twemproxy's: any member, whatever the key and the weights
  kLibmemcachedKetama,  ///< MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, bit for bit
};

inline constexpr uint8_t kDistributions = 5;

/// As the configuration writes it: "ring", "ketama", "modula", "random", "libmemcached-ketama".
std::string_view name_of(Distribution distribution);
std::optional<Distribution> distribution_named(std::string_view name);

/// Largest weight of a member: on kRing each unit costs `points` of memory, elsewhere none.
constexpr uint32_t max_weight(Distribution distribution) {
  return distribution == Distribution::kRing ? 1000 : 1'000'000;
}

inline constexpr uint32_t kMaxPointsPerWeight = 10'000;

/// Slots of a Redis Cluster: CRC16 of a key or of what its hash tag holds, modulo this.
inline constexpr uint32_t kRedisClusterSlots = 16384;
/// REQUIRES: nothing; any bytes are a key.
uint16_t redis_cluster_slot(std::string_view key);

struct PlacementRules {
  HashKind hash = HashKind::kXxh3;
  Distribution distribution = Distribution::kRing;
  std::string hash_tag;   ///< empty, or the opening and the closing character
  uint32_t points = 160;  ///< virtual nodes of weight 1, 1..kMaxPointsPerWeight; kRing only

  bool operator==(const PlacementRules&) const = default;
};

struct PlacementMember {
  std::string name;     ///< what the ring hashes; distinct
  uint32_t weight = 1;  ///< 1..max_weight(distribution)
  bool on_ring = true;  ///< false: ejected with rehash; its keys go to others
  std::string zone;     ///< what fails together; preference_list() only

  bool operator==(const PlacementMember&) const = default;
};

/// Why these cannot be placed, in words for who wrote them; nothing if they can.
std::optional<std::string> problem_with(const PlacementRules& rules,
                                        std::span<const PlacementMember> members);

/// How a key came to its owner.
struct Explanation {
  std::string_view hashed;        ///< inside the hash tag, or the whole key; views the key
  uint64_t hash{};                ///< of `hashed`; 32 bits unless the hash is XXH3
  std::optional<uint64_t> token;  ///< kRing: the owner's point, 64 bits; ketama: the same, 32 bits;
                                  ///< kModula: the slot; kRandom: none
  std::optional<uint32_t> member;  ///< none if chosen at random, or nobody is on the ring
};

class Placement {
 public:
  /// Of nobody: empty().
  Placement() = default;

  /// REQUIRES: !problem_with(rules, members). No members, or none on the ring, is no problem.
  static Placement build(const PlacementRules& rules, std::span<const PlacementMember> members);

  /// As a Redis Cluster places: slot i is owners[i]'s, an index into the members. Where an owner is
  /// comes from the cluster itself, so there are no rules to agree on.
  /// REQUIRES: owners.size() == kRedisClusterSlots.
  static Placement of_redis_cluster(std::span<const uint32_t> owners);

  /// Nobody is on the ring; nothing has an owner.
  bool empty() const { return ring_.empty() && slots_.empty(); }

  /// Index into `members` of the owner of `key`; `random` is asked by kRandom only.
  /// REQUIRES: !empty().
  uint32_t owner(std::string_view key, base::Random& random) const;

  Explanation explain(std::string_view key) const;

  /// Where `key` lies on the ring: what preference_list() takes.
  uint64_t position(std::string_view key) const;

  /// Whether members follow each other on a ring, so that "the next one" means something: all
  /// distributions but kModula and kRandom.
  bool has_successors() const { return !ring_.empty(); }

  /// The members met clockwise from `position`, the owner first, each once: `count` of them, or
  /// fewer if the ring has not as many. Members of zones not met yet go before members of zones met
  /// once, these before members of zones met twice, and so on. Without zones: in the order of the
  /// ring. REQUIRES: has_successors().
  std::vector<uint32_t> preference_list(uint64_t position, size_t count) const;

 private:
  std::string_view part_to_hash(std::string_view key) const;
  uint64_t key_hash(std::string_view key) const;

  PlacementRules rules_;
  int position_shift_ = 0;          // 32 for hashes of 32 bits
  Ring ring_;                       // empty for kModula and kRandom
  Slots slots_;                     // empty for all others
  std::vector<uint32_t> zones_;     // dense number of each member's zone
  uint32_t members_on_circle_ = 0;  // with at least one point
};

}  // namespace quorate::cluster
