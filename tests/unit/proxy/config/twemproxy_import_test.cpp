#include "proxy/config/twemproxy_import.h"

#include <doctest/doctest.h>
#include <toml++/toml.h>

#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/random.h"
#include "consensus/cluster/ring_name.h"
#include "proxy/config/twemproxy_pool.h"

namespace quorate::config {
namespace {

std::string imported(std::string_view yaml) {
  const auto toml = import_twemproxy(yaml, "nutcracker.yml");
  if (!toml) FAIL(render(diagnostics_of(toml.error(), yaml, "nutcracker.yml"), Colour::kNever));
  return toml.value();
}

toml::table pool_of(std::string_view yaml, std::string_view name = "p") {
  const toml::table document = toml::parse(imported(yaml));
  const toml::table* pool = document["pool"][name].as_table();
  REQUIRE(pool != nullptr);
  return *pool;
}

std::string errors_of(std::string_view yaml) {
  const auto toml = import_twemproxy(yaml, "f");
  REQUIRE_FALSE(toml.ok());
  std::string text;
  for (const Diagnostic& one : diagnostics_of(toml.error(), yaml, "f")) {
    text += one.file + ":" + std::to_string(one.line) + ":" + std::to_string(one.column) +
            ": error: " + one.message + "\n";
  }
  return text;
}

/// A pool of one server with further settings, each line of them indented as it must be.
std::string with(std::string_view settings) {
  return "p:\n  listen: 127.0.0.1:1\n" + std::string(settings) + "  servers:\n  - h:2:1\n";
}

struct Placed {
  cluster::PlacementRules rules;
  std::vector<cluster::PlacementMember> members;
};

/// As a reader of the TOML would place keys.
Placed placed_by(const toml::table& pool) {
  Placed placed;
  placed.rules.hash = cluster::hash_named(pool["hash"].value<std::string>().value()).value();
  placed.rules.distribution =
      cluster::distribution_named(pool["distribution"].value<std::string>().value()).value();
  placed.rules.hash_tag = pool["hash_tag"].value<std::string>().value();
  for (const auto& each : *pool["backends"].as_array()) {
    const toml::table& backend = *each.as_table();
    const auto address = backend["address"].value<std::string>().value();
    const auto derived = cluster::ring_name(placed.rules.distribution, address);
    placed.members.push_back({.name = backend["name"].value_or(derived),
                              .weight = backend["weight"].value<uint32_t>().value(),
                              .on_ring = true,
                              .zone = ""});
  }
  return placed;
}

TEST_CASE("a pool with nothing but what it must have gets twemproxy's defaults, written out") {
  const toml::table pool = pool_of(with(""));
  CHECK(pool["protocol"].value<std::string>() == "memcached");
  CHECK(pool["listen"].value<std::string>() == "127.0.0.1:1");
  CHECK(pool["hash"].value<std::string>() == "fnv1a_64");
  CHECK(pool["distribution"].value<std::string>() == "ketama");
  CHECK(pool["hash_tag"].value<std::string>() == "");
  CHECK(pool["request_timeout"].value<std::string>() == "0s");
  CHECK(pool["preconnect"].value<bool>() == false);
  CHECK(pool["eject_after"].value<int>() == 0);
  CHECK_FALSE(pool.contains("backlog"));
  CHECK_FALSE(pool.contains("connections"));
  CHECK_FALSE(pool.contains("on_eject"));
  CHECK_FALSE(pool.contains("password"));
  CHECK(pool["backends"].as_array()->size() == 1);
}

TEST_CASE("settings become their equivalents") {
  const toml::table pool = pool_of(
      "p:\n"
      "  listen: /run/p.sock 0660\n"
      "  redis: true\n"
      "  hash: md5\n"
      "  hash_tag: \"{}\"\n"
      "  distribution: modula\n"
      "  timeout: 400\n"
      "  backlog: 1024\n"
      "  tcpkeepalive: false\n"
      "  preconnect: true\n"
      "  server_connections: 4\n"
      "  redis_db: 3\n"
      "  redis_auth: secret\n"
      "  auto_eject_hosts: true\n"
      "  server_failure_limit: 5\n"
      "  servers:\n"
      "   - a:1:2 x\n"
      "   - /run/b:1\n");
  CHECK(pool["protocol"].value<std::string>() == "redis");
  CHECK(pool["listen"].value<std::string>() == "unix:/run/p.sock");
  CHECK(pool["unix_mode"].value<std::string>() == "0660");
  CHECK(pool["hash"].value<std::string>() == "md5");
  CHECK(pool["hash_tag"].value<std::string>() == "{}");
  CHECK(pool["distribution"].value<std::string>() == "modula");
  CHECK(pool["connect_timeout"].value<std::string>() == "400ms");
  CHECK(pool["request_timeout"].value<std::string>() == "400ms");
  CHECK(pool["backlog"].value<int>() == 1024);
  CHECK(pool["keepalive"].value<std::string>() == "0s");
  CHECK(pool["preconnect"].value<bool>() == true);
  CHECK(pool["connections"].value<int>() == 4);
  CHECK(pool["password"].value<std::string>() == "secret");
  CHECK(pool["eject_after"].value<int>() == 5);
  CHECK(pool["on_eject"].value<std::string>() == "rehash");
  const toml::table& first = *pool["backends"][0].as_table();
  CHECK(first["address"].value<std::string>() == "a:1");
  CHECK(first["name"].value<std::string>() == "x");
  CHECK(first["weight"].value<int>() == 2);
  CHECK(first["db"].value<int>() == 3);
  CHECK(first["password"].value<std::string>() == "secret");
  const toml::table& second = *pool["backends"][1].as_table();
  CHECK(second["address"].value<std::string>() == "unix:/run/b");
  CHECK(second["name"].value<std::string>() == "/run/b:");
}

TEST_CASE("twemproxy's failure limit defaults to 2, and 0 ejects at the first failure") {
  CHECK(pool_of(with("  auto_eject_hosts: true\n"))["eject_after"].value<int>() == 2);
  CHECK(pool_of(with("  auto_eject_hosts: true\n"
                     "  server_failure_limit: 0\n"))["eject_after"]
            .value<int>() == 1);
}

TEST_CASE("a timeout of 0 is none") {
  CHECK(pool_of(with("  timeout: 0\n"))["request_timeout"].value<std::string>() == "0s");
}

TEST_CASE("numbers beyond quorate's limits are written as the nearest allowed one, with a remark") {
  const std::string toml = imported(
      with("  backlog: 100000\n  server_connections: 100\n  redis: true\n  redis_db: 70000\n"));
  CHECK(toml.find("# backlog: 100000 there; the nearest here is 65535.\nbacklog = 65535\n") !=
        std::string::npos);
  CHECK(toml.find("# server_connections: 100 there; the nearest here is 64.\nconnections = 64\n") !=
        std::string::npos);
  CHECK(toml.find("# redis_db: 70000 there; the nearest here is 65535.\n") != std::string::npos);
  CHECK(pool_of(with("  timeout: 2000000000\n"))["request_timeout"].value<std::string>() ==
        "86400000ms");
}

TEST_CASE("a name is written unless twemproxy's rule and the address as written agree on it") {
  const toml::table pool = pool_of(
      "p:\n  listen: h:1\n  servers:\n"
      "  - a:6379:1\n"           // both say a:6379
      "  - b:11211:1\n"          // twemproxy says b
      "  - c:11211:1 c:11211\n"  // given, and not what twemproxy would say
      "  - ::1:6379:1\n"         // twemproxy says ::1:6379, the address is [::1]:6379
      "  - d:6379:1 e\n");
  const toml::array& backends = *pool["backends"].as_array();
  CHECK_FALSE(backends[0].as_table()->contains("name"));
  CHECK(backends[1].at_path("name").value<std::string>() == "b");
  CHECK(backends[2].at_path("name").value<std::string>() == "c:11211");
  CHECK(backends[3].at_path("name").value<std::string>() == "::1:6379");
  CHECK(backends[3].at_path("address").value<std::string>() == "[::1]:6379");
  CHECK(backends[4].at_path("name").value<std::string>() == "e");
}

TEST_CASE("the TOML places every key where the YAML does, for each hash and distribution") {
  const std::vector<std::string> servers = {
      "  servers:\n  - 10.0.0.1:6379:1\n  - 10.0.0.2:6379:3\n  - 10.0.0.3:11211:2\n",
      "  servers:\n  - a:1:1 one\n  - a:2:1 two\n  - /run/c:5\n  - ::1:11211:2\n"};
  base::Random random(60);
  for (uint8_t kind = 1; kind < cluster::kHashKinds; ++kind) {
    const std::string hash(cluster::name_of(static_cast<cluster::HashKind>(kind)));
    for (const char* distribution : {"ketama", "modula"}) {
      for (const std::string& list : servers) {
        std::string yaml = "p:\n  listen: h:1\n  hash_tag: \"$$\"\n  hash: ";
        yaml.append(hash)
            .append("\n  distribution: ")
            .append(distribution)
            .append("\n")
            .append(list);
        const TwemproxyPool pool = read_twemproxy(yaml).value().front();
        const Placed placed = placed_by(pool_of(yaml));
        const auto theirs = cluster::Placement::build(pool.rules(), pool.members());
        const auto ours = cluster::Placement::build(placed.rules, placed.members);
        for (int i = 0; i < 300; ++i) {
          const std::string key = "k$" + std::to_string(random.next()) + "$";
          REQUIRE(ours.owner(key, random) == theirs.owner(key, random));
        }
      }
    }
  }
}

TEST_CASE("what needs escaping in TOML, or would refer to the environment, comes out as it was") {
  const toml::table pool =
      pool_of(with("  redis: true\n  redis_auth: \"a\\\"b\\\\c\\td\xc3\xa9 ${env:HOME} $${x}\"\n"));
  // "$${" is how quorate's configuration writes "${".
  CHECK(pool["password"].value<std::string>() == "a\"b\\c\td\xc3\xa9 $${env:HOME} $$${x}");
}

TEST_CASE("pools whose names quorate does not allow get one that it does, and say so") {
  const std::string servers = "  servers:\n  - h:2:1\n";
  const std::string toml =
      imported("my pool:\n  listen: h:1\n" + servers + "my.pool:\n  listen: h:2\n" + servers +
               std::string(70, 'x') + ":\n  listen: h:3\n" + servers);
  const toml::table document = toml::parse(toml);
  CHECK(document["pool"].as_table()->size() == 3);
  CHECK(document["pool"]["my-pool"]["listen"].value<std::string>() == "h:1");
  CHECK(document["pool"]["my-pool-2"]["listen"].value<std::string>() == "h:2");
  CHECK(document["pool"][std::string(64, 'x')]["listen"].value<std::string>() == "h:3");
  CHECK(toml.find("# Pool \"my pool\" there") != std::string::npos);
}

TEST_CASE("every setting that has no equivalent, or means something else, is remarked on") {
  const std::string toml = imported(
      with("  client_connections: 7\n  tcpkeepalive: true\n  reuseport: true\n"
           "  server_connections: 2\n  auto_eject_hosts: true\n  server_retry_timeout: 2000\n"
           "  redis: true\n  redis_auth: x\n  redis_db: 1\n  timeout: 5\n"));
  for (const char* remark :
       {"# client_connections: 7 has no effect there", "# tcpkeepalive probes", "# reuseport has",
        "# server_connections: with more than one", "# auto_eject_hosts: true takes",
        "# server_retry_timeout: 2000 has no equivalent", "# redis_auth: clients send it",
        "# redis_db is selected", "# timeout is for connecting and answering"}) {
    CAPTURE(std::string(remark));
    CHECK(toml.find(remark) != std::string::npos);
  }
  const std::string plain = imported("p:\n  listen: /run/p\n  servers:\n  - h:2:1\n");
  for (const char* remark : {"# A socket has the permissions", "# No timeout there",
                             "# auto_eject_hosts: false counts"}) {
    CHECK(plain.find(remark) != std::string::npos);
  }
}

TEST_CASE("what holds for several pools is remarked on once") {
  const std::string toml = imported(
      "a:\n  listen: h:1\n  servers:\n  - h:2:1\nb:\n  listen: h:3\n  servers:\n  - h:4:1\n");
  const size_t first = toml.find("# No timeout there");
  REQUIRE(first != std::string::npos);
  CHECK(toml.find("# No timeout there", first + 1) == std::string::npos);
}

TEST_CASE("an unknown key is an error with its place") {
  CHECK(errors_of(with("  sentinels: x\n")) ==
        "f:3:3: error: unknown key \"sentinels\" in pool \"p\"\n");
}

TEST_CASE("an error is shown with its line, and no password of it") {
  const std::string yaml = with("  redis_auth: geheim\n  redis_auth: geheim\n  hash: md6\n");
  const auto toml = import_twemproxy(yaml, "f");
  REQUIRE_FALSE(toml.ok());
  const std::string text = render(diagnostics_of(toml.error(), yaml, "f"), Colour::kNever);
  CHECK(text.find("\n    5 |   hash: md6\n      |         ^\n") != std::string::npos);
  CHECK(text.find("\n    4 |   redis_auth: ********\n      |   ^\n") != std::string::npos);
  CHECK(text.find("geheim") == std::string::npos);
}

TEST_CASE("a key that is set twice is an error") {
  CHECK(errors_of(with("  hash: md5\n  hash: md5\n")) ==
        "f:4:3: error: \"hash\" is set twice; first on line 3\n");
  CHECK(errors_of("p:\n  listen: h:1\n  servers:\n  - h:2:1\n  servers:\n  - h:3:1\n") ==
        "f:5:3: error: \"servers\" is set twice; first on line 3\n");
}

TEST_CASE("values that twemproxy does not take are errors, each with its place") {
  CHECK(errors_of(with("  redis: yes\n")) ==
        "f:3:10: error: redis: \"yes\" is neither true nor false\n");
  CHECK(errors_of(with("  preconnect: True\n")) ==
        "f:3:15: error: preconnect: \"True\" is neither true nor false\n");
  CHECK(errors_of(with("  timeout: -1\n")) ==
        "f:3:12: error: timeout: \"-1\" is not a number from 0 up\n");
  CHECK(errors_of(with("  timeout: 1s\n")) ==
        "f:3:12: error: timeout: \"1s\" is not a number from 0 up\n");
  CHECK(errors_of(with("  hash: sha1\n")) ==
        "f:3:9: error: hash: \"sha1\" is not a hash of twemproxy's\n");
  CHECK(errors_of(with("  hash: xxh3\n")) ==
        "f:3:9: error: hash: \"xxh3\" is not a hash of twemproxy's\n");
  CHECK(errors_of(with("  distribution: ring\n")) ==
        "f:3:17: error: distribution: \"ring\" is not a distribution of twemproxy's\n");
  CHECK(errors_of(with("  hash_tag: \"{\"\n")) ==
        "f:3:13: error: hash_tag: \"{\" is not two characters\n");
  CHECK(errors_of(with("  hash_tag: \"\xc3\xa9\"\n")) ==
        "f:3:13: error: hash_tag: quorate takes only printable ASCII characters for a hash tag\n");
  CHECK(errors_of(with("  server_connections: 0\n")) ==
        "f:3:3: error: \"p\": \"server_connections\" cannot be 0\n");
  CHECK(errors_of(with("  redis_auth: secret\n")) ==
        "f:3:3: error: \"p\": \"redis_auth\" is for pools with \"redis: true\" only\n");
  CHECK(errors_of(with("  hash:\n")) == "f:3:3: error: \"hash\" has no value\n");
  CHECK(errors_of(with("  hash: \"\"\n")) == "f:3:9: error: \"hash\": the value is empty\n");
}

TEST_CASE("a pool must have an address to listen on, and servers") {
  CHECK(errors_of("p:\n  servers:\n  - h:2:1\n") ==
        "f:1:1: error: \"p\": the pool has no \"listen\"\n");
  CHECK(errors_of("p:\n  listen: h:1\n") == "f:1:1: error: \"p\": the pool has no servers\n");
  CHECK(errors_of("p:\n  listen: h:1\n  servers: h:2:1\n") ==
        "f:3:3: error: \"servers\" is a list\n");
  CHECK(errors_of("p:\n  listen:\n  - h:1\n  servers:\n  - h:2:1\n") ==
        "f:2:3: error: \"listen\" takes one value, not a list\n");
}

TEST_CASE("two servers of one ring name, two pools of one name or address, are errors") {
  CHECK(errors_of("p:\n  listen: h:1\n  servers:\n  - h:2:1\n  - h:2:2\n") ==
        "f:5:5: error: two servers have the ring name \"h:2\"; the other is on line 4\n");
  CHECK(errors_of("p:\n  listen: h:1\n  servers:\n  - h:2:1 x\n  - h:3:1 x\n") ==
        "f:5:5: error: two servers have the ring name \"x\"; the other is on line 4\n");
  CHECK(
      errors_of(
          "p:\n  listen: h:1\n  servers:\n  - h:2:1\np:\n  listen: h:3\n  servers:\n  - h:2:1\n") ==
      "f:5:1: error: two pools have the name \"p\"; the other is on line 1\n");
  CHECK(
      errors_of(
          "p:\n  listen: h:1\n  servers:\n  - h:2:1\nq:\n  listen: h:1\n  servers:\n  - h:2:1\n") ==
      "f:6:3: error: two pools have the listening address \"h:1\"; the other is on line 2\n");
}

TEST_CASE("one server under two names is no error, as twemproxy has it") {
  CHECK(pool_of("p:\n  listen: h:1\n  servers:\n  - h:2:1 x\n  - h:2:1 y\n")["backends"]
            .as_array()
            ->size() == 2);
}

TEST_CASE("weights up to a million are imported as they are") {
  const toml::table pool = pool_of("p:\n  listen: h:1\n  servers:\n  - h:2:100000\n  - h:3:1\n");
  CHECK(pool["backends"][0]["weight"].value<int>() == 100'000);
  CHECK(errors_of("p:\n  listen: h:1\n  servers:\n  - h:2:1000001\n") ==
        "f:4:5: error: the weight 1000001 is above quorate's limit of 1000000\n");
}

TEST_CASE("a name that overflows twemproxy's ketama buffer is an error, for ketama only") {
  const auto yaml = [](size_t length, std::string_view distribution) {
    return "p:\n  listen: h:1\n  distribution: " + std::string(distribution) +
           "\n  servers:\n  - h:2:1 " + std::string(length, 'n') + "\n";
  };
  CHECK(import_twemproxy(yaml(82, "ketama"), "f").ok());  // 82 and "-39" are 85, and a NUL
  CHECK(errors_of(yaml(83, "ketama")).starts_with("f:5:5: error: the ring name is too long"));
  CHECK(import_twemproxy(yaml(200, "modula"), "f").ok());
}

TEST_CASE("every error is reported at once, in the order of the file") {
  CHECK(errors_of("p:\n"
                  "  servers:\n"
                  "  - h:2:0\n"
                  "  - h\n"
                  "  hash: sha1\n"
                  "  nonsense: 1\n"
                  "q:\n"
                  "  listen: h\n"
                  "  servers:\n"
                  "  - h:2:1\n") ==
        "f:1:1: error: \"p\": the pool has no \"listen\"\n"
        "f:3:5: error: the weight \"0\" is not a number above 0\n"
        "f:4:5: error: a server is \"host:port:weight\" or \"/path:weight\", then perhaps a blank "
        "and a name\n"
        "f:5:9: error: hash: \"sha1\" is not a hash of twemproxy's\n"
        "f:6:3: error: unknown key \"nonsense\" in pool \"p\"\n"
        "f:8:11: error: listen: an address to listen on is \"host:port\" or \"/path mode\"\n");
}

TEST_CASE("what is not the form of a twemproxy configuration is an error") {
  CHECK(errors_of("") == "f:1:1: error: there are no pools\n");
  CHECK(errors_of("# nothing\n") == "f:1:1: error: there are no pools\n");
  CHECK(errors_of("text\n") ==
        "f:1:1: error: the file is not a list of pools, each a name with its settings below\n");
  CHECK(errors_of("- a\n").starts_with("f:1:1: error: the file is not a list of pools"));
  CHECK(errors_of("p: 1\n") == "f:1:1: error: pool \"p\" has no settings\n");
  CHECK(errors_of("p:\n") == "f:1:1: error: pool \"p\" has no settings\n");
  CHECK(errors_of("p:\n  listen: h:1\n  servers:\n  - [h:2:1]\n") ==
        "f:4:5: error: an entry of \"servers\" is not plain text\n");
  CHECK(errors_of("p:\n  listen: h:1\n  servers: [\"h:2:1\"]\n")
            .starts_with("f:3:12: error: \"servers\": twemproxy takes no {…} and no […]"));
  CHECK(
      errors_of("p: {listen: \"h:1\"}\n").starts_with("f:1:4: error: pool \"p\": twemproxy takes"));
  CHECK(errors_of("p:\n  listen:\n    host: h\n  servers:\n  - h:2:1\n") ==
        "f:3:5: error: the value of \"listen\" is not plain text\n");
  CHECK(errors_of(with("  hash: !!str md5\n")) == "f:3:9: error: twemproxy takes no tags\n");
  CHECK(errors_of("a: 1\n---\nb: 2\n") ==
        "f:2:1: error: what begins here is no part of the pools above\n");
}

TEST_CASE("broken YAML and bytes that are not UTF-8 are errors with their place") {
  CHECK(errors_of("p:\n  hash: \"md5\n").starts_with("f:"));
  CHECK(errors_of("p:\n\tlisten: h:1\n").starts_with("f:2:8: error: syntax: "));
  for (const char* wrong :
       {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80"}) {
    CHECK(errors_of("p:\n  \xc3\xa9: " + std::string(wrong) + "\n") ==
          "f:2:6: error: this is not UTF-8\n");
  }
  CHECK(errors_of(std::string((1 << 20) + 1, '#')) ==
        "f:1:1: error: the file is larger than 1 MiB\n");
}

TEST_CASE("text that no document can begin with is an error, and is not read for ever") {
  for (const char* text : {",", "]", "}", ",p:\n  listen: h:1\n", "p: 1\n]\n"}) {
    CAPTURE(std::string(text));
    CHECK(errors_of(text).starts_with("f:"));
  }
}

TEST_CASE("a message stays on one line, whole in its characters, and short") {
  const std::string errors =
      errors_of(with("  hash: \"a\\nb" + std::string(95, 'x') + "\xc3\xa9\xc3\xa9y\"\n"));
  CHECK(errors == "f:3:9: error: hash: \"a?b" + std::string(95, 'x') +
                      "\xc3\xa9…\" is not a hash of twemproxy's\n");
}

TEST_CASE("the name of the file cannot break the TOML") {
  const auto toml = import_twemproxy(with(""), "a\n\xff\"b.yml");
  CHECK(toml.value().starts_with("# Made from \"a??\"b.yml\" by"));
  CHECK(toml::parse(toml.value()).contains("pool"));
}

TEST_CASE("pools are told apart by all of their names") {
  const std::string name(200, 'x');
  const std::string servers = "  servers:\n  - h:2:1\n";
  CHECK(import_twemproxy(
            name + "a:\n  listen: h:1\n" + servers + name + "b:\n  listen: h:2\n" + servers, "f")
            .ok());
}

TEST_CASE("columns count characters, not bytes") {
  CHECK(errors_of("p:\n  listen: h:1\n  servers:\n  - h:2:1\n  \xc3\xa9\xc3\xa9: \xe2\x82\xac\n")
            .starts_with("f:5:3: error: unknown key"));
  CHECK(errors_of(with("  redis_auth: \"\xc3\xa9\"\n  \"\xc3\xa9\xc3\xa9\": {}\n"))
            .find("f:4:9: error: ") != std::string::npos);
}

TEST_CASE("no error shows a password") {
  const std::string errors =
      errors_of(with("  redis_auth: hunter2\n  redis_auht: hunter2\n  redis_auth: hunter2\n"));
  CHECK(errors.find("hunter2") == std::string::npos);
}

}  // namespace
}  // namespace quorate::config
