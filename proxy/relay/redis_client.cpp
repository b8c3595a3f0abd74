// CLIENT: what a client says of itself, and what it may ask about, or do to, the clients of its
// pool. The latter concerns every worker: it is gathered, and answered when all have answered.
#include <algorithm>

#include "backends/wire/command_error.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

using base::equal_ignoring_case;
using session::ClientAnswer;
using session::ClientFilter;
using session::ClientQuestion;
using wire::RedisCommand;

namespace {

constexpr std::string_view kSyntaxError = "ERR syntax error";
constexpr std::string_view kBadName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

session::ClientDetails& details_of(Session& session) {
  if (session.details == nullptr) session.details = std::make_unique<session::ClientDetails>();
  return *session.details;
}

std::string_view name_of(const Session& session) {
  return session.details != nullptr ? std::string_view(session.details->name) : std::string_view();
}

std::string_view user_of(const Session& session) {
  return session.details != nullptr ? std::string_view(session.details->user) : "default";
}

bool is_client_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c >= '!' && c <= '~'; });
}

/// "normal", "pubsub", "master", "replica", "slave". False: it is none of them.
bool filter_by_type(std::string_view type, ClientFilter& filter) {
  const bool normal = equal_ignoring_case(type, "normal");
  if (normal || equal_ignoring_case(type, "pubsub")) {
    filter.subscribed = !normal;
    return true;
  }
  for (const std::string_view other : {"master", "replica", "slave"}) {
    if (equal_ignoring_case(type, other)) filter.other_types_only = true;
  }
  return filter.other_types_only;
}

bool matches(const ClientFilter& filter, const Session& session) {
  if (filter.other_types_only || session.pool != filter.pool || session.dead) return false;
  if (filter.skip == session.client_id) return false;
  if (filter.subscribed && *filter.subscribed != session.is_subscribed()) return false;
  if (!filter.ids.empty() && std::ranges::find(filter.ids, session.client_id) == filter.ids.end()) {
    return false;
  }
  if (filter.user && *filter.user != user_of(session)) return false;
  if (filter.local_address && *filter.local_address != session.local_address()) return false;
  return !filter.address || *filter.address == session.peer.text(session.local_address());
}

}  // namespace

bool RedisDialect::client(Session& session, RedisCommand command) {
  const auto& arguments = request_.arguments;
  const auto is = [&arguments](size_t i, std::string_view word) {
    return i < arguments.size() && equal_ignoring_case(arguments[i], word);
  };
  text_.clear();
  switch (command) {
    case RedisCommand::kClientId:
      wire::append_integer(text_, static_cast<int64_t>(session.client_id));
      break;
    case RedisCommand::kClientGetname:
      if (name_of(session).empty()) {
        wire::append_null(text_, is_resp3(session));
      } else {
        wire::append_bulk(text_, name_of(session));
      }
      break;
    case RedisCommand::kClientSetname:
      if (!is_client_name(arguments[2])) return refuse(session, kBadName);
      details_of(session).name = arguments[2];
      return ok(session);
    case RedisCommand::kClientInfo: {
      std::string line;
      append_client_info(session, request_.size, line);
      wire::append_verbatim(text_, line, is_resp3(session));
      break;
    }
    case RedisCommand::kClientGetredir: wire::append_integer(text_, -1); break;
    case RedisCommand::kClientTrackinginfo:
      wire::append_map(text_, 3, is_resp3(session));
      wire::append_bulk(text_, "flags");
      wire::append_header(text_, is_resp3(session) ? '~' : '*', 1);
      wire::append_bulk(text_, "off");
      wire::append_bulk(text_, "redirect");
      wire::append_integer(text_, -1);
      wire::append_bulk(text_, "prefixes");
      wire::append_array(text_, 0);
      break;
    case RedisCommand::kClientNoEvict:
      if (!is(2, "on") && !is(2, "off")) return refuse(session, kSyntaxError);
      return ok(session);
    case RedisCommand::kClientReply: return client_reply(session);
    case RedisCommand::kClientList: return client_list(session);
    case RedisCommand::kClientKill: return client_kill(session);
    case RedisCommand::kClientPause: return client_pause(session);
    case RedisCommand::kClientUnpause:
      return gather(session,
                    {.kind = ClientQuestion::Kind::kUnpause, .filter = {.pool = session.pool}});
    case RedisCommand::kClientUnblock: return client_unblock(session);
    default:
      if (is(1, "setinfo")) return client_setinfo(session);
      wire::append_unknown_subcommand(text_, arguments);
      relay_.reply_own_error(session, text_);
      return true;
  }
  relay_.reply(session, text_);
  return true;
}

