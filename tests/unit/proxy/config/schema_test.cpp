#include "proxy/config/schema.h"

#include <doctest/doctest.h>

#include <set>
#include <type_traits>

#include "proxy/config/nearest.h"

namespace quorate::config {
namespace {

/// Calls `visit(key, default)` for every key of a table.
template <class Owner, class Visit>
void each_key(const Visit& visit) {
  const Owner defaults{};
  for (const Key<Owner>& key : keys_of<Owner>()) {
    std::visit([&](auto member) { visit(key, defaults.*member); }, key.member);
  }
}

template <class Visit>
void each_key_of_every_table(const Visit& visit) {
  each_key<Settings>(visit);
  each_key<LogSettings>(visit);
  each_key<AdminSettings>(visit);
  each_key<ClusterSettings>(visit);
  each_key<PoolSettings>(visit);
  each_key<BackendSettings>(visit);
}

}  // namespace

TEST_CASE("every number, duration and size has a range, and its default lies in it") {
  size_t ranged = 0;
  each_key_of_every_table([&](const auto& key, const auto& value) {
    using T = std::remove_cvref_t<decltype(value)>;
    uint64_t number = 0;
    if constexpr (std::is_same_v<T, uint32_t> || std::is_same_v<T, uint64_t>) {
      number = value;
    } else if constexpr (std::is_same_v<T, Duration>) {
      number = static_cast<uint64_t>(value.count());
    } else if constexpr (std::is_same_v<T, FileMode>) {
      number = value.bits;
    } else {
      return;
    }
    INFO("key: " << key.name);
    const Range& range = key.traits.range;
    CHECK(range.most < std::numeric_limits<uint64_t>::max());
    CHECK(range.least <= range.most);
    CHECK(range.holds(number));
    // What does not fit the member must not fit the range.
    if constexpr (std::is_same_v<T, uint32_t>) CHECK(range.most <= UINT32_MAX);
    if constexpr (std::is_same_v<T, Duration>) CHECK(range.most <= INT64_MAX);
    ++ranged;
  });
  CHECK(ranged == 36);
}

TEST_CASE("every text has a rule, and its default obeys it") {
  each_key_of_every_table([&](const auto& key, const auto& value) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, std::string>) {
      INFO("key: " << key.name);
      const bool has_rule = key.traits.rule != nullptr;
      REQUIRE(has_rule);
      // A backend's name has no default of its own.
      if (key.name != "name") CHECK(key.traits.rule(value).empty());
    }
  });
}

TEST_CASE("every member of the settings is some key's, and no two keys share one") {
  // 32 keys of a pool, and its name, which is the table's; the sizes tell when one is forgotten.
  CHECK(keys_of<Settings>().size() == 2);
  CHECK(keys_of<LogSettings>().size() == 3);
  CHECK(keys_of<AdminSettings>().size() == 1);
  CHECK(keys_of<ClusterSettings>().size() == 18);
  CHECK(keys_of<PoolSettings>().size() == 42);
  CHECK(keys_of<BackendSettings>().size() == 8);
  const auto all_differ = [](auto keys) {
    for (size_t i = 0; i < keys.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        INFO(keys[i].name << " and " << keys[k].name);
        CHECK(keys[i].name != keys[k].name);
        CHECK(keys[i].member != keys[k].member);
      }
    }
  };
  all_differ(keys_of<Settings>());
  all_differ(keys_of<LogSettings>());
  all_differ(keys_of<ClusterSettings>());
  all_differ(keys_of<PoolSettings>());
  all_differ(keys_of<BackendSettings>());
}

TEST_CASE("what cannot change without a restart is what is opened at start") {
  std::set<std::string_view> restarted;
  const auto note = [&](const auto& key, const auto&) {
    if (key.traits.reload == Reload::kRestart) restarted.insert(key.name);
  };
  each_key<Settings>(note);
  each_key<LogSettings>(note);
  each_key<AdminSettings>(note);
  each_key<PoolSettings>(note);
  each_key<BackendSettings>(note);
  // Who this member is does not change while it runs; how much it has moved at once may.
  for (const auto& key : keys_of<ClusterSettings>()) {
    CHECK((key.traits.reload == Reload::kRestart) == (key.name != "moving_slots"));
  }
  CHECK(restarted == std::set<std::string_view>{"workers", "listen", "protocol", "consistency",
                                                "replicas", "sweep_rate", "unix_mode", "backlog",
                                                "discovery", "reads", "sentinel_name",
                                                "sentinel_user", "sentinel_password"});
}

TEST_CASE("what decides placement says that a change moves keys") {
  std::set<std::string_view> moving;
  each_key_of_every_table([&](const auto& key, const auto&) {
    if (key.traits.moves_keys) moving.insert(key.name);
  });
  CHECK(moving == std::set<std::string_view>{"backends", "hash", "distribution", "points",
                                             "hash_tag", "name", "weight", "spare"});
}

TEST_CASE("passwords, users' hashes and the cluster's secret are secret, and only they") {
  std::set<std::string_view> secret;
  each_key_of_every_table([&](const auto& key, const auto&) {
    if (key.traits.secret) secret.insert(key.name);
  });
  CHECK(secret == std::set<std::string_view>{"password", "users", "secret", "sentinel_password"});
}

TEST_CASE("another program's word leads to a key that exists") {
  std::set<std::string_view> known;
  each_key_of_every_table([&](const auto& key, const auto&) { known.insert(key.name); });
  for (const char* word : {"servers", "timeout", "bind", "threads", "requirepass", "redis_auth",
                           "redis_db", "tcpkeepalive", "auto_eject_hosts", "server_connections"}) {
    INFO("word: " << word);
    CHECK(known.contains(foreign_key(word)));
    CHECK(!known.contains(word));
  }
  CHECK(foreign_key("frobnicate").empty());
}

TEST_CASE("a range is said in the words of its key") {
  const auto plain = [](uint64_t number) { return std::to_string(number); };
  CHECK(range_text({1, 64, false}, plain) == "1 to 64");
  CHECK(range_text({5, 64, true}, plain) == "5 to 64, or 0");
  CHECK(range_text({0, 64, true}, plain) == "0 to 64");
}

}  // namespace quorate::config
