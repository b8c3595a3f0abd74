// conf/quorate.toml is the reference that operators read: what it says of keys and defaults is held
// against the schema.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "proxy/config/document.h"
#include "proxy/config/schema.h"
#include "proxy/config/text_of.h"
#include "tests/unit/proxy/config/world.h"

namespace quorate::config::testing {
namespace {

std::string reference() { return read_text(source_path("conf/quorate.toml")); }

/// The name of the key that a line holds in a comment ("# key = value"), or nothing: prose.
std::string commented_key(const std::string& line) {
  if (!line.starts_with("# ")) return {};
  const size_t end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", 2);
  const bool key = end > 2 && end != std::string::npos && line.substr(end).starts_with(" = ");
  return key ? line.substr(2, end - 2) : "";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// The reference with every "# key = value" made a key; prose stays a comment.
std::string uncommented() {
  std::string text;
  for (const std::string& line : lines_of(reference())) {
    text += (commented_key(line).empty() ? line : line.substr(2)) + "\n";
  }
  return text;
}

const Table& pool_of(const Table& document, std::string_view name) {
  return *document.find("pool")->value.table()->find(name)->value.table();
}

/// Reads one value of the reference the way its key does: alone, as the only key of its kind.
template <class Owner>
void check_defaults(const Table& table, const Owner& defaults, const Owner& stated) {
  for (const Key<Owner>& key : keys_of<Owner>()) {
    INFO("key: " << key.name);
    CHECK(table.find(key.name) != nullptr);
    if (key.traits.required) continue;
    std::visit([&](auto member) { CHECK(defaults.*member == stated.*member); }, key.member);
  }
}

}  // namespace

TEST_CASE("the reference file loads without a warning") {
  const auto loaded = load(reference(), "conf/quorate.toml", small_world());
  REQUIRE_MESSAGE(loaded.ok(), render(loaded.error(), Colour::kNever));
  CHECK(loaded.value().warnings.empty());
  const Settings& settings = loaded.value().settings;
  REQUIRE(settings.pools.size() == 2);
  CHECK(settings.pools[0].name == "cache");
  CHECK(settings.pools[0].protocol == Protocol::kRedis);
  CHECK(settings.pools[0].backends.size() == 3);
  CHECK(settings.pools[0].backends[1].name == "127.0.0.1:6372");
  CHECK(settings.pools[0].backends[2].name == "c");
  CHECK(settings.pools[0].backends[2].zone == "a");
  CHECK(settings.pools[1].name == "pages");
  CHECK(settings.pools[1].protocol == Protocol::kMemcached);
}

TEST_CASE("with every commented key set the reference file says the same") {
  const auto set = load(uncommented(), "conf/quorate.toml", small_world());
  REQUIRE_MESSAGE(set.ok(), render(set.error(), Colour::kNever));
  CHECK(set.value().warnings.empty());
  CHECK(set.value().settings == settings_of(reference()));
}

TEST_CASE("the reference file names every key and states its default") {
  const auto document = parse_document(uncommented());
  REQUIRE(document.ok());
  const Settings stated = settings_of(uncommented());
  const Settings defaults;
  const PoolSettings pool_defaults = default_pool(Protocol::kRedis, Distribution::kRing);

  check_defaults(document.value().table, defaults, stated);
  check_defaults(*document.value().table.find("log")->value.table(), defaults.log, stated.log);
  check_defaults(*document.value().table.find("admin")->value.table(), defaults.admin,
                 stated.admin);
  check_defaults(*document.value().table.find("cluster")->value.table(), defaults.cluster,
                 stated.cluster);
  check_defaults(pool_of(document.value().table, "cache"), pool_defaults, stated.pools[0]);

  const Array& backends = *pool_of(document.value().table, "cache").find("backends")->value.array();
  const auto names = names_of_keys<BackendSettings>();
  const auto complete = std::any_of(backends.begin(), backends.end(), [&](const Value& backend) {
    return backend.table() != nullptr &&
           std::all_of(names.begin(), names.end(), [&](std::string_view name) {
             return backend.table()->find(name) != nullptr;
           });
  });
  CHECK_MESSAGE(complete, "no backend of the reference shows every key a backend has");
}

TEST_CASE("the reference file names every word of an enumeration") {
  const std::string text = reference();
  const auto check = [&](auto words) {
    for (const auto& word : words) {
      CHECK_MESSAGE(text.find("\"" + std::string(word.text) + "\"") != std::string::npos,
                    word.text);
    }
  };
  check(choices<Protocol>());
  check(choices<HashKind>());
  check(choices<Distribution>());
  check(choices<LogLevel>());
  check(choices<LogFormat>());
  check(choices<OnEject>());
  check(choices<MemberRole>());
  check(choices<Consistency>());
  check(choices<Discovery>());
  check(choices<Reads>());
}

TEST_CASE("ranges that the reference file states are those that are checked") {
  std::set<std::string> seen;
  for (const std::string& line : lines_of(reference())) {
    // "# connections = 1          # 1..64. One is the fastest; …"
    const std::string name = commented_key(line);
    const size_t comment = line.find("# ", 2);
    if (name.empty() || comment == std::string::npos) continue;
    unsigned least = 0;
    unsigned most = 0;
    if (std::sscanf(line.c_str() + comment, "# %u..%u.", &least, &most) != 2) continue;
    seen.insert(name);
    const auto check = [&](auto keys) {
      for (const auto& key : keys) {
        if (key.name != name) continue;
        INFO("key: " << name);
        CHECK(key.traits.range.least == least);
        CHECK(key.traits.range.most == most);
      }
    };
    check(keys_of<Settings>());
    check(keys_of<PoolSettings>());
  }
  CHECK(seen == std::set<std::string>{"workers", "backlog", "connections", "side_connections",
                                      "pinned_connections", "max_pipeline", "moving_slots",
                                      "sweep_rate"});
}

}  // namespace quorate::config::testing
