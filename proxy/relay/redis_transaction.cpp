// MULTI, EXEC, DISCARD, WATCH, UNWATCH: a transaction lives on one backend connection, which the
// session keeps for as long as it lasts. Its first key chooses the backend; a key of another one is
// refused.
//
//   MULTI            answered here: no backend is known yet
//   PING, …          without a key: answered QUEUED here, and told to the backend once there is one
//   SET k v          its backend is told MULTI and what was queued; from here on it answers itself
//   CLIENT ID, …     answered QUEUED here, and told to nobody: redis_transaction_own.cpp
//   EXEC             the backend's reply; the connection is given back
//
// WATCH keeps the connection, too. If it is lost, its keys count as changed: EXEC answers nil,
// nothing is executed. If it is lost after MULTI was told, EXEC is refused: nothing was executed
// either.
#include <algorithm>

#include "backends/wire/command_error.h"
#include "backends/wire/key_walk.h"
#include "backends/wire/resp_write.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

using session::Transaction;
using wire::CommandSpec;
using wire::RedisCommand;
using wire::RouteClass;

namespace {

constexpr std::string_view kAborted = "EXECABORT Transaction discarded because of previous errors.";

Transaction& transaction_of(Session& session) { return session.begin_transaction(); }

/// Commands that change what the connection is, and not data: on a lent connection they would
/// outlast the transaction. (A server allows some of them.)
bool changes_connection(const CommandSpec& spec) {
  switch (spec.id) {
    case RedisCommand::kPing:
    case RedisCommand::kEcho:
    case RedisCommand::kWait:
    case RedisCommand::kTime:
    case RedisCommand::kUnwatch:
    case RedisCommand::kInfo:                   // the backend's own, then
    case RedisCommand::kUnknown: return false;  // a command that was learned from a backend
    default: break;
  }
  const auto to = wire::route_of(spec.id).to;
  return to == RouteClass::kLocal || to == RouteClass::kAdminDenied ||
         (to == RouteClass::kConnectionBound && !spec.flags.has(wire::CommandFlag::kBlocking));
}

/// A command like CONFIG SET, of a user that may: of one server, which can queue it.
bool operates_server(const Session& session, const CommandSpec& spec) {
  return session.user != nullptr && wire::route_of(spec.id).to == RouteClass::kAdminDenied &&
         spec.container != RedisCommand::kAcl && spec.container != RedisCommand::kCluster &&
         spec.id != RedisCommand::kReplconf && spec.id != RedisCommand::kScriptDebug;
}

}  // namespace

// Every command of a session that is in a transaction or watches keys comes through here first.
bool RedisDialect::transact(Session& session, const CommandSpec& spec, std::string_view raw) {
  const bool open = session.transaction != nullptr && session.transaction->open;
  switch (spec.id) {
    case RedisCommand::kMulti:
      if (open) return refuse(session, "ERR MULTI calls can not be nested");
      transaction_of(session).open = true;
      return ok(session);
    case RedisCommand::kExec:
      if (open) return exec(session, raw);
      return tell_exec(session, raw) || refuse(session, "ERR EXEC without MULTI");
    case RedisCommand::kDiscard:
      if (!open) return refuse(session, "ERR DISCARD without MULTI");
      return discard(session);
    case RedisCommand::kWatch:
      if (open) return refuse(session, "ERR WATCH inside MULTI is not allowed");
      return watch(session, spec, raw);
    case RedisCommand::kUnwatch:
      if (!open) return unwatch(session);
      break;
    case RedisCommand::kReset:
    case RedisCommand::kQuit: return answer_locally(session, spec, raw);
    default: break;
  }
  return enqueue(session, spec, raw);
}

void RedisDialect::abort_transaction(Session& session) {
  if (session.transaction != nullptr && session.transaction->open) {
    session.transaction->aborted = true;
  }
}

bool RedisDialect::refuse_in_transaction(Session& session, std::string_view error) {
  session.transaction->aborted = true;
  return refuse(session, error);
}

/// The one backend of all keys; nullptr without keys.
link::Upstream* RedisDialect::backend_of_keys(Session& session, const CommandSpec& spec,
                                              bool& crosses) {
  PoolRuntime& pool = relay_.pool(session.pool);
  const wire::KeyWalk keys(spec, request_.arguments);
  crosses = false;
  if (keys.empty()) return nullptr;
  const auto group_of = [&](std::string_view key) {
    return pool.plan->group_of(key, relay_.upstream_for(pool, key).number());
  };
  const uint32_t group = group_of(request_.arguments[keys.front()]);
  for (const auto key : keys) {
    crosses = crosses || group_of(request_.arguments[key.index]) != group;
  }
  return &relay_.upstream_for(pool, request_.arguments[keys.front()]);
}

