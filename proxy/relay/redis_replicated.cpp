// Commands of a pool that keeps replicas: to the worker's coordinator, as one operation on one key
// or as several on keys of their own; answered here; or refused, with an error that names the mode,
// before anything is sent.
//
// The connection's own affairs and channels go the way they always go: they are in no replica.
#include <array>

#include "backends/redis/replicated_command.h"
#include "backends/redis/waiting_command.h"
#include "backends/wire/key_walk.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/redis_dialect.h"
#include "proxy/relay/replication.h"

namespace quorate::relay {

using redis::ReplicationClass;
using wire::CommandSpec;
using wire::RedisCommand;

bool RedisDialect::dispatch_replicated(Session& session, const CommandSpec& spec,
                                       std::string_view raw) {
  session.last_command = static_cast<uint16_t>(spec.id);
  PoolRuntime& pool = relay_.pool(session.pool);
  if (relay_.is_paused(pool) && is_held_up(session, spec)) {
    relay_.wait_for_unpause(session);
    return false;
  }
  if (const auto done = transact_replicated(session, spec)) return *done;
  if (const auto done = script_replicated(session, spec)) return *done;
  const std::span<const std::string_view> arguments(request_.arguments.begin(),
                                                    request_.arguments.size());
  if (redis::waits(spec.id, arguments)) return block_replicated(session, spec);
  const ReplicationClass replication = redis::class_of(spec);
  switch (replication) {
    case ReplicationClass::kLocal: return to_the_connection(session, spec, raw);
    case ReplicationClass::kSplit: return split_replicated(session, spec);
    case ReplicationClass::kRead:
    case ReplicationClass::kBlind:
    case ReplicationClass::kDelta:
    case ReplicationClass::kRewrite:
    case ReplicationClass::kState: return replicate(session, spec);
    case ReplicationClass::kKeyspace: return list_replicated(session);
    case ReplicationClass::kTransaction:
    case ReplicationClass::kUnsupported: break;
  }
  return refuse(session, redis::refusal_text(spec, replication, pool.plan->name));
}

/// After all that the client has sent before, and before all that comes after.
bool RedisDialect::list_replicated(Session& session) {
  if (session.slots.in_flight() != 0) {
    session.wait = Wait::kAnswered;
    return false;
  }
  replicate::Listing::Wanted wanted;
  const std::span<const std::string_view> arguments(request_.arguments.begin(),
                                                    request_.arguments.size());
  if (const auto error = replicate::Listing::parse(arguments, wanted)) {
    return refuse(session, *error);
  }
  if (!relay_.replication().list(session, std::move(wanted))) return false;
  if (session.slots.in_flight() != 0) session.wait = Wait::kAnswered;
  return true;
}

bool RedisDialect::to_the_connection(Session& session, const CommandSpec& spec,
                                     std::string_view raw) {
  if (spec.id == RedisCommand::kSelect) {
    const auto index = base::parse_integer<int32_t>(request_.arguments[1]);
    if (index && *index != 0) return refuse(session, "ERR DB index is out of range");
  }
  return route(session, spec, raw);
}

/// Whether a key of the command is one of the proxies' own.
bool RedisDialect::names_reserved_key(const CommandSpec& spec) const {
  for (const auto key : wire::KeyWalk(spec, request_.arguments)) {
    if (request_.arguments[key.index].starts_with(redis::acceptor::kReservedPrefix)) return true;
  }
  return false;
}

bool RedisDialect::replicate(Session& session, const CommandSpec& spec) {
  if (names_reserved_key(spec)) return refuse(session, kReservedKey);
  const auto refusal =
      replicated_.assign(spec, request_.arguments, relay_.pool(session.pool).plan->name);
  if (refusal) return refuse(session, *refusal);
  return relay_.replication().submit(session, replicated_);
}

// MGET, DEL, EXISTS, UNLINK, TOUCH: each key is an operation of its own, as each is linearizable
// and all of them together are not.
bool RedisDialect::split_replicated(Session& session, const CommandSpec& spec) {
  const auto& arguments = request_.arguments;
  if (names_reserved_key(spec)) return refuse(session, kReservedKey);
  const bool elements = spec.id == RedisCommand::kMget;
  if (arguments.size() == 2 && !elements) return replicate(session, spec);
  const std::string& pool = relay_.pool(session.pool).plan->name;
  const size_t keys = arguments.size() - 1;
  const CommandSpec& single = elements ? *wire::find_command("GET") : spec;
  Replication& replication = relay_.replication();
  if (!replication.has_room(session, keys)) return false;
  Join& join = relay_.open_join(session, elements ? JoinKind::kValues : JoinKind::kParts,
                                static_cast<uint32_t>(keys), false);
  join.is_write = !elements && spec.id != RedisCommand::kExists && spec.id != RedisCommand::kTouch;
  const base::SlabId id = join.id;
  for (size_t i = 1; i < arguments.size(); ++i) {
    const std::array<std::string_view, 2> one{elements ? "GET" : arguments[0], arguments[i]};
    const auto refusal = replicated_.assign(single, one, pool);
    ASSERT(!refusal);
    replication.submit_part(session, id, static_cast<uint32_t>(i - 1), replicated_);
  }
  return true;
}

/// The reply of what split_replicated() has split.
void RedisDialect::render_parts(const Session& session, const Join& join, std::string& out) {
  const auto& parts = join.memory.fragments;
  int64_t sum = 0;
  const Fragment* error = nullptr;
  bool any_done = false;
  std::string values;
  for (const Fragment& part : parts) {
    const std::string_view reply = part.reply;
    const bool nothing = join.kind == JoinKind::kValues && reply.starts_with("-WRONGTYPE");
    if (reply.starts_with('-') && !nothing) {
      if (error == nullptr || reply.starts_with("-INDETERMINATE")) error = &part;
      continue;
    }
    any_done = true;
    if (join.kind == JoinKind::kValues) {
      if (nothing) {
        wire::append_null(values, is_resp3(session));
      } else {
        values.append(reply);
      }
    } else {
      sum += base::parse_integer<int64_t>(reply.substr(1, reply.size() - 3)).value_or(0);
    }
  }
  if (error != nullptr) {
    const bool in_part = join.is_write && any_done && !error->reply.starts_with("-INDETERMINATE");
    if (in_part) out.append("-INDETERMINATE executed in part: ").append(error->reply, 1);
    if (!in_part) out.append(error->reply);
  } else if (join.kind == JoinKind::kValues) {
    wire::append_array(out, parts.size());
    out.append(values);
  } else {
    wire::append_integer(out, sum);
  }
}

}  // namespace quorate::relay