bool RedisDialect::client_reply(Session& session) {
  const std::string_view mode = request_.arguments[2];
  if (equal_ignoring_case(mode, "on")) {
    session.replies_off = session.skip_next_reply = false;
    return ok(session);
  }
  if (equal_ignoring_case(mode, "off")) {
    session.replies_off = true;
    return true;
  }
  if (!equal_ignoring_case(mode, "skip")) return refuse(session, kSyntaxError);
  session.skip_next_reply = !session.replies_off;
  return true;
}

// Of Redis 7.2, and sent by every newer client library: a 7.0 server refuses it.
bool RedisDialect::client_setinfo(Session& session) {
  const auto& arguments = request_.arguments;
  if (arguments.size() != 4) {
    return refuse(session, "ERR wrong number of arguments for 'client|setinfo' command");
  }
  if (!is_client_name(arguments[3])) {
    return refuse(session, std::string("ERR ")
                               .append(arguments[2])
                               .append(" cannot contain spaces, newlines or special characters."));
  }
  if (equal_ignoring_case(arguments[2], "lib-name")) {
    details_of(session).library_name = arguments[3];
  } else if (equal_ignoring_case(arguments[2], "lib-ver")) {
    details_of(session).library_version = arguments[3];
  } else {
    return refuse(session,
                  std::string("ERR Unrecognized option '").append(arguments[2]).append("'"));
  }
  return ok(session);
}

// --- about the clients of the pool ---

bool RedisDialect::gather(Session& session, ClientQuestion question) {
  relay_.gather(session, std::move(question));
  return true;
}

bool RedisDialect::client_list(Session& session) {
  const auto& arguments = request_.arguments;
  ClientQuestion question{.kind = ClientQuestion::Kind::kList,
                          .filter = {.pool = session.pool},
                          .asker_bytes = request_.size};
  if (arguments.size() == 4 && equal_ignoring_case(arguments[2], "type")) {
    if (!filter_by_type(arguments[3], question.filter)) {
      return refuse(session,
                    std::string("ERR Unknown client type '").append(arguments[3]).append("'"));
    }
  } else if (arguments.size() > 3 && equal_ignoring_case(arguments[2], "id")) {
    for (size_t i = 3; i < arguments.size(); ++i) {
      const auto id = base::parse_integer<uint64_t>(arguments[i]);
      if (!id) return refuse(session, "ERR Invalid client ID");
      question.filter.ids.push_back(*id);
    }
  } else if (arguments.size() != 2) {
    return refuse(session, kSyntaxError);
  }
  return gather(session, std::move(question));
}

bool RedisDialect::client_kill(Session& session) {
  const auto& arguments = request_.arguments;
  ClientQuestion question{.kind = ClientQuestion::Kind::kKill, .filter = {.pool = session.pool}};
  ClientFilter& filter = question.filter;
  if (arguments.size() == 3) {  // CLIENT KILL address: the old form
    filter.address = arguments[2];
    return gather(session, std::move(question));
  }
  filter.skip = session.client_id;
  for (size_t i = 2; i < arguments.size(); i += 2) {
    if (i + 1 == arguments.size()) return refuse(session, kSyntaxError);
    const std::string_view value = arguments[i + 1];
    if (equal_ignoring_case(arguments[i], "id")) {
      const auto id = base::parse_integer<int64_t>(value);
      if (!id || *id < 1) return refuse(session, "ERR client-id should be greater than 0");
      filter.ids = {static_cast<uint64_t>(*id)};
    } else if (equal_ignoring_case(arguments[i], "type")) {
      if (!filter_by_type(value, filter)) {
        return refuse(session, std::string("ERR Unknown client type '").append(value).append("'"));
      }
    } else if (equal_ignoring_case(arguments[i], "addr")) {
      filter.address = value;
    } else if (equal_ignoring_case(arguments[i], "laddr")) {
      filter.local_address = value;
    } else if (equal_ignoring_case(arguments[i], "user")) {
      if (value != "default") {
        return refuse(session, std::string("ERR No such user '").append(value).append("'"));
      }
      filter.user = value;
    } else if (equal_ignoring_case(arguments[i], "skipme")) {
      if (equal_ignoring_case(value, "no")) {
        filter.skip.reset();
      } else if (!equal_ignoring_case(value, "yes")) {
        return refuse(session, kSyntaxError);
      }
    } else {
      return refuse(session, kSyntaxError);
    }
  }
  return gather(session, std::move(question));
}

