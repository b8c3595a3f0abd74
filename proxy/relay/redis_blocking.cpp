// Commands that wait on the server: BLPOP and its kin, XREAD BLOCK, WAIT.
//
// With all keys on one backend the command goes there as it is, on a connection of the session's
// own for as long as it waits, and the backend does everything: the time-out is its, and CLIENT
// UNBLOCK is passed on to it. The session parses nothing meanwhile, but is read from, so that its
// end is noticed; the connection is then closed, and nothing is popped for nobody.
//
// With keys on several backends a pop goes in rounds, one step at a time, so that never two
// elements can be popped:
//
//   every run of keys that are on one backend is asked, in the order of the keys, without waiting:
//   MULTI, BLPOP, EXEC (inside MULTI it does not wait, and its reply keeps its shape)
//   then one backend, each in turn, is waited on for a slice of time: BLPOP with all of its keys
//   and so on, until something is popped, the client's time is up, or a backend is lost
//
// So an element is found within a slice wherever it is pushed, and an earlier key wins over a later
// one as far as a round can tell; clients that wait for the same key are served in no certain
// order. A slice grows with the number of clients that wait, so that their rounds stay a bounded
// load.
//
// WAIT counts replicas that have everything its connection wrote. The client's writes travelled on
// shared connections and are answered by now; after a PING the pinned connection stands where its
// server stands, which includes them. With several backends they are asked one after the other,
// with the time that is left, and the one with fewest replicas counts: any of them may hold a
// write.
#include <algorithm>

#include "backends/wire/key_walk.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/blocking_words.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

using session::BlockedCommand;
using wire::CommandSpec;
using wire::RedisCommand;

namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kShortestSlice{100};
constexpr Milliseconds kLongestSlice{1000};
constexpr Milliseconds kSlicePerClient{1};
// A server looks at its clients' time-outs when its timer ticks: ten times a second by default.
constexpr Milliseconds kServerLateness{1000};

bool pops_from_any(RedisCommand command) {
  switch (command) {
    case RedisCommand::kBlpop:
    case RedisCommand::kBrpop:
    case RedisCommand::kBzpopmin:
    case RedisCommand::kBzpopmax:
    case RedisCommand::kBlmpop:
    case RedisCommand::kBzmpop: return true;
    default: return false;
  }
}

bool is_nil(std::string_view reply) {
  return reply == "*-1\r\n" || reply == "_\r\n" || reply == "$-1\r\n";
}

/// As BLPOP takes it: seconds.
std::string seconds_text(Milliseconds duration) {
  const std::string milliseconds = std::to_string(duration.count() % 1000);
  return std::to_string(duration.count() / 1000) + "." + std::string(3 - milliseconds.size(), '0') +
         milliseconds;
}

}  // namespace

bool RedisDialect::refuse_pin(Session& session, const link::Upstream& upstream,
                              Relay::PinResult result) {
  if (result == Relay::PinResult::kAllLent) {
    return refuse(session, Relay::all_lent_error(upstream));
  }
  return refuse_pick(session, upstream);
}

// A backend without the session's database would run the command in another one: ask before.
// False: the session waits for the answer, or was refused.
bool RedisDialect::has_database(Session& session, link::Upstream& upstream) {
  if (upstream.knows_database(session.database)) return true;
  const auto inquiry = inquiries_.find(session.client_id);
  const bool was_refused = inquiry != inquiries_.end() && !inquiry->second.refusal.empty();
  link::Link* link = was_refused ? nullptr : relay_.question_link(upstream);
  if (link == nullptr) {
    refuse_pick(session, upstream);
  } else {
    relay_.ask_database(session, *link, session.database, kDatabase);
  }
  return false;
}

bool RedisDialect::block(Session& session, const CommandSpec& spec, std::string_view raw) {
  if (session.input_ended) {  // nobody would read the reply
    session.closing = true;
    return true;
  }
  PoolRuntime& pool = relay_.pool(session.pool);
  const wire::KeyWalk keys(spec, request_.arguments);
  // Without a key, or with arguments that name none: whichever server it is, it will say so.
  if (keys.empty()) return block_on_one(session, spec, relay_.any_upstream(pool, session), raw);
  bool crosses = false;
  link::Upstream& upstream = *backend_of_keys(session, spec, crosses);
  const bool elsewhere = session.pin != nullptr && session.pin->upstream() != upstream.number();
  if (elsewhere && !session.holds_pin) {  // what is in flight there comes first
    session.wait = Wait::kAnswered;
    return false;
  }
  if (!crosses && !elsewhere) return block_on_one(session, spec, upstream, raw);
  if (!pops_from_any(spec.id) || session.holds_pin) return refuse(session, kCrossSlot);
  return block_on_several(session, spec, raw);
}

