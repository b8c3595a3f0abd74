#include "proxy/config/settings.h"

#include <doctest/doctest.h>

namespace quorate::config {

TEST_CASE("a pool's defaults follow its protocol and its distribution") {
  CHECK(default_pool(Protocol::kRedis, Distribution::kRing) == PoolSettings{});
  CHECK(default_pool(Protocol::kMemcached, Distribution::kRing).hash_tag.empty());
  CHECK(default_pool(Protocol::kRedis, Distribution::kLibmemcachedKetama).hash == HashKind::kMd5);
  CHECK(default_pool(Protocol::kRedis, Distribution::kKetama).hash == HashKind::kXxh3);
}

TEST_CASE("a backend's name is its address, written as the distribution's own program would") {
  const Address tcp{"10.0.0.1", 6379, ""};
  const Address standard{"10.0.0.1", 11211, ""};
  const Address v6{"::1", 6379, ""};
  const Address socket{"", 0, "/run/x"};
  struct Case {
    Distribution distribution;
    const char* tcp;
    const char* standard;
    const char* v6;
    const char* socket;
  };
  const Case cases[] = {
      {Distribution::kRing, "10.0.0.1:6379", "10.0.0.1:11211", "[::1]:6379", "unix:/run/x"},
      {Distribution::kKetama, "10.0.0.1:6379", "10.0.0.1", "::1:6379", "/run/x:"},
      {Distribution::kModula, "10.0.0.1:6379", "10.0.0.1", "::1:6379", "/run/x:"},
      {Distribution::kRandom, "10.0.0.1:6379", "10.0.0.1", "::1:6379", "/run/x:"},
      {Distribution::kLibmemcachedKetama, "10.0.0.1:6379", "10.0.0.1", "::1:6379", "/run/x:0"},
  };
  for (const Case& one : cases) {
    CHECK(default_backend_name(tcp, one.distribution) == one.tcp);
    CHECK(default_backend_name(standard, one.distribution) == one.standard);
    CHECK(default_backend_name(v6, one.distribution) == one.v6);
    CHECK(default_backend_name(socket, one.distribution) == one.socket);
  }
}

TEST_CASE("where a value came from does not make settings differ") {
  Settings a;
  Settings b;
  b.secrets.names.insert("workers");
  b.log.secrets.names.insert("file");
  CHECK(a == b);
  b.log.file = "x";
  CHECK(a != b);
}

TEST_CASE("a pool's placement rules are its own") {
  PoolSettings pool;
  pool.hash = HashKind::kMurmur;
  pool.distribution = Distribution::kModula;
  pool.hash_tag = "<>";
  pool.points = 7;
  const cluster::PlacementRules rules = pool.placement_rules();
  CHECK(rules.hash == HashKind::kMurmur);
  CHECK(rules.distribution == Distribution::kModula);
  CHECK(rules.hash_tag == "<>");
  CHECK(rules.points == 7);
}

}  // namespace quorate::config
