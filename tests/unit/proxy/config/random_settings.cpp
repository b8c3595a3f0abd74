#include "tests/unit/proxy/config/random_settings.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "proxy/config/choices.h"
#include "proxy/config/schema.h"

namespace quorate::config::testing {
namespace {

class Draw {
 public:
  explicit Draw(base::Random& random) : random_(random) {}

  Settings settings();

 private:
  template <class Owner>
  void fill(Owner& owner);
  ClusterSettings cluster();
  PoolSettings pool(size_t index, const ClusterSettings& cluster);
  void replicate(PoolSettings& pool);
  BackendSettings backend(const PoolSettings& pool, size_t index);

  bool coin() { return random_.below(2) == 0; }
  uint64_t number(const Range& range);
  std::string text(size_t most);

  void value(const KeyTraits&, bool& target) { target = coin(); }
  void value(const KeyTraits& traits, uint32_t& target) {
    target = static_cast<uint32_t>(number(traits.range));
  }
  void value(const KeyTraits& traits, uint64_t& target) { target = number(traits.range); }
  void value(const KeyTraits& traits, Duration& target) {
    const auto drawn = Duration(static_cast<int64_t>(number(traits.range)));
    target = std::chrono::floor<std::chrono::milliseconds>(drawn);
  }
  void value(const KeyTraits& traits, FileMode& target) {
    target.bits = static_cast<uint32_t>(number(traits.range));
  }
  void value(const KeyTraits& traits, std::string& target) {
    target = text(20);
    if (traits.rule != nullptr && !traits.rule(target).empty()) target.clear();
  }
  template <class Enumeration>
  requires std::is_enum_v<Enumeration>
  void value(const KeyTraits&, Enumeration& target) {
    const auto all = choices<Enumeration>();
    target = all[random_.below(all.size())].value;
  }
  // Lists and addresses must be distinct, so the tables that hold them draw them.
  void value(const KeyTraits&, Address&) {}
  void value(const KeyTraits&, std::optional<Address>&) {}
  void value(const KeyTraits&, std::vector<Address>&) {}
  void value(const KeyTraits&, std::vector<BackendSettings>&) {}
  void value(const KeyTraits&, std::vector<Founder>&) {}