bool RedisDialect::block_on_one(Session& session, const CommandSpec& spec, link::Upstream& upstream,
                                std::string_view raw) {
  if (!upstream.available()) return refuse_pick(session, upstream);
  if (!has_database(session, upstream)) return session.wait == Wait::kNone;
  const auto result = relay_.pin(session, upstream);
  if (result == Relay::PinResult::kWait) return false;
  if (result != Relay::PinResult::kPinned) return refuse_pin(session, upstream, result);
  relay_.select_database(*session.pin, session.database);
  if (spec.id == RedisCommand::kWait) say_quietly(session, "PING");
  // What the server refuses it answers at once.
  const auto timeout = timeout_of(spec.id, request_.arguments);
  const base::Instant until =
      timeout == Milliseconds::zero()
          ? base::kNever
          : relay_.now() + timeout.value_or(Milliseconds::zero()) + kServerLateness;
  const bool is_write =
      !spec.flags.has(wire::CommandFlag::kReadonly) && spec.id != RedisCommand::kWait;
  relay_.forward_blocking(session, raw, {.is_write = is_write, .detail = session.database}, until);
  return true;
}

bool RedisDialect::block_on_several(Session& session, const CommandSpec& spec,
                                    std::string_view raw) {
  PoolRuntime& pool = relay_.pool(session.pool);
  const wire::KeyWalk keys(spec, request_.arguments);
  const auto timeout = timeout_of(spec.id, request_.arguments);
  if (!timeout) {  // it will be refused before it looks at a key
    return block_on_one(session, spec, relay_.any_upstream(pool, session), raw);
  }
  if (session.slots.in_flight() != 0) {
    session.wait = Wait::kAnswered;
    return false;
  }
  auto blocked = std::make_unique<BlockedCommand>();
  for (const auto key : keys) {
    link::Upstream& upstream = relay_.upstream_for(pool, request_.arguments[key.index]);
    if (!has_database(session, upstream)) return session.wait == Wait::kNone;
    const uint32_t group = pool.plan->group_of(request_.arguments[key.index], upstream.number());
    if (blocked->runs.empty() || blocked->runs.back().group != group) {
      blocked->runs.push_back({.upstream = upstream.number(), .group = group, .keys = {}});
    }
    blocked->runs.back().keys.push_back(key.index);
  }
  blocked->words.assign(request_.arguments.begin(), request_.arguments.end());
  blocked->deadline = *timeout == Milliseconds::zero() ? base::kNever : relay_.now() + *timeout;
  session.blocked = std::move(blocked);
  relay_.begin_rounds(session, true);
  go_on(session);
  return true;
}

bool RedisDialect::wait_for_replicas(Session& session, const CommandSpec& spec,
                                     std::string_view raw) {
  if (session.input_ended) {
    session.closing = true;
    return true;
  }
  PoolRuntime& pool = relay_.pool(session.pool);
  const auto timeout = timeout_of(spec.id, request_.arguments);
  const bool is_valid = timeout && base::parse_integer<int64_t>(request_.arguments[1]);
  if (session.slots.in_flight() != 0) {
    session.wait = Wait::kAnswered;
    return false;
  }
  if (pool.plan->members.size() == 1 || !is_valid) {
    return block_on_one(session, spec, relay_.any_upstream(pool, session), raw);
  }
  if (session.pin != nullptr) return refuse(session, kCrossSlot);
  auto blocked = std::make_unique<BlockedCommand>();
  for (const cluster::BackendId member : pool.plan->members) {
    blocked->runs.push_back({.upstream = member, .group = member, .keys = {}});
  }
  blocked->words.assign(request_.arguments.begin(), request_.arguments.end());
  blocked->is_wait = true;
  blocked->deadline = *timeout == Milliseconds::zero() ? base::kNever : relay_.now() + *timeout;
  session.blocked = std::move(blocked);
  relay_.begin_rounds(session, false);
  go_on(session);
  return true;
}

