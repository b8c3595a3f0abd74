#include "proxy/config/twemproxy_pool.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <utility>

#include "consensus/cluster/ketama.h"
#include "proxy/config/twemproxy_server.h"

namespace quorate::config {
namespace {

using cluster::Distribution;
using cluster::HashKind;

/// Sets one key of a pool; says what is wrong with the value, or nothing.
using Setter = std::string (*)(TwemproxyPool& pool, const std::string& value);

template <auto kMember>
std::string set_number(TwemproxyPool& pool, const std::string& value) {
  pool.*kMember = twemproxy_number(value);
  return pool.*kMember ? "" : in_quotes(value) + " is not a number from 0 up";
}

template <auto kMember>
std::string set_boolean(TwemproxyPool& pool, const std::string& value) {
  if (value != "true" && value != "false") return in_quotes(value) + " is neither true nor false";
  pool.*kMember = value == "true";
  return "";
}

std::string set_listen(TwemproxyPool& pool, const std::string& value) {
  auto listen = parse_twemproxy_listen(value);
  if (!listen) return listen.error();
  pool.listen = listen.value().address;
  pool.listen_mode = listen.value().mode;
  return "";
}

std::string set_hash(TwemproxyPool& pool, const std::string& value) {
  pool.hash = cluster::hash_named(value);
  const bool twemproxys = pool.hash && pool.hash != HashKind::kXxh3;
  return twemproxys ? "" : in_quotes(value) + " is not a hash of twemproxy's";
}

std::string set_distribution(TwemproxyPool& pool, const std::string& value) {
  pool.distribution = cluster::distribution_named(value);
  const bool twemproxys = pool.distribution == Distribution::kKetama ||
                          pool.distribution == Distribution::kModula ||
                          pool.distribution == Distribution::kRandom;
  return twemproxys ? "" : in_quotes(value) + " is not a distribution of twemproxy's";
}

std::string set_hash_tag(TwemproxyPool& pool, const std::string& value) {
  if (value.size() != 2) return in_quotes(value) + " is not two characters";
  if (std::ranges::any_of(value, [](char c) { return c <= ' ' || c > '~'; })) {
    return "quorate takes only printable ASCII characters for a hash tag";
  }
  pool.hash_tag = value;
  return "";
}

std::string set_redis_auth(TwemproxyPool& pool, const std::string& value) {
  pool.redis_auth = value;
  return "";
}

struct Key {
  std::string_view name;
  Setter set;
};

using P = TwemproxyPool;
constexpr std::string_view kServers = "servers";
constexpr std::array<Key, 17> kKeys = {{
    {"listen", set_listen},
    {"hash", set_hash},
    {"hash_tag", set_hash_tag},
    {"distribution", set_distribution},
    {"timeout", set_number<&P::timeout>},
    {"backlog", set_number<&P::backlog>},
    {"client_connections", set_number<&P::client_connections>},
    {"tcpkeepalive", set_boolean<&P::tcpkeepalive>},
    {"reuseport", set_boolean<&P::reuseport>},
    {"redis", set_boolean<&P::redis>},
    {"redis_auth", set_redis_auth},
    {"redis_db", set_number<&P::redis_db>},
    {"preconnect", set_boolean<&P::preconnect>},
    {"auto_eject_hosts", set_boolean<&P::auto_eject_hosts>},
    {"server_connections", set_number<&P::server_connections>},
    {"server_retry_timeout", set_number<&P::server_retry_timeout>},
    {"server_failure_limit", set_number<&P::server_failure_limit>},
}};

/// One pool: its entries read, then what they say together.
class PoolReader {
 public:
  PoolReader(const YamlPool& yaml, std::vector<ImportError>& errors)
      : yaml_(yaml), errors_(errors), errors_before_(errors.size()) {}

  TwemproxyPool read() {
    pool_.name = yaml_.name.text;
    for (const YamlEntry& entry : yaml_.entries) read(entry);
    check_together();
    check_servers();
    if (errors_.size() == errors_before_) check_placement();
    return std::move(pool_);
  }

  /// Where the pool says what `key` is; the pool's name if it does not.
  const YamlText& place_of(std::string_view key) const {
    const auto found = first_.find(key);
    return found == first_.end() ? yaml_.name : found->second->key;
  }

 private:
  void read(const YamlEntry& entry) {
    const std::string& key = entry.key.text;
    const auto known = std::ranges::find(kKeys, key, &Key::name);
    if (known == kKeys.end() && key != kServers) {
      errors_.push_back(
          entry.key.error("unknown key " + in_quotes(key) + " in pool " + in_quotes(pool_.name)));
      return;
    }
    const auto [first, fresh] = first_.emplace(key, &entry);
    if (!fresh) {
      errors_.push_back(entry.key.error(in_quotes(key) + " is set twice; first on line " +
                                        std::to_string(first->second->key.line)));
      return;
    }
    if (entry.is_list != (key == kServers)) {
      errors_.push_back(entry.key.error(
          in_quotes(key) + (entry.is_list ? " takes one value, not a list" : " is a list")));
      return;
    }
    for (const YamlText& value : entry.values) {
      if (value.text.empty()) {
        errors_.push_back(value.error(in_quotes(key) + ": the value is empty"));
      } else if (key == kServers) {
        read_server(value);
      } else if (const std::string wrong = known->set(pool_, value.text); !wrong.empty()) {
        errors_.push_back(value.error(std::string(key).append(": ").append(wrong)));
      }
    }
  }

