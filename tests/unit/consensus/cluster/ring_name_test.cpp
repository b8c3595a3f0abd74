#include "consensus/cluster/ring_name.h"

#include <doctest/doctest.h>

#include <vector>

namespace quorate::cluster {
namespace {

const std::vector<Distribution> kTwemproxy = {Distribution::kKetama, Distribution::kModula,
                                              Distribution::kRandom};

TEST_CASE("quorate's own ring hashes the address as it is written") {
  for (const char* address : {"10.0.0.1:6379", "10.0.0.1:11211", "[::1]:6379", "unix:/run/redis"}) {
    CHECK(ring_name(Distribution::kRing, address) == address);
  }
}

TEST_CASE("twemproxy hashes host and port, without the port that memcached always had") {
  for (const Distribution distribution : kTwemproxy) {
    CHECK(ring_name(distribution, "10.0.0.1:6379") == "10.0.0.1:6379");
    CHECK(ring_name(distribution, "cache.example:11211") == "cache.example");
    CHECK(ring_name(distribution, "cache.example:11212") == "cache.example:11212");
    CHECK(ring_name(distribution, "[::1]:6379") == "::1:6379");
    CHECK(ring_name(distribution, "[::1]:11211") == "::1");
  }
}

TEST_CASE("twemproxy keeps the port as it is written, but knows 11211 by its value") {
  CHECK(ring_name(Distribution::kKetama, "h:06379") == "h:06379");
  CHECK(ring_name(Distribution::kKetama, "h:011211") == "h");
  CHECK(ring_name(Distribution::kLibmemcachedKetama, "h:06379") == "h:6379");
}

TEST_CASE("twemproxy ends a socket's name with a colon, libmemcached with port 0") {
  for (const Distribution distribution : kTwemproxy) {
    CHECK(ring_name(distribution, "unix:/run/redis.sock") == "/run/redis.sock:");
  }
  CHECK(ring_name(Distribution::kLibmemcachedKetama, "unix:/run/m.sock") == "/run/m.sock:0");
}

TEST_CASE("libmemcached hashes host and port, without the port that memcached always had") {
  CHECK(ring_name(Distribution::kLibmemcachedKetama, "10.0.0.1:11211") == "10.0.0.1");
  CHECK(ring_name(Distribution::kLibmemcachedKetama, "10.0.0.1:11212") == "10.0.0.1:11212");
}

TEST_CASE("what is no address is its own name") {
  CHECK(ring_name(Distribution::kKetama, "nothing") == "nothing");
  CHECK(ring_name(Distribution::kKetama, "") == "");
}

}  // namespace
}  // namespace quorate::cluster
