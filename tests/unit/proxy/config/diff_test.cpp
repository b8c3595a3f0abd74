// Properties of diff(). How it reads: tests/conversation/config/reload.txt.

#include "proxy/config/diff.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "proxy/config/choices.h"
#include "proxy/config/print.h"
#include "tests/unit/proxy/config/random_settings.h"
#include "tests/unit/proxy/config/world.h"

namespace quorate::config::testing {
namespace {

// A value that differs from the one given, for every type a key can have.
void change(bool& value) { value = !value; }
void change(uint32_t& value) { ++value; }
void change(uint64_t& value) { value += kKibibyte; }
void change(Duration& value) { value += 1s; }
void change(FileMode& value) { value.bits ^= 0100; }
void change(std::string& value) { value += "x"; }
void change(Address& value) { value.port ^= 1; }
void change(std::optional<Address>& value) {
  value = value ? std::nullopt : std::optional(Address{"127.0.0.1", 1, ""});
}
void change(std::vector<Address>& value) { value.push_back({"127.0.0.1", 1, ""}); }
void change(std::vector<BackendSettings>& value) {
  value.push_back({.address = {"10.1.1.1", 1, ""}, .name = "new"});
}
template <class Enumeration>
requires std::is_enum_v<Enumeration>
void change(Enumeration& value) {
  const auto all = choices<Enumeration>();
  const auto here = std::find_if(all.begin(), all.end(),
                                 [&](const auto& choice) { return choice.value == value; });
  value = all[static_cast<size_t>(here - all.begin() + 1) % all.size()].value;
}

Settings two_pools() {
  return settings_of(R"(
[pool.a]
protocol = "redis"
listen = "127.0.0.1:7000"
backends = ["127.0.0.1:6379", { address = "127.0.0.1:6380", name = "b" }]
[pool.c]
protocol = "memcached"
listen = "127.0.0.1:7001"
backends = ["127.0.0.1:11211"]
)");
}

/// Changes each key of `owner`, a part of `after`, in turn, and expects that one change and no
/// other.
template <class Owner>
void check_each_key(const Settings& before, Settings& after, Owner& owner,
                    const std::string& path) {
  const Owner untouched = owner;
  for (const Key<Owner>& key : keys_of<Owner>()) {
    const std::string full = path + std::string(key.name);
    INFO("key: " << full);
    std::visit([&](auto member) { change(owner.*member); }, key.member);
    const auto changes = diff(before, after);
    REQUIRE(!(after == before));
    if (std::is_same_v<Owner, BackendSettings> && key.name == "name") {
      CHECK(changes.size() == 2);  // another backend: the old one goes, the new one comes
    } else {
      REQUIRE(changes.size() == 1);
      CHECK(changes[0].path == full);
      CHECK(changes[0].reload == key.traits.reload);
      CHECK(changes[0].moves_keys == key.traits.moves_keys);
      CHECK(changes[0].text() == full + ": " + changes[0].what);
    }
    owner = untouched;
  }
}

}  // namespace

TEST_CASE("each key that changes is one line, with the class of its schema") {
  const Settings before = two_pools();
  Settings after = before;
  check_each_key(before, after, after, "");
  check_each_key(before, after, after.log, "log.");
  check_each_key(before, after, after.admin, "admin.");
  check_each_key(before, after, after.pools[0], "pool.a.");
  check_each_key(before, after, after.pools[1], "pool.c.");
  check_each_key(before, after, after.pools[0].backends[1], "pool.a.backends[b].");
}

TEST_CASE("there is a difference exactly when two settings differ") {
  base::Random random(7);
  for (int i = 0; i < 500; ++i) {
    const Settings before = random_settings(random);
    CHECK(diff(before, before).empty());
    Settings after = random.below(2) == 0 ? random_settings(random) : before;
    switch (random.below(5)) {
      case 0: std::reverse(after.pools.begin(), after.pools.end()); break;
      case 1: std::reverse(after.pools[0].backends.begin(), after.pools[0].backends.end()); break;
      case 2: std::reverse(after.pools[0].listen.begin(), after.pools[0].listen.end()); break;
      case 3: after.pools.back().backends.back().weight ^= 1; break;
      default: break;
    }
    CHECK(diff(before, after).empty() == (before == after));
    CHECK(diff(after, before).empty() == (before == after));
  }
}

TEST_CASE("a password is in no line of any difference or print, whatever else changes") {
  base::Random random(11);
  const std::string needle = "n33dle";
  for (int i = 0; i < 500; ++i) {
    Settings before = random_settings(random);
    Settings after = random.below(2) == 0 ? random_settings(random) : before;
    for (Settings* settings : {&before, &after}) {
      for (PoolSettings& pool : settings->pools) {
        if (random.below(2) == 0) pool.password = needle + std::to_string(random.below(100));
        for (BackendSettings& backend : pool.backends) {
          if (random.below(2) == 0) backend.password = needle + std::to_string(random.below(100));
        }
      }
      CHECK(to_toml(*settings).find(needle) == std::string::npos);
    }
    for (const Change& change : diff(before, after)) {
      CHECK(render(change).find(needle) == std::string::npos);
    }
  }
}

TEST_CASE("what came from outside is in no line either, in whichever version it did") {
  const auto text = [](const std::string& address, const std::string& timeout,
                       const std::string& name, const std::string& zone) {
    return "[pool.a]\nprotocol = \"redis\"\nlisten = \"127.0.0.1:7000\"\nrequest_timeout = \"" +
           timeout + "\"\nbackends = [\"127.0.0.1:1\", { address = \"" + address + "\", name = \"" +
           name + "\", zone = \"" + zone + "\" }]\n";
  };
  const std::string outside =
      text("${env:ADDRESS}", "${env:TIMEOUT}", "${env:NAME}", "${env:PASSWORD}");
  const std::string inside = text("10.0.0.1:1", "4s", "n", "z");
  const std::string same_name =
      text("10.0.0.1:1", "4s", "hidden", "z");  // the secret name, written openly
  for (const auto& [before, after] :
       {std::pair(outside, inside), std::pair(inside, outside), std::pair(outside, same_name),
        std::pair(same_name, outside)}) {
    const auto changes = diff(settings_of(before), settings_of(after));
    CHECK(changes.size() >= 3);
    for (const Change& change : changes) {
      const std::string line = render(change);
      INFO("line: " << line);
      CHECK(line.find("10.9.8.7") == std::string::npos);
      CHECK(line.find("3s") == std::string::npos);
      CHECK(line.find("hidden") == std::string::npos);
      CHECK(line.find("hunter2") == std::string::npos);
    }
  }
}

TEST_CASE("consequences are said behind the change") {
  CHECK(render({"a", "1 -> 2", Reload::kLive, false}) == "a: 1 -> 2");
  CHECK(render({"a", "1 -> 2", Reload::kLive, true}) == "a: 1 -> 2  (moves keys)");
  CHECK(render({"a", "1 -> 2", Reload::kRestart, false}) == "a: 1 -> 2  (needs a restart)");
  CHECK(render({"a", "- b", Reload::kDrain, true}) ==
        "a: - b  (for new connections; old ones drain; moves keys)");
}

}  // namespace quorate::config::testing