bool RedisDialect::client_pause(Session& session) {
  const auto& arguments = request_.arguments;
  const auto milliseconds = base::parse_integer<int64_t>(arguments[2]);
  bool writes_only = false;
  if (arguments.size() == 4) {
    writes_only = equal_ignoring_case(arguments[3], "write");
    if (!writes_only && !equal_ignoring_case(arguments[3], "all")) {
      return refuse(session, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
  }
  if (!milliseconds) return refuse(session, "ERR timeout is not an integer or out of range");
  if (*milliseconds < 0) return refuse(session, "ERR timeout is negative");
  return gather(session, {.kind = ClientQuestion::Kind::kPause,
                          .filter = {.pool = session.pool},
                          .pause_ms = std::min<int64_t>(*milliseconds, kLongestPauseMs),
                          .pause_writes_only = writes_only});
}

bool RedisDialect::client_unblock(Session& session) {
  const auto& arguments = request_.arguments;
  bool with_error = false;
  if (arguments.size() == 4) {
    with_error = equal_ignoring_case(arguments[3], "error");
    if (!with_error && !equal_ignoring_case(arguments[3], "timeout")) {
      return refuse(session, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
  }
  const auto id = base::parse_integer<int64_t>(arguments[2]);
  if (!id) return refuse(session, "ERR value is not an integer or out of range");
  return gather(session, {.kind = ClientQuestion::Kind::kUnblock,
                          .filter = {.pool = session.pool, .ids = {static_cast<uint64_t>(*id)}},
                          .unblock_with_error = with_error});
}

// A backend tells whoever reads a key on a tracking connection when that key changes. Here many
// clients read on one, and their keys live on several: nobody could tell whom to tell.
bool RedisDialect::client_tracking(Session& session) {
  const std::string_view mode = request_.arguments[2];
  if (equal_ignoring_case(mode, "off")) return ok(session);
  if (!equal_ignoring_case(mode, "on")) return refuse(session, kSyntaxError);
  return refuse(
      session,
      "ERR CLIENT TRACKING is not possible through quorate: clients share the connections "
      "to backends");
}

bool RedisDialect::client_caching(Session& session) {
  const std::string_view mode = request_.arguments[2];
  if (equal_ignoring_case(mode, "yes") || equal_ignoring_case(mode, "no")) {
    return refuse(session,
                  "ERR CLIENT CACHING can be called only when the client is in tracking mode with "
                  "OPTIN or OPTOUT mode enabled");
  }
  return refuse(session, kSyntaxError);
}

ClientAnswer RedisDialect::answer(const ClientQuestion& question) {
  ClientAnswer answer;
  switch (question.kind) {
    case ClientQuestion::Kind::kList:
      relay_.for_each_session([&](Session& session) {
        if (!matches(question.filter, session)) return;
        const bool asks = session.client_id == question.asker;
        // It may have said more since: what it asked is answered.
        const auto last = std::exchange(
            session.last_command,
            asks ? static_cast<uint16_t>(RedisCommand::kClientList) : session.last_command);
        append_client_info(session, asks ? question.asker_bytes : 0, answer.lines);
        session.last_command = last;
      });
      break;
    case ClientQuestion::Kind::kKill: {
      std::vector<Session*> killed;
      relay_.for_each_session([&](Session& session) {
        if (matches(question.filter, session)) killed.push_back(&session);
      });
      for (Session* session : killed) {
        if (!kills_asker(*session, question)) relay_.kill(*session);
      }
      answer.count = killed.size();
      break;
    }
    case ClientQuestion::Kind::kPause:
      relay_.pause(question.filter.pool, std::chrono::milliseconds(question.pause_ms),
                   question.pause_writes_only);
      break;
    case ClientQuestion::Kind::kUnpause: relay_.unpause(question.filter.pool); break;
    case ClientQuestion::Kind::kUnblock:
      relay_.for_each_session([&](Session& session) {
        if (!matches(question.filter, session) || session.wait != Wait::kBlocked) return;
        unblock(session, question.unblock_with_error);
        ++answer.count;
      });
      break;
  }
  return answer;
}

bool RedisDialect::kills_asker(const Session& session, const ClientQuestion& question) {
  return question.kind == ClientQuestion::Kind::kKill && session.client_id == question.asker &&
         matches(question.filter, session);
}

void RedisDialect::append_gathered(std::string& out, const Session& session,
                                   const ClientQuestion& question,
                                   const std::vector<ClientAnswer>& answers) {
  ClientAnswer sum;
  for (const ClientAnswer& one : answers) {
    sum.lines.append(one.lines);
    sum.count += one.count;
  }
  switch (question.kind) {
    case ClientQuestion::Kind::kList:
      wire::append_verbatim(out, sum.lines, is_resp3(session));
      return;
    case ClientQuestion::Kind::kKill: {
      const bool old_form = question.filter.address && !question.filter.skip &&
                            question.filter.ids.empty() && !question.filter.user;
      if (!old_form) return wire::append_integer(out, static_cast<int64_t>(sum.count));
      if (sum.count == 0) return wire::append_error(out, "ERR No such client");
      out.append("+OK\r\n");
      return;
    }
    case ClientQuestion::Kind::kUnblock:
      return wire::append_integer(out, static_cast<int64_t>(sum.count));
    case ClientQuestion::Kind::kPause:
    case ClientQuestion::Kind::kUnpause: out.append("+OK\r\n"); return;
  }
}

void RedisDialect::append_client_info(const Session& session, size_t running,
                                      std::string& out) const {
  const auto seconds = [this](base::Instant since) {
    return std::to_string(
        std::chrono::duration_cast<std::chrono::seconds>(relay_.now() - since).count());
  };
  bool first = true;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!std::exchange(first, false)) out.push_back(' ');
    out.append(name).append("=").append(value);
  };
  const auto number = [&](std::string_view name, uint64_t value) {
    add(name, std::to_string(value));
  };
  const bool known = session.last_command < wire::kRedisCommandCount;
  number("id", session.client_id);
  add("addr", session.peer.text(session.local_address()));
  add("laddr", session.local_address());
  add("fd", "-1");
  add("name", name_of(session));
  add("age", seconds(session.created));
  add("idle", seconds(session.last_input));
  std::string flags;
  if (session.is_subscribed()) flags.push_back('P');
  if (session.transaction != nullptr && session.transaction->open) flags.push_back('x');
  if (session.is_blocked()) flags.push_back('b');
  add("flags", flags.empty() ? "N" : flags);
  number("db", session.database);
  const session::Subscriber none;
  const session::Subscriber& subscriber =
      session.subscriber != nullptr ? *session.subscriber : none;
  number("sub", subscriber.count(session::TopicKind::kChannel));
  number("psub", subscriber.count(session::TopicKind::kPattern));
  number("ssub", subscriber.count(session::TopicKind::kShard));
  add("multi", "-1");
  const size_t unsent = session.output.size() + session.slots.held_bytes();
  number("qbuf", session.carry.size() + running);
  add("qbuf-free", "0");
  add("argv-mem", "0");
  add("multi-mem", "0");
  add("rbs", "0");
  add("rbp", "0");
  add("obl", "0");
  add("oll", "0");
  number("omem", unsent);
  number("tot-mem", session.carry.size() + running + unsent);
  add("events", "r");
  add("cmd", known ? wire::redis_command_table()[session.last_command].name : "NULL");
  add("user", user_of(session));
  add("redir", "-1");
  add("resp", is_resp3(session) ? "3" : "2");
  if (session.details != nullptr) {
    add("lib-name", session.details->library_name);
    add("lib-ver", session.details->library_version);
  }
  out.push_back('\n');
}

}  // namespace quorate::relay
