// What writes make of a state: a whole new one, a command that every replica runs, or one that a
// single replica runs for all. Conditions and times are decided here, so that replicas decide
// nothing (consistency.md §6.5, §6.10).
#include <algorithm>
#include <limits>

#include "backends/redis/replicated_command.h"
#include "backends/redis/waiting_command.h"
#include "backends/wire/resp_cursor.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/assert.h"
#include "consensus/base/text.h"

namespace quorate::redis {

using base::equal_ignoring_case;
using wire::RedisCommand;

namespace {

constexpr std::string_view kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
constexpr std::string_view kSyntax = "-ERR syntax error\r\n";
constexpr std::string_view kNotInteger = "-ERR value is not an integer or out of range\r\n";

void answer(Plan& out, std::string_view reply) {
  out.kind = Plan::Kind::kReply;
  out.reply = reply;
}

void write_string(Plan& out, std::string_view value, int64_t expires_at_ms) {
  out.kind = Plan::Kind::kFull;
  out.form = acceptor::Form::kString;
  out.payload = value;
  out.expires_at_ms = expires_at_ms;
}

void write_deleted(Plan& out) {
  out.kind = Plan::Kind::kFull;
  out.form = acceptor::Form::kDeleted;
  out.payload.clear();
  out.expires_at_ms = 0;
}

void write_expiry(Plan& out, int64_t expires_at_ms) {
  out.kind = Plan::Kind::kDelta;
  out.body = acceptor::Body::kNothing;
  out.shape = Plan::Shape::kFixed;
  out.expires_at_ms = expires_at_ms;
}

enum class Time : uint8_t { kSeconds, kMilliseconds, kAtSeconds, kAtMilliseconds };

/// An instant, as it is stored; nothing: out of range.
std::optional<int64_t> instant_of(int64_t amount, Time unit, int64_t now_ms) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const bool seconds = unit == Time::kSeconds || unit == Time::kAtSeconds;
  if (seconds && (amount > kMost / 1000 || amount < -(kMost / 1000))) return std::nullopt;
  if (seconds) amount *= 1000;
  const bool relative = unit == Time::kSeconds || unit == Time::kMilliseconds;
  if (!relative) return amount;
  if (amount > kMost - now_ms) return std::nullopt;
  return amount + now_ms;
}

struct SetOptions {
  bool only_new = false;
  bool only_old = false;
  bool get = false;
  bool keep_ttl = false;
  std::optional<Time> unit;
  std::string_view time;
};

std::optional<Time> time_option(std::string_view word) {
  if (equal_ignoring_case(word, "EX")) return Time::kSeconds;
  if (equal_ignoring_case(word, "PX")) return Time::kMilliseconds;
  if (equal_ignoring_case(word, "EXAT")) return Time::kAtSeconds;
  if (equal_ignoring_case(word, "PXAT")) return Time::kAtMilliseconds;
  return std::nullopt;
}

void append_invalid_expire(std::string& out, std::string_view name) {
  out.append("-ERR invalid expire time in '");
  for (const char c : name) out.push_back(base::ascii_lower(c));
  out.append("' command\r\n");
}

}  // namespace

bool ReplicatedCommand::needs_base() const { return class_ != ReplicationClass::kBlind; }

