#include "proxy/config/twemproxy_import.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "consensus/cluster/ring_name.h"
#include "proxy/config/twemproxy_pool.h"
#include "proxy/config/yaml_passwords.h"

namespace quorate::config {
namespace {

constexpr uint32_t kMostBacklog = 65'535;
constexpr uint32_t kMostConnections = 64;
constexpr uint32_t kMostFailures = 1'000'000;
constexpr uint32_t kMostDatabases = 65'535;
constexpr uint32_t kLongestConnectTimeout = 3'600'000;   // milliseconds: an hour
constexpr uint32_t kLongestRequestTimeout = 86'400'000;  // a day
constexpr size_t kLongestPoolName = 64;

/// A TOML basic string.
std::string quoted(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

/// The same for a value of the configuration, in which "${" would begin a reference.
std::string value_of(std::string_view text) {
  std::string escaped;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("${")) escaped += '$';
    escaped += text[i];
  }
  return quoted(escaped);
}

std::string milliseconds(uint32_t count) { return quoted(std::to_string(count) + "ms"); }

std::string octal_of(uint32_t mode) {
  std::string octal = "0000";
  for (size_t i = 3; i > 0; --i, mode >>= 3) octal[i] = static_cast<char>('0' + (mode & 7));
  return octal;
}

/// A pool's name as quorate allows it: letters, digits, '_' and '-'.
std::string allowed_name(std::string_view name) {
  std::string allowed(name.substr(0, kLongestPoolName));
  for (char& c : allowed) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-';
    if (!fine) c = '-';
  }
  return allowed;
}

/// The remarks already made: what holds for every pool is said at the first one that it concerns.
using Remarks = std::set<std::string_view>;

/// Writes one pool, with a remark where quorate behaves otherwise.
class PoolWriter {
 public:
  PoolWriter(const TwemproxyPool& pool, const std::string& name, Remarks& made)
      : pool_(pool), name_(name), made_(made) {}

  std::string write() && {
    line("");
    if (name_ != pool_.name) {
      comment("Pool " + in_quotes(pool_.name) +
              " there; a name here has only A-Z, a-z, 0-9, _ and -.");
    }
    line("[pool." + name_ + "]");
    set("protocol", quoted(redis() ? "redis" : "memcached"));
    listen();
    placement();
    timeout();
    keepalive();
    connections();
    ejection();
    clients();
    backends();
    return std::move(out_);
  }

 private:
  bool redis() const { return pool_.redis.value_or(false); }
  void line(std::string_view text) { out_.append(text).append("\n"); }
  void comment(std::string_view text) { out_.append("# ").append(text).append("\n"); }
  void remark(std::initializer_list<std::string_view> lines) {
    if (!made_.insert(*lines.begin()).second) return;
    for (const std::string_view text : lines) comment(text);
  }
  void set(std::string_view key, std::string_view value) {
    out_.append(key).append(" = ").append(value).append("\n");
  }

  /// A number within quorate's limits, and a word about it if that changed it.
  std::string limited(std::string_view key, uint32_t number, uint32_t least, uint32_t most) {
    const uint32_t fitting = std::clamp(number, least, most);
    if (fitting != number) {
      comment(std::string(key) + ": " + std::to_string(number) + " there; the nearest here is " +
              std::to_string(fitting) + ".");
    }
    return std::to_string(fitting);
  }

  void listen() {
    set("listen", value_of(pool_.listen));
    if (pool_.listen_mode) {
      set("unix_mode", quoted(octal_of(*pool_.listen_mode)));
    } else if (pool_.listen.starts_with("unix:")) {
      remark(
          {"A socket has the permissions of the umask there; here unix_mode = \"0660\", unless "
           "set."});
    }
    if (pool_.backlog) set("backlog", limited("backlog", *pool_.backlog, 1, kMostBacklog));
    if (pool_.reuseport) {
      remark({"reuseport has no equivalent: quorate's workers always share a TCP port that way."});
    }
  }

  void placement() {
    const auto rules = pool_.rules();
    set("hash", quoted(cluster::name_of(rules.hash)));
    set("distribution", quoted(cluster::name_of(rules.distribution)));
    set("hash_tag", value_of(rules.hash_tag));
  }

  void timeout() {
    const uint32_t limit = pool_.timeout.value_or(0);
    if (limit == 0) {  // which is no time-out there, as if it were not set
      remark(
          {"No timeout there: a command waits for ever for a server that hangs. Here too, but to",
           "connect a backend has connect_timeout = \"500ms\", unless set."});
      set("request_timeout", quoted("0s"));
      return;
    }
    remark(
        {"timeout is for connecting and answering there; here each has its own. A write that was",
         "sent and not answered in time gets -INDETERMINATE: it may still be executed."});
    set("connect_timeout", milliseconds(std::min(limit, kLongestConnectTimeout)));
    set("request_timeout", milliseconds(std::min(limit, kLongestRequestTimeout)));
  }

  void keepalive() {
    if (!pool_.tcpkeepalive) return;
    if (!*pool_.tcpkeepalive) {
      set("keepalive", quoted("0s"));
      return;
    }
    remark({"tcpkeepalive probes after the system's idle time there, often two hours; here",
            "keepalive = \"60s\", unless set, for clients and backends."});
  }

