// Settings: what one configuration file says, as plain values with their defaults.
//
// Nothing here reads, checks or prints: load.h makes a Settings from TOML and vouches for every
// range and cross-check, diff.h compares two of them, print.h writes one back. After load() each
// value is the one in effect: defaults that depend on other keys (hash, hash_tag, a backend's
// name) are already filled in. Names of keys, ranges and what a reload may change: schema.h.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/time.h"
#include "consensus/cluster/placement.h"
#include "consensus/cluster/topology.h"

namespace quorate::config {

using base::Duration;
using cluster::Distribution;
using cluster::HashKind;
using cluster::Protocol;
using namespace std::chrono_literals;

enum class LogLevel : uint8_t { kTrace, kDebug, kInfo, kWarn, kError };
enum class LogFormat : uint8_t { kLogfmt, kJson };
enum class OnEject : uint8_t { kKeep, kRehash, kSpare };
enum class Consistency : uint8_t { kNone, kQuorum };
/// Who says which servers a pool has.
enum class Discovery : uint8_t {
  kNone,      ///< the file, or the group
  kSentinel,  ///< the sentinels that `backends` names: one primary and its replicas
  kCluster,   ///< the Redis Cluster that some of `backends` belong to: its slots
};
enum class Reads : uint8_t { kPrimary, kReplica };
enum class MemberRole : uint8_t { kVoter, kLearner, kObserver };

inline constexpr uint64_t kKibibyte = 1024;
inline constexpr uint64_t kMebibyte = 1024 * kKibibyte;

/// Where to listen or to connect: TCP (host and port) or a unix socket (path), never both.
struct Address {
  std::string host{};  ///< a name, IPv4, or IPv6 without its brackets; empty for a unix socket
  uint16_t port = 0;
  std::string path{};  ///< absolute, at most 107 bytes; empty for TCP

  bool is_unix() const { return !path.empty(); }
  /// As it is written in the file: "host:port", "[v6]:port" or "unix:/path".
  std::string text() const;
  bool operator==(const Address&) const = default;
};

using ListenAddress = Address;

/// Permissions of a unix socket.
struct FileMode {
  uint32_t bits = 0;
  bool operator==(const FileMode&) const = default;
};

/// The keys of one table whose value came from ${env:…} or ${file:…} and must not be shown.
/// Where a value came from is no part of what it is: any two compare equal.
struct SecretKeys {
  std::set<std::string, std::less<>> names{};

  bool contains(std::string_view key) const { return names.contains(key); }
  friend bool operator==(const SecretKeys&, const SecretKeys&) { return true; }
};

struct BackendSettings {
  Address address{};
  std::string name{};   ///< what the ring hashes; unique in its pool
  uint32_t weight = 1;  ///< 1..cluster::max_weight()
  std::string zone{};
  bool spare = false;  ///< takes part only in an ejected one's place
  uint32_t db = 0;     ///< redis only
  std::string user{};
  std::string password{};

  SecretKeys secrets{};
  bool operator==(const BackendSettings&) const = default;
};

struct PoolSettings {
  std::string name{};  ///< [A-Za-z0-9_-], 1..64 bytes
  Protocol protocol = Protocol::kRedis;
  Consistency consistency = Consistency::kNone;
  uint32_t replicas = 1;         ///< of each key; 3 unless set, where `consistency` is not kNone
  uint32_t sweep_rate = 20'000;  ///< keys a second and worker
  std::vector<ListenAddress> listen{};      ///< at least one
  std::vector<BackendSettings> backends{};  ///< at least one
  FileMode unix_mode{0660};
  uint32_t backlog = 512;

  HashKind hash = HashKind::kXxh3;
  Distribution distribution = Distribution::kRing;
  uint32_t points = 160;
  std::string hash_tag = "{}";  ///< empty, or the opening and the closing character

  Discovery discovery = Discovery::kNone;  ///< redis only, as all to the blank line
  Duration discovery_interval = 1s;
  Reads reads = Reads::kPrimary;
  std::string sentinel_name{};      ///< of the primary that the sentinels monitor
  std::string sentinel_user{};      ///< at the sentinels themselves
  std::string sentinel_password{};  ///< empty: they ask for none
  bool emulate_cluster = false;     ///< to cluster clients: one node that has every slot

