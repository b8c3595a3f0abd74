#include "consensus/cluster/placement.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "consensus/base/random.h"

namespace quorate::cluster {
namespace {

using Members = std::vector<PlacementMember>;

constexpr std::array kAllDistributions = {Distribution::kRing, Distribution::kKetama,
                                          Distribution::kModula, Distribution::kRandom,
                                          Distribution::kLibmemcachedKetama};

PlacementMember member(std::string name, uint32_t weight = 1, bool on_ring = true) {
  return {.name = std::move(name), .weight = weight, .on_ring = on_ring, .zone = ""};
}

Members numbered(size_t count) {
  Members members;
  for (size_t i = 1; i <= count; ++i) members.push_back(member("server" + std::to_string(i)));
  return members;
}

PlacementRules rules(Distribution distribution, HashKind hash = HashKind::kFnv1a_64,
                     std::string hash_tag = "") {
  return {
      .hash = hash, .distribution = distribution, .hash_tag = std::move(hash_tag), .points = 160};
}

std::string name_of_owner(const Placement& placement, const Members& members,
                          std::string_view key) {
  base::Random random(1);
  return members[placement.owner(key, random)].name;
}

std::string key_number(size_t i) { return "key:" + std::to_string(i); }

TEST_CASE("twemproxy's ketama puts keys where twemproxy puts them") {
  const Members members = numbered(3);
  const auto placement = Placement::build(rules(Distribution::kKetama), members);
  CHECK(name_of_owner(placement, members, "foo") == "server1");
  CHECK(name_of_owner(placement, members, "bar") == "server2");
  CHECK(name_of_owner(placement, members, "user:1000") == "server1");
  CHECK(name_of_owner(placement, members, "{tag}:a") == "server2");
}

TEST_CASE("crc32, which has 15 bits, sends practically every key of a ketama ring to one member") {
  const Members members = numbered(3);
  const auto placement = Placement::build(rules(Distribution::kKetama, HashKind::kCrc32), members);
  std::set<std::string> owners;
  for (size_t i = 0; i < 20'000; ++i) {
    owners.insert(name_of_owner(placement, members, key_number(i)));
  }
  CHECK(owners.size() == 1);
}

TEST_CASE("modula takes the members by name, short names first, each as often as it weighs") {
  // Twemproxy's order is b, c, aa, so the slots are b, b, c, aa, aa, aa.
  const Members members = {member("aa", 3), member("c", 1), member("b", 2)};
  const auto placement = Placement::build(rules(Distribution::kModula, HashKind::kCrc32a), members);
  const std::vector<uint32_t> slots = {2, 2, 1, 0, 0, 0};
  base::Random random(1);
  for (size_t i = 0; i < 1000; ++i) {
    const std::string key = key_number(i);
    CHECK(placement.owner(key, random) == slots[hash_of(HashKind::kCrc32a, key) % 6]);
  }
}

TEST_CASE("modula without a member that is off the ring divides by the weights of the others") {
  const Members members = {member("a", 2), member("b", 5, false), member("c", 1)};
  const auto placement = Placement::build(rules(Distribution::kModula, HashKind::kCrc32a), members);
  const std::vector<uint32_t> slots = {0, 0, 2};
  base::Random random(1);
  for (size_t i = 0; i < 1000; ++i) {
    const std::string key = key_number(i);
    CHECK(placement.owner(key, random) == slots[hash_of(HashKind::kCrc32a, key) % 3]);
  }
}

TEST_CASE("random asks neither key nor weights, and passes by who is off the ring") {
  const Members members = {member("a", 1), member("b", 9, false), member("c", 1000)};
  const auto placement = Placement::build(rules(Distribution::kRandom), members);
  base::Random random(7);
  std::map<uint32_t, int> drawn;
  for (int i = 0; i < 10'000; ++i) ++drawn[placement.owner("one key", random)];
  CHECK(drawn.size() == 2);
  CHECK(drawn[0] == doctest::Approx(5000).epsilon(0.05));
  CHECK(drawn[2] == doctest::Approx(5000).epsilon(0.05));
}

TEST_CASE("ketama with a member off the ring is ketama of the others alone") {
  for (const auto distribution : {Distribution::kKetama, Distribution::kLibmemcachedKetama}) {
    Members members = numbered(26);  // the others are 25, which have 156 points each and not 160
    members[3].on_ring = false;
    Members others = members;
    others.erase(others.begin() + 3);
    const auto placement = Placement::build(rules(distribution), members);
    const auto alone = Placement::build(rules(distribution), others);
    for (size_t i = 0; i < 5000; ++i) {
      REQUIRE(name_of_owner(placement, members, key_number(i)) ==
              name_of_owner(alone, others, key_number(i)));
    }
  }
}

TEST_CASE("the order in which members are listed does not matter, but to libmemcached") {
  for (const auto distribution :
       {Distribution::kRing, Distribution::kKetama, Distribution::kModula}) {
    const Members members = {member("a", 3), member("bb", 1), member("c", 2), member("ab", 2)};
    Members reversed(members.rbegin(), members.rend());
    const auto one = Placement::build(rules(distribution), members);
    const auto other = Placement::build(rules(distribution), reversed);
    for (size_t i = 0; i < 5000; ++i) {
      REQUIRE(name_of_owner(one, members, key_number(i)) ==
              name_of_owner(other, reversed, key_number(i)));
    }
  }
}

TEST_CASE("quorate's own ring stays what it was: names, weights and XXH3 decide, nothing else") {
  // If this fails, a new version would look for every user's keys in other places.
  const Members members = {member("10.0.0.1:6379"), member("10.0.0.2:6379", 2), member("c")};
  const auto placement = Placement::build(rules(Distribution::kRing, HashKind::kXxh3), members);
  const auto check = [&placement](std::string_view key, uint64_t token, uint32_t owner) {
    CHECK(placement.explain(key).token == token);
    CHECK(placement.explain(key).member == owner);
  };
  check("apple", 5927258685658548220, 1);
  check("zebra", 9817855172463461627U, 0);
  check("user:1000", 18116677519768753657U, 1);
  check("", 3268838483019910293, 0);
}

TEST_CASE("with a hash tag, keys of one tag lie together, and where their tag alone would") {
  for (const auto distribution : {Distribution::kRing, Distribution::kKetama, Distribution::kModula,
                                  Distribution::kLibmemcachedKetama}) {
    const Members members = numbered(7);
    const auto tagged = Placement::build(rules(distribution, HashKind::kMd5, "{}"), members);
    const auto plain = Placement::build(rules(distribution, HashKind::kMd5), members);
    for (size_t i = 0; i < 200; ++i) {
      const std::string tag = std::to_string(i);
      const std::string owner = name_of_owner(tagged, members, "user:{" + tag + "}:name");
      CHECK(owner == name_of_owner(tagged, members, "{" + tag + "}"));
      CHECK(owner == name_of_owner(plain, members, tag));
      CHECK(name_of_owner(tagged, members, "{}" + tag) ==
            name_of_owner(plain, members, "{}" + tag));
    }
  }
}

TEST_CASE("the empty key has hash 0 in twemproxy's placements, and its hash in the others") {
  for (const auto distribution : kAllDistributions) {
    const Members members = numbered(5);
    const auto placement = Placement::build(rules(distribution, HashKind::kMd5), members);
    const bool twemproxy =
        distribution == Distribution::kKetama || distribution == Distribution::kModula;
    CHECK(placement.explain("").hash == (twemproxy ? 0 : hash_of(HashKind::kMd5, "")));
    base::Random random(1);
    CHECK(placement.owner("", random) < members.size());
  }
  const Members members = {member("b"), member("a")};
  const auto modula = Placement::build(rules(Distribution::kModula, HashKind::kMd5), members);
  CHECK(name_of_owner(modula, members, "") == "a");
}

TEST_CASE("one member owns every key") {
  for (const auto distribution : kAllDistributions) {
    for (uint8_t hash = 0; hash < kHashKinds; ++hash) {
      const Members members = {member("gone", 1, false), member("only", 3)};
      const auto placement =
          Placement::build(rules(distribution, static_cast<HashKind>(hash)), members);
      for (const char* key : {"", "a", "apple", "{}"}) {
        CHECK(name_of_owner(placement, members, key) == "only");
      }
    }
  }
}

TEST_CASE("nobody on the ring, or nobody at all, is an empty placement that explains no owner") {
  for (const auto distribution : kAllDistributions) {
    for (const Members& members :
         {Members{}, Members{member("a", 1, false), member("b", 2, false)}}) {
      const auto placement = Placement::build(rules(distribution), members);
      CHECK(placement.empty());
      CHECK_FALSE(placement.has_successors());
      const Explanation told = placement.explain("key");
      CHECK(told.hashed == "key");
      CHECK(told.hash == hash_of(HashKind::kFnv1a_64, "key"));
      CHECK_FALSE(told.token.has_value());
      CHECK_FALSE(told.member.has_value());
    }
  }
  CHECK(Placement().empty());
}

TEST_CASE("the explanation of a key names its owner, and a token that its hash comes before") {
  base::Random random(8);
  for (const auto distribution : {Distribution::kRing, Distribution::kKetama, Distribution::kModula,
                                  Distribution::kLibmemcachedKetama}) {
    for (const HashKind hash : {HashKind::kXxh3, HashKind::kFnv1a_64, HashKind::kMd5}) {
      const auto placement = Placement::build(rules(distribution, hash, "{}"), numbered(4));
      for (size_t i = 0; i < 500; ++i) {
        const std::string key = "x{" + std::to_string(i) + "}";
        const Explanation told = placement.explain(key);
        CHECK(told.hashed == std::to_string(i));
        CHECK(told.hash == hash_of(hash, told.hashed));
        REQUIRE(told.member == placement.owner(key, random));
        REQUIRE(told.token.has_value());
        if (distribution == Distribution::kModula) CHECK(*told.token == told.hash % 4);
      }
    }
  }
}

TEST_CASE("the token of a ketama explanation is the 32 bits that twemproxy would show") {
  const auto placement = Placement::build(rules(Distribution::kKetama), numbered(3));
  // The empty key has hash 0, so its token is the first one of the ring.
  const Explanation told = placement.explain("");
  CHECK(told.token == 9796559);
  CHECK(told.member == 2);
}

TEST_CASE("the explanation of a random placement names neither token nor owner") {
  const auto placement = Placement::build(rules(Distribution::kRandom), numbered(3));
  CHECK_FALSE(placement.explain("key").token.has_value());
  CHECK_FALSE(placement.explain("key").member.has_value());
}

TEST_CASE("what cannot be placed is named before it is built") {
  const auto ring = rules(Distribution::kRing);
  CHECK_FALSE(problem_with(ring, Members{}).has_value());
  CHECK_FALSE(problem_with(ring, numbered(3)).has_value());
  CHECK(problem_with(ring, Members{member("")}) == "a member has no name");
  CHECK(problem_with(ring, Members{member("a"), member("a", 2)}) == "two members are named \"a\"");
  CHECK(problem_with(ring, Members{member("a", 0)}) == "the weight of \"a\" is not in 1..1000");
  CHECK(problem_with(ring, Members{member("a", 1001)}).has_value());
  CHECK(problem_with(rules(Distribution::kKetama), Members{member("a", 1001)}) == std::nullopt);
  CHECK(problem_with(rules(Distribution::kKetama), Members{member("a", 1'000'001)}).has_value());
  CHECK(problem_with(rules(Distribution::kRing, HashKind::kXxh3, "{"), Members{}).has_value());
  CHECK(problem_with(rules(Distribution::kRing, HashKind::kXxh3, "{--}"), Members{}).has_value());

  PlacementRules many = ring;
  many.points = kMaxPointsPerWeight;
  CHECK_FALSE(problem_with(many, Members{member("a", 1000)}).has_value());
  CHECK(problem_with(many, Members{member("a", 1000), member("b", 700)}) ==
        "the weights times 10000 points make more than 16777216 points");
  many.points = kMaxPointsPerWeight + 1;
  CHECK(problem_with(many, Members{}) == "the number of points is not in 1..10000");
  many.points = 0;
  CHECK(problem_with(many, Members{}).has_value());
}

TEST_CASE("every distribution is found by its name, and nothing else is") {
  for (const auto distribution : kAllDistributions) {
    CHECK(distribution_named(name_of(distribution)) == distribution);
  }
  CHECK_FALSE(distribution_named("").has_value());
  CHECK_FALSE(distribution_named("Ketama").has_value());
}

}  // namespace
}  // namespace quorate::cluster

TEST_CASE("a Redis Cluster's slots are CRC16 of what the hash tag holds") {
  using quorate::cluster::redis_cluster_slot;
  CHECK(redis_cluster_slot("foo") == 12182);
  CHECK(redis_cluster_slot("123456789") == 0x31C3 % 16384);
  CHECK(redis_cluster_slot("{user1000}.following") == redis_cluster_slot("user1000"));
  CHECK(redis_cluster_slot("foo{{bar}}zap") == redis_cluster_slot("{bar"));
  CHECK(redis_cluster_slot("") == 0);
  std::vector<uint32_t> owners(quorate::cluster::kRedisClusterSlots, 7);
  owners[12182] = 9;
  const auto placement = quorate::cluster::Placement::of_redis_cluster(owners);
  quorate::base::Random random(1);
  CHECK(placement.owner("foo", random) == 9);
  CHECK(placement.owner("bar", random) == 7);
  CHECK(placement.owner("", random) == 7);
}
