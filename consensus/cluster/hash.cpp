#include "consensus/cluster/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#include "consensus/base/assert.h"
#include "consensus/base/little_endian.h"
#include "consensus/cluster/md5.h"

namespace quorate::cluster {
namespace {

constexpr uint32_t as_signed(char c) {
  return static_cast<uint32_t>(static_cast<int32_t>(static_cast<signed char>(c)));
}

constexpr uint32_t as_unsigned(char c) { return static_cast<unsigned char>(c); }

constexpr std::array<uint32_t, 256> make_crc16_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ ((crc & 0x8000) != 0 ? 0x1021 : 0);
    table[byte] = crc & 0xffff;
  }
  return table;
}

constexpr std::array<uint32_t, 256> make_crc32_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
    table[byte] = crc;
  }
  return table;
}

constexpr auto kCrc16Table = make_crc16_table();
constexpr auto kCrc32Table = make_crc32_table();

uint32_t one_at_a_time(std::string_view key) {
  uint32_t hash = 0;
  for (const char c : key) {
    hash += as_signed(c);
    hash += hash << 10;
    hash ^= hash >> 6;
  }
  hash += hash << 3;
  hash ^= hash >> 11;
  hash += hash << 15;
  return hash;
}

/// The polynomial is XMODEM's, but what is shifted out of the low 16 bits is kept.
uint32_t crc16_uncut(std::string_view key) {
  uint32_t crc = 0;
  for (const char c : key) crc = (crc << 8) ^ kCrc16Table[((crc >> 8) ^ as_unsigned(c)) & 0xff];
  return crc;
}

uint32_t crc32_true(std::string_view key) {
  uint32_t crc = ~uint32_t{0};
  for (const char c : key) crc = (crc >> 8) ^ kCrc32Table[(crc ^ as_unsigned(c)) & 0xff];
  return ~crc;
}

uint32_t crc32_15_bits(std::string_view key) { return (crc32_true(key) >> 16) & 0x7fff; }

// Multiplication and xor carry nothing downwards, so the low half of 64-bit FNV needs only the low
// halves of its two constants.
constexpr uint32_t kFnv64Basis = 0x84222325;
constexpr uint32_t kFnv64Prime = 0x1b3;
constexpr uint32_t kFnv32Basis = 0x811c9dc5;
constexpr uint32_t kFnv32Prime = 0x01000193;

uint32_t fnv1(std::string_view key, uint32_t basis, uint32_t prime) {
  for (const char c : key) basis = (basis * prime) ^ as_signed(c);
  return basis;
}

uint32_t fnv1a(std::string_view key, uint32_t basis, uint32_t prime) {
  for (const char c : key) basis = (basis ^ as_signed(c)) * prime;
  return basis;
}

uint32_t hsieh(std::string_view key) {
  if (key.empty()) return 0;
  const auto pair = [&key](size_t at) {
    return as_unsigned(key[at]) | as_unsigned(key[at + 1]) << 8;
  };

  uint32_t hash = 0;
  for (; key.size() >= 4; key.remove_prefix(4)) {
    hash += pair(0);
    hash = (hash << 16) ^ (pair(2) << 11) ^ hash;
    hash += hash >> 11;
  }
  switch (key.size()) {
    case 3:
      hash += pair(0);
      hash ^= hash << 16;
      hash ^= as_signed(key[2]) << 18;
      hash += hash >> 11;
      break;
    case 2:
      hash += pair(0);
      hash ^= hash << 11;
      hash += hash >> 17;
      break;
    case 1:
      hash += as_unsigned(key[0]);
      hash ^= hash << 10;
      hash += hash >> 1;
      break;
    default: break;
  }
  hash ^= hash << 3;
  hash += hash >> 5;
  hash ^= hash << 4;
  hash += hash >> 17;
  hash ^= hash << 25;
  hash += hash >> 6;
  return hash;
}