void ReplicatedCommand::plan(const BaseState& base, std::string_view read_reply, int64_t now_ms,
                             Plan& out) const {
  ASSERT(!is_read());
  out.shape = Plan::Shape::kAsIs;
  out.body = acceptor::Body::kCommand;
  out.reply_from = acceptor::ReplyFrom::kCommand;
  out.arguments.clear();
  out.argument_count = 0;
  out.shown_keys = 0;
  out.reply.clear();
  out.expires_at_ms = base.present() ? base.expires_at_ms : 0;
  if (kind_ == Kind::kCommand) {
    switch (id_) {
      case RedisCommand::kSet: return plan_set(base, read_reply, now_ms, out);
      case RedisCommand::kSetex:
      case RedisCommand::kPsetex: {
        const auto amount = base::parse_integer<int64_t>(part(2));
        if (!amount) return answer(out, kNotInteger);
        const auto unit = id_ == RedisCommand::kSetex ? Time::kSeconds : Time::kMilliseconds;
        const auto at = instant_of(*amount, unit, now_ms);
        if (*amount <= 0 || !at) {
          out.kind = Plan::Kind::kReply;
          return append_invalid_expire(out.reply, part(0));
        }
        write_string(out, part(3), *at);
        out.reply = "+OK\r\n";
        return;
      }
      case RedisCommand::kSetnx:
        if (base.present()) return answer(out, ":0\r\n");
        write_string(out, part(2), 0);
        out.reply = ":1\r\n";
        return;
      case RedisCommand::kGetset: return plan_getset(base, read_reply, out);
      case RedisCommand::kGetdel:
        if (!base.present()) return answer(out, "_\r\n");
        if (!reads_value(base, read_reply, out)) return;
        write_deleted(out);
        out.reply = read_reply;
        return;
      case RedisCommand::kGetex: return plan_getex(base, read_reply, now_ms, out);
      case RedisCommand::kDel:
      case RedisCommand::kUnlink:
        if (!base.present()) return answer(out, ":0\r\n");
        write_deleted(out);
        out.reply = ":1\r\n";
        return;
      case RedisCommand::kExpire:
      case RedisCommand::kPexpire:
      case RedisCommand::kExpireat:
      case RedisCommand::kPexpireat: return plan_expire(base, now_ms, out);
      case RedisCommand::kPersist:
        if (!base.present() || base.expires_at_ms == 0) return answer(out, ":0\r\n");
        write_expiry(out, 0);
        out.reply = ":1\r\n";
        return;
      default: break;
    }
  }
  const auto current = base.present() ? base.version : base::Version{};
  if (watched_ && *watched_ != current) return answer(out, "_\r\n");
  out.kind = class_ == ReplicationClass::kState ? Plan::Kind::kState : Plan::Kind::kDelta;
  out.arguments = bytes_;
  out.argument_count = static_cast<uint32_t>(parts_.size());
  switch (kind_) {
    case Kind::kTransaction: out.body = acceptor::Body::kTransaction; break;
    case Kind::kScript:
      out.body = id_ == RedisCommand::kEvalRo ? acceptor::Body::kReader : acceptor::Body::kScript;
      out.shown_keys = shown_keys_;
      break;
    case Kind::kCommand:
      out.reply_from = reply_from(id_);
      if (is_waiting_pop(id_)) plan_pop(base, out);
      break;
  }
}

void ReplicatedCommand::plan_pop(const BaseState& base, Plan& out) const {
  if (!base.present()) return answer(out, "_\r\n");
  std::vector<std::string_view> args;
  for (size_t i = 0; i < parts_.size(); ++i) args.push_back(part(i));
  const auto pop = without_waiting(id_, args);
  out.arguments.clear();
  for (const std::string_view arg : pop) wire::append_bulk(out.arguments, arg);
  out.argument_count = static_cast<uint32_t>(pop.size());
}

/// Whether `read_reply` is the string there; if not, `out` says what comes first instead.
bool ReplicatedCommand::reads_value(const BaseState& base, std::string_view read_reply,
                                    Plan& out) const {
  if (base.type != acceptor::Type::kString) {
    answer(out, kWrongType);
    return false;
  }
  if (!read_reply.empty()) return true;
  out.kind = Plan::Kind::kRead;
  wire::append_bulk(out.arguments, "GET");
  wire::append_bulk(out.arguments, key());
  out.argument_count = 2;
  return false;
}