// --- rounds ---

void RedisDialect::go_on(Session& session) {
  BlockedCommand& blocked = *session.blocked;
  if (!blocked.pops.empty()) return try_to_pop(session);
  if (session.pin != nullptr) return;  // a step is not answered yet
  const bool all_asked = blocked.next == blocked.runs.size();
  const bool is_late = relay_.now() >= blocked.deadline && (all_asked || blocked.turn > 0);
  if (blocked.unblock == BlockedCommand::Unblock::kError) {
    return relay_.end_rounds(session, kUnblocked);
  }
  if (blocked.unblock == BlockedCommand::Unblock::kTimeout || (!blocked.is_wait && is_late) ||
      (blocked.is_wait && all_asked)) {
    return end_waiting(session);
  }
  const auto& run = blocked.runs[all_asked ? blocked.turn % blocked.runs.size() : blocked.next];
  link::Upstream& upstream = *relay_.upstream(run.upstream);
  const auto result = relay_.pin(session, upstream, 1);
  if (result == Relay::PinResult::kWait) return;
  if (result != Relay::PinResult::kPinned) {
    text_.clear();
    if (result == Relay::PinResult::kAllLent) {
      wire::append_error(text_, Relay::all_lent_error(upstream));
    } else {
      append_end(text_, upstream, {}, RequestEnd::kNotExecuted);
    }
    return relay_.end_rounds(session, text_);
  }
  relay_.select_database(*session.pin, session.database);
  if (blocked.is_wait) {
    send_wait(session);
  } else if (all_asked) {
    send_slice(session, run.group);
  } else {
    send_poll(session, run);
  }
}

void RedisDialect::send_poll(Session& session, const BlockedCommand::Run& run) {
  say_quietly(session, "MULTI");
  // (If MULTI were refused the command would wait, hence for a short time only.)
  text_.clear();
  append_part(*session.blocked, run.keys, seconds_text(kShortestSlice), text_);
  relay_.forward_round(session, text_,
                       {.is_write = true, .opcode = kQueued, .detail = session.database});
  text_.clear();
  wire::append_command(text_, {"EXEC"});
  relay_.forward_round(session, text_,
                       {.is_write = true, .opcode = kExecuted, .detail = session.database});
}

void RedisDialect::send_slice(Session& session, uint32_t group) {
  const BlockedCommand& blocked = *session.blocked;
  const auto waiting = static_cast<int64_t>(relay_.pool(session.pool).counters.blocked);
  Milliseconds slice = std::clamp(kSlicePerClient * waiting, kShortestSlice, kLongestSlice);
  if (blocked.deadline != base::kNever) {
    slice = std::min(slice, std::chrono::ceil<Milliseconds>(blocked.deadline - relay_.now()));
  }
  std::vector<uint32_t> keys;
  for (const auto& run : blocked.runs) {
    if (run.group == group) keys.insert(keys.end(), run.keys.begin(), run.keys.end());
  }
  text_.clear();
  append_part(blocked, keys, seconds_text(slice), text_);
  relay_.forward_blocking_round(session, text_,
                                {.is_write = true, .opcode = kWaited, .detail = session.database},
                                relay_.now() + slice + kServerLateness);
}

void RedisDialect::send_wait(Session& session) {
  const BlockedCommand& blocked = *session.blocked;
  std::string left = "0";
  base::Instant until = base::kNever;
  if (blocked.deadline != base::kNever) {
    const auto rest = std::chrono::ceil<Milliseconds>(blocked.deadline - relay_.now());
    left = std::to_string(std::max<int64_t>(rest.count(), 1));
    until = std::max(blocked.deadline, relay_.now()) + kServerLateness;
  }
  say_quietly(session, "PING");
  text_.clear();
  wire::append_command(text_, {blocked.words[0], blocked.words[1], left});
  relay_.forward_blocking_round(session, text_, {.opcode = kReplicas, .detail = session.database},
                                until);
}

