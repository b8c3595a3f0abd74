// Commands that are about the connection or the proxy itself, and are answered without a backend.
// Texts are those of redis-server 7.0, so that clients recognise them.
#include <algorithm>
#include <cinttypes>

#include "backends/wire/command_error.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/process_facts.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

using base::equal_ignoring_case;
using wire::CommandSpec;
using wire::RedisCommand;

namespace {

constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";
constexpr std::string_view kBadName =
    "ERR Client names cannot contain spaces, newlines or special characters.";
// Told until a backend has told its own.
constexpr std::string_view kVersionUntilKnown = "7.0.15";

bool is_client_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c >= '!' && c <= '~'; });
}

session::ClientDetails& details_of(Session& session) {
  if (session.details == nullptr) session.details = std::make_unique<session::ClientDetails>();
  return *session.details;
}

}  // namespace

bool RedisDialect::ok(Session& session) {
  relay_.reply(session, "+OK\r\n");
  return true;
}

bool RedisDialect::answer_locally(Session& session, const CommandSpec& spec, std::string_view raw) {
  const auto& arguments = request_.arguments;
  text_.clear();
  switch (spec.id) {
    case RedisCommand::kPing:
      if (arguments.size() > 2) return refuse_arity(session, spec);
      if (const auto use = use_for_ping(session)) {
        const PoolPlan& plan = *relay_.pool(session.pool).plan;
        return send_for(session, spec, *relay_.upstream(plan.members.front()), *use, raw, kAsIs);
      }
      if (session.in_subscriber_mode()) {
        wire::append_array(text_, 2);
        wire::append_bulk(text_, "pong");
        wire::append_bulk(text_, arguments.size() == 2 ? arguments[1] : "");
      } else if (arguments.size() == 2) {
        wire::append_bulk(text_, arguments[1]);
      } else {
        text_ = "+PONG\r\n";
      }
      break;
    case RedisCommand::kEcho: wire::append_bulk(text_, arguments[1]); break;
    case RedisCommand::kQuit:
      ok(session);
      session.closing = true;
      return true;
    case RedisCommand::kTime: {
      const int64_t now = relay_.wall_time().count();
      wire::append_array(text_, 2);
      wire::append_bulk(text_, std::to_string(now / 1'000'000));
      wire::append_bulk(text_, std::to_string(now % 1'000'000));
      break;
    }
    case RedisCommand::kRole: text_ = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"; break;
    case RedisCommand::kHello: return hello(session);
    case RedisCommand::kAuth: return auth(session);
    case RedisCommand::kSelect: return select(session);
    case RedisCommand::kReset: return reset(session);
    case RedisCommand::kInfo: return info(session, raw);
    case RedisCommand::kPubsub:
    case RedisCommand::kPubsubChannels:
    case RedisCommand::kPubsubNumpat:
    case RedisCommand::kPubsubNumsub:
    case RedisCommand::kPubsubShardchannels:
    case RedisCommand::kPubsubShardnumsub: return pubsub(session, spec.id);
    case RedisCommand::kAclWhoami:
    case RedisCommand::kAclUsers:
    case RedisCommand::kAclList: return acl(session, spec);
    default: {
      if (spec.id == RedisCommand::kClient || spec.container == RedisCommand::kClient) {
        return client(session, spec.id);
      }
      const bool is_cluster =
          spec.id == RedisCommand::kCluster || spec.container == RedisCommand::kCluster ||
          spec.id == RedisCommand::kAsking || spec.id == RedisCommand::kReadonly ||
          spec.id == RedisCommand::kReadwrite;
      if (is_cluster && !relay_.pool(session.pool).plan->emulates_cluster) {
        return refuse(session, "ERR This instance has cluster support disabled");
      }
      if (is_cluster) return cluster_command(session, spec);
      return refuse(session, std::string("ERR '").append(spec.name).append(
                                 "' is not answered by this version of quorate"));
    }
  }
  relay_.reply(session, text_);
  return true;
}

// Over one backend PING is about that backend, as if the client were connected to it. Nothing: it
// need not be asked, as it is at work; or the client will hear of it by what it asked before. One
// that has let others wait for a while is asked on a connection on which nothing is ahead, if there
// is one: while a script runs none may be had.
std::optional<Relay::Use> RedisDialect::use_for_ping(const Session& session) {
  const PoolPlan& plan = *relay_.pool(session.pool).plan;
  const bool is_plain = plan.members.size() == 1 && !plan.by_slot && !session.replicated;
  if (!is_plain || session.in_subscriber_mode() || session.slots.in_flight() != 0) {
    return std::nullopt;
  }
  link::Upstream& upstream = *relay_.upstream(plan.members.front());
  if (!upstream.available()) return Relay::Use::kShared;  // which refuses
  if (upstream.main_link(session.flavor, session.id.place).pendings().empty()) {
    return Relay::Use::kShared;
  }
  if (!lets_wait(session, upstream) || !relay_.keep_side_ready(session, upstream))
    return std::nullopt;
  return Relay::Use::kLarge;
}

/// Others have been waiting for its answer for a while: a script runs there, perhaps.
bool RedisDialect::lets_wait(const Session& session, link::Upstream& upstream) const {
  constexpr base::Duration kAtWork = std::chrono::milliseconds(50);
  if (!upstream.available()) return false;
  const auto& ahead = upstream.main_link(session.flavor, session.id.place).pendings();
  return !ahead.empty() && ahead.front().arrival + kAtWork <= relay_.now();
}

// --- who the client is ---