  void read_server(const YamlText& value) {
    auto server = parse_twemproxy_server(value.text);
    if (!server) {
      errors_.push_back(value.error(server.error()));
      return;
    }
    pool_.servers.push_back(std::move(server).value());
    server_places_.push_back(&value);
  }

  void check_together() {
    if (yaml_.complete && !first_.contains("listen")) {
      fail(yaml_.name, "the pool has no \"listen\"");
    }
    if (yaml_.complete && !first_.contains(kServers)) fail(yaml_.name, "the pool has no servers");
    if (pool_.server_connections == 0u) {
      fail(place_of("server_connections"), "\"server_connections\" cannot be 0");
    }
    if (!pool_.redis_auth.empty() && !pool_.redis.value_or(false)) {
      fail(place_of("redis_auth"), "\"redis_auth\" is for pools with \"redis: true\" only");
    }
  }

  void check_servers() {
    std::map<std::string_view, uint32_t> line_of;
    for (size_t i = 0; i < pool_.servers.size(); ++i) {
      const TwemproxyServer& server = pool_.servers[i];
      const YamlText& place = *server_places_[i];
      const auto [first, fresh] = line_of.emplace(server.name, place.line);
      if (!fresh) {
        errors_.push_back(place.error("two servers have the ring name " + in_quotes(server.name) +
                                      "; the other is on line " + std::to_string(first->second)));
      }
      const uint32_t heaviest = cluster::max_weight(pool_.rules().distribution);
      if (server.weight > heaviest) {
        errors_.push_back(place.error("the weight " + std::to_string(server.weight) +
                                      " is above quorate's limit of " + std::to_string(heaviest)));
      }
    }
  }

  void check_placement() {
    const auto problem = cluster::problem_with(pool_.rules(), pool_.members());
    if (problem) {
      fail(yaml_.name, *problem);
    } else if (pool_.rules().distribution == Distribution::kKetama) {
      check_lengths();
    }
  }

  /// Twemproxy formats "name-number" into 86 bytes, and then hashes as many as it would have
  /// needed.
  void check_lengths() {
    constexpr size_t kBuffer = 86;
    uint32_t total = 0;
    for (const TwemproxyServer& server : pool_.servers) total += server.weight;
    for (size_t i = 0; i < pool_.servers.size(); ++i) {
      const TwemproxyServer& server = pool_.servers[i];
      const uint32_t points = cluster::ketama_point_count(
          server.weight, total, static_cast<uint32_t>(pool_.servers.size()));
      const std::string longest = server.name + "-" + std::to_string(std::max(points / 4, 1u) - 1);
      if (longest.size() < kBuffer) continue;
      errors_.push_back(server_places_[i]->error(
          "the ring name is too long for twemproxy's ketama, which then hashes what lies behind "
          "its buffer: where its keys are cannot be reproduced"));
    }
  }

  void fail(const YamlText& place, std::string_view what) {
    errors_.push_back(place.error(in_quotes(pool_.name) + ": " + std::string(what)));
  }

  const YamlPool& yaml_;
  std::vector<ImportError>& errors_;
  size_t errors_before_;
  TwemproxyPool pool_;
  std::map<std::string_view, const YamlEntry*> first_;  // by key
  std::vector<const YamlText*> server_places_;
};

/// What no two pools may share: one of these for each kind of it.
class Distinct {
 public:
  Distinct(std::string_view kind, std::vector<ImportError>& errors)
      : kind_(kind), errors_(errors) {}

  void add(const std::string& value, const YamlText& place) {
    const auto [first, fresh] = line_of_.emplace(value, place.line);
    if (fresh || value.empty()) return;
    errors_.push_back(place.error("two pools have the " + std::string(kind_) + " " +
                                  in_quotes(value) + "; the other is on line " +
                                  std::to_string(first->second)));
  }

 private:
  std::string_view kind_;
  std::vector<ImportError>& errors_;
  std::map<std::string, uint32_t> line_of_;
};

}  // namespace

cluster::PlacementRules TwemproxyPool::rules() const {
  return {.hash = hash.value_or(HashKind::kFnv1a_64),
          .distribution = distribution.value_or(Distribution::kKetama),
          .hash_tag = hash_tag};
}

std::vector<cluster::PlacementMember> TwemproxyPool::members() const {
  std::vector<cluster::PlacementMember> members;
  members.reserve(servers.size());
  for (const TwemproxyServer& server : servers) {
    members.push_back({.name = server.name, .weight = server.weight, .on_ring = true, .zone = ""});
  }
  return members;
}

base::Result<std::vector<TwemproxyPool>, std::vector<ImportError>> read_twemproxy(
    std::string_view yaml_text) {
  YamlPools yaml = read_yaml_pools(yaml_text);
  std::vector<ImportError> errors = std::move(yaml.errors);
  std::vector<TwemproxyPool> pools;
  Distinct names("name", errors);
  Distinct addresses("listening address", errors);
  for (const YamlPool& each : yaml.pools) {
    PoolReader reader(each, errors);
    pools.push_back(reader.read());
    names.add(pools.back().name, each.name);
    addresses.add(pools.back().listen, reader.place_of("listen"));
  }
  if (errors.empty()) return pools;
  std::ranges::stable_sort(
      errors, {}, [](const ImportError& error) { return std::tuple(error.line, error.column); });
  return base::Failure{std::move(errors)};
}

}  // namespace quorate::config
