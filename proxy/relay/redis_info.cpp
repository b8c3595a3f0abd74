// INFO: what the backends say, as one server would: figures of data are added up, what is of one
// process is the proxy's own. A backend that does not answer is left out, so that a client's ready
// check depends on none; if none answers, the proxy speaks for itself.
#include <algorithm>

#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/info_text.h"
#include "proxy/relay/process_facts.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

namespace {

/// The sections that the proxy can tell alone, with the lines that a backend's text may lack.
constexpr std::string_view kOwnSections =
    "# Server\r\nredis_version:\r\nredis_mode:\r\nos:\r\narch_bits:64\r\nprocess_id:\r\n"
    "run_id:\r\nuptime_in_seconds:\r\nuptime_in_days:\r\nio_threads_active:\r\n"
    "# Clients\r\nconnected_clients:\r\nblocked_clients:\r\nmaxclients:\r\n"
    "# Memory\r\nused_memory:0\r\nused_memory_human:0B\r\nused_memory_rss:0\r\nmaxmemory:0\r\n"
    "maxmemory_policy:noeviction\r\n"
    "# Persistence\r\nloading:0\r\nasync_loading:0\r\n"
    "# Stats\r\ntotal_connections_received:\r\ntotal_commands_processed:\r\n"
    "total_net_input_bytes:\r\ntotal_net_output_bytes:\r\n"
    "# Replication\r\nrole:\r\nconnected_slaves:\r\n"
    "# Cluster\r\ncluster_enabled:\r\n";

/// The text of a bulk or verbatim string; nothing if it is neither.
std::optional<std::string_view> text_of(std::string_view reply) {
  const size_t line_end = reply.find("\r\n");
  if (reply.empty() || (reply[0] != '$' && reply[0] != '=')) return std::nullopt;
  if (line_end == std::string_view::npos || reply.size() < line_end + 4) return std::nullopt;
  std::string_view text = reply.substr(line_end + 2, reply.size() - line_end - 4);
  if (reply[0] == '=' && text.size() >= 4) text.remove_prefix(4);
  return text;
}

}  // namespace

bool RedisDialect::info(Session& session, std::string_view raw) {
  PoolRuntime& pool = relay_.pool(session.pool);
  parts_.clear();
  for (const cluster::BackendId member : pool.plan->holders) {
    Part part{.upstream = relay_.upstream(member), .link = nullptr, .keys = 0};
    switch (relay_.pick_link(session, *part.upstream, Relay::Use::kShared, part.link)) {
      case Relay::Pick::kWait: return false;
      case Relay::Pick::kUnavailable: break;
      case Relay::Pick::kLink: parts_.push_back(part); break;
    }
  }
  if (parts_.empty()) {
    text_.clear();
    append_info(session, {}, text_);
    relay_.reply(session, text_);
    return true;
  }
  Join& join =
      relay_.open_join(session, JoinKind::kInfo, static_cast<uint32_t>(parts_.size()), false);
  for (uint32_t i = 0; i < parts_.size(); ++i) {
    relay_.append_fragment(*parts_[i].link, raw);
    relay_.forward_fragment(session, *parts_[i].link, join, i, false);
  }
  return true;
}

void RedisDialect::render_info(const Session& session, const Join& join, std::string& out) {
  std::vector<std::string_view> texts;
  for (const Fragment& fragment : join.memory.fragments) {
    if (fragment.end != FragmentEnd::kAnswered) continue;
    if (const auto text = text_of(fragment.reply)) texts.push_back(*text);
  }
  append_info(session, texts, out);
}

void RedisDialect::append_info(const Session& session, const std::vector<std::string_view>& texts,
                               std::string& out) {
  InfoText info = InfoText::parse(texts.empty() ? kOwnSections : texts.front());
  for (size_t i = 1; i < texts.size(); ++i) info.merge(InfoText::parse(texts[i]));

  const ProcessFacts& facts = relay_.facts();
  const PoolPlan& plan = *relay_.pool(session.pool).plan;
  const auto number = [&info](std::string_view name, uint64_t value) {
    info.set(name, std::to_string(value));
  };
  const auto uptime =
      std::chrono::duration_cast<std::chrono::seconds>(relay_.wall_time() - facts.started).count();
  const auto seconds = static_cast<uint64_t>(std::max<int64_t>(uptime, 0));
  if (texts.empty()) {
    info.set("redis_version", server_version(session));
    const uint64_t bytes = facts.resident_bytes.load(std::memory_order_relaxed);
    number("used_memory", bytes);
    number("used_memory_rss", bytes);
    info.set("used_memory_human", std::to_string(bytes >> 20) + "M");
  }
  info.put("Server", "quorate_version", facts.version);
  info.set("redis_mode", plan.emulates_cluster ? "cluster" : "standalone");
  info.set("os", facts.os);
  number("process_id", static_cast<uint64_t>(facts.process_id));
  info.set("run_id", facts.run_id);
  number("uptime_in_seconds", seconds);
  number("uptime_in_days", seconds / 86400);
  number("io_threads_active", facts.workers > 1 ? 1 : 0);
  for (const std::string_view name : {"executable", "config_file", "process_supervised"}) {
    info.remove(name);
  }
  number("connected_clients", facts.pool_clients[session.pool].load(std::memory_order_relaxed));
  number("blocked_clients", facts.pool_blocked[session.pool].load(std::memory_order_relaxed));
  number("maxclients", plan.max_clients);
  const auto since = [&number](std::string_view name, const std::atomic<uint64_t>& before,
                               const std::atomic<uint64_t>& value) {
    const uint64_t sum = value.load(std::memory_order_relaxed);
    number(name, sum - std::min(sum, before.load(std::memory_order_relaxed)));
  };
  since("total_connections_received", facts.before.connections_received,
        facts.connections_received);
  since("total_commands_processed", facts.before.commands_processed, facts.commands_processed);
  since("total_net_input_bytes", facts.before.bytes_in, facts.bytes_in);
  since("total_net_output_bytes", facts.before.bytes_out, facts.bytes_out);
  info.set("role", "master");
  info.set("connected_slaves", "0");
  info.set("cluster_enabled", plan.emulates_cluster ? "1" : "0");
  wire::append_verbatim(out, info.render(), is_resp3(session));
}

}  // namespace quorate::relay