void ReplicatedCommand::plan_set(const BaseState& base, std::string_view read_reply, int64_t now_ms,
                                 Plan& out) const {
  SetOptions options;
  for (size_t i = 3; i < parts_.size(); ++i) {
    const std::string_view word = part(i);
    const auto unit = time_option(word);
    if (unit && !options.unit && !options.keep_ttl && i + 1 < parts_.size()) {
      options.unit = unit;
      options.time = part(++i);
    } else if (equal_ignoring_case(word, "NX") && !options.only_old) {
      options.only_new = true;
    } else if (equal_ignoring_case(word, "XX") && !options.only_new) {
      options.only_old = true;
    } else if (equal_ignoring_case(word, "GET")) {
      options.get = true;
    } else if (equal_ignoring_case(word, "KEEPTTL") && !options.unit) {
      options.keep_ttl = true;
    } else {
      return answer(out, kSyntax);
    }
  }
  int64_t expires = options.keep_ttl && base.present() ? base.expires_at_ms : 0;
  if (options.unit) {
    const auto amount = base::parse_integer<int64_t>(options.time);
    if (!amount) return answer(out, kNotInteger);
    const auto at = instant_of(*amount, *options.unit, now_ms);
    if (*amount <= 0 || !at || *at <= 0) {
      out.kind = Plan::Kind::kReply;
      return append_invalid_expire(out.reply, part(0));
    }
    expires = *at;
  }
  std::string_view old = "_\r\n";
  if (options.get && base.present()) {
    if (!reads_value(base, read_reply, out)) return;
    old = read_reply;
  }
  const bool refused =
      (options.only_new && base.present()) || (options.only_old && !base.present());
  if (refused) return answer(out, options.get ? old : "_\r\n");
  if (expires != 0 && expires <= now_ms) {
    write_deleted(out);
  } else {
    write_string(out, part(2), expires);
  }
  out.reply = options.get ? old : "+OK\r\n";
}

void ReplicatedCommand::plan_getset(const BaseState& base, std::string_view read_reply,
                                    Plan& out) const {
  std::string_view old = "_\r\n";
  if (base.present()) {
    if (!reads_value(base, read_reply, out)) return;
    old = read_reply;
  }
  write_string(out, part(2), 0);
  out.reply = old;
}

void ReplicatedCommand::plan_getex(const BaseState& base, std::string_view read_reply,
                                   int64_t now_ms, Plan& out) const {
  // In this order a server looks: at the words, at the key, at the time.
  std::optional<Time> unit;
  std::string_view time;
  bool persist = false;
  for (size_t i = 2; i < parts_.size(); ++i) {
    const auto word = time_option(part(i));
    if (word && !persist && unit.value_or(*word) == *word && i + 1 < parts_.size()) {
      unit = word;
      time = part(++i);
    } else if (equal_ignoring_case(part(i), "PERSIST") && !unit) {
      persist = true;
    } else {
      return answer(out, kSyntax);
    }
  }
  if (!base.present()) return answer(out, "_\r\n");
  if (base.type != acceptor::Type::kString) return answer(out, kWrongType);
  std::optional<int64_t> expires;
  if (persist) expires = 0;
  if (unit) {
    const auto amount = base::parse_integer<int64_t>(time);
    if (!amount) return answer(out, kNotInteger);
    expires = instant_of(*amount, *unit, now_ms);
    if (*amount <= 0 || !expires) {
      out.kind = Plan::Kind::kReply;
      return append_invalid_expire(out.reply, part(0));
    }
  }
  if (!reads_value(base, read_reply, out)) return;
  if (!expires || *expires == base.expires_at_ms) return answer(out, read_reply);
  if (*expires != 0 && *expires <= now_ms) {
    write_deleted(out);
  } else {
    write_expiry(out, *expires);
  }
  out.reply = read_reply;
}

void ReplicatedCommand::plan_expire(const BaseState& base, int64_t now_ms, Plan& out) const {
  bool nx = false;
  bool xx = false;
  bool gt = false;
  bool lt = false;
  for (size_t i = 3; i < parts_.size(); ++i) {
    bool* option = equal_ignoring_case(part(i), "NX")   ? &nx
                   : equal_ignoring_case(part(i), "XX") ? &xx
                   : equal_ignoring_case(part(i), "GT") ? &gt
                   : equal_ignoring_case(part(i), "LT") ? &lt
                                                        : nullptr;
    if (option == nullptr) {
      return answer(out, "-ERR Unsupported option " + std::string(part(i)) + "\r\n");
    }
    *option = true;
  }
  if (nx && (xx || gt || lt)) {
    return answer(out, "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n");
  }
  if (gt && lt) {
    return answer(out, "-ERR GT and LT options at the same time are not compatible\r\n");
  }
  const auto amount = base::parse_integer<int64_t>(part(2));
  if (!amount) return answer(out, kNotInteger);
  const Time unit = id_ == RedisCommand::kExpire     ? Time::kSeconds
                    : id_ == RedisCommand::kPexpire  ? Time::kMilliseconds
                    : id_ == RedisCommand::kExpireat ? Time::kAtSeconds
                                                     : Time::kAtMilliseconds;
  const auto at = instant_of(*amount, unit, now_ms);
  if (!at) {
    out.kind = Plan::Kind::kReply;
    return append_invalid_expire(out.reply, part(0));
  }
  const int64_t current = base.expires_at_ms;  // 0: for ever
  const bool refused = !base.present() || (nx && current != 0) || (xx && current == 0) ||
                       (gt && (current == 0 || *at <= current)) ||
                       (lt && current != 0 && *at >= current);
  if (refused) return answer(out, ":0\r\n");
  if (*at <= now_ms) {
    write_deleted(out);
  } else {
    write_expiry(out, *at);
  }
  out.reply = ":1\r\n";
}

