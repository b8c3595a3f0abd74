#include "consensus/cluster/hash.h"

#include <doctest/doctest.h>
#include <libmemcached/memcached.h>

#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/base/random.h"

namespace quorate::cluster {
namespace {

std::vector<HashKind> all_hashes() {
  std::vector<HashKind> kinds;
  for (uint8_t i = 0; i < kHashKinds; ++i) kinds.push_back(static_cast<HashKind>(i));
  return kinds;
}

std::string random_bytes(base::Random& random, size_t length) {
  std::string bytes(length, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next());
  return bytes;
}

TEST_CASE("the twelve hashes of \"apple\" are the ones in twemproxy's own test") {
  const std::map<HashKind, uint64_t> expected = {
      {HashKind::kOneAtATime, 2297466611}, {HashKind::kMd5, 3195025439},
      {HashKind::kCrc16, 3662830516},      {HashKind::kCrc32, 10542},
      {HashKind::kCrc32a, 2838417488},     {HashKind::kFnv1_32, 67176023},
      {HashKind::kFnv1a_32, 280767167},    {HashKind::kFnv1_64, 473199127},
      {HashKind::kFnv1a_64, 1488911807},   {HashKind::kHsieh, 3738850110},
      {HashKind::kJenkins, 1442444624},    {HashKind::kMurmur, 4142305122}};
  for (const auto& each : expected) {
    const auto& [kind, hash] = each;
    CAPTURE(std::string(name_of(each.first)));
    CHECK(hash_of(kind, "apple") == hash);
  }
}

TEST_CASE("bytes of 0x80 and above are added as signed chars") {
  CHECK(hash_of(HashKind::kFnv1a_64, "\xc3\xa9") ==
        3033280513);  // the standard's would be 3071811073
}

TEST_CASE("the standard check value shows which CRCs are the true ones") {
  constexpr std::string_view kCheck = "123456789";
  CHECK(hash_of(HashKind::kCrc32a, kCheck) == 0xcbf43926);
  CHECK(hash_of(HashKind::kCrc32, kCheck) == (0xcbf43926 >> 16 & 0x7fff));
  CHECK((hash_of(HashKind::kCrc16, kCheck) & 0xffff) == 0x31c3);  // XMODEM, as in Redis Cluster …
  CHECK(hash_of(HashKind::kCrc16, kCheck) != 0x31c3);             // … but for what is above
}

TEST_CASE("xxh3 is the published function, so other programs can place the same keys") {
  CHECK(hash_of(HashKind::kXxh3, "") == 0x2d06800538d394c2);
  CHECK(hash_of(HashKind::kXxh3, "apple") == 5871078790819449344);
}

TEST_CASE("libmemcached's hashes and twemproxy's are the same functions, quirks and all") {
  // Not crc16 and crc32a, which libmemcached lacks, and not hsieh, which Debian builds without.
  const std::vector<std::pair<HashKind, memcached_hash_t>> shared = {
      {HashKind::kOneAtATime, MEMCACHED_HASH_DEFAULT}, {HashKind::kMd5, MEMCACHED_HASH_MD5},
      {HashKind::kCrc32, MEMCACHED_HASH_CRC},          {HashKind::kFnv1_64, MEMCACHED_HASH_FNV1_64},
      {HashKind::kFnv1a_64, MEMCACHED_HASH_FNV1A_64},  {HashKind::kFnv1_32, MEMCACHED_HASH_FNV1_32},
      {HashKind::kFnv1a_32, MEMCACHED_HASH_FNV1A_32},  {HashKind::kMurmur, MEMCACHED_HASH_MURMUR},
      {HashKind::kJenkins, MEMCACHED_HASH_JENKINS}};
  base::Random random(21);
  for (const auto& each : shared) {
    const auto& [ours, theirs] = each;
    CAPTURE(std::string(name_of(each.first)));
    for (size_t length = 1; length <= 250; ++length) {
      const std::string key = random_bytes(random, length);
      CAPTURE(length);
      REQUIRE(hash_of(ours, key) == memcached_generate_hash_value(key.data(), key.size(), theirs));
    }
  }
}

TEST_CASE("a hash depends on the bytes only, not on where they lie or what follows them") {
  base::Random random(22);
  for (const HashKind kind : all_hashes()) {
    CAPTURE(std::string(name_of(kind)));
    for (size_t length = 0; length <= 40; ++length) {
      const std::string key = random_bytes(random, length);
      const uint64_t expected = hash_of(kind, key);
      for (size_t offset = 0; offset < 8; ++offset) {
        const std::string padded = random_bytes(random, offset) + key + random_bytes(random, 8);
        REQUIRE(hash_of(kind, std::string_view(padded).substr(offset, length)) == expected);
      }
    }
  }
}

TEST_CASE("every hash but xxh3 fits 32 bits, and lies in the high half of the ring's places") {
  for (const HashKind kind : all_hashes()) {
    if (kind == HashKind::kXxh3) continue;
    const uint64_t hash = hash_of(kind, "some key");
    CHECK(hash <= UINT32_MAX);
    CHECK(position_of(kind, hash) == hash << 32);
  }
  CHECK(position_of(HashKind::kXxh3, 0x123456789abcdef0) == 0x123456789abcdef0);
}

TEST_CASE("every hash is found by its name, and nothing else is") {
  for (const HashKind kind : all_hashes()) CHECK(hash_named(name_of(kind)) == kind);
  CHECK_FALSE(hash_named("").has_value());
  CHECK_FALSE(hash_named("MD5").has_value());
  CHECK_FALSE(hash_named("murmur3").has_value());
}

}  // namespace
}  // namespace quorate::cluster
