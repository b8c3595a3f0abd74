// Placement: which member of a pool owns a key.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/random.h"

namespace quorate::cluster {

enum class HashKind : uint8_t {
  kXxh3,
  kOneAtATime,
  kMd5,
  kCrc16,
  kCrc32,
  kCrc32a,
  kFnv1_64,
  kFnv1a_64,
  kFnv1_32,
  kFnv1a_32,
  kHsieh,
  kMurmur,
  kJenkins,
};

enum class Distribution : uint8_t { kRing, kKetama, kModula, kRandom, kLibmemcachedKetama };

struct PlacementRules {
  HashKind hash = HashKind::kXxh3;
  Distribution distribution = Distribution::kRing;
  std::string hash_tag;   ///< empty, or the opening and the closing character
  uint32_t points = 160;  ///< virtual nodes of weight 1; kRing only
};

struct PlacementMember {
  std::string name;     ///< what the ring hashes
  uint32_t weight = 1;  ///< 1..1000
  bool on_ring = true;  ///< false: ejected with rehash; its keys go to others
};

class Placement {
 public:
  static Placement build(const PlacementRules& rules, std::span<const PlacementMember> members);

  /// Index into `members` of the owner of `key`. REQUIRES: at least one member on the ring.
  uint32_t owner(std::string_view key, base::Random& random) const;
};

}  // namespace quorate::cluster
