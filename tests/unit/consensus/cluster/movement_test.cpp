// What moves when members come and go, and how evenly keys lie: the promises of kRing.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "consensus/base/random.h"
#include "consensus/cluster/placement.h"

namespace quorate::cluster {
namespace {

using Members = std::vector<PlacementMember>;

constexpr size_t kKeys = 20'000;

Members equal_members(size_t count) {
  Members members;
  for (size_t i = 0; i < count; ++i) {
    members.push_back({.name = "10.0.0." + std::to_string(i) + ":6379",
                       .weight = 1,
                       .on_ring = true,
                       .zone = ""});
  }
  return members;
}

std::vector<std::string> owners_of_keys(const Members& members) {
  const auto placement = Placement::build(PlacementRules{}, members);
  base::Random random(1);
  std::vector<std::string> owners;
  for (size_t i = 0; i < kKeys; ++i) {
    owners.push_back(members[placement.owner("key:" + std::to_string(i), random)].name);
  }
  return owners;
}

TEST_CASE("a member that leaves moves its own keys and no others, ejected or removed alike") {
  for (const size_t count : {2, 3, 10, 40}) {
    const Members members = equal_members(count);
    const auto before = owners_of_keys(members);
    for (size_t gone = 0; gone < count; gone += 1 + count / 3) {
      Members ejected = members;
      ejected[gone].on_ring = false;
      Members removed = members;
      removed.erase(removed.begin() + static_cast<std::ptrdiff_t>(gone));
      const auto after = owners_of_keys(ejected);
      CHECK(after == owners_of_keys(removed));
      for (size_t key = 0; key < kKeys; ++key) {
        const bool was_its_own = before[key] == members[gone].name;
        REQUIRE((after[key] != before[key]) == was_its_own);
      }
    }
  }
}

TEST_CASE("a member that joins takes about its share, and keys move to nobody else") {
  for (const size_t count : {1, 3, 10, 40}) {
    const Members grown = equal_members(count + 1);
    const Members members(grown.begin(), grown.end() - 1);
    const auto before = owners_of_keys(members);
    const auto after = owners_of_keys(grown);
    size_t moved = 0;
    for (size_t key = 0; key < kKeys; ++key) {
      if (before[key] == after[key]) continue;
      REQUIRE(after[key] == grown.back().name);
      ++moved;
    }
    const double share = 1.0 / static_cast<double>(count + 1);
    CAPTURE(count);
    CHECK(static_cast<double>(moved) / kKeys == doctest::Approx(share).epsilon(0.25));
  }
}

TEST_CASE("a weight that changes moves keys to or from that member only") {
  Members members = equal_members(10);
  const auto before = owners_of_keys(members);
  members[4].weight = 2;
  const auto after = owners_of_keys(members);
  for (size_t key = 0; key < kKeys; ++key) {
    if (before[key] != after[key]) REQUIRE(after[key] == members[4].name);
  }
}

TEST_CASE("with 160 points, shares are within a quarter of what the weights say") {
  // The spread of a share is about 1 / sqrt(points): 8 % at 160, so a quarter is three times that.
  Members members = equal_members(12);
  uint32_t total = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    members[i].weight = static_cast<uint32_t>(1 + i % 4);
    total += members[i].weight;
  }
  std::map<std::string, size_t> owned;
  for (const std::string& owner : owners_of_keys(members)) ++owned[owner];
  for (const PlacementMember& member : members) {
    CAPTURE(member.name);
    const double share = static_cast<double>(owned[member.name]) / kKeys;
    CHECK(share == doctest::Approx(static_cast<double>(member.weight) / total).epsilon(0.25));
  }
}

TEST_CASE("more points make shares more even") {
  const Members members = equal_members(10);
  const auto spread = [&members](uint32_t points) {
    const auto placement = Placement::build({.hash_tag = "", .points = points}, members);
    base::Random random(1);
    std::vector<double> owned(members.size(), 0);
    for (size_t i = 0; i < 100'000; ++i) {
      owned[placement.owner("key:" + std::to_string(i), random)] += 1;
    }
    double squares = 0;
    for (const double count : owned) squares += (count / 10'000 - 1) * (count / 10'000 - 1);
    return std::sqrt(squares / static_cast<double>(members.size()));
  };
  const double few = spread(20);
  const double usual = spread(160);
  const double many = spread(2000);
  CHECK(few > usual);
  CHECK(usual > many);
  CHECK(usual < 0.12);
  CHECK(many < 0.04);
}

}  // namespace
}  // namespace quorate::cluster