  Duration connect_timeout = 500ms;
  Duration request_timeout = 2s;    ///< zero: wait for ever
  Duration keepalive = 60s;         ///< zero: none; otherwise whole seconds
  Duration client_idle_timeout{0};  ///< zero: never

  uint32_t connections = 1;            ///< of each worker to each backend
  uint32_t side_connections = 32;      ///< the same, for large values
  uint32_t pinned_connections = 1024;  ///< the same, lent for transactions and blocking commands
  bool preconnect = true;
  Duration reconnect_backoff = 50ms;
  Duration reconnect_backoff_max = 2s;

  uint32_t eject_after = 3;  ///< zero: never
  OnEject on_eject = OnEject::kKeep;
  Duration probe_interval = 1s;
  Duration probe_timeout = 500ms;
  uint32_t readmit_after = 2;
  uint32_t min_up = 1;  ///< zero only with OnEject::kKeep

  uint32_t max_clients = 10'000;
  uint32_t max_pipeline = 1024;
  uint64_t max_value = 512 * kMebibyte;
  uint64_t max_split = 64 * kMebibyte;
  uint64_t max_client_output = 64 * kMebibyte;
  std::string password{};  ///< redis only; empty: no AUTH needed
  std::string users{};     ///< the lines of an ACL file: wire::parse_acl_users()

  SecretKeys secrets{};
  bool operator==(const PoolSettings&) const = default;

  bool replicated() const { return consistency != Consistency::kNone; }
  cluster::PlacementRules placement_rules() const { return {hash, distribution, hash_tag, points}; }
};

struct LogSettings {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kLogfmt;
  std::string file{};  ///< empty: standard error

  SecretKeys secrets{};
  bool operator==(const LogSettings&) const = default;
};

struct AdminSettings {
  std::optional<ListenAddress> listen = ListenAddress{"127.0.0.1", 9180, ""};  ///< TCP; or none

  SecretKeys secrets{};
  bool operator==(const AdminSettings&) const = default;
};

/// One of the members that found a cluster together.
struct Founder {
  std::string name{};
  Address address{};  ///< of its peer port
  /// As it is written in the file: "name=host:port".
  std::string text() const { return name + "=" + address.text(); }
  bool operator==(const Founder&) const = default;
};

/// The Raft group that this proxy belongs to. Without `member` it is a group of its own, in memory.
struct ClusterSettings {
  std::string name = "quorate";  ///< of the cluster
  std::string member{};          ///< of this member; [A-Za-z0-9_.-], 1..64 bytes
  std::optional<Address> listen{};
  std::optional<Address> advertise{};  ///< none: what `bootstrap` says, or `listen`
  std::string data_dir{};
  std::string secret{};  ///< empty: none, and then `listen` is loopback
  std::vector<Founder> bootstrap{};
  std::vector<Address> join{};
  MemberRole role = MemberRole::kVoter;
  bool coordinator = false;
  bool session = true;        ///< an observer's; voters and learners always have one
  Duration session_expiry{};  ///< of it; zero: the group's own time-out

  Duration heartbeat_interval = 40ms;
  Duration election_timeout = 200ms;
  Duration probe_interval = 200ms;
  Duration probe_timeout = 250ms;
  uint32_t probe_failures = 2;  ///< in a row; zero: nothing is ejected
  uint32_t moving_slots = 512;  ///< of each replicated pool, at once

  SecretKeys secrets{};
  bool operator==(const ClusterSettings&) const = default;

  bool grouped() const { return !member.empty(); }
  /// Where other members reach this one; none: an observer without a peer port.
  std::optional<Address> own_address() const;
};

struct Settings {
  uint32_t workers = 0;  ///< zero: one for each core the process may use
  Duration drain_timeout = 30s;
  LogSettings log{};
  AdminSettings admin{};
  ClusterSettings cluster{};
  std::vector<PoolSettings> pools{};  ///< at least one, in the order of the file

  SecretKeys secrets{};
  bool operator==(const Settings&) const = default;
};

/// A pool before its own keys are read: the defaults that depend on these two filled in.
PoolSettings default_pool(Protocol protocol, Distribution distribution);

/// The name a backend has on the ring when the file gives none: the address as written, except
/// where twemproxy or libmemcached write it differently and a ring must agree with theirs.
std::string default_backend_name(const Address& address, Distribution distribution);

}  // namespace quorate::config
