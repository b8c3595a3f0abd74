// MULTI … EXEC and EVAL in a pool that keeps replicas: on one key, as one version of it. What is
// queued stays here until EXEC; a script's body stands on the process's shelf, so that EVALSHA
// needs no backend that knows it.
//
// More than one key is refused when it is seen, before anything is sent.
#include <array>

#include "backends/redis/replicated_command.h"
#include "backends/wire/command_error.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/process_facts.h"
#include "proxy/relay/redis_dialect.h"
#include "proxy/relay/replication.h"

namespace quorate::relay {

using session::Transaction;
using wire::CommandSpec;
using wire::RedisCommand;

namespace {

constexpr size_t kNameSize = 40;
constexpr std::string_view kNoScript = "NOSCRIPT No matching script. Please use EVAL.";

std::string folded(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = base::ascii_lower(c);
  return lower;
}

std::string another_key(std::string_view pool) {
  return "CROSSSLOT a transaction in pool '" + std::string(pool) +
         "', whose consistency is \"quorum\", is about one key";
}

bool is_script(RedisCommand id) {
  return id == RedisCommand::kEval || id == RedisCommand::kEvalRo || id == RedisCommand::kEvalsha ||
         id == RedisCommand::kEvalshaRo;
}

}  // namespace

/// MULTI and what belongs to it, and whatever comes while it is open. Nothing: none of that.
std::optional<bool> RedisDialect::transact_replicated(Session& session, const CommandSpec& spec) {
  const bool open = session.transaction != nullptr && session.transaction->open;
  const bool ends = spec.id == RedisCommand::kExec || spec.id == RedisCommand::kDiscard ||
                    spec.id == RedisCommand::kUnwatch || spec.id == RedisCommand::kReset;
  if (ends && session.transaction != nullptr && session.transaction->watch) {
    session.wait = session::Wait::kAnswered;  // what it has seen is not known yet
    return false;
  }
  switch (spec.id) {
    case RedisCommand::kMulti:
      if (open) return refuse(session, "ERR MULTI calls can not be nested");
      if (session.transaction == nullptr) session.transaction = std::make_unique<Transaction>();
      session.transaction->open = true;
      session.transaction->replicated = std::make_unique<redis::ReplicatedCommand>();
      session.transaction->replicated->begin_transaction();
      return ok(session);
    case RedisCommand::kExec:
      if (!open) return refuse(session, "ERR EXEC without MULTI");
      return exec_replicated(session);
    case RedisCommand::kDiscard:
      if (!open) return refuse(session, "ERR DISCARD without MULTI");
      session.transaction.reset();
      return ok(session);
    case RedisCommand::kWatch:
      if (open) return refuse(session, "ERR WATCH inside MULTI is not allowed");
      return watch_replicated(session, spec);
    case RedisCommand::kUnwatch:
      if (open) break;
      session.transaction.reset();
      return ok(session);
    case RedisCommand::kReset:
    case RedisCommand::kQuit: return std::nullopt;
    default:
      if (!open) return std::nullopt;
  }
  return enqueue_replicated(session, spec);
}

bool RedisDialect::watch_replicated(Session& session, const CommandSpec& spec) {
  const auto& arguments = request_.arguments;
  if (names_reserved_key(spec)) return refuse(session, kReservedKey);
  Transaction* transaction = session.transaction.get();
  const bool watches = transaction != nullptr && !transaction->watched_key.empty();
  const std::string_view key = watches ? std::string_view(transaction->watched_key) : arguments[1];
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] == key) continue;
    return refuse(session, another_key(relay_.pool(session.pool).plan->name));
  }
  if (watches) return ok(session);
  const std::array<std::string_view, 2> one{arguments[0], key};
  const auto refusal = replicated_.assign(spec, one, relay_.pool(session.pool).plan->name);
  if (refusal) return refuse(session, *refusal);
  if (!relay_.replication().has_room(session, 1)) return false;
  if (transaction == nullptr) session.transaction = std::make_unique<Transaction>();
  session.transaction->watched_key = key;
  return relay_.replication().watch(session, replicated_);
}