/// MurmurHash2, seeded with 0xdeadbeef times the length.
uint32_t murmur(std::string_view key) {
  constexpr uint32_t kMultiplier = 0x5bd1e995;
  const auto length = static_cast<uint32_t>(key.size());
  uint32_t hash = (0xdeadbeef * length) ^ length;
  for (; key.size() >= 4; key.remove_prefix(4)) {
    uint32_t word = base::load_u32(key.data()) * kMultiplier;
    word = (word ^ (word >> 24)) * kMultiplier;
    hash = (hash * kMultiplier) ^ word;
  }
  if (!key.empty()) {
    for (size_t i = 0; i < key.size(); ++i) hash ^= as_unsigned(key[i]) << (8 * i);
    hash *= kMultiplier;
  }
  hash = (hash ^ (hash >> 13)) * kMultiplier;
  return hash ^ (hash >> 15);
}

/// Bob Jenkins' lookup3, the little-endian one, with 13 as its initial value.
uint32_t jenkins(std::string_view key) {
  constexpr uint32_t kInitialValue = 13;
  uint32_t a = 0xdeadbeef + static_cast<uint32_t>(key.size()) + kInitialValue;
  uint32_t b = a;
  uint32_t c = a;
  const auto add_block = [&](const char* bytes) {
    a += base::load_u32(bytes);
    b += base::load_u32(bytes + 4);
    c += base::load_u32(bytes + 8);
  };

  for (; key.size() > 12; key.remove_prefix(12)) {
    add_block(key.data());
    a = (a - c) ^ std::rotl(c, 4), c += b;
    b = (b - a) ^ std::rotl(a, 6), a += c;
    c = (c - b) ^ std::rotl(b, 8), b += a;
    a = (a - c) ^ std::rotl(c, 16), c += b;
    b = (b - a) ^ std::rotl(a, 19), a += c;
    c = (c - b) ^ std::rotl(b, 4), b += a;
  }
  if (key.empty()) return c;
  std::array<char, 12> last{};
  std::memcpy(last.data(), key.data(), key.size());
  add_block(last.data());
  c = (c ^ b) - std::rotl(b, 14);
  a = (a ^ c) - std::rotl(c, 11);
  b = (b ^ a) - std::rotl(a, 25);
  c = (c ^ b) - std::rotl(b, 16);
  a = (a ^ c) - std::rotl(c, 4);
  b = (b ^ a) - std::rotl(a, 14);
  c = (c ^ b) - std::rotl(b, 24);
  return c;
}

uint32_t twemproxy_hash(HashKind kind, std::string_view key) {
  switch (kind) {
    case HashKind::kXxh3: break;
    case HashKind::kOneAtATime: return one_at_a_time(key);
    case HashKind::kMd5: return md5(key)[0];
    case HashKind::kCrc16: return crc16_uncut(key);
    case HashKind::kCrc32: return crc32_15_bits(key);
    case HashKind::kCrc32a: return crc32_true(key);
    case HashKind::kFnv1_64: return fnv1(key, kFnv64Basis, kFnv64Prime);
    case HashKind::kFnv1a_64: return fnv1a(key, kFnv64Basis, kFnv64Prime);
    case HashKind::kFnv1_32: return fnv1(key, kFnv32Basis, kFnv32Prime);
    case HashKind::kFnv1a_32: return fnv1a(key, kFnv32Basis, kFnv32Prime);
    case HashKind::kHsieh: return hsieh(key);
    case HashKind::kMurmur: return murmur(key);
    case HashKind::kJenkins: return jenkins(key);
  }
  ASSERT(false && "not a hash of twemproxy's");
}

constexpr std::array<std::string_view, kHashKinds> kNames = {
    "xxh3",     "one_at_a_time", "md5",      "crc16", "crc32",  "crc32a", "fnv1_64",
    "fnv1a_64", "fnv1_32",       "fnv1a_32", "hsieh", "murmur", "jenkins"};

}  // namespace

uint64_t hash_of(HashKind kind, std::string_view key) {
  if (kind == HashKind::kXxh3) return XXH3_64bits(key.data(), key.size());
  return twemproxy_hash(kind, key);
}

std::string_view name_of(HashKind kind) { return kNames[static_cast<size_t>(kind)]; }

std::optional<HashKind> hash_named(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<HashKind>(i);
  }
  return std::nullopt;
}

}  // namespace quorate::cluster
