// BLPOP and its kin, and XREAD and XREADGROUP with BLOCK, in a pool that keeps replicas. No server
// waits: the keys are popped (or read) one after the other without waiting, each as an operation of
// its own, and again after a pause, until there is something or the client's time is up.
//
//   try a, answered: nothing ─► try b, answered: nothing ─► pause ─► try a …
//                                                  └─ or until this worker has written to a or b
//
// One try at a time, so that never two elements are popped; and none once the client is gone. Its
// pause grows with the number of clients that wait, so that their tries stay a bounded load. Who
// waits longest is not served first: servers keep such an order, several proxies have none. Of
// several streams the first that has something is told, alone. What "$" stands for is asked once,
// before the first try.
#include <algorithm>
#include <array>

#include "backends/redis/replicated_command.h"
#include "backends/redis/waiting_command.h"
#include "backends/wire/key_walk.h"
#include "consensus/base/limits.h"
#include "proxy/relay/blocking_words.h"
#include "proxy/relay/redis_dialect.h"
#include "proxy/relay/replication.h"

namespace quorate::relay {

using session::BlockedCommand;
using wire::CommandSpec;
using wire::RedisCommand;

namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kShortestPause{50};
constexpr Milliseconds kLongestPause{1000};
constexpr Milliseconds kPausePerClient{1};

}  // namespace

bool RedisDialect::block_replicated(Session& session, const CommandSpec& spec) {
  if (session.input_ended) {  // nobody would read the reply
    session.closing = true;
    return true;
  }
  const auto& arguments = request_.arguments;
  const std::string& pool = relay_.pool(session.pool).plan->name;
  if (names_reserved_key(spec)) return refuse(session, kReservedKey);
  const auto timeout = timeout_of(spec.id, arguments);
  if (!timeout) return refuse(session, timeout_error(spec.id, arguments));
  if (redis::is_unbalanced(spec.id, arguments)) return refuse(session, redis::kUnbalancedStreams);
  auto blocked = std::make_unique<BlockedCommand>();
  for (const auto key : wire::KeyWalk(spec, arguments)) {
    const auto pop = redis::for_key(spec.id, arguments, arguments[key.index]);
    auto refusal = replicated_.assign(spec, pop, pool);
    if (!refusal && spec.id == RedisCommand::kXread && redis::reads_from_now(pop)) {
      refusal = ask_for_last_id(replicated_.key(), pool);
      if (blocked->words.empty()) blocked->words = {arguments.begin(), arguments.end()};
    }
    if (refusal) return refuse(session, *refusal);
    const bool is_known = std::ranges::any_of(
        blocked->pops,
        [this](const redis::ReplicatedCommand& one) { return one.key() == replicated_.key(); });
    if (!is_known) blocked->pops.push_back(replicated_);
  }
  if (blocked->pops.empty()) {
    return refuse(session, replicated_.assign(spec, arguments, pool).value_or("ERR syntax error"));
  }
  if (session.slots.in_flight() != 0) {
    session.wait = Wait::kAnswered;
    return false;
  }
  blocked->deadline = *timeout == Milliseconds::zero() ? base::kNever : relay_.now() + *timeout;
  session.blocked = std::move(blocked);
  relay_.begin_rounds(session, true);
  try_to_pop(session);
  return true;
}

void RedisDialect::try_to_pop(Session& session) {
  BlockedCommand& blocked = *session.blocked;
  if (blocked.is_asked) return;
  if (blocked.unblock == BlockedCommand::Unblock::kError) {
    return relay_.end_rounds(session, kUnblocked);
  }
  const bool was_tried = blocked.turn > 0;
  if (blocked.unblock == BlockedCommand::Unblock::kTimeout ||
      (was_tried && blocked.next == 0 && relay_.now() >= blocked.deadline)) {
    const auto command = static_cast<wire::RedisCommand>(session.last_command);
    return relay_.end_rounds(session, nothing_of(command, is_resp3(session)));
  }
  if (relay_.now() < blocked.again_at) return;
  blocked.is_asked = true;
  if (relay_.replication().try_to_pop(session, blocked.pops[blocked.next])) return;
  blocked.is_asked = false;
  pause(session);
}

void RedisDialect::on_tried(Session& session, bool got_nothing, std::string_view reply) {
  BlockedCommand& blocked = *session.blocked;
  blocked.is_asked = false;
  if (blocked.pops[blocked.next].id() == RedisCommand::kXinfoStream) {
    return read_from(session, redis::last_id_in(reply), reply);
  }
  if (!got_nothing) return relay_.end_rounds(session, reply);
  if (++blocked.next < blocked.pops.size()) return relay_.go_on_later(session);
  blocked.next = 0;
  ++blocked.turn;
  pause(session);
}

std::optional<std::string> RedisDialect::ask_for_last_id(std::string_view key,
                                                         const std::string& pool) {
  const std::string name(key);  // it may be what replicated_ holds
  const std::array<std::string_view, 3> words{"XINFO", "STREAM", name};
  return replicated_.assign(*wire::look_up_command(words).spec, words, pool);
}

/// The stream that was asked for its last ID is read from there on. `reply`: what it told.
void RedisDialect::read_from(Session& session, std::optional<std::string_view> id,
                             std::string_view reply) {
  if (!id) return relay_.end_rounds(session, reply);
  BlockedCommand& blocked = *session.blocked;
  redis::ReplicatedCommand& asked = blocked.pops[blocked.next];
  const std::vector<std::string_view> words(blocked.words.begin(), blocked.words.end());
  const std::string key(asked.key());
  auto read = redis::for_key(RedisCommand::kXread, words, key);
  read.back() = *id;
  const auto refusal =
      asked.assign(wire::redis_command_table()[static_cast<size_t>(RedisCommand::kXread)], read,
                   relay_.pool(session.pool).plan->name);
  ASSERT(!refusal);
  relay_.go_on_later(session);
}

void RedisDialect::pause(Session& session) {
  BlockedCommand& blocked = *session.blocked;
  const auto waiting = static_cast<int64_t>(relay_.pool(session.pool).counters.blocked);
  const auto length = std::clamp(kPausePerClient * waiting, kShortestPause, kLongestPause);
  blocked.again_at = std::min(relay_.now() + length, blocked.deadline);
  if (blocked.unblock != BlockedCommand::Unblock::kNo) return relay_.go_on_later(session);
  for (const redis::ReplicatedCommand& pop : blocked.pops) {
    relay_.replication().sleep(session.id, pop.key(), blocked.again_at);
  }
}

}  // namespace quorate::relay
