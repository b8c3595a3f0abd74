// CLUSTER, READONLY, READWRITE and ASKING where a pool emulates a cluster (emulate_cluster): one
// node, this proxy, that has every slot, so that clients which speak nothing but the cluster
// protocol work. The backends behind it are none of their business.
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/process_facts.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

using wire::CommandSpec;
using wire::RedisCommand;

namespace {

constexpr int64_t kLastSlot = cluster::kRedisClusterSlots - 1;
constexpr int kBusOffset = 10000;

/// Where the client is connected, as it would be told to connect again.
struct OwnAddress {
  std::string host;  ///< empty: the one the client knows, as a server that was never met says
  int64_t port = 0;
};

OwnAddress own_address(const Session& session) {
  const std::string& text = session.local_address();
  const size_t colon = text.rfind(':');
  if (text.starts_with("unix:") || colon == std::string::npos) return {};
  std::string host = text.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (host == "0.0.0.0" || host == "::" || host == "?") host.clear();
  return {.host = std::move(host),
          .port = base::parse_integer<uint16_t>(text.substr(colon + 1)).value_or(0)};
}

std::string info_text() {
  std::string text;
  for (const std::string_view line :
       {"cluster_state:ok", "cluster_slots_assigned:16384", "cluster_slots_ok:16384",
        "cluster_slots_pfail:0", "cluster_slots_fail:0", "cluster_known_nodes:1", "cluster_size:1",
        "cluster_current_epoch:1", "cluster_my_epoch:1", "cluster_stats_messages_sent:0",
        "cluster_stats_messages_received:0", "total_cluster_links_buffer_limit_exceeded:0"}) {
    text.append(line).append("\r\n");
  }
  return text;
}

void append_slots(std::string& out, const std::string& id, const OwnAddress& own) {
  wire::append_array(out, 1);
  wire::append_array(out, 3);
  wire::append_integer(out, 0);
  wire::append_integer(out, kLastSlot);
  wire::append_array(out, 4);
  wire::append_bulk(out, own.host);
  wire::append_integer(out, own.port);
  wire::append_bulk(out, id);
  wire::append_array(out, 0);
}

void append_shards(std::string& out, const std::string& id, const OwnAddress& own, bool resp3) {
  wire::append_array(out, 1);
  wire::append_map(out, 2, resp3);
  wire::append_bulk(out, "slots");
  wire::append_array(out, 2);
  wire::append_integer(out, 0);
  wire::append_integer(out, kLastSlot);
  wire::append_bulk(out, "nodes");
  wire::append_array(out, 1);
  wire::append_map(out, 7, resp3);
  const auto add = [&out](std::string_view name, std::string_view value) {
    wire::append_bulk(out, name);
    wire::append_bulk(out, value);
  };
  add("id", id);
  wire::append_bulk(out, "port");
  wire::append_integer(out, own.port);
  add("ip", own.host);
  add("endpoint", own.host);
  add("role", "master");
  wire::append_bulk(out, "replication-offset");
  wire::append_integer(out, 0);
  add("health", "online");
}

}  // namespace

bool RedisDialect::cluster_command(Session& session, const CommandSpec& spec) {
  const std::string& id = relay_.facts().run_id;
  const OwnAddress own = own_address(session);
  text_.clear();
  switch (spec.id) {
    case RedisCommand::kAsking:
    case RedisCommand::kReadonly:
    case RedisCommand::kReadwrite: return ok(session);
    case RedisCommand::kClusterInfo:
      wire::append_verbatim(text_, info_text(), is_resp3(session));
      break;
    case RedisCommand::kClusterMyid: wire::append_bulk(text_, id); break;
    case RedisCommand::kClusterKeyslot:
      wire::append_integer(text_, cluster::redis_cluster_slot(request_.arguments[2]));
      break;
    case RedisCommand::kClusterSlots: append_slots(text_, id, own); break;
    case RedisCommand::kClusterShards: append_shards(text_, id, own, is_resp3(session)); break;
    case RedisCommand::kClusterNodes: {
      const std::string port = std::to_string(own.port);
      const std::string line =
          id + " " + own.host + ":" + port + "@" + std::to_string(own.port + kBusOffset) +
          " myself,master - 0 0 1 connected 0-" + std::to_string(kLastSlot) + "\n";
      wire::append_verbatim(text_, line, is_resp3(session));
      break;
    }
    case RedisCommand::kClusterLinks:
    case RedisCommand::kClusterReplicas:
    case RedisCommand::kClusterSlaves: wire::append_array(text_, 0); break;
    default:
      return refuse(session, std::string("ERR '").append(spec.name).append(
                                 "' is not possible through quorate, which emulates a cluster"));
  }
  relay_.reply(session, text_);
  return true;
}

}  // namespace quorate::relay
