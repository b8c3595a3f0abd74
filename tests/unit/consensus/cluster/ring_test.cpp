#include "consensus/cluster/ring.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include "consensus/base/random.h"

namespace quorate::cluster {
namespace {

constexpr uint64_t kLast = std::numeric_limits<uint64_t>::max();

std::vector<RingPoint> points_at(std::vector<uint64_t> tokens) {
  std::ranges::sort(tokens);
  std::vector<RingPoint> points;
  points.reserve(tokens.size());
  for (const uint64_t token : tokens) {
    points.push_back({token, static_cast<uint32_t>(points.size())});
  }
  return points;
}

/// Every place at which the answer could change, and the two ends of the circle.
std::set<uint64_t> places_to_try(const std::vector<RingPoint>& points) {
  std::set<uint64_t> places = {0, 1, kLast - 1, kLast};
  for (const RingPoint& point : points) {
    places.insert(
        {point.token - 1, point.token, point.token + 1});  // they wrap, as the circle does
  }
  return places;
}

void check_against_binary_search(const std::vector<RingPoint>& points,
                                 const std::set<uint64_t>& places) {
  const Ring ring(points);
  REQUIRE(ring.size() == points.size());
  for (const uint64_t place : places) {
    auto expected = std::ranges::lower_bound(points, place, {}, &RingPoint::token);
    if (expected == points.end()) expected = points.begin();
    CAPTURE(place);
    REQUIRE(ring.successor(place) == static_cast<size_t>(expected - points.begin()));
    REQUIRE(ring.owner(place) == expected->member);
  }
}

TEST_CASE("a ring of no points is empty") {
  CHECK(Ring().empty());
  CHECK(Ring().size() == 0);
  CHECK(Ring(std::vector<RingPoint>{}).empty());
}

TEST_CASE("a single point owns the whole circle, wherever it lies") {
  for (const uint64_t token : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 63, kLast - 1, kLast}) {
    check_against_binary_search(points_at({token}), places_to_try(points_at({token})));
  }
}

TEST_CASE("a ring of every size up to 70 finds what a binary search finds, at every boundary") {
  base::Random random(30);
  for (size_t size = 1; size <= 70; ++size) {
    for (int repetition = 0; repetition < 8; ++repetition) {
      std::vector<uint64_t> tokens(size);
      for (uint64_t& token : tokens) token = random.next();
      const auto points = points_at(tokens);
      check_against_binary_search(points, places_to_try(points));
    }
  }
}

TEST_CASE("a ring as large as a hundred backends' finds what a binary search finds") {
  base::Random random(31);
  std::vector<uint64_t> tokens(16'000);
  for (uint64_t& token : tokens) token = random.next();
  const auto points = points_at(tokens);
  std::set<uint64_t> places = places_to_try(points);
  for (int i = 0; i < 20'000; ++i) places.insert(random.next());
  check_against_binary_search(points, places);
}

TEST_CASE("points crowded into one bucket, or at the ends of the circle, are told apart") {
  base::Random random(32);
  for (const uint64_t start : {uint64_t{0}, uint64_t{1} << 63, kLast - 1000}) {
    std::vector<uint64_t> tokens(200);
    for (uint64_t& token : tokens) token = start + random.below(1000);
    const auto points = points_at(tokens);
    check_against_binary_search(points, places_to_try(points));
  }
}

TEST_CASE("tokens on the borders of buckets are found from both sides") {
  std::vector<uint64_t> tokens(64);
  for (uint64_t i = 0; i < 64; ++i) tokens[i] = i << 58;
  check_against_binary_search(points_at(tokens), places_to_try(points_at(tokens)));
}

TEST_CASE("of equal tokens the first one owns the place, also at the last place of all") {
  for (const uint64_t token : {uint64_t{0}, uint64_t{5} << 40, kLast}) {
    const std::vector<RingPoint> points = {{token, 7}, {token, 3}, {token, 9}};
    const Ring ring(points);
    CHECK(ring.owner(token) == 7);
    CHECK(ring.owner(token + 1) == 7);
    CHECK(ring.successor(token) == 0);
  }
}

}  // namespace
}  // namespace quorate::cluster
