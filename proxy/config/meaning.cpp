#include "proxy/config/meaning.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "backends/wire/acl.h"
#include "consensus/raft/configuration.h"
#include "proxy/config/address.h"
#include "proxy/config/schema.h"
#include "proxy/config/text_of.h"

namespace quorate::config {
namespace {

/// A listening address with what messages call it.
struct Listener {
  const Address* address;
  std::string owner;  // "[pool.cache]"
  Place place;
};

bool plain_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

/// One pool, its findings and its paths.
class PoolCheck {
 public:
  PoolCheck(const PoolSettings& pool, const ClusterSettings& cluster, const Places& places,
            Findings& findings)
      : pool_(pool),
        cluster_(cluster),
        places_(places),
        findings_(findings),
        path_("pool." + pool.name) {}

  void run() {
    check_times();
    check_discovery();
    check_placement();
    check_ejection();
    check_backends();
    check_users();
    check_unused();
    check_replication();
    if (!findings_.has_errors()) check_against_cluster();
  }

 private:
  void check_times();
  void check_discovery();
  void check_placement();
  void check_weights();
  void check_against_cluster();
  void check_ejection();
  void check_spares();
  void check_backends();
  void check_names();
  void check_addresses();
  void check_credentials(size_t index);
  void check_users();
  void check_unused();
  void check_replication();
  void check_replicated_backends();

  std::string path(std::string_view key) const { return path_ + "." + std::string(key); }
  std::string backend(size_t index) const { return path("backends") + "." + std::to_string(index); }
  /// False: where it is, or that it is a backend at all, was not understood.
  bool is_known(size_t index) const {
    return places_.is_sound(backend(index)) && places_.is_sound(backend(index) + ".address");
  }
  Place place(std::string_view key) const { return places_.of(path(key), path_); }
  bool is_set(std::string_view key) const { return places_.is_set(path(key)); }
  bool sound(std::initializer_list<std::string_view> keys) const {
    return std::all_of(keys.begin(), keys.end(),
                       [&](std::string_view key) { return places_.is_sound(path(key)); });
  }
  template <class T>
  std::string shown(std::string_view key, const T& value) const {
    return pool_.secrets.contains(key) ? "(secret)" : text_of(value);
  }
  /// The first of two related keys that the file sets: the one to point at.
  std::string_view set_one(std::string_view first, std::string_view second) const {
    return is_set(first) || !is_set(second) ? first : second;
  }

