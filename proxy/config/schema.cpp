#include "proxy/config/schema.h"

#include <algorithm>
#include <array>

#include "backends/wire/acl.h"

namespace quorate::config {
namespace {

constexpr uint64_t nanoseconds(Duration duration) {
  return static_cast<uint64_t>(duration.count());
}

constexpr Range between(Duration least, Duration most) {
  return {nanoseconds(least), nanoseconds(most), false};
}
constexpr Range zero_or_between(Duration least, Duration most) {
  return {nanoseconds(least), nanoseconds(most), true};
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

// Names end up in metrics, logs and error replies.
std::string plain_text(std::string_view text) {
  constexpr size_t kLongest = 255;
  if (text.size() > kLongest) return "has at most 255 bytes";
  if (has_control_character(text)) return "cannot hold control characters";
  return {};
}

std::string backend_name(std::string_view text) {
  if (text.empty()) return "cannot be empty";
  return plain_text(text);
}

std::string file_path(std::string_view text) {
  constexpr size_t kLongest = 4095;
  if (text.size() > kLongest) return "has at most 4095 bytes";
  if (has_control_character(text)) return "cannot hold control characters";
  if (text.ends_with('/')) return "names a folder, not a file";
  return {};
}

std::string folder_path(std::string_view text) {
  return file_path(text.ends_with('/') ? text.substr(0, text.size() - 1) : text);
}

std::string hash_tag(std::string_view text) {
  if (text.empty()) return {};
  const bool ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (text.size() == 2 && ascii) return {};
  return "takes the opening and the closing character, as in \"{}\", or \"\" for none";
}

// A credential travels as a counted string, but SASL PLAIN separates its parts by NUL.
std::string credential(std::string_view text) {
  constexpr size_t kLongest = 4096;
  if (text.size() > kLongest) return "has at most 4096 bytes";
  if (text.find('\0') != std::string_view::npos) return "cannot hold a NUL byte";
  return {};
}

std::string acl_users(std::string_view text) {
  const auto read = wire::parse_acl_users(text);
  return read.ok() ? std::string() : read.error();
}

constexpr KeyTraits live(Range range = {}) { return {.reload = Reload::kLive, .range = range}; }
constexpr KeyTraits drained(Range range = {}) { return {.reload = Reload::kDrain, .range = range}; }
constexpr KeyTraits restarted(Range range = {}) {
  return {.reload = Reload::kRestart, .range = range};
}

using S = Settings;
constexpr std::array<Key<S>, 2> kTopKeys{{
    {"workers", &S::workers, restarted({0, 1024})},
    {"drain_timeout", &S::drain_timeout, live(between(0s, 24h))},
}};

using L = LogSettings;
constexpr std::array<Key<L>, 3> kLogKeys{{
    {"level", &L::level, live()},
    {"format", &L::format, live()},
    {"file", &L::file, {.rule = file_path}},
}};

using A = AdminSettings;
constexpr std::array<Key<A>, 1> kAdminKeys{{{"listen", &A::listen, restarted()}}};

std::string member_name(std::string_view text) {
  constexpr size_t kLongest = 64;
  const bool plain = std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
  if (text.size() <= kLongest && plain) return {};
  return "is at most 64 of A-Z a-z 0-9 \"_\" \"-\" \".\"";
}

std::string cluster_name(std::string_view text) {
  return text.empty() ? "cannot be empty" : member_name(text);
}

using C = ClusterSettings;
constexpr std::array<Key<C>, 18> kClusterKeys{{
    {"name", &C::name, {.reload = Reload::kRestart, .rule = cluster_name}},
    {"member", &C::member, {.reload = Reload::kRestart, .rule = member_name}},
    {"listen", &C::listen, restarted()},
    {"advertise", &C::advertise, restarted()},
    {"data_dir", &C::data_dir, {.reload = Reload::kRestart, .rule = folder_path}},
    {"secret", &C::secret, {.reload = Reload::kRestart, .rule = credential, .secret = true}},
    {"bootstrap", &C::bootstrap, {.reload = Reload::kRestart, .may_be_empty = true}},
    {"join", &C::join, {.reload = Reload::kRestart, .may_be_empty = true}},
    {"role", &C::role, restarted()},
    {"coordinator", &C::coordinator, restarted()},
    {"session", &C::session, restarted()},
    {"session_expiry", &C::session_expiry, restarted(zero_or_between(2s, 24h))},
    {"heartbeat_interval", &C::heartbeat_interval, restarted(between(1ms, 10s))},
    {"election_timeout", &C::election_timeout, restarted(between(10ms, 1h))},
    {"probe_interval", &C::probe_interval, restarted(between(10ms, 1h))},
    {"probe_timeout", &C::probe_timeout, restarted(between(1ms, 1h))},
    {"probe_failures", &C::probe_failures, restarted({0, 100})},
    {"moving_slots", &C::moving_slots, live({1, 4096})},
}};

using P = PoolSettings;
constexpr std::array<Key<P>, 42> kPoolKeys{{
    {"protocol", &P::protocol, {.reload = Reload::kRestart, .required = true}},
    {"consistency", &P::consistency, restarted()},
    {"replicas", &P::replicas, restarted({1, 5})},
    {"sweep_rate", &P::sweep_rate, restarted({1, 10'000'000})},
    {"listen", &P::listen, {.reload = Reload::kRestart, .required = true}},
    {"backends", &P::backends, {.required = true, .moves_keys = true}},
    {"unix_mode", &P::unix_mode, restarted({0, 0777})},
    {"backlog", &P::backlog, restarted({1, 65535})},

    {"hash", &P::hash, {.moves_keys = true}},
    {"distribution", &P::distribution, {.moves_keys = true}},
    {"points", &P::points, {.range = {1, cluster::kMaxPointsPerWeight}, .moves_keys = true}},
    {"hash_tag", &P::hash_tag, {.rule = hash_tag, .moves_keys = true}},

    {"discovery", &P::discovery, {.reload = Reload::kRestart, .only = Protocol::kRedis}},
    {"discovery_interval",
     &P::discovery_interval,
     {.range = between(10ms, 1h), .only = Protocol::kRedis}},
    {"reads", &P::reads, {.reload = Reload::kRestart, .only = Protocol::kRedis}},
    {"sentinel_name",
     &P::sentinel_name,
     {.reload = Reload::kRestart, .rule = plain_text, .only = Protocol::kRedis}},
    {"sentinel_user",
     &P::sentinel_user,
     {.reload = Reload::kRestart, .rule = credential, .only = Protocol::kRedis}},
    {"sentinel_password",
     &P::sentinel_password,
     {.reload = Reload::kRestart, .rule = credential, .secret = true, .only = Protocol::kRedis}},
    {"emulate_cluster", &P::emulate_cluster, {.only = Protocol::kRedis}},

    {"connect_timeout", &P::connect_timeout, live(between(1ms, 1h))},
    {"request_timeout", &P::request_timeout, live(zero_or_between(1ms, 24h))},
    {"keepalive", &P::keepalive, drained(zero_or_between(1s, 9h))},
    {"client_idle_timeout", &P::client_idle_timeout, live(zero_or_between(1ms, 8760h))},

    {"connections", &P::connections, drained({1, 64})},
    {"side_connections", &P::side_connections, live({1, 1024})},
    {"pinned_connections", &P::pinned_connections, live({1, 65536})},
    {"preconnect", &P::preconnect, live()},
    {"reconnect_backoff", &P::reconnect_backoff, live(between(1ms, 1h))},
    {"reconnect_backoff_max", &P::reconnect_backoff_max, live(between(1ms, 1h))},

    {"eject_after", &P::eject_after, live({0, 1'000'000})},
    {"on_eject", &P::on_eject, live()},
    {"probe_interval", &P::probe_interval, live(between(10ms, 1h))},
    {"probe_timeout", &P::probe_timeout, live(between(1ms, 1h))},
    {"readmit_after", &P::readmit_after, live({1, 100})},
    {"min_up", &P::min_up, live({0, 1'000'000})},

    {"max_clients", &P::max_clients, live({1, 1'000'000})},
    {"max_pipeline", &P::max_pipeline, live({1, 65536})},
    {"max_value", &P::max_value, live({1, 512 * kMebibyte})},
    {"max_split", &P::max_split, live({kKibibyte, 4096 * kMebibyte})},
    {"max_client_output", &P::max_client_output, live({64 * kKibibyte, 4096 * kMebibyte})},
    {"password", &P::password, {.rule = credential, .secret = true, .only = Protocol::kRedis}},
    {"users", &P::users, {.rule = acl_users, .secret = true}},
}};

using B = BackendSettings;
constexpr std::array<Key<B>, 8> kBackendKeys{{
    {"address", &B::address, {.reload = Reload::kDrain, .required = true}},
    {"name", &B::name, {.rule = backend_name, .moves_keys = true}},
    {"weight",
     &B::weight,
     {.range = {1, 1'000'000},
      .range_note = "; with distribution \"ring\", the default, at most 1000",
      .moves_keys = true}},
    {"zone", &B::zone, {.rule = plain_text}},
    {"spare", &B::spare, {.moves_keys = true}},
    {"db", &B::db, {.reload = Reload::kDrain, .range = {0, 65535}, .only = Protocol::kRedis}},
    {"user", &B::user, {.reload = Reload::kDrain, .rule = credential}},
    {"password", &B::password, {.reload = Reload::kDrain, .rule = credential, .secret = true}},
}};

// twemproxy's, redis.conf's and memcached's words for what has another one here.
struct Foreign {
  std::string_view theirs;
  std::string_view ours;
};
constexpr std::array<Foreign, 22> kForeign{{
    {"servers", "backends"},
    {"nodes", "backends"},
    {"upstreams", "backends"},
    {"timeout", "request_timeout"},
    {"bind", "listen"},
    {"port", "listen"},
    {"unixsocket", "listen"},
    {"unixsocketperm", "unix_mode"},
    {"threads", "workers"},
    {"requirepass", "password"},
    {"redis_auth", "password"},
    {"redis_db", "db"},
    {"database", "db"},
    {"username", "user"},
    {"url", "address"},
    {"host", "address"},
    {"tcpkeepalive", "keepalive"},
    {"auto_eject_hosts", "on_eject"},
    {"server_failure_limit", "eject_after"},
    {"server_connections", "connections"},
    {"client_connections", "max_clients"},
    {"loglevel", "level"},
}};

template <class Owner>
bool has_key(std::string_view name) {
  const auto names = names_of_keys<Owner>();
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

template <>
std::span<const Key<Settings>> keys_of<Settings>() {
  return kTopKeys;
}
template <>
std::span<const Key<LogSettings>> keys_of<LogSettings>() {
  return kLogKeys;
}
template <>
std::span<const Key<AdminSettings>> keys_of<AdminSettings>() {
  return kAdminKeys;
}
template <>
std::span<const Key<ClusterSettings>> keys_of<ClusterSettings>() {
  return kClusterKeys;
}
template <>
std::span<const Key<PoolSettings>> keys_of<PoolSettings>() {
  return kPoolKeys;
}
template <>
std::span<const Key<BackendSettings>> keys_of<BackendSettings>() {
  return kBackendKeys;
}

std::string_view foreign_key(std::string_view name) {
  for (const Foreign& foreign : kForeign) {
    if (foreign.theirs == name) return foreign.ours;
  }
  return {};
}

std::string home_of_key(std::string_view name) {
  if (has_key<Settings>(name)) return "the top of the file, above the first [table]";
  if (has_key<LogSettings>(name)) return "[log]";
  if (has_key<PoolSettings>(name)) return "[pool.NAME]";
  if (has_key<ClusterSettings>(name)) return "[cluster]";
  if (has_key<BackendSettings>(name)) return "a backend";
  return {};
}

std::string range_text(const Range& range, std::string (*text_of)(uint64_t)) {
  std::string text = text_of(range.least) + " to " + text_of(range.most);
  if (range.zero && range.least > 0) text += ", or " + text_of(0);
  return text;
}

}  // namespace quorate::config