/// The command with `keys` for its keys and `timeout` for its time-out.
void RedisDialect::append_part(const BlockedCommand& blocked, const std::vector<uint32_t>& keys,
                               std::string_view timeout, std::string& out) {
  std::vector<std::string_view> words = {blocked.words.front()};
  const bool counts_keys = blocked.runs.front().keys.front() == 3;  // BLMPOP 0 2 a b LEFT
  const std::string count = std::to_string(keys.size());
  if (counts_keys) words.insert(words.end(), {timeout, count});
  for (const uint32_t key : keys) words.push_back(blocked.words[key]);
  if (counts_keys) {
    const size_t behind_keys = 3 + base::parse_integer<size_t>(blocked.words[2]).value_or(0);
    for (size_t i = behind_keys; i < blocked.words.size(); ++i) words.push_back(blocked.words[i]);
  } else {
    words.push_back(timeout);
  }
  wire::append_command(out, words);
}

void RedisDialect::end_waiting(Session& session) {
  const BlockedCommand& blocked = *session.blocked;
  if (!blocked.is_wait) return relay_.end_rounds(session, is_resp3(session) ? "_\r\n" : "*-1\r\n");
  text_.clear();
  wire::append_integer(text_, blocked.least == INT64_MAX ? 0 : blocked.least);
  relay_.end_rounds(session, text_);
}

RedisDialect::RoundPart RedisDialect::on_round(Session& session, const link::Pending& pending,
                                               const link::ReplyPiece& piece) {
  constexpr std::string_view kOneReply = "*1\r\n";
  BlockedCommand& blocked = *session.blocked;
  const std::string_view reply = piece.view();
  switch (static_cast<Step>(pending.opcode)) {
    case kQueued:
      if (reply.starts_with('-')) blocked.refusal = reply;
      return {.is_reply = !reply.starts_with('-') && !reply.starts_with('+') && !is_nil(reply)};
    case kExecuted:
      if (reply.starts_with('-') && !blocked.refusal.empty()) {
        const std::string refusal = std::move(blocked.refusal);
        relay_.end_rounds(session, refusal);
        return {};
      }
      if (reply.starts_with('-')) return {.is_reply = true};
      if (reply.starts_with(kOneReply) && !is_nil(reply.substr(kOneReply.size()))) {
        return {.is_reply = true, .without = kOneReply.size()};
      }
      ++blocked.next;
      break;
    case kWaited:
      if (!is_nil(reply)) return {.is_reply = true};
      blocked.next = 0;
      ++blocked.turn;
      break;
    case kReplicas: {
      const auto count = base::parse_integer<int64_t>(reply.substr(1, reply.find("\r\n") - 1));
      if (!reply.starts_with(':') || !count) return {.is_reply = true};
      blocked.least = std::min(blocked.least, *count);
      ++blocked.next;
      break;
    }
  }
  relay_.go_on_later(session);
  return {};
}

// --- CLIENT UNBLOCK ---

void RedisDialect::unblock(Session& session, bool with_error) {
  if (session.blocked != nullptr) {
    session.blocked->unblock =
        with_error ? BlockedCommand::Unblock::kError : BlockedCommand::Unblock::kTimeout;
    if (!session.blocked->pops.empty()) return relay_.go_on_later(session);
  }
  link::Link* pin = session.pin;
  if (pin == nullptr || pin->pendings().empty()) return;
  // The connection may still be made: nobody is asked who has not been told to wait.
  const auto command = static_cast<RedisCommand>(session.last_command);
  if (relay_.end_unsent(session, with_error ? kUnblocked : nothing_of(command, is_resp3(session))))
    return;
  // A step that does not wait is answered soon; that is when it ends.
  if (!pin->pendings().back().is_blocking) return;
  link::Link* link = relay_.question_link(*relay_.upstream(pin->upstream()));
  // A server that does not say who we are, or cannot be asked: then only the connection's end
  // helps, and the client is told that the outcome is unknown.
  if (link == nullptr || pin->client_id() == 0) return relay_.lose_pin(session);
  text_.clear();
  wire::append_command(text_, {"CLIENT", "UNBLOCK", std::to_string(pin->client_id()),
                               with_error ? "ERROR" : "TIMEOUT"});
  relay_.ask_about(session, *link, text_, kUnblocking, session.slots.head(), with_error ? 1 : 0);
}

}  // namespace quorate::relay