bool RedisDialect::auth(Session& session) {
  const auto& arguments = request_.arguments;
  if (arguments.size() > 3) return refuse(session, "ERR syntax error");
  const bool named = arguments.size() == 3;
  if (!named && password_matches(session, "default", "")) {
    return refuse(session,
                  "ERR AUTH <password> called without any password configured for the default "
                  "user. Are you sure your configuration is correct?");
  }
  if (!authenticate(session, named ? arguments[1] : "default", arguments.back())) {
    return refuse(session, kWrongPassword);
  }
  return ok(session);
}

// A change of protocol waits until everything before it is answered in the old one: the two travel
// on different backend connections, and nothing may overtake.
bool RedisDialect::switch_flavor(Session& session, link::Flavor flavor) {
  if (session.flavor == flavor) return true;
  if (session.slots.in_flight() != 0) {
    session.wait = Wait::kAnswered;
    return false;
  }
  session.flavor = flavor;
  return true;
}

bool RedisDialect::hello(Session& session) {
  const auto& arguments = request_.arguments;
  link::Flavor flavor = session.flavor;
  if (arguments.size() >= 2) {
    const auto version = base::parse_integer<int64_t>(arguments[1]);
    if (!version) {
      return refuse(session, "ERR Protocol version is not an integer or out of range");
    }
    if (*version < 2 || *version > 3)
      return refuse(session, "NOPROTO unsupported protocol version");
    flavor = *version == 3 ? link::Flavor::kResp3 : link::Flavor::kResp2;
  }
  std::optional<std::string_view> name;
  std::optional<std::pair<std::string_view, std::string_view>> credentials;
  bool authenticated = session.authenticated;
  for (size_t i = 2; i < arguments.size(); ++i) {
    const size_t left = arguments.size() - i - 1;
    if (equal_ignoring_case(arguments[i], "AUTH") && left >= 2) {
      if (!password_matches(session, arguments[i + 1], arguments[i + 2])) {
        return refuse(session, kWrongPassword);
      }
      credentials = {arguments[i + 1], arguments[i + 2]};
      authenticated = true;
      i += 2;
    } else if (equal_ignoring_case(arguments[i], "SETNAME") && left >= 1) {
      name = arguments[i + 1];
      if (!is_client_name(*name)) return refuse(session, kBadName);
      i += 1;
    } else {
      return refuse(
          session,
          std::string("ERR Syntax error in HELLO option '").append(arguments[i]).append("'"));
    }
  }
  if (!authenticated) {
    return refuse(
        session,
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
        "HELLO AUTH <user> <pass> option can be used to authenticate the client "
        "and select the RESP protocol version at the same time");
  }
  if (!switch_flavor(session, flavor)) return false;
  if (credentials) authenticate(session, credentials->first, credentials->second);
  session.restrict_commands();  // in RESP2 a subscriber may do less
  if (name) details_of(session).name = *name;

  text_.clear();
  wire::append_map(text_, 7, is_resp3(session));
  wire::append_bulk(text_, "server");
  wire::append_bulk(text_, "redis");
  wire::append_bulk(text_, "version");
  wire::append_bulk(text_, server_version(session));
  wire::append_bulk(text_, "proto");
  wire::append_integer(text_, is_resp3(session) ? 3 : 2);
  wire::append_bulk(text_, "id");
  wire::append_integer(text_, static_cast<int64_t>(session.client_id));
  wire::append_bulk(text_, "mode");
  wire::append_bulk(text_,
                    relay_.pool(session.pool).plan->emulates_cluster ? "cluster" : "standalone");
  wire::append_bulk(text_, "role");
  wire::append_bulk(text_, "master");
  wire::append_bulk(text_, "modules");
  wire::append_array(text_, 0);
  relay_.reply(session, text_);
  return true;
}

std::string_view RedisDialect::server_version(const Session& session) const {
  for (const cluster::BackendId member : relay_.pool(session.pool).plan->members) {
    const link::Upstream* upstream = relay_.upstream(member);
    if (upstream != nullptr && !upstream->server_version.empty()) return upstream->server_version;
  }
  return kVersionUntilKnown;
}

bool RedisDialect::reset(Session& session) {
  if (!switch_flavor(session, link::Flavor::kResp2)) return false;
  if (session.pin != nullptr) relay_.drop_pin(session);  // its state is not ours to undo
  session.end_transaction();
  session.database = 0;
  session.replies_off = session.skip_next_reply = false;
  session.details.reset();
  relay_.subscriptions().forget(session);
  begin(session);
  relay_.reply(session, "+RESET\r\n");
  return true;
}

bool RedisDialect::select(Session& session) {
  constexpr std::string_view kOutOfRange = "ERR DB index is out of range";
  const auto index = base::parse_integer<int64_t>(request_.arguments[1]);
  if (!index) return refuse(session, "ERR value is not an integer or out of range");
  if (*index < INT32_MIN || *index > INT32_MAX) {
    return refuse(session,
                  "ERR value is out of range, value must between -2147483648 and 2147483647");
  }
  if (*index < 0 || *index > UINT16_MAX) return refuse(session, kOutOfRange);
  const auto database = static_cast<uint16_t>(*index);
  if (database != 0) {
    // It exists if a backend has it; the others are asked when they are first used for it.
    PoolRuntime& pool = relay_.pool(session.pool);
    link::Upstream& upstream = relay_.any_upstream(pool, session);
    if (relay_.plan().backends[upstream.number()]->database != 0) {
      return refuse(session, kOutOfRange);
    }
    if (!upstream.knows_database(database)) {
      const auto inquiry = inquiries_.find(session.client_id);
      if (inquiry != inquiries_.end() && !inquiry->second.refusal.empty()) {
        return refuse_pick(session, upstream);
      }
      link::Link* link = relay_.question_link(upstream);
      if (link == nullptr) return refuse_pick(session, upstream);
      relay_.ask_database(session, *link, database, kDatabase);
      return false;
    }
  }
  session.database = database;
  return ok(session);
}

}  // namespace quorate::relay