// --- the reply of a write ---

namespace {

/// What a command told in RESP2, as it would have told it in RESP3. A boolean is Lua's false: a
/// nil.
void append_retyped(RedisCommand command, std::string_view reply, std::string& out) {
  const bool is_map = command == RedisCommand::kXread || command == RedisCommand::kXreadgroup;
  const bool is_scores = command == RedisCommand::kZmscore || command == RedisCommand::kGeopos;
  wire::RespCursor cursor(reply);
  wire::RespElement element;
  for (bool first = true; !cursor.at_end(); first = false) {
    const std::string_view from = cursor.rest();
    if (!cursor.read(element)) return;
    if (first && is_map && element.is_array()) {
      wire::append_header(out, '%', element.count);
      for (int64_t pairs = element.count; pairs > 0; --pairs) {
        if (!cursor.read(element)) return;  // "*2": name and entries
        out.append(cursor.skip());
        append_retyped(RedisCommand::kUnknown, cursor.skip(), out);
      }
    } else if (element.type == '#') {
      out.append("_\r\n");
    } else if (is_scores && element.is_bulk()) {
      out.append(",").append(element.text).append("\r\n");
    } else {
      out.append(from, 0, from.size() - cursor.rest().size());
    }
  }
}

}  // namespace

bool ReplicatedCommand::finish_write(const Plan& plan, const acceptor::Answer& answered,
                                     std::string& out) const {
  if (plan.kind == Plan::Kind::kFull || plan.shape == Plan::Shape::kFixed) {
    out.append(plan.reply);
    return true;
  }
  if (!answered.meta.reply.empty()) {
    if (!names_its_key(id_)) {
      acceptor::expand_reply(answered.meta.reply, out);
      return true;
    }
    std::string element;
    acceptor::expand_reply(answered.meta.reply, element);
    append_with_key(key(), element, out);
    return true;
  }
  if (answered.kind != acceptor::AnswerKind::kOk) return false;
  if (plan.body == acceptor::Body::kTransaction) {
    unwrap(answered.reply, out);
  } else if (plan.reply_from == acceptor::ReplyFrom::kCommandResp2) {
    append_retyped(id_, answered.reply, out);
  } else if (names_its_key(id_)) {
    append_with_key(key(), answered.reply, out);
  } else {
    out.append(answered.reply);
  }
  return true;
}

/// Of a transaction: an array of arrays, each with a reply or, as Lua has no nil, without.
void ReplicatedCommand::unwrap(std::string_view replies, std::string& out) const {
  wire::RespCursor cursor(replies);
  wire::RespElement element;
  if (!cursor.read(element) || !element.is_array()) {
    out.append("-ERR the replica's reply is not known\r\n");
    return;
  }
  wire::append_array(out, static_cast<size_t>(element.count));
  size_t at = 0;
  for (int64_t left = element.count; left > 0; --left) {
    const Queued queued = next_queued(at);
    if (!cursor.read(element)) return;
    if (element.count == 0) {
      out.append("_\r\n");
      continue;
    }
    const std::string_view reply = cursor.skip();
    if (reply.starts_with('(')) {
      out.append(":").append(reply, 1);
    } else if (queued.names_its_key) {
      append_with_key(key(), reply, out);
    } else if (queued.reply_from == acceptor::ReplyFrom::kCommandResp2) {
      append_retyped(queued.id, reply, out);
    } else {
      out.append(reply);
    }
  }
}

}  // namespace quorate::redis