  base::Random& random_;
  uint16_t next_port_ = 10'000;
};

uint64_t Draw::number(const Range& range) {
  if (range.zero && random_.below(4) == 0) return 0;
  if (random_.below(4) == 0) return range.least;
  if (random_.below(4) == 0) return range.most;
  return range.least + random_.below(range.most - range.least + 1);
}

std::string Draw::text(size_t most) {
  constexpr std::array<std::string_view, 18> kPieces{"a", "B",  "0",        "-",   "_",  " ",
                                                     "#", "\"", "\\",       "'",   "${", "$${",
                                                     "}", "=",  "\xC3\xA9", "$$$", "\n", "\x7F"};
  std::string drawn;
  for (size_t i = random_.below(most); i > 0; --i) drawn += kPieces[random_.below(kPieces.size())];
  return drawn;
}

template <class Owner>
void Draw::fill(Owner& owner) {
  for (const Key<Owner>& key : keys_of<Owner>()) {
    if (coin()) continue;
    std::visit([&](auto member) { value(key.traits, owner.*member); }, key.member);
  }
}

BackendSettings Draw::backend(const PoolSettings& pool, size_t index) {
  BackendSettings backend;
  fill(backend);
  const std::string number = std::to_string(index);
  if (random_.below(8) == 0) {
    backend.address.path = "/run/" + pool.name + "-" + number + ".sock";
  } else {
    const bool v6 = random_.below(8) == 0;
    backend.address.host = v6 ? "fd00::" + number : "10.0.0." + number;
    backend.address.port = coin() ? 11211 : 6379;
  }
  if (backend.name.empty() || coin()) {
    backend.name = default_backend_name(backend.address, pool.distribution);
  } else {
    backend.name += "-" + number;
  }
  if (index == 1 || pool.replicated()) backend.spare = false;
  if (pool.replicated()) backend.db = 0;
  backend.weight = std::min(backend.weight, cluster::max_weight(pool.distribution));
  if (pool.protocol == Protocol::kMemcached) backend.db = 0;
  if (backend.password.empty()) backend.user.clear();
  if (backend.user.empty() && pool.protocol == Protocol::kMemcached) backend.password.clear();
  return backend;
}

/// Makes it one that can keep its promise.
void Draw::replicate(PoolSettings& pool) {
  pool.protocol = Protocol::kRedis;
  pool.consistency = Consistency::kQuorum;
  pool.replicas = coin() ? 3 : 5;
  pool.hash = HashKind::kXxh3;
  pool.distribution = Distribution::kRing;
  pool.on_eject = OnEject::kKeep;
  pool.discovery = Discovery::kNone;
  pool.reads = Reads::kPrimary;
  pool.sentinel_name.clear();
  pool.request_timeout = std::max<Duration>(pool.request_timeout, 1ms);
}

PoolSettings Draw::pool(size_t index, const ClusterSettings& cluster) {
  PoolSettings pool;
  fill(pool);
  pool.consistency = Consistency::kNone;
  pool.replicas = 1;
  if (cluster.grouped() && coin()) replicate(pool);
  pool.name = "pool-" + std::to_string(index);
  if (pool.protocol == Protocol::kMemcached) {
    const PoolSettings defaults;
    pool.password.clear();
    pool.discovery = defaults.discovery;
    pool.discovery_interval = defaults.discovery_interval;
    pool.reads = defaults.reads;
    pool.emulate_cluster = defaults.emulate_cluster;
    pool.sentinel_name.clear();
    pool.sentinel_password.clear();
  }
  if (pool.discovery == Discovery::kNone) pool.reads = Reads::kPrimary;
  if (pool.discovery == Discovery::kSentinel) pool.sentinel_name = "primary";
  if (pool.discovery != Discovery::kNone) {
    const PoolSettings defaults = default_pool(pool.protocol, Distribution::kRing);
    pool.hash = defaults.hash;
    pool.distribution = defaults.distribution;
    pool.hash_tag = defaults.hash_tag;
    pool.points = defaults.points;
    pool.on_eject = defaults.on_eject;
    pool.eject_after = defaults.eject_after;
    pool.readmit_after = defaults.readmit_after;
    pool.min_up = defaults.min_up;
  } else if (pool.discovery != Discovery::kSentinel) {
    pool.sentinel_name.clear();
  }
  if (pool.sentinel_password.empty()) pool.sentinel_user.clear();
  for (size_t i = 1 + random_.below(3); i > 0; --i) {
    const bool unix_socket = random_.below(4) == 0;
    const uint16_t port = next_port_++;
    pool.listen.push_back(unix_socket ? Address{"", 0, "/run/" + std::to_string(port)}
                                      : Address{"127.0.0.1", port, ""});
  }
  for (size_t i = pool.replicas + random_.below(5); i > 0; --i) {
    pool.backends.push_back(backend(pool, i));
  }
  const bool unix_backend = std::ranges::any_of(
      pool.backends, [](const BackendSettings& one) { return one.address.is_unix(); });
  if (unix_backend) {
    pool.discovery = Discovery::kNone;
    pool.reads = Reads::kPrimary;
    pool.sentinel_name.clear();
  }

  pool.points = std::min(pool.points, 1000u);
  const auto regular = std::ranges::count(pool.backends, false, &BackendSettings::spare);
  pool.min_up = std::min(pool.min_up, static_cast<uint32_t>(regular));
  if (pool.on_eject != OnEject::kKeep) pool.min_up = std::max(pool.min_up, 1u);
  pool.keepalive = std::chrono::floor<std::chrono::seconds>(pool.keepalive);
  pool.reconnect_backoff = std::min(pool.reconnect_backoff, pool.reconnect_backoff_max);
  pool.probe_timeout = std::min(pool.probe_timeout, pool.probe_interval);
  return pool;
}

ClusterSettings Draw::cluster() {
  ClusterSettings cluster;
  fill(cluster);
  if (cluster.probe_failures == 1) cluster.probe_failures = 2;
  if (cluster.name.empty()) cluster.name = "quorate";
  cluster.election_timeout = std::max(cluster.election_timeout, 3 * cluster.heartbeat_interval);
  if (coin()) {
    cluster.member.clear();
    cluster.data_dir.clear();
    return cluster;
  }
  cluster.member = "m";
  if (cluster.role == MemberRole::kObserver) {
    cluster.coordinator = false;
  } else {
    cluster.session = true;
    cluster.session_expiry = Duration::zero();
  }
  cluster.data_dir = "/var/lib/quorate";
  cluster.listen = Address{"127.0.0.1", next_port_++, ""};
  if (cluster.role == MemberRole::kVoter) {
    cluster.bootstrap = {{"m", *cluster.listen}, {"n", {"fd00::1", 7400, ""}}};
  } else {
    cluster.join = {{"10.0.0.1", 7400, ""}};
  }
  return cluster;
}

Settings Draw::settings() {
  Settings settings;
  fill(settings);
  fill(settings.log);
  if (coin()) settings.admin.listen.reset();
  settings.cluster = cluster();
  for (size_t i = 1 + random_.below(4); i > 0; --i) {
    settings.pools.push_back(pool(i, settings.cluster));
  }
  return settings;
}

}  // namespace

Settings random_settings(base::Random& random) { return Draw(random).settings(); }

}  // namespace quorate::config::testing