  const PoolSettings& pool_;
  const ClusterSettings& cluster_;
  const Places& places_;
  Findings& findings_;
  std::string path_;
};

void PoolCheck::check_times() {
  if (sound({"reconnect_backoff", "reconnect_backoff_max"}) &&
      pool_.reconnect_backoff > pool_.reconnect_backoff_max) {
    findings_.error(place(set_one("reconnect_backoff", "reconnect_backoff_max")),
                    "reconnect_backoff (" + shown("reconnect_backoff", pool_.reconnect_backoff) +
                        ") is longer than reconnect_backoff_max (" +
                        shown("reconnect_backoff_max", pool_.reconnect_backoff_max) + ")");
  }
  if (sound({"probe_timeout", "probe_interval"}) && pool_.probe_timeout > pool_.probe_interval) {
    findings_.error(place(set_one("probe_timeout", "probe_interval")),
                    "probe_timeout (" + shown("probe_timeout", pool_.probe_timeout) +
                        ") is longer than probe_interval (" +
                        shown("probe_interval", pool_.probe_interval) + ")");
  }
  if (sound({"keepalive"}) && pool_.keepalive % 1s != 0s) {
    findings_.error(place("keepalive"), "keepalive: the kernel takes whole seconds");
  }
  if (sound({"connect_timeout", "request_timeout"}) && pool_.request_timeout > 0s &&
      pool_.connect_timeout > pool_.request_timeout) {
    findings_.warning(place(set_one("connect_timeout", "request_timeout")),
                      "connect_timeout (" + shown("connect_timeout", pool_.connect_timeout) +
                          ") is longer than request_timeout (" +
                          shown("request_timeout", pool_.request_timeout) +
                          "): commands give up before the connection does");
  }
}

// Where others say which servers there are, the file has no say in who is on the ring.
void PoolCheck::check_discovery() {
  if (!sound({"discovery", "reads", "sentinel_name", "sentinel_user", "sentinel_password"})) return;
  const bool none = pool_.discovery == Discovery::kNone;
  const bool sentinel = pool_.discovery == Discovery::kSentinel;
  if (sentinel && pool_.sentinel_name.empty()) {
    findings_.error(place("discovery"),
                    "discovery: sentinels have to be asked for a primary by name: set "
                    "\"sentinel_name\"");
  }
  if (none && pool_.reads == Reads::kReplica) {
    findings_.error(place("reads"),
                    "reads: which servers are replicas is not known without \"discovery\"");
  }
  if (!pool_.sentinel_user.empty() && pool_.sentinel_password.empty()) {
    findings_.error(place("sentinel_user"), "sentinel_user: has no \"sentinel_password\"");
  }
  const auto unused = [&](std::string_view key, std::string_view why) {
    if (is_set(key)) {
      findings_.warning(place(key), std::string(key) + " has no effect: " + std::string(why));
    }
  };
  if (!sentinel && !pool_.sentinel_name.empty()) {
    unused("sentinel_name", "discovery is not \"sentinel\"");
  }
  if (none) return;
  for (size_t i = 0; i < pool_.backends.size(); ++i) {
    if (!pool_.backends[i].address.is_unix()) continue;
    findings_.error(places_.of(backend(i) + ".address", backend(i)),
                    "discovery: servers are asked over TCP, not through a unix socket");
  }
  const PoolSettings defaults = default_pool(pool_.protocol, Distribution::kRing);
  const auto unheeded = [&](std::string_view key, bool differs) {
    if (differs) unused(key, "discovery finds the servers, and who has which key");
  };
  unheeded("hash", pool_.hash != defaults.hash);
  unheeded("distribution", pool_.distribution != defaults.distribution);
  unheeded("points", pool_.points != defaults.points);
  unheeded("hash_tag", pool_.hash_tag != defaults.hash_tag);
  unheeded("on_eject", pool_.on_eject != defaults.on_eject);
  unheeded("eject_after", pool_.eject_after != defaults.eject_after);
  unheeded("readmit_after", pool_.readmit_after != defaults.readmit_after);
  unheeded("min_up", pool_.min_up != defaults.min_up);
}

void PoolCheck::check_placement() {
  if (!sound({"distribution", "backends"})) return;
  const bool circle = pool_.distribution == Distribution::kRing ||
                      pool_.distribution == Distribution::kKetama ||
                      pool_.distribution == Distribution::kLibmemcachedKetama;
  if (sound({"hash"}) && pool_.backends.size() > 1 && circle && pool_.hash == HashKind::kCrc32) {
    findings_.warning(place("hash"),
                      "hash \"crc32\" has 15 bits, as in twemproxy: with " +
                          toml_of(pool_.distribution) +
                          " practically every key goes to one backend; \"crc32a\" has 32");
  }
  if (pool_.backends.size() > 1 && pool_.distribution == Distribution::kRandom) {
    findings_.warning(place("distribution"),
                      "distribution \"random\" ignores the key: what one command writes, the next "
                      "may ask another backend for");
  }
  check_weights();
}

void PoolCheck::check_weights() {
  const uint32_t heaviest = cluster::max_weight(pool_.distribution);
  uint64_t weights = 0;
  bool all_fit = true;
  for (size_t i = 0; i < pool_.backends.size(); ++i) {
    const uint32_t weight = pool_.backends[i].weight;
    weights += weight;
    if (weight <= heaviest) continue;
    all_fit = false;
    findings_.error(places_.of(backend(i) + ".weight", backend(i)),
                    "weight: " + std::to_string(weight) + " is above " + std::to_string(heaviest) +
                        ", the most with distribution " + toml_of(pool_.distribution));
  }
  if (!all_fit || !sound({"points"})) return;
  if (pool_.distribution == Distribution::kRing &&
      weights * pool_.points > cluster::Ring::kMaxPoints) {
    findings_.error(place(set_one("points", "backends")),
                    "points: " + std::to_string(pool_.points) + " for each of " +
                        std::to_string(weights) + " weights is " +
                        std::to_string(weights * pool_.points) + " points; a ring has at most " +
                        std::to_string(cluster::Ring::kMaxPoints));
  }
}

// Placement has the last word on what it can build; whatever it refuses must not reach it.
void PoolCheck::check_against_cluster() {
  std::vector<cluster::PlacementMember> members;
  for (const BackendSettings& one : pool_.backends) {
    members.push_back(
        {.name = one.name, .weight = one.weight, .on_ring = !one.spare, .zone = one.zone});
  }
  if (const auto problem = cluster::problem_with(pool_.placement_rules(), members)) {
    findings_.error(place("backends"), "[" + path_ + "] cannot be placed: " + *problem);
  }
}

void PoolCheck::check_ejection() {
  if (!sound({"min_up", "on_eject", "eject_after", "backends", "readmit_after"})) return;
  const auto regular = std::ranges::count(pool_.backends, false, &BackendSettings::spare);
  if (is_set("min_up") && pool_.min_up > static_cast<uint64_t>(regular)) {
    findings_.error(place("min_up"), "min_up: " + std::to_string(pool_.min_up) + " of " +
                                         std::to_string(regular) + " backends cannot be up");
  }
  check_spares();
  if (pool_.min_up == 0 && pool_.on_eject != OnEject::kKeep) {
    findings_.error(place("min_up"), "min_up: 0 with on_eject " + toml_of(pool_.on_eject) +
                                         " could leave no backend to move keys to; at least 1");
  }
  if (pool_.eject_after > 0) return;
  const PoolSettings defaults;
  const auto unused = [&](std::string_view key, bool differs) {
    if (is_set(key) && differs) {
      findings_.warning(place(key),
                        std::string(key) + " has no effect: with eject_after 0 nothing is ejected");
    }
  };
  unused("on_eject", pool_.on_eject != defaults.on_eject);
  unused("readmit_after", pool_.readmit_after != defaults.readmit_after);
  unused("min_up", pool_.min_up != defaults.min_up);
}

void PoolCheck::check_spares() {
  const auto spare = std::ranges::find(pool_.backends, true, &BackendSettings::spare);
  const bool has_spare = spare != pool_.backends.end();
  if (has_spare && std::ranges::all_of(pool_.backends, &BackendSettings::spare)) {
    findings_.error(place("backends"),
                    "backends: all of them are spare; a spare only takes the "
                    "place of one that is not");
  } else if (has_spare && pool_.on_eject != OnEject::kSpare) {
    const auto index = static_cast<size_t>(spare - pool_.backends.begin());
    findings_.warning(places_.of(backend(index) + ".spare", backend(index)),
                      "spare has no effect: on_eject is " + toml_of(pool_.on_eject));
  } else if (!has_spare && pool_.on_eject == OnEject::kSpare) {
    findings_.warning(place("on_eject"),
                      "on_eject \"spare\": no backend has spare = true, so it is as \"keep\"");
  }
}

void PoolCheck::check_backends() {
  if (sound({"backends"})) {
    check_names();
    check_addresses();
  }
  for (size_t i = 0; i < pool_.backends.size(); ++i) check_credentials(i);
}

void PoolCheck::check_names() {
  std::map<std::string_view, size_t> first_of;
  for (size_t i = 0; i < pool_.backends.size(); ++i) {
    const BackendSettings& second = pool_.backends[i];
    const bool named = places_.is_set(backend(i) + ".name");
    if (named ? !places_.is_sound(backend(i) + ".name") : !is_known(i)) continue;
    const auto [found, fresh] = first_of.emplace(second.name, i);
    if (fresh) continue;
    const BackendSettings& first = pool_.backends[found->second];
    const bool hidden = second.secrets.contains("name") || first.secrets.contains("name");
    const std::string name = hidden ? "(secret)" : toml_string(second.name);
    std::string message = "two backends of [" + path_ + "] are named " + name;
    message += "; the other is on line ";
    message += std::to_string(places_.of(backend(found->second), path_).line);
    // The same server twice is one line too many; two servers lack names of their own.
    const bool twice = first.address == second.address && first.db == second.db;
    if (!twice) message += "; the ring needs a \"name\" of its own for each";
    findings_.error(places_.of(backend(i) + ".name", backend(i)), message);
  }
}

void PoolCheck::check_addresses() {
  for (size_t i = 0; i < pool_.backends.size(); ++i) {
    const BackendSettings& later = pool_.backends[i];
    if (!is_known(i)) continue;
    const Place here = places_.of(backend(i) + ".address", backend(i));
    const auto own = std::ranges::find_if(pool_.listen, [&](const Address& listening) {
      return arrives_at(later.address, listening);
    });
    if (own != pool_.listen.end()) {
      findings_.error(here,
                      "[" + path_ + "] listens on this address itself: commands would go round");
    }
    const auto earlier = pool_.backends.begin() + static_cast<std::ptrdiff_t>(i);
    const auto twin = std::find_if(pool_.backends.begin(), earlier, [&](const auto& backend) {
      return backend.address == later.address && backend.db == later.db &&
             backend.name != later.name;
    });
    if (twin != earlier) {
      findings_.warning(
          here, "the same server is listed twice, under two names: it gets the keys of both");
    }
  }
}

void PoolCheck::check_credentials(size_t index) {
  const BackendSettings& one = pool_.backends[index];
  const std::string user = backend(index) + ".user";
  const std::string password = backend(index) + ".password";
  if (!places_.is_sound(user) || !places_.is_sound(password)) return;
  if (!one.user.empty() && one.password.empty()) {
    findings_.error(places_.of(user, backend(index)), "user: has no \"password\" to go with it");
  }
  const bool memcached = pool_.protocol == Protocol::kMemcached && sound({"protocol"});
  if (memcached && one.user.empty() && !one.password.empty()) {
    findings_.error(places_.of(password, backend(index)),
                    "password: memcached's SASL PLAIN needs a \"user\" too");
  }
}

// What a memcached client may do is not told apart: rules that would not be kept are refused.
void PoolCheck::check_users() {
  if (pool_.protocol != Protocol::kMemcached || !sound({"protocol", "users"})) return;
  const auto users = wire::parse_acl_users(pool_.users);
  if (!users.ok()) return;
  for (const wire::AclUser& user : users.value()->users) {
    if (user.commands.none() && user.keys.empty() && user.channels.empty()) continue;
    findings_.error(place("users"), "users: of a memcached pool may say who " +
                                        toml_string(user.name) +
                                        " is, not what he may do: on, off, nopass, >password, "
                                        "#hash");
  }
}

void PoolCheck::check_unused() {
  const PoolSettings defaults;
  if (sound({"points", "distribution"}) && pool_.points != defaults.points &&
      pool_.distribution != Distribution::kRing) {
    findings_.warning(place("points"), "points has no effect: distribution " +
                                           toml_of(pool_.distribution) + " has its own");
  }
  const bool unix_socket = std::any_of(pool_.listen.begin(), pool_.listen.end(),
                                       [](const Address& address) { return address.is_unix(); });
  if (sound({"unix_mode", "listen"}) && pool_.unix_mode != defaults.unix_mode && !unix_socket) {
    findings_.warning(place("unix_mode"),
                      "unix_mode has no effect: this pool listens on no unix socket");
  }
}

// What replicas promise stands on all of this: none of it can be made up for later.
void PoolCheck::check_replication() {
  if (!sound({"consistency", "replicas", "protocol"})) return;
  if (!pool_.replicated()) {
    if (pool_.replicas != 1) {
      findings_.error(place("replicas"),
                      "replicas: with consistency \"none\" a key is in one "
                      "place; \"quorum\" keeps 3 or 5 copies");
    }
    return;
  }
  const std::string mode = "consistency " + toml_of(pool_.consistency);
  const auto refuse = [&](std::string_view key, const std::string& why) {
    findings_.error(place(set_one(key, "consistency")), why);
  };
  if (pool_.protocol != Protocol::kRedis) {
    refuse("protocol", mode + " is available for redis pools only");
  }
  if (pool_.replicas != 3 && pool_.replicas != 5) {
    refuse("replicas", "replicas: " + std::to_string(pool_.replicas) + " with " + mode +
                           "; a quorum takes 3 or 5");
  }
  if (!cluster_.grouped() && places_.is_sound("cluster.member")) {
    refuse("consistency", mode +
                              " needs a [cluster] with a data_dir: who owns a key, and which "
                              "backends count, is agreed on and kept on disk");
  }
  if (sound({"distribution"}) && pool_.distribution != Distribution::kRing) {
    refuse("distribution", "distribution " + toml_of(pool_.distribution) + " with " + mode +
                               "; replicas are placed on a \"ring\" only");
  }
  if (sound({"hash"}) && pool_.hash != HashKind::kXxh3) {
    refuse("hash", "hash " + toml_of(pool_.hash) + " with " + mode +
                       "; replicas are placed by \"xxh3\" only");
  }
  if (sound({"on_eject"}) && pool_.on_eject != OnEject::kKeep) {
    refuse("on_eject", "on_eject " + toml_of(pool_.on_eject) + " with " + mode +
                           "; the other replicas go on, nobody takes a lost one's place");
  }
  if (sound({"discovery"}) && pool_.discovery != Discovery::kNone) {
    refuse("discovery", "discovery " + toml_of(pool_.discovery) + " with " + mode +
                            "; the group says which backends hold replicas");
  }
  if (sound({"request_timeout"}) && pool_.request_timeout == 0s) {
    refuse("request_timeout", "request_timeout: 0s with " + mode +
                                  "; a command must end though replicas do not answer");
  }
  if (sound({"backends"})) check_replicated_backends();
}

void PoolCheck::check_replicated_backends() {
  const auto& backends = pool_.backends;
  if (backends.size() < pool_.replicas) {
    findings_.error(place("backends"), "backends: " + std::to_string(backends.size()) + " for " +
                                           std::to_string(pool_.replicas) +
                                           " replicas; each copy of a key needs one of its own");
  }
  for (size_t i = 0; i < backends.size(); ++i) {
    const BackendSettings& one = backends[i];
    const auto refuse = [&](std::string_view key, const std::string& why) {
      findings_.error(places_.of(backend(i) + "." + std::string(key), backend(i)), why);
    };
    if (one.spare) refuse("spare", "spare: with replicas no backend waits to stand in");
    if (one.db != 0) refuse("db", "db: replicas are kept in database 0 of servers of their own");
    if (!is_known(i)) continue;
    const auto earlier = backends.begin() + static_cast<std::ptrdiff_t>(i);
    const auto twin = std::find_if(backends.begin(), earlier, [&](const BackendSettings& other) {
      return other.address == one.address;
    });
    if (twin != earlier) {
      refuse("address",
             "two replicas of a key on one server are lost together: it is listed twice");
    }
  }
}

std::vector<Listener> listeners_of(const Settings& settings, const Places& places) {
  std::vector<Listener> listeners;
  if (settings.admin.listen && places.is_sound("admin.listen")) {
    listeners.push_back({&*settings.admin.listen, "[admin]", places.of("admin.listen", "admin")});
  }
  if (settings.cluster.grouped() && settings.cluster.listen && places.is_sound("cluster.listen")) {
    listeners.push_back(
        {&*settings.cluster.listen, "[cluster]", places.of("cluster.listen", "cluster")});
  }
  for (const PoolSettings& pool : settings.pools) {
    const std::string path = "pool." + pool.name;
    for (size_t i = 0; i < pool.listen.size(); ++i) {
      const std::string element = path + ".listen." + std::to_string(i);
      if (!places.is_sound(element)) continue;
      listeners.push_back({&pool.listen[i], "[" + path + "]", places.of(element, path)});
    }
  }
  return listeners;
}

// Reported at whichever stands later in the file; an admin address that is nowhere in the file has
// no line, and then the pool's is the one to change.
void check_listeners(const Settings& settings, const Places& places, Findings& findings) {
  std::vector<Listener> listeners = listeners_of(settings, places);
  std::stable_sort(listeners.begin(), listeners.end(), [](const Listener& a, const Listener& b) {
    return a.place.line < b.place.line;
  });
  for (size_t later = 1; later < listeners.size(); ++later) {
    for (size_t earlier = 0; earlier < later; ++earlier) {
      if (!overlap(*listeners[earlier].address, *listeners[later].address)) continue;
      const Place& first = listeners[earlier].place;
      findings.error(
          listeners[later].place,
          listeners[earlier].owner + " listens on this address too" +
              (first.line > 0 ? ", on line " + std::to_string(first.line) : ", by default"));
      break;
    }
  }
}

void check_admin(const Settings& settings, const Places& places, Findings& findings) {
  const auto& listen = settings.admin.listen;
  if (!listen || !places.is_sound("admin.listen") || is_loopback(*listen)) return;
  findings.warning(
      places.of("admin.listen", "admin"),
      "the admin address has no password: anyone who can connect to it sees the pools");
}

/// The table [cluster].
class ClusterCheck {
 public:
  ClusterCheck(const ClusterSettings& cluster, const Places& places, Findings& findings)
      : cluster_(cluster), places_(places), findings_(findings) {}

