// libmemcached itself says where a key lies (memcached_server_by_key opens no socket), and our
// kLibmemcachedKetama has to say the same.
#include <doctest/doctest.h>
#include <libmemcached/memcached.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "consensus/base/random.h"
#include "consensus/cluster/placement.h"
#include "consensus/cluster/ring_name.h"

namespace quorate::cluster {
namespace {

struct Server {
  std::string host;  // or the path of a socket
  uint16_t port;     // 0: a socket
  uint32_t weight;
};

std::string address_of(const Server& server) {
  return server.port == 0 ? "unix:" + server.host : server.host + ":" + std::to_string(server.port);
}

class Oracle {
 public:
  Oracle(const std::vector<Server>& servers, memcached_hash_t hash)
      : memcached_(memcached_create(nullptr)) {
    set(MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
    if (hash != MEMCACHED_HASH_MD5) set(MEMCACHED_BEHAVIOR_HASH, static_cast<uint64_t>(hash));
    for (const Server& server : servers) {
      const char* host = server.host.c_str();
      REQUIRE(
          (server.port == 0
               ? memcached_server_add_unix_socket_with_weight(memcached_.get(), host, server.weight)
               : memcached_server_add_with_weight(memcached_.get(), host, server.port,
                                                  server.weight)) == MEMCACHED_SUCCESS);
    }
  }

  std::string address_for(const std::string& key) const {
    memcached_return_t result{};
    const memcached_instance_st* server =
        memcached_server_by_key(memcached_.get(), key.data(), key.size(), &result);
    REQUIRE(result == MEMCACHED_SUCCESS);
    REQUIRE(server != nullptr);
    return address_of({memcached_server_name(server), memcached_server_port(server), 1});
  }

 private:
  struct Free {
    void operator()(memcached_st* memcached) const { memcached_free(memcached); }
  };

  void set(memcached_behavior_t behavior, uint64_t value) {
    REQUIRE(memcached_behavior_set(memcached_.get(), behavior, value) == MEMCACHED_SUCCESS);
  }

  std::unique_ptr<memcached_st, Free> memcached_;
};

Placement build(const std::vector<Server>& servers, HashKind hash) {
  std::vector<PlacementMember> members;
  members.reserve(servers.size());
  for (const Server& server : servers) {
    members.push_back({.name = ring_name(Distribution::kLibmemcachedKetama, address_of(server)),
                       .weight = server.weight,
                       .on_ring = true,
                       .zone = ""});
  }
  return Placement::build({.hash = hash,
                           .distribution = Distribution::kLibmemcachedKetama,
                           .hash_tag = "",
                           .points = 160},
                          members);
}

void check_keys(const std::vector<Server>& servers, size_t keys, HashKind ours = HashKind::kMd5,
                memcached_hash_t theirs = MEMCACHED_HASH_MD5) {
  CAPTURE(servers.size());
  const Oracle oracle(servers, theirs);
  const Placement placement = build(servers, ours);
  base::Random random(40);
  for (size_t i = 0; i < keys; ++i) {
    std::string key = "key:" + std::to_string(random.next());
    if (i % 4 == 3) key += "\xc3\xa9\xe2\x82\xac";
    CAPTURE(key);
    REQUIRE(address_of(servers[placement.owner(key, random)]) == oracle.address_for(key));
  }
}

std::vector<Server> equal_servers(size_t count) {
  std::vector<Server> servers;
  for (size_t i = 0; i < count; ++i) {
    servers.push_back({"10.1.0." + std::to_string(i + 1), static_cast<uint16_t>(11212 + i), 1});
  }
  return servers;
}

TEST_CASE("10,000 keys lie where libmemcached puts them, on equal servers, 156 points or 160") {
  for (const size_t count : {1, 2, 3, 5, 10, 25, 47, 100}) check_keys(equal_servers(count), 10'000);
}

TEST_CASE("10,000 keys lie where libmemcached puts them, on weighted servers") {
  base::Random random(41);
  for (const size_t count : {2, 3, 7, 25, 60}) {
    auto servers = equal_servers(count);
    for (Server& server : servers) server.weight = static_cast<uint32_t>(1 + random.below(20));
    check_keys(servers, 10'000);
  }
  check_keys({{"a", 1, 1}, {"b", 2, 1000}, {"c", 3, 30}}, 10'000);
}

TEST_CASE("servers on memcached's own port, and on sockets, have libmemcached's names") {
  check_keys({{"cache1", 11211, 1}, {"cache2", 11211, 1}, {"cache2", 11212, 2}}, 10'000);
  check_keys({{"/run/a.sock", 0, 1}, {"/run/b.sock", 0, 3}, {"cache1", 11211, 1}}, 10'000);
}

TEST_CASE("other key hashes can be set in libmemcached too, and place the same keys") {
  const std::vector<std::pair<HashKind, memcached_hash_t>> hashes = {
      {HashKind::kOneAtATime, MEMCACHED_HASH_DEFAULT},
      {HashKind::kCrc32, MEMCACHED_HASH_CRC},
      {HashKind::kFnv1_64, MEMCACHED_HASH_FNV1_64},
      {HashKind::kFnv1a_64, MEMCACHED_HASH_FNV1A_64},
      {HashKind::kFnv1_32, MEMCACHED_HASH_FNV1_32},
      {HashKind::kFnv1a_32, MEMCACHED_HASH_FNV1A_32},
      {HashKind::kMurmur, MEMCACHED_HASH_MURMUR},
      {HashKind::kJenkins, MEMCACHED_HASH_JENKINS}};
  for (const auto& each : hashes) {
    const auto& [ours, theirs] = each;
    CAPTURE(std::string(name_of(each.first)));
    check_keys(equal_servers(5), 10'000, ours, theirs);
  }
}

}  // namespace
}  // namespace quorate::cluster