// The connection of a transaction that has ended is kept until all is answered there. If the next
// one belongs to another backend, it begins after that.
bool RedisDialect::waits_for_pin(Session& session, const link::Upstream& upstream) {
  if (session.pin == nullptr || session.holds_pin || session.pin->upstream() == upstream.number()) {
    return false;
  }
  session.wait = Wait::kAnswered;
  return true;
}

bool RedisDialect::watch(Session& session, const CommandSpec& spec, std::string_view raw) {
  bool crosses = false;
  link::Upstream& upstream = *backend_of_keys(session, spec, crosses);
  if (waits_for_pin(session, upstream)) return false;
  const bool elsewhere = session.holds_pin && session.pin->upstream() != upstream.number();
  if (crosses || elsewhere) return refuse(session, kCrossSlot);
  if (!begin_there(session, upstream)) return session.wait == Wait::kNone;
  transaction_of(session).watching = true;
  relay_.forward(session, *session.pin, raw.data(), raw.size(), {.detail = session.database});
  return true;
}

bool RedisDialect::unwatch(Session& session) {
  if (session.pin == nullptr || session.transaction == nullptr) {
    session.end_transaction();
    return ok(session);
  }
  text_.clear();
  wire::append_command(text_, {"UNWATCH"});
  relay_.forward(session, *session.pin, text_.data(), text_.size(), {.detail = session.database});
  end_transaction(session);
  return true;
}

void RedisDialect::end_transaction(Session& session) {
  session.end_transaction();
  relay_.unpin(session);
}

bool RedisDialect::discard(Session& session) {
  const Transaction& transaction = *session.transaction;
  if (session.pin != nullptr && (transaction.begun || transaction.watching)) {
    text_.clear();
    wire::append_command(text_, {transaction.begun ? "DISCARD" : "UNWATCH"});
    relay_.forward(session, *session.pin, text_.data(), text_.size(), {.detail = session.database});
  } else {
    ok(session);
  }
  end_transaction(session);
  return true;
}

bool RedisDialect::exec(Session& session, std::string_view raw) {
  Transaction& transaction = *session.transaction;
  if (transaction.aborted) {
    if (session.pin != nullptr && transaction.begun) say_quietly(session, "DISCARD");
    if (session.pin != nullptr && !transaction.begun && transaction.watching) {
      say_quietly(session, "UNWATCH");
    }
    refuse(session, kAborted);
    end_transaction(session);
    return true;
  }
  if (transaction.watch_lost) {
    relay_.reply(session, session.flavor == link::Flavor::kResp3 ? "_\r\n" : "*-1\r\n");
    end_transaction(session);
    return true;
  }
  if (!session.holds_pin && transaction.queued.empty()) {
    const auto own = std::move(transaction.own);
    end_transaction(session);
    tell_exec(session, "*0\r\n", own, raw);
    return true;
  }
  if (!transaction.begun) {
    // No key has chosen a backend, or WATCH has and nothing with a key came: the one that watches,
    // or any.
    link::Upstream& upstream = session.pin != nullptr  // if only until all is answered there
                                   ? *relay_.upstream(session.pin->upstream())
                                   : relay_.any_upstream(relay_.pool(session.pool), session);
    if (!begin_there(session, upstream)) {
      if (session.wait != Wait::kNone) return false;
      end_transaction(session);  // it was refused, and nothing of it will run
      return true;
    }
  }
  if (!transaction.own.empty()) {
    exec_there(session, raw);
    return false;
  }
  relay_.forward(session, *session.pin, raw.data(), raw.size(),
                 {.is_write = true, .detail = session.database});
  end_transaction(session);
  return true;
}

