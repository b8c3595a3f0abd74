#include "backends/redis/identity.h"

#include <algorithm>

#include "backends/redis/acceptor.h"
#include "backends/redis/handshake.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"

namespace quorate::redis {

namespace {

/// The value behind "\nNAME:", up to the end of its line.
std::string_view field(std::string_view info, std::string_view name) {
  for (size_t at = info.find(name); at != std::string_view::npos; at = info.find(name, at + 1)) {
    const bool begins_line = at > 0 && (info[at - 1] == '\n' || info[at - 1] == ':');
    const size_t colon = at + name.size();
    if (!begins_line || colon >= info.size() || info[colon] != ':') continue;
    const std::string_view rest = info.substr(colon + 1);
    return rest.substr(0, rest.find_first_of("\r\n"));
  }
  return {};
}

uint64_t number_in(std::string_view text) {
  return base::parse_integer<uint64_t>(text).value_or(0);
}

/// Of "keys=12,expires=0,avg_ttl=0".
uint64_t keys_in(std::string_view keyspace) {
  constexpr std::string_view kKeys = "keys=";
  if (!keyspace.starts_with(kKeys)) return 0;
  keyspace.remove_prefix(kKeys.size());
  return number_in(keyspace.substr(0, keyspace.find(',')));
}

bool is_zeros(std::string_view id) {
  return std::ranges::all_of(id, [](char c) { return c == '0'; });
}

}  // namespace

Identity read_identity(std::string_view info) {
  Identity identity;
  identity.run_id = field(info, "run_id");
  identity.role = field(info, "role");
  identity.replication_id = field(info, "master_replid");
  identity.second_replication_id = field(info, "master_replid2");
  identity.eviction_policy = field(info, "maxmemory_policy");
  identity.evicted_keys = number_in(field(info, "evicted_keys"));
  identity.keys = keys_in(field(info, "db0"));
  identity.loading = field(info, "loading") == "1";
  return identity;
}

std::string objection_to(const Identity& identity) {
  if (identity.run_id.empty()) return "does not tell its run_id: INFO must be allowed";
  if (identity.loading) return "is still loading its data";
  if (identity.role != "master") {
    return "is a " + identity.role + ": replicas are kept on masters of their own";
  }
  if (!is_zeros(identity.second_replication_id)) {
    return "was another server's replica once (master_replid2): what it holds may have gone back";
  }
  if (identity.evicted_keys != 0) {
    return "has evicted " + std::to_string(identity.evicted_keys) +
           " keys: what it holds is not certain; set maxmemory-policy noeviction, then CONFIG "
           "RESETSTAT, or restart it";
  }
  const std::string& policy = identity.eviction_policy;
  if (policy != "noeviction" && !policy.starts_with("volatile-")) {
    return "evicts keys (maxmemory-policy " + policy +
           "): set noeviction; what is acknowledged must not vanish";
  }
  return {};
}

link::Greeting replica_greeting(const link::Credentials& credentials) {
  link::Greeting result = greeting(link::Flavor::kResp3, credentials);
  wire::append_command(result.bytes, {"INFO"});
  acceptor::append_script_loads(result.bytes);
  result.replies += 1 + acceptor::kScripts;
  return result;
}

link::GreetingVerdict judge_replica_greeting(uint32_t left, std::string_view reply, Identity& who) {
  link::GreetingVerdict verdict = judge_greeting_reply(link::Flavor::kResp3, reply);
  if (!verdict.refusal.empty()) return verdict;
  if (left == acceptor::kScripts + 1) {
    who = read_identity(reply);
    verdict.refusal = objection_to(who);
  } else if (left <= acceptor::kScripts) {
    const auto script = static_cast<acceptor::Script>(acceptor::kScripts - left);
    if (!acceptor::is_loaded(script, reply)) verdict.refusal = "does not load the proxy's scripts";
  }
  return verdict;
}

std::string mismatch(const Identity& who, std::string_view run_id) {
  if (who.run_id == run_id) return {};
  if (run_id.empty()) return "is not admitted yet";
  return "runs as " + who.run_id.substr(0, 8) + ", and not as " + std::string(run_id.substr(0, 8)) +
         ", which was admitted: what it holds is not certain";
}

}  // namespace quorate::redis