bool RedisDialect::enqueue_replicated(Session& session, const CommandSpec& spec) {
  PoolRuntime& pool = relay_.pool(session.pool);
  redis::ReplicatedCommand& queued = *session.transaction->replicated;
  if (names_reserved_key(spec)) return refuse_in_transaction(session, kReservedKey);
  const auto refusal = queued.add_to_transaction(spec, request_.arguments, pool.plan->name);
  if (refusal) return refuse_in_transaction(session, *refusal);
  const std::string& watched = session.transaction->watched_key;
  if (!watched.empty() && queued.key() != watched) {
    return refuse_in_transaction(session, another_key(pool.plan->name));
  }
  if (queued.size() > pool.plan->max_split) {
    return refuse_in_transaction(session, "ERR transaction is larger than max_split");
  }
  session.transaction->writes = session.transaction->writes || may_replicate(session, spec);
  relay_.reply(session, "+QUEUED\r\n");
  return true;
}

bool RedisDialect::exec_replicated(Session& session) {
  Transaction& transaction = *session.transaction;
  if (transaction.aborted) {
    session.transaction.reset();
    return refuse(session, "EXECABORT Transaction discarded because of previous errors.");
  }
  if (transaction.replicated->empty()) {
    session.transaction.reset();
    relay_.reply(session, "*0\r\n");
    return true;
  }
  if (transaction.watch_lost) {
    session.transaction.reset();
    text_.clear();
    text_.append(is_resp3(session) ? "_\r\n" : "*-1\r\n");
    relay_.reply(session, text_);
    return true;
  }
  if (!transaction.watched_key.empty()) transaction.replicated->set_watched(transaction.watched);
  if (!relay_.replication().submit(session, *transaction.replicated)) return false;
  session.transaction.reset();
  return true;
}

/// EVAL, EVALSHA and SCRIPT. Nothing: it is none of these.
std::optional<bool> RedisDialect::script_replicated(Session& session, const CommandSpec& spec) {
  const auto& arguments = request_.arguments;
  ScriptShelf& shelf = relay_.facts().scripts;
  if (is_script(spec.id)) return eval_replicated(session, spec);
  switch (spec.id) {
    case RedisCommand::kScriptLoad:
      shelf.put(session.pool, arguments[2]);
      text_.clear();
      wire::append_bulk(text_, script_name(arguments[2]));
      break;
    case RedisCommand::kScriptExists:
      text_.clear();
      wire::append_array(text_, arguments.size() - 2);
      for (size_t i = 2; i < arguments.size(); ++i) {
        const bool known = shelf.find(session.pool, folded(arguments[i])) != nullptr;
        wire::append_integer(text_, known ? 1 : 0);
      }
      break;
    case RedisCommand::kScriptFlush: {
      const bool is_valid =
          arguments.size() == 2 ||
          (arguments.size() == 3 && (base::equal_ignoring_case(arguments[2], "sync") ||
                                     base::equal_ignoring_case(arguments[2], "async")));
      if (!is_valid) return refuse(session, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
      shelf.flush(session.pool);
      return ok(session);
    }
    default: return std::nullopt;
  }
  relay_.reply(session, text_);
  return true;
}

bool RedisDialect::eval_replicated(Session& session, const CommandSpec& spec) {
  const auto& arguments = request_.arguments;
  const bool by_name = spec.id == RedisCommand::kEvalsha || spec.id == RedisCommand::kEvalshaRo;
  if (by_name && arguments[1].size() != kNameSize) return refuse(session, kNoScript);
  const auto count = base::parse_integer<int64_t>(arguments[2]);
  if (!count) return refuse(session, "ERR value is not an integer or out of range");
  if (*count < 0) return refuse(session, "ERR Number of keys can't be negative");
  if (static_cast<size_t>(*count) > arguments.size() - 3) {
    return refuse(session, "ERR Number of keys can't be greater than number of args");
  }
  if (names_reserved_key(spec)) return refuse(session, kReservedKey);
  std::shared_ptr<const std::string> body;
  if (by_name) {
    body = relay_.facts().scripts.find(session.pool, folded(arguments[1]));
    if (body == nullptr) return refuse(session, kNoScript);
  }
  const std::span<const std::string_view> rest = std::span(arguments).subspan(3);
  const size_t keys = static_cast<size_t>(*count);
  const bool read_only = spec.id == RedisCommand::kEvalRo || spec.id == RedisCommand::kEvalshaRo;
  const auto refusal = replicated_.assign_script(by_name ? std::string_view(*body) : arguments[1],
                                                 rest.first(keys), rest.subspan(keys), read_only,
                                                 relay_.pool(session.pool).plan->name);
  if (refusal) return refuse(session, *refusal);
  if (!by_name) show_script(session, arguments[1]);
  return relay_.replication().submit(session, replicated_);
}

}  // namespace quorate::relay