// A command of an open transaction.
bool RedisDialect::enqueue(Session& session, const CommandSpec& spec, std::string_view raw) {
  Transaction& transaction = *session.transaction;
  if (spec.flags.has(wire::CommandFlag::kNoMulti)) {
    return refuse_in_transaction(session, "ERR Command not allowed inside a transaction");
  }
  const bool one_backend = relay_.pool(session.pool).plan->members.size() == 1;
  // Once refused nothing will run: what follows only has to be answered.
  const bool pointless = transaction.aborted || transaction.watch_lost;
  if (is_own(session, spec)) {
    if (transaction.own.size() >= limits::kQueuedWithoutKey) {
      return refuse_in_transaction(session, "ERR too many commands without a key in a MULTI");
    }
    if (!pointless) transaction.own.push_back({transaction.queue_length++, std::string(raw)});
    relay_.reply(session, "+QUEUED\r\n");
    return true;
  }
  if (changes_connection(spec) && !(one_backend && operates_server(session, spec))) {
    return refuse_in_transaction(
        session, std::string("ERR '").append(spec.name).append("' is not queued by this proxy"));
  }
  transaction.writes = transaction.writes || may_replicate(session, spec);
  const wire::KeyWalk keys(spec, request_.arguments);
  if (keys.error() == wire::KeyError::kAskServer &&
      relay_.pool(session.pool).plan->members.size() > 1) {
    return refuse_in_transaction(
        session, std::string("ERR the keys of '").append(spec.name).append("' cannot be told"));
  }
  bool crosses = false;
  link::Upstream* upstream = backend_of_keys(session, spec, crosses);
  if (upstream != nullptr && waits_for_pin(session, *upstream)) return false;
  if (upstream == nullptr && session.holds_pin) {
    upstream = relay_.upstream(session.pin->upstream());
  }
  const bool elsewhere =
      upstream != nullptr && session.holds_pin && session.pin->upstream() != upstream->number();
  if (crosses || elsewhere) return refuse_in_transaction(session, kCrossSlot);
  if (upstream == nullptr || pointless) {
    if (!pointless) {
      if (transaction.queued.size() >= limits::kQueuedWithoutKey) {
        return refuse_in_transaction(session, "ERR too many commands without a key in a MULTI");
      }
      transaction.queued.emplace_back(raw);
      ++transaction.queue_length;
    }
    relay_.reply(session, "+QUEUED\r\n");
    return true;
  }
  if (spec.categories.has(wire::AclCategory::kScripting)) {
    switch (prepare_script(session, spec, *upstream)) {
      case Prepared::kReady: break;
      case Prepared::kWait: return false;
      case Prepared::kRefused: transaction.aborted = true; return true;
    }
    note_script_command(session, spec);
  }
  if (!begin_there(session, *upstream)) {
    if (session.wait == Wait::kNone) transaction.aborted = true;
    return session.wait == Wait::kNone;
  }
  relay_.forward(session, *session.pin, raw.data(), raw.size(), {.detail = session.database});
  ++transaction.queue_length;
  return true;
}

// Pins a connection to `upstream` and tells it what it has missed. False: the session has to wait,
// or was refused.
bool RedisDialect::begin_there(Session& session, link::Upstream& upstream) {
  switch (relay_.pin(session, upstream)) {
    case Relay::PinResult::kWait: return false;
    case Relay::PinResult::kUnavailable: refuse_pick(session, upstream); return false;
    case Relay::PinResult::kAllLent: refuse(session, Relay::all_lent_error(upstream)); return false;
    case Relay::PinResult::kPinned: break;
  }
  session.holds_pin = true;
  if (relay_.waits_for(session, *session.pin)) return false;
  relay_.select_database(*session.pin, session.database);
  Transaction& transaction = transaction_of(session);
  if (!transaction.open || transaction.begun) return true;
  transaction.begun = true;
  say_quietly(session, "MULTI");
  for (const std::string& command : transaction.queued) {
    relay_.forward_quietly(session, *session.pin, command, session.database);
  }
  transaction.queued.clear();
  return true;
}

void RedisDialect::say_quietly(Session& session, std::string_view command) {
  std::string bytes;
  wire::append_command(bytes, {command});
  relay_.forward_quietly(session, *session.pin, bytes, session.database);
}

// What was queued is refused by the server itself, at EXEC. Keys that were to be watched there are
// not: they count as changed, and the connection is of no more use.
void RedisDialect::on_pin_moved(Session& session) {
  if (session.transaction == nullptr || session.transaction->begun) return;
  on_pin_lost(session);
  relay_.unpin(session);
}

void RedisDialect::on_pin_lost(Session& session) {
  if (session.transaction == nullptr) return;
  Transaction& transaction = *session.transaction;
  if (transaction.begun) transaction.aborted = true;
  if (transaction.watching) transaction.watch_lost = true;
  transaction.begun = transaction.watching = false;
}

}  // namespace quorate::relay
