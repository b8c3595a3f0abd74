// The members that hold a key of a replicated pool: who follows whom on the ring, zones considered.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "consensus/base/random.h"
#include "consensus/cluster/placement.h"

namespace quorate::cluster {
namespace {

using Members = std::vector<PlacementMember>;

Members members_in(const std::vector<std::string>& zones) {
  Members members;
  for (size_t i = 0; i < zones.size(); ++i) {
    members.push_back(
        {.name = "m" + std::to_string(i), .weight = 1, .on_ring = true, .zone = zones[i]});
  }
  return members;
}

Placement build(const Members& members, Distribution distribution = Distribution::kRing) {
  return Placement::build({.distribution = distribution, .hash_tag = "", .points = 40}, members);
}

/// The members in the order in which the ring names them from `position` on: found by taking the
/// owner off the ring again and again, which is what "the next one" means.
std::vector<uint32_t> owners_one_after_another(Members members, uint64_t position) {
  std::vector<uint32_t> order;
  for (size_t left = members.size(); left > 0; --left) {
    const uint32_t owner = build(members).preference_list(position, 1).front();
    order.push_back(owner);
    members[owner].on_ring = false;
  }
  return order;
}

std::vector<std::string> zones_of(const Members& members, const std::vector<uint32_t>& list) {
  std::vector<std::string> zones;
  zones.reserve(list.size());
  for (const uint32_t member : list) zones.push_back(members[member].zone);
  return zones;
}

TEST_CASE("without zones the list is the order in which members would inherit the key") {
  const Members members = members_in({"", "", "", "", ""});
  const Placement placement = build(members);
  base::Random random(50);
  for (int i = 0; i < 100; ++i) {
    const uint64_t position = random.next();
    const auto order = owners_one_after_another(members, position);
    for (size_t count = 0; count <= members.size(); ++count) {
      CHECK(
          placement.preference_list(position, count) ==
          std::vector<uint32_t>(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count)));
    }
  }
}

TEST_CASE("the first of the list owns the key") {
  const Placement placement = build(members_in({"a", "a", "b", "c", ""}));
  base::Random random(51);
  for (int i = 0; i < 500; ++i) {
    const std::string key = "key:" + std::to_string(i);
    CHECK(placement.preference_list(placement.position(key), 3).front() ==
          placement.owner(key, random));
  }
}

TEST_CASE("zones not met yet go first, in the order of the ring; then those met once, and so on") {
  const Members members = members_in({"a", "a", "a", "b", "b", "c"});
  const Placement placement = build(members);
  base::Random random(52);
  for (int i = 0; i < 200; ++i) {
    const uint64_t position = random.next();
    const auto order = owners_one_after_another(members, position);
    std::vector<std::vector<uint32_t>> rounds(3);
    std::map<std::string, size_t> met;
    for (const uint32_t member : order) rounds[met[members[member].zone]++].push_back(member);
    std::vector<uint32_t> expected;
    for (const auto& round : rounds) expected.insert(expected.end(), round.begin(), round.end());

    for (size_t count = 0; count <= members.size(); ++count) {
      const auto list = placement.preference_list(position, count);
      CHECK(list == std::vector<uint32_t>(expected.begin(),
                                          expected.begin() + static_cast<std::ptrdiff_t>(count)));
    }
    const auto three = zones_of(members, placement.preference_list(position, 3));
    CHECK(std::set<std::string>(three.begin(), three.end()).size() == 3);
  }
}

TEST_CASE("a list has no member twice, and ends when the ring has no more") {
  const Placement placement = build(members_in({"a", "b", "a"}));
  base::Random random(53);
  for (int i = 0; i < 100; ++i) {
    auto list = placement.preference_list(random.next(), 10);
    std::ranges::sort(list);
    CHECK(list == std::vector<uint32_t>{0, 1, 2});
  }
}

TEST_CASE("who is off the ring is in no list, and lists that it was not in stay as they were") {
  const Members members = members_in({"a", "a", "b", "b", "c", "c", "d"});
  const Placement before = build(members);
  base::Random random(54);
  for (uint32_t gone = 0; gone < members.size(); ++gone) {
    Members without = members;
    without[gone].on_ring = false;
    const Placement after = build(without);
    for (int i = 0; i < 200; ++i) {
      const uint64_t position = random.next();
      const auto old_list = before.preference_list(position, 3);
      const auto new_list = after.preference_list(position, 3);
      CHECK(std::ranges::find(new_list, gone) == new_list.end());
      if (std::ranges::find(old_list, gone) == old_list.end()) CHECK(new_list == old_list);
    }
  }
}

TEST_CASE("the ends of the circle have lists like every other place") {
  const Members members = members_in({"", "", ""});
  const Placement placement = build(members);
  for (const uint64_t position : {uint64_t{0}, UINT64_MAX}) {
    CHECK(placement.preference_list(position, 3) == owners_one_after_another(members, position));
  }
}

TEST_CASE("ketama rings have lists too; modula and random know no next one") {
  const Members members = members_in({"a", "b", "b"});
  for (const auto distribution : {Distribution::kKetama, Distribution::kLibmemcachedKetama}) {
    const Placement placement = build(members, distribution);
    REQUIRE(placement.has_successors());
    CHECK(placement.preference_list(placement.position("key"), 3).size() == 3);
  }
  CHECK_FALSE(build(members, Distribution::kModula).has_successors());
  CHECK_FALSE(build(members, Distribution::kRandom).has_successors());
}

TEST_CASE("a ketama member too light for a point is in no list") {
  Members members = members_in({"", "", ""});
  members[1].weight = 1'000'000;
  const Placement placement = build(members, Distribution::kKetama);
  CHECK(placement.preference_list(0, 3) == std::vector<uint32_t>{1});
}

}  // namespace
}  // namespace quorate::cluster