  void run() {
    check_times();
    if (sound("probe_failures") && cluster_.probe_failures == 1) {
      error("probe_failures", "probe_failures: one slow answer must not eject anybody; at least 2");
    }
    if (!places_.is_sound("cluster.member")) return;
    if (!cluster_.grouped()) return check_alone();
    check_beginning();
    check_founders();
    check_port();
    check_secret();
  }

 private:
  void check_times();
  void check_alone();
  void check_beginning();
  void check_founders();
  void check_port();
  void check_secret();

  Place place(std::string_view key) const {
    return places_.of("cluster." + std::string(key), "cluster");
  }
  bool is_set(std::string_view key) const { return places_.is_set("cluster." + std::string(key)); }
  bool sound(std::string_view key) const { return places_.is_sound("cluster." + std::string(key)); }
  void error(std::string_view key, const std::string& message) {
    findings_.error(place(key), message);
  }

  const ClusterSettings& cluster_;
  const Places& places_;
  Findings& findings_;
};

void ClusterCheck::check_times() {
  if (!sound("heartbeat_interval") || !sound("election_timeout")) return;
  if (cluster_.election_timeout >= 3 * cluster_.heartbeat_interval) return;
  error(is_set("election_timeout") ? "election_timeout" : "heartbeat_interval",
        "election_timeout (" + text_of(cluster_.election_timeout) +
            ") is shorter than three heartbeat_interval (" + text_of(cluster_.heartbeat_interval) +
            "): one that is late would start an election");
}

// Half a cluster table would be a proxy that decides alone while others count on it.
void ClusterCheck::check_alone() {
  for (const std::string_view key : {"listen", "data_dir", "bootstrap", "join"}) {
    const bool empty = (key == "listen" && !cluster_.listen) ||
                       (key == "data_dir" && cluster_.data_dir.empty()) ||
                       (key == "bootstrap" && cluster_.bootstrap.empty()) ||
                       (key == "join" && cluster_.join.empty());
    if (empty || !sound(key)) continue;
    return error(key, std::string(key) + ": [cluster] has no \"member\": the name of this proxy");
  }
}

void ClusterCheck::check_beginning() {
  if (!sound("bootstrap") || !sound("join") || !sound("role")) return;
  const bool founds = !cluster_.bootstrap.empty();
  const bool joins = !cluster_.join.empty();
  if (founds && joins) {
    error("join", "join: a member either founds the cluster (bootstrap) or joins it, not both");
  } else if (!founds && !joins) {
    error("member",
          "[cluster] has neither \"bootstrap\", to found a cluster, nor \"join\", to find one");
  }
  const bool observer = cluster_.role == MemberRole::kObserver;
  if (founds && cluster_.role != MemberRole::kVoter) {
    error("role", "role: those that found a cluster are its voters");
  }
  if (observer && cluster_.coordinator && sound("coordinator")) {
    error(
        "coordinator",
        "coordinator: an observer owns no slots of replicated pools, as nobody can reach it: leave "
        "this out, or be a voter");
  }
  for (const std::string_view key : {"session", "session_expiry"}) {
    const bool differs =
        key == "session" ? !cluster_.session : cluster_.session_expiry != Duration::zero();
    if (observer || !differs || !sound(key)) continue;
    error(key, std::string(key) + ": a " + std::string(choice_text(cluster_.role)) +
                   " always has a session; that it is optional is for observers");
  }
  if (!observer && cluster_.data_dir.empty() && sound("data_dir")) {
    error("member", "[cluster] has no \"data_dir\": a " + std::string(choice_text(cluster_.role)) +
                        " keeps what it promised on disk");
  }
  if (!observer && !cluster_.listen && sound("listen")) {
    error("member", "[cluster] has no \"listen\": other members have to reach a " +
                        std::string(choice_text(cluster_.role)));
  }
}

void ClusterCheck::check_founders() {
  if (cluster_.bootstrap.empty() || !sound("bootstrap")) return;
  const auto& founders = cluster_.bootstrap;
  for (size_t i = 0; i < founders.size(); ++i) {
    const Place here = places_.of("cluster.bootstrap." + std::to_string(i), "cluster");
    if (founders[i].name.size() > 64 || !plain_name(founders[i].name)) {
      findings_.error(here,
                      "bootstrap: a member's name is at most 64 of A-Z a-z 0-9 \"_\" \"-\" "
                      "\".\"");
    }
    for (size_t k = 0; k < i; ++k) {
      if (founders[k].name == founders[i].name) {
        findings_.error(here, "bootstrap: two members are named " + toml_string(founders[i].name));
      } else if (founders[k].address == founders[i].address) {
        findings_.error(here,
                        "bootstrap: two members have the address " + founders[i].address.text());
      }
    }
  }
  if (std::ranges::find(founders, cluster_.member, &Founder::name) == founders.end()) {
    error("bootstrap", "bootstrap: this member, " + toml_string(cluster_.member) +
                           ", is not among those that found the cluster");
  }
  if (founders.size() > raft::kMaxVoters) {
    error("bootstrap", "bootstrap: at most " + std::to_string(raft::kMaxVoters) + " voters");
  } else if (founders.size() % 2 == 0) {
    findings_.warning(place("bootstrap"), "bootstrap: " + std::to_string(founders.size()) +
                                              " voters survive no more failures than " +
                                              std::to_string(founders.size() - 1) + " do");
  }
}

void ClusterCheck::check_port() {
  if (!sound("listen") || !sound("advertise") || !sound("bootstrap") || !cluster_.listen) return;
  const Address own = *cluster_.own_address();
  if (own.host == "0.0.0.0" || own.host == "::") {
    error(is_set("advertise") ? "advertise" : "listen",
          own.text() + " is no address that others can connect to: set \"advertise\"");
  } else if (own.port == 0) {
    error("listen", "listen: others have to know the port; 0 is none");
  }
}

void ClusterCheck::check_secret() {
  constexpr size_t kShort = 16;
  if (!sound("secret") || !sound("listen")) return;
  if (cluster_.secret.empty()) {
    if (!cluster_.listen || is_loopback(*cluster_.listen)) return;
    error("listen",
          "listen: without a \"secret\" members find each other on loopback only: anyone "
          "who can connect could change the cluster");
  } else if (cluster_.secret.size() < kShort) {
    findings_.warning(place("secret"),
                      "secret: shorter than 16 bytes can be guessed from what an "
                      "impostor is told");
  }
}

}  // namespace

void check_meaning(const Settings& settings, const Places& places, Findings& findings) {
  for (const PoolSettings& pool : settings.pools) {
    PoolCheck(pool, settings.cluster, places, findings).run();
  }
  check_listeners(settings, places, findings);
  check_admin(settings, places, findings);
  ClusterCheck(settings.cluster, places, findings).run();
}

}  // namespace quorate::config