  void connections() {
    const uint32_t count = pool_.server_connections.value_or(1);
    if (count > 1) {
      remark(
          {"server_connections: with more than one, commands of a client can overtake each other",
           "there. Here they share one; every worker has as many as this, and 1 is the fastest."});
      set("connections", limited("server_connections", count, 1, kMostConnections));
    }
    set("preconnect", pool_.preconnect.value_or(false) ? "true" : "false");
  }

  void ejection() {
    if (!pool_.auto_eject_hosts.value_or(false)) {
      remark(
          {"auto_eject_hosts: false counts no failures: every command tries its server. Quorate's",
           "default moves no keys either, but while a backend is down it answers errors at once:",
           "eject_after = 3 and on_eject = \"keep\"."});
      set("eject_after", "0");
      return;
    }
    remark(
        {"auto_eject_hosts: true takes a failing server off the ring, and puts it back after",
         "server_retry_timeout without asking it. Here it is back when readmit_after = 2 probes in",
         "a row were answered, one each probe_interval = \"1s\"; and the last backend is never",
         "ejected (min_up = 1). server_failure_limit is eject_after."});
    if (pool_.server_retry_timeout) {
      comment("server_retry_timeout: " + std::to_string(*pool_.server_retry_timeout) +
              " has no equivalent.");
    }
    // Twemproxy counts first and then compares: its 0 ejects at the first failure. Here 0 is never.
    const uint32_t limit = std::max(pool_.server_failure_limit.value_or(2), 1U);
    set("eject_after", limited("server_failure_limit", limit, 1, kMostFailures));
    set("on_eject", quoted("rehash"));
  }

  void clients() {
    if (pool_.client_connections) {
      comment("client_connections: " + std::to_string(*pool_.client_connections) +
              " has no effect there, though it is read. Here it would be max_clients.");
    }
    if (pool_.redis_auth.empty()) return;
    remark({"redis_auth: clients send it, and backends get it. To keep it out of this file write",
            "\"${file:/path}\" or \"${env:NAME}\", here and in each backend."});
    set("password", value_of(pool_.redis_auth));
  }

  void backends() {
    const std::string common = database() + password();
    line("backends = [");
    for (const TwemproxyServer& server : pool_.servers) {
      out_ += "  { address = " + value_of(server.address);
      if (!is_default_name(server)) out_ += ", name = " + value_of(server.name);
      out_ += ", weight = " + std::to_string(server.weight) + common + " },\n";
    }
    line("]");
  }

  /// What each backend has after its weight, for redis_db.
  std::string database() {
    const uint32_t number = pool_.redis_db.value_or(0);
    if (number == 0) return "";
    if (!redis()) {
      remark({"redis_db has no effect there on a pool of memcached servers."});
      return "";
    }
    remark({"redis_db is selected on every connection to a backend; clients see it as db 0."});
    return ", db = " + limited("redis_db", number, 0, kMostDatabases);
  }

  std::string password() const {
    return pool_.redis_auth.empty() ? "" : ", password = " + value_of(pool_.redis_auth);
  }

  /// By twemproxy's rule and by the plain one, "the address as written": when both agree, nobody
  /// has to know which of them holds.
  bool is_default_name(const TwemproxyServer& server) const {
    return server.name == server.address &&
           server.name == cluster::ring_name(pool_.rules().distribution, server.address);
  }

  const TwemproxyPool& pool_;
  const std::string& name_;
  Remarks& made_;
  std::string out_;
};

std::string unused_name(const std::string& wanted, const std::set<std::string>& used) {
  std::string name = wanted;
  for (size_t i = 2; used.contains(name); ++i) {
    const std::string suffix = "-" + std::to_string(i);
    name = wanted.substr(0, kLongestPoolName - suffix.size()) + suffix;
  }
  return name;
}

}  // namespace

base::Result<std::string, std::vector<ImportError>> import_twemproxy(std::string_view yaml_text,
                                                                     std::string_view file_name) {
  const auto pools = read_twemproxy(yaml_text);
  if (!pools) return base::Failure{pools.error()};
  std::string toml = "# Made from " + in_quotes(file_name) + R"( by `quorate import twemproxy`.
# Every key lies where twemproxy puts it. "There" is twemproxy; a remark made once holds for the
# pools below it too. What port 22222 tells there is /metrics here: [admin] in conf/quorate.toml.
)";
  std::set<std::string> used;
  Remarks made;
  for (const TwemproxyPool& pool : pools.value()) {
    const std::string name = unused_name(allowed_name(pool.name), used);
    used.insert(name);
    toml += PoolWriter(pool, name, made).write();
  }
  return toml;
}

std::vector<Diagnostic> diagnostics_of(const std::vector<ImportError>& errors,
                                       std::string_view yaml_text, std::string_view file_name) {
  const std::string shown = without_passwords(yaml_text);
  Findings findings(shown, file_name);
  for (const ImportError& error : errors) {
    findings.error({error.line, error.column, error.line, error.column + 1}, error.message);
  }
  return findings.take();
}

}  // namespace quorate::config
