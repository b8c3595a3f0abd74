// What INFO of redis-server 7.0 tells, and which servers may hold replicas.

#include "backends/redis/identity.h"

#include <doctest/doctest.h>

namespace quorate::redis {
namespace {

constexpr std::string_view kInfo =
    "# Server\r\nredis_version:7.0.15\r\nrun_id:1111111111111111111111111111111111111111\r\n"
    "\r\n# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n"
    "\r\n# Persistence\r\nloading:0\r\nasync_loading:0\r\n"
    "\r\n# Stats\r\nevicted_keys:0\r\n"
    "\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
    "master_replid:2222222222222222222222222222222222222222\r\n"
    "master_replid2:0000000000000000000000000000000000000000\r\n"
    "\r\n# Keyspace\r\ndb0:keys=12,expires=0,avg_ttl=0\r\ndb1:keys=99,expires=0,avg_ttl=0\r\n";

std::string with(std::string_view from, std::string_view to) {
  std::string info(kInfo);
  info.replace(info.find(from), from.size(), to);
  return info;
}

}  // namespace

TEST_CASE("INFO tells who a server is, as a bulk and as a verbatim text") {
  for (const std::string_view header : {"$500\r\n", "=504\r\ntxt:"}) {
    const Identity who = read_identity(std::string(header) + std::string(kInfo) + "\r\n");
    CHECK(who.run_id == std::string(40, '1'));
    CHECK(who.role == "master");
    CHECK(who.replication_id == std::string(40, '2'));
    CHECK(who.second_replication_id == std::string(40, '0'));
    CHECK(who.eviction_policy == "noeviction");
    CHECK(who.evicted_keys == 0);
    CHECK(who.keys == 12);
    CHECK_FALSE(who.loading);
    CHECK(objection_to(who).empty());
  }
}

TEST_CASE("a server that evicts, follows, followed, loads or hides may hold no replicas") {
  const auto objection = [](std::string_view from, std::string_view to) {
    return objection_to(read_identity(with(from, to)));
  };
  CHECK(objection("noeviction", "allkeys-lru").find("evicts keys") != std::string::npos);
  CHECK(objection("noeviction", "volatile-lru").empty());  // no key of ours has a TTL
  CHECK(objection("evicted_keys:0", "evicted_keys:7").find("has evicted 7 keys") !=
        std::string::npos);
  CHECK(objection("role:master", "role:slave").find("is a slave") != std::string::npos);
  CHECK(objection("replid2:0", "replid2:a").find("master_replid2") != std::string::npos);
  CHECK(objection("\nloading:0", "\nloading:1").find("loading") != std::string::npos);
  CHECK(objection("run_id", "other").find("run_id") != std::string::npos);
  CHECK_FALSE(objection_to(read_identity("-NOPERM no\r\n")).empty());
}

TEST_CASE("only the process that was admitted is the one") {
  const Identity who = read_identity(kInfo);
  CHECK(mismatch(who, std::string(40, '1')).empty());
  CHECK(mismatch(who, "").find("not admitted") != std::string::npos);
  CHECK(mismatch(who, std::string(40, '3')).find("11111111") != std::string::npos);
}

}  // namespace quorate::redis
