// Key hashes: XXH3 for quorate's own rings, and twemproxy's twelve, bit for bit, for rings that
// existed before quorate did.
//
// Twemproxy's are not what their names promise, but they decide where data lies. So their mistakes
// are kept, as of a build for x86, where char is signed; one for ARM differs on bytes >= 0x80.
//
//   one_at_a_time, fnv*   add each byte as a signed char
//   hsieh                 adds the last of three odd bytes as a signed char
//   fnv1_64, fnv1a_64     the low 32 bits of the 64-bit function
//   crc16                 is never cut to 16 bits: it is not Redis Cluster's
//   crc32                 15 bits of the true CRC-32, which is crc32a. As a ring's hash, it sends
//                         practically every key to one backend
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

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

inline constexpr uint8_t kHashKinds = 13;

/// 64 bits of XXH3, or one of twemproxy's in the low 32 bits.
uint64_t hash_of(HashKind kind, std::string_view key);

/// Where a hash lies on a ring of 2^64 places. A 32-bit hash fills the high half, so that it meets
/// the tokens in the order that it has among 32-bit tokens.
constexpr uint64_t position_of(HashKind kind, uint64_t hash) {
  return kind == HashKind::kXxh3 ? hash : hash << 32;
}

/// As the configuration writes it: "xxh3", "fnv1a_64", …
std::string_view name_of(HashKind kind);
std::optional<HashKind> hash_named(std::string_view name);

}  // namespace quorate::cluster
