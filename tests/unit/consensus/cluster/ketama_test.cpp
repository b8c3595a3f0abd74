#include "consensus/cluster/ketama.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "consensus/cluster/md5.h"

namespace quorate::cluster {
namespace {

size_t points_of(const std::vector<RingPoint>& points, uint32_t member) {
  return static_cast<size_t>(std::ranges::count(points, member, &RingPoint::member));
}

TEST_CASE("the words of an MD5 are the four hashes of ketama") {
  CHECK(md5("server1-8")[0] == 3853726576);
  CHECK(md5("server1-8")[3] == 2667054752);
}

TEST_CASE("three equal servers have 160 points each, at twemproxy's places") {
  const auto points = ketama_points(
      std::vector<KetamaServer>{{"server1", 1, 0}, {"server2", 1, 1}, {"server3", 1, 2}});
  REQUIRE(points.size() == 480);
  for (uint32_t member = 0; member < 3; ++member) CHECK(points_of(points, member) == 160);
  CHECK(ketama_token(points[0].token) == 9796559);
  CHECK(points[0].member == 2);
  CHECK(ketama_token(points[1].token) == 10686546);
  CHECK(points[1].member == 1);
  CHECK(ketama_token(points[2].token) == 26495822);
  CHECK(points[2].member == 0);
  CHECK(std::ranges::is_sorted(points, {}, &RingPoint::token));
}

TEST_CASE("points follow the weights, also of servers with names") {
  const auto points =
      ketama_points(std::vector<KetamaServer>{{"server1", 1, 0}, {"server2", 3, 1}});
  CHECK(points_of(points, 0) == 80);
  CHECK(points_of(points, 1) == 240);
}

TEST_CASE("single precision costs a point per hash at exactly these sizes up to 200") {
  const std::set<uint32_t> short_of_four = {25,  47,  50,  55,  61,  71,  94,  100, 107, 109,
                                            110, 115, 122, 142, 159, 163, 188, 193, 200};
  for (uint32_t servers = 1; servers <= 200; ++servers) {
    CAPTURE(servers);
    CHECK(ketama_point_count(1, servers, servers) == (short_of_four.contains(servers) ? 156 : 160));
  }
}

TEST_CASE("a server far lighter than the others may have no point at all") {
  CHECK(ketama_point_count(1, 100'001, 2) == 0);
  CHECK(ketama_point_count(100'000, 100'001, 2) == 316);
}

TEST_CASE("where two points coincide, that of the earlier server comes first") {
  // Equal names have equal points: the sharpest case there is.
  const auto points = ketama_points(std::vector<KetamaServer>{{"same", 1, 5}, {"same", 1, 2}});
  REQUIRE(points.size() == 320);
  for (size_t i = 0; i < points.size(); i += 2) {
    REQUIRE(points[i].token == points[i + 1].token);
    CHECK(points[i].member == 5);
    CHECK(points[i + 1].member == 2);
  }
}

TEST_CASE("a token owns its whole range of 64-bit places, and no place of its neighbours") {
  CHECK(ketama_place(0) == 0x00000000ffffffff);
  CHECK(ketama_place(UINT32_MAX) == UINT64_MAX);
  CHECK(ketama_token(ketama_place(123)) == 123);
}

}  // namespace
}  // namespace quorate::cluster
