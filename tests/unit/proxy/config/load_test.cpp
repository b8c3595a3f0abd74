// That values arrive in the right places. What is refused: tests/conversation/config.

#include "proxy/config/load.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "proxy/config/twemproxy_import.h"
#include "proxy/config/twemproxy_pool.h"
#include "tests/unit/proxy/config/world.h"

namespace quorate::config::testing {
namespace {

constexpr std::string_view kSmallPool =
    "[pool.a]\nprotocol = \"redis\"\nlisten = \"127.0.0.1:7000\"\n"
    "backends = [\"127.0.0.1:6379\"]\n";

}  // namespace

TEST_CASE("a small file gives a pool with every default") {
  const Settings settings = settings_of(kSmallPool);
  PoolSettings expected;
  expected.name = "a";
  expected.listen = {{"127.0.0.1", 7000, ""}};
  expected.backends.push_back({.address = {"127.0.0.1", 6379, ""}, .name = "127.0.0.1:6379"});
  Settings whole;
  whole.pools.push_back(expected);
  CHECK(settings == whole);
}

TEST_CASE("every key arrives in its own member") {
  const Settings settings = settings_of(R"(
workers = 3
drain_timeout = "7s"
[log]
level = "debug"
format = "json"
file = "/var/log/q.log"
[admin]
listen = "[::1]:9999"
[pool.b]
protocol = "memcached"
consistency = "none"
listen = ["127.0.0.1:7001", "unix:/run/b.sock"]
backends = [
  "10.0.0.1:11211",
  { address = "10.0.0.2:11212", name = "n", weight = 9, zone = "z", user = "u", password = "p" },
]
unix_mode = "0640"
backlog = 11
hash = "hsieh"
distribution = "ring"
points = 12
hash_tag = "<>"
connect_timeout = "13ms"
request_timeout = "14ms"
keepalive = "15s"
client_idle_timeout = "16s"
connections = 17
side_connections = 18
pinned_connections = 118
preconnect = false
reconnect_backoff = "19ms"
reconnect_backoff_max = "20ms"
eject_after = 21
on_eject = "rehash"
probe_interval = "22ms"
probe_timeout = "21ms"
readmit_after = 24
min_up = 2
max_clients = 26
max_pipeline = 27
max_value = "28KiB"
max_split = "29KiB"
max_client_output = "30MiB"
[pool.a]
protocol = "redis"
listen = "127.0.0.1:7000"
backends = [{ address = "127.0.0.1:6379", db = 5 }]
password = "client"
)");
  Settings expected;
  expected.workers = 3;
  expected.drain_timeout = 7s;
  expected.log = {LogLevel::kDebug, LogFormat::kJson, "/var/log/q.log", {}};
  expected.admin.listen = Address{"::1", 9999, ""};

  PoolSettings b;
  b.name = "b";
  b.protocol = Protocol::kMemcached;
  b.listen = {{"127.0.0.1", 7001, ""}, {"", 0, "/run/b.sock"}};
  b.backends.push_back({.address = {"10.0.0.1", 11211, ""}, .name = "10.0.0.1:11211"});
  b.backends.push_back({.address = {"10.0.0.2", 11212, ""},
                        .name = "n",
                        .weight = 9,
                        .zone = "z",
                        .user = "u",
                        .password = "p"});
  b.unix_mode = {0640};
  b.backlog = 11;
  b.hash = HashKind::kHsieh;
  b.points = 12;
  b.hash_tag = "<>";
  b.connect_timeout = 13ms;
  b.request_timeout = 14ms;
  b.keepalive = 15s;
  b.client_idle_timeout = 16s;
  b.connections = 17;
  b.side_connections = 18;
  b.pinned_connections = 118;
  b.preconnect = false;
  b.reconnect_backoff = 19ms;
  b.reconnect_backoff_max = 20ms;
  b.eject_after = 21;
  b.on_eject = OnEject::kRehash;
  b.probe_interval = 22ms;
  b.probe_timeout = 21ms;
  b.readmit_after = 24;
  b.min_up = 2;
  b.max_clients = 26;
  b.max_pipeline = 27;
  b.max_value = 28 * kKibibyte;
  b.max_split = 29 * kKibibyte;
  b.max_client_output = 30 * kMebibyte;
  expected.pools.push_back(b);

  PoolSettings a;
  a.name = "a";
  a.listen = {{"127.0.0.1", 7000, ""}};
  a.backends.push_back({.address = {"127.0.0.1", 6379, ""}, .name = "127.0.0.1:6379", .db = 5});
  a.password = "client";
  expected.pools.push_back(a);

  CHECK(settings == expected);
}

TEST_CASE("defaults that depend on other keys give way to what is written") {
  const auto pool = [](const std::string& lines) {
    return settings_of("[pool.a]\nlisten = \"127.0.0.1:7000\"\n" + lines).pools.at(0);
  };
  const std::string backends = "backends = [\"10.0.0.1:11211\"]\n";
  const std::string memcached = "protocol = \"memcached\"\n" + backends;
  CHECK(pool(memcached).hash_tag.empty());
  CHECK(pool(memcached + "hash_tag = \"{}\"\n").hash_tag == "{}");
  CHECK(pool(memcached + "distribution = \"libmemcached-ketama\"\n").hash == HashKind::kMd5);
  CHECK(pool(memcached + "distribution = \"libmemcached-ketama\"\nhash = \"xxh3\"\n").hash ==
        HashKind::kXxh3);
  CHECK(pool(memcached).backends[0].name == "10.0.0.1:11211");
  CHECK(pool(memcached + "distribution = \"ketama\"\n").backends[0].name == "10.0.0.1");
}

TEST_CASE("what came from outside arrives and is remembered as secret") {
  const Settings settings = settings_of(R"(
[log]
file = "/var/log/${env:NAME}.log"
[pool.a]
protocol = "redis"
listen = ["127.0.0.1:${env:PORT}", "127.0.0.1:7001"]
password = "${file:/run/secrets/redis}"
request_timeout = "${env:TIMEOUT}"
connect_timeout = "1s"
backends = [
  "${env:ADDRESS}",
  { address = "127.0.0.1:6380", name = "${env:NAME}", password = "${env:NESTED}" },
  { address = "127.0.0.1:6381", password = "$${env:PASSWORD}" },
]
)");
  REQUIRE(settings.pools.size() == 1);
  const PoolSettings& pool = settings.pools[0];
  CHECK(settings.log.file == "/var/log/hidden.log");
  CHECK(settings.log.secrets.names == std::set<std::string, std::less<>>{"file"});
  CHECK(pool.listen[0] == Address{"127.0.0.1", 6379, ""});
  CHECK(pool.password == "s3cret");
  CHECK(pool.request_timeout == 3s);
  CHECK(pool.secrets.names ==
        std::set<std::string, std::less<>>{"listen", "password", "request_timeout"});
  CHECK(pool.backends[0].address == Address{"10.9.8.7", 6379, ""});
  CHECK(pool.backends[0].secrets.names == std::set<std::string, std::less<>>{"address", "name"});
  CHECK(pool.backends[1].name == "hidden");
  CHECK(pool.backends[1].password == "${env:PASSWORD}");
  CHECK(pool.backends[1].secrets.names == std::set<std::string, std::less<>>{"name", "password"});
  CHECK(pool.backends[2].password == "${env:PASSWORD}");
  CHECK(pool.backends[2].secrets.names.empty());
}

TEST_CASE("what is imported from twemproxy loads, and places its keys by the same rules") {
  const std::string yaml = R"(alpha:
  listen: 127.0.0.1:22121
  hash: fnv1a_64
  distribution: ketama
  auto_eject_hosts: true
  redis: true
  redis_auth: "a${b}\"c"
  redis_db: 3
  server_retry_timeout: 2000
  server_failure_limit: 1
  servers:
   - 127.0.0.1:6379:1
   - 127.0.0.1:6380:1500 server2
   - /run/redis.sock:2
beta:
  listen: /run/beta.sock 0666
  hash: crc32a
  hash_tag: "{}"
  distribution: modula
  timeout: 400
  backlog: 100000
  client_connections: 10
  tcpkeepalive: true
  preconnect: true
  server_connections: 100
  servers:
   - 10.0.0.1:11211:1
   - ::1:11211:1
"gamma ray":
  listen: 0.0.0.0:22123
  timeout: 2000000000
  distribution: random
  servers:
   - 10.0.0.1:11211:1
)";
  const auto pools = read_twemproxy(yaml);
  REQUIRE(pools.ok());
  const auto toml = import_twemproxy(yaml, "nutcracker.yml");
  REQUIRE(toml.ok());
  const Settings settings = settings_of(toml.value());
  REQUIRE(settings.pools.size() == pools.value().size());
  for (size_t i = 0; i < settings.pools.size(); ++i) {
    const PoolSettings& ours = settings.pools[i];
    const TwemproxyPool& theirs = pools.value()[i];
    const auto rules = theirs.rules();
    CHECK(ours.hash == rules.hash);
    CHECK(ours.distribution == rules.distribution);
    CHECK(ours.hash_tag == rules.hash_tag);
    CHECK(ours.password == theirs.redis_auth);
    REQUIRE(ours.backends.size() == theirs.servers.size());
    for (size_t k = 0; k < ours.backends.size(); ++k) {
      CHECK(ours.backends[k].address.text() == theirs.servers[k].address);
      CHECK(ours.backends[k].name == theirs.servers[k].name);
      CHECK(ours.backends[k].weight == theirs.servers[k].weight);
    }
  }
}

TEST_CASE("a file is loaded under its own name, and one that cannot be read is one error") {
  const auto folder =
      std::filesystem::temp_directory_path() / ("quorate-load-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string file = (folder / "quorate.toml").string();
  std::ofstream(file) << kSmallPool;
  CHECK(load_file(file, small_world()).value().settings == settings_of(kSmallPool));

  std::ofstream(file) << "worker = 1\n" << kSmallPool;
  const auto refused = load_file(file, small_world());
  REQUIRE(!refused.ok());
  REQUIRE(refused.error().size() == 1);
  CHECK(refused.error()[0].file == file);
  CHECK(refused.error()[0].line == 1);

  for (const std::string& path : {file + "-absent", folder.string()}) {
    const auto unreadable = load_file(path, small_world());
    REQUIRE(!unreadable.ok());
    REQUIRE(unreadable.error().size() == 1);
    CHECK(unreadable.error()[0].line == 0);
    CHECK(unreadable.error()[0].message.starts_with("cannot read this file: "));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace quorate::config::testing
