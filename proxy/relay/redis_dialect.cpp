#include "proxy/relay/redis_dialect.h"

#include <algorithm>
#include <array>

#include "backends/redis/handshake.h"
#include "backends/wire/command_error.h"
#include "backends/wire/key_walk.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"

namespace quorate::relay {

using wire::CommandFlag;
using wire::CommandSpec;
using wire::RedisCommand;
using wire::RouteClass;

namespace {

std::string refusal_text(std::string_view before, std::string_view name, std::string_view behind) {
  return std::string(before).append(name).append(behind);
}

bool may_write(const CommandSpec& spec) { return !spec.flags.has(CommandFlag::kReadonly); }

bool is_evalsha(RedisCommand command) {
  return command == RedisCommand::kEvalsha || command == RedisCommand::kEvalshaRo;
}

JoinKind join_kind(wire::ReplyJoin how) {
  switch (how) {
    case wire::ReplyJoin::kByPosition: return JoinKind::kElements;
    case wire::ReplyJoin::kSum: return JoinKind::kSum;
    case wire::ReplyJoin::kMinimum: return JoinKind::kMinimum;
    case wire::ReplyJoin::kEachMinimum: return JoinKind::kEachMinimum;
    case wire::ReplyJoin::kConcatenate: return JoinKind::kConcat;
    case wire::ReplyJoin::kFirstNonNil: return JoinKind::kFirstNonNil;
    case wire::ReplyJoin::kFirstSuccess: return JoinKind::kFirstSuccess;
    case wire::ReplyJoin::kNone:
    case wire::ReplyJoin::kAllOk:
    case wire::ReplyJoin::kSame: break;
  }
  return JoinKind::kFirst;
}

}  // namespace

RedisDialect::RedisDialect(Relay& relay) : relay_(relay) {}

// --- to one backend ---

// pick_link(), and the link speaks of the session's database when it returns kLink.
Relay::Pick RedisDialect::pick_for_database(Session& session, link::Upstream& upstream,
                                            Relay::Use use, link::Link*& link) {
  const auto pick = relay_.pick_link(session, upstream, use, link);
  if (pick != Relay::Pick::kLink || session.database == link->database()) [[likely]]
    return pick;
  if (!upstream.knows_database(session.database)) {
    // A backend without this database would run the command in another one: ask before.
    relay_.ask_database(session, *link, session.database, kDatabase);
    return Relay::Pick::kWait;
  }
  relay_.select_database(*link, session.database);
  return pick;
}

bool RedisDialect::send_to(Session& session, const CommandSpec& spec, link::Upstream& upstream,
                           std::string_view raw, uint8_t shape) {
  const auto use = raw.size() > limits::kReadBytes ? Relay::Use::kLarge : Relay::Use::kAny;
  return send_for(session, spec, upstream, use, raw, shape);
}

bool RedisDialect::send_for(Session& session, const CommandSpec& spec, link::Upstream& upstream,
                            Relay::Use use, std::string_view raw, uint8_t shape) {
  link::Link* link = nullptr;
  switch (pick_for_database(session, upstream, use, link)) {
    case Relay::Pick::kWait: return false;
    case Relay::Pick::kUnavailable: return refuse_pick(session, upstream);
    case Relay::Pick::kLink: break;
  }
  relay_.forward(session, *link, raw.data(), raw.size(),
                 {.is_write = may_write(spec), .shape = shape, .detail = session.database});
  return true;
}

// --- dispatch ---

// Most commands by far have one key, at a fixed place, and come from a client that has said nothing
// out of the ordinary: what those pass through is here, and all else is one look away.
[[gnu::always_inline]] inline bool RedisDialect::dispatch(Session& session, std::string_view raw) {
  const auto lookup = wire::look_up_command(request_.arguments);
  const bool is_ordinary = lookup.error == wire::CommandError::kNone && !session.any_detour() &&
                           !relay_.any_pause() && raw.size() <= limits::kReadBytes;
  if (is_ordinary) [[likely]] {
    const CommandSpec& spec = *lookup.spec;
    const uint8_t key = wire::lone_key_of(spec.id);
    if (key != 0) [[likely]] {
      link::Upstream& upstream =
          relay_.upstream_for(relay_.pool(session.pool), request_.arguments[key]);
      link::Link* link = upstream.plain_link(session.flavor, session.id.place);
      if (link != nullptr && link->has_room() && link->database() == session.database) [[likely]] {
        session.last_command = static_cast<uint16_t>(spec.id);
        relay_.forward(session, *link, raw.data(), raw.size(),
                       {.is_write = may_write(spec), .detail = session.database});
        return true;
      }
    }
  }
  return dispatch_with_care(session, lookup, raw);
}

// What was asked for the sake of a command, and is answered when it needs no answer any more,
// counts for no other.
[[gnu::noinline]] bool RedisDialect::dispatch_with_care(Session& session,
                                                        const wire::CommandLookup& lookup,
                                                        std::string_view raw) {
  const bool done = dispatch_by_circumstances(session, lookup, raw);
  if (done && !inquiries_.empty()) inquiries_.erase(session.client_id);
  return done;
}

bool RedisDialect::dispatch_by_circumstances(Session& session, const wire::CommandLookup& lookup,
                                             std::string_view raw) {
  if (lookup.error != wire::CommandError::kNone) [[unlikely]] {
    if (session.authenticated && lookup.error == wire::CommandError::kUnknownCommand) {
      return dispatch_unknown(session, raw);
    }
    abort_transaction(session);
    if (session.authenticated && lookup.error == wire::CommandError::kUnknownSubcommand &&
        lookup.spec->id == RedisCommand::kClient) {
      return client(session, RedisCommand::kUnknown);
    }
    text_.clear();
    wire::append_command_error(text_, lookup, request_.arguments);
    relay_.reply_own_error(session, text_);
    return true;
  }
  const CommandSpec& spec = *lookup.spec;
  if (session.restricted) [[unlikely]] {
    if (!session.authenticated && !spec.flags.has(CommandFlag::kNoAuth)) {
      return refuse(session, "NOAUTH Authentication required.");
    }
    if (session.in_subscriber_mode() && refuse_for_subscriber(session, spec)) return true;
    if (session.user != nullptr && refuse_by_user(session, spec)) return true;
    if (session.replicated) return dispatch_replicated(session, spec, raw);
    if (session.reads_replicas && reads_only(session, spec)) return to_replica(session, spec, raw);
  }
  session.last_command = static_cast<uint16_t>(spec.id);
  if (relay_.is_paused(relay_.pool(session.pool)) && is_held_up(session, spec)) [[unlikely]] {
    if (spec.id != RedisCommand::kFcall) {
      relay_.wait_for_unpause(session);
      return false;
    }
    if (waits_as_function(session)) return false;
  }
  if (session.transaction != nullptr) [[unlikely]] {
    if (session.transaction->open) return transact(session, spec, raw);
  }
  const uint8_t key = wire::lone_key_of(spec.id);
  if (key == 0) return route(session, spec, raw);
  link::Upstream& upstream =
      relay_.upstream_for(relay_.pool(session.pool), request_.arguments[key]);
  return send_to(session, spec, upstream, raw, kAsIs);
}

// A line is sent on as an array, framed again, so that what follows sees one kind of command only.
[[gnu::noinline]] bool RedisDialect::dispatch_inline(Session& session) {
  encoded_.clear();
  wire::append_command(encoded_, request_.arguments);
  const size_t inline_size = request_.size;
  const auto status =
      wire::frame_request(encoded_.data(), encoded_.data() + encoded_.size(), {}, request_);
  ASSERT(status == wire::RequestStatus::kComplete);
  const bool done = dispatch(session, encoded_);
  request_.size = inline_size;
  return done;
}

// --- framing ---

size_t RedisDialect::step(Session& session, const char* begin, const char* end) {
  static constexpr wire::RequestLimits kUnauthenticated{.count = limits::kUnauthenticatedCount,
                                                        .bulk = limits::kUnauthenticatedBulk,
                                                        .authenticated = false};
  const wire::RequestLimits& limits =
      session.authenticated ? relay_.pool(session.pool).request_limits : kUnauthenticated;
  switch (wire::frame_request(begin, end, limits, request_)) {
    case wire::RequestStatus::kComplete:
      if (request_.is_inline) [[unlikely]]
        return dispatch_inline(session) ? request_.size : 0;
      return dispatch(session, {begin, request_.size}) ? request_.size : 0;
    case wire::RequestStatus::kNothing: return request_.size;
    case wire::RequestStatus::kIncomplete: return 0;
    case wire::RequestStatus::kLarge: return begin_large(session, begin, end);
    case wire::RequestStatus::kError: refuse_framing(session, request_.error); break;
  }
  return static_cast<size_t>(end - begin);
}

Dialect::LargePart RedisDialect::feed_large(Session& session, const char* begin, const char* end) {
  const auto progress = std::get<wire::RequestScanner>(session.large->scanner).feed(begin, end);
  LargePart part{.consumed = progress.consumed,
                 .passed_on = progress.consumed,
                 .done = progress.done,
                 .broken = !progress.error.empty()};
  if (part.broken) {
    text_.assign("-ERR Protocol error: ").append(progress.error).append("\r\n");
    part.error = text_;
  }
  return part;
}

bool RedisDialect::step_held(Session& session) {
  auto large = std::move(session.large);  // a dispatched command leaves none behind
  const std::string& bytes = large->held;
  const wire::RequestLimits limits{.count = limits::kMultibulkCount,
                                   .bulk = static_cast<int64_t>(limits::kBulkBytes)};
  const auto status =
      wire::frame_request(bytes.data(), bytes.data() + bytes.size(), limits, request_);
  ASSERT(status == wire::RequestStatus::kComplete);
  if (dispatch(session, bytes)) return true;
  session.large = std::move(large);
  return false;
}

void RedisDialect::refuse_framing(Session& session, std::string_view error) {
  text_.assign("-ERR Protocol error: ").append(error).append("\r\n");
  relay_.reply_own_error(session, text_);
  session.closing = true;
}

void RedisDialect::refuse_held(Session& session) {
  abort_transaction(session);
  refuse(session, "ERR command is larger than max_split, and has to be held or split");
}

bool RedisDialect::refuse(Session& session, std::string_view error) {
  text_.clear();
  wire::append_error(text_, error);
  relay_.reply_own_error(session, text_);
  return true;
}

bool RedisDialect::refuse_arity(Session& session, const CommandSpec& spec) {
  text_.clear();
  wire::append_wrong_arity(text_, spec);
  relay_.reply_own_error(session, text_);
  return true;
}

bool RedisDialect::refuse_pick(Session& session, const link::Upstream& upstream) {
  const auto inquiry = inquiries_.find(session.client_id);
  if (inquiry != inquiries_.end() && !inquiry->second.refusal.empty()) {
    text_ = std::move(inquiry->second.refusal);
    inquiries_.erase(inquiry);
  } else {
    text_.clear();
    append_end(text_, upstream, {}, RequestEnd::kNotExecuted);
  }
  relay_.reply_own_error(session, text_);
  return true;
}

void RedisDialect::append_end(std::string& out, const link::Upstream& upstream,
                              const link::Pending&, RequestEnd end) {
  switch (end) {
    case RequestEnd::kNotExecuted:
      out.append("-ERR backend ").append(upstream.label()).append(" unavailable\r\n");
      return;
    case RequestEnd::kTimedOut:
      out.append("-ERR backend ").append(upstream.label()).append(" timed out\r\n");
      return;
    case RequestEnd::kUnknown:
      out.append("-INDETERMINATE backend ").append(upstream.label());
      out.append(": outcome unknown\r\n");
      return;
  }
}

// --- large commands ---

// A large command goes to its backend as it comes, if its first arguments tell which; otherwise it
// is held until it is complete.
size_t RedisDialect::begin_large(Session& session, const char* begin, const char* end) {
  const auto& arguments = request_.arguments;
  // Its name should be here; one that is this long is nobody's, and is not waited for.
  if (arguments.empty() && static_cast<size_t>(end - begin) <= limits::kLearnedNameBytes) return 0;
  const size_t count = static_cast<size_t>(request_.declared_count);
  const auto start = [&](session::LargeInput::Sink sink) -> session::LargeInput& {
    session.large = std::make_unique<session::LargeInput>(
        wire::RequestScanner(request_.declared_count - static_cast<int64_t>(arguments.size()),
                             static_cast<int64_t>(relay_.pool(session.pool).plan->max_value)),
        sink);
    return *session.large;
  };
  const auto hold = [&] {
    start(session::LargeInput::Sink::kHold).held.assign(begin, request_.size);
    return request_.size;
  };
  const CommandSpec* spec = arguments.empty() ? nullptr : wire::find_command(request_.name());
  if (spec == nullptr || !may_stream(session, *spec)) return hold();
  // Where its slot is not, it has to be sent a second time.
  if (relay_.pool(session.pool).plan->by_slot) return hold();
  // What is queued, or has to wait, is decided upon when it is whole.
  const bool queues = session.transaction != nullptr && session.transaction->open;
  if (queues || relay_.is_paused(relay_.pool(session.pool))) return hold();
  if (!spec->accepts_count(count)) {
    refuse_arity(session, *spec);
    start(session::LargeInput::Sink::kNowhere);
    return request_.size;
  }
  PoolRuntime& pool = relay_.pool(session.pool);
  const auto to = wire::route_of(*spec, arguments).to;
  const bool by_one_key =
      to == RouteClass::kByKey && spec->single_key != 0 && spec->single_key < arguments.size();
  const bool any_key_will_do = pool.plan->members.size() == 1 &&
                               (to == RouteClass::kByKey || to == RouteClass::kSplitGet ||
                                to == RouteClass::kSplitSet || to == RouteClass::kSplitCount);
  if (!by_one_key && !any_key_will_do) return hold();

  link::Upstream& upstream = by_one_key ? relay_.upstream_for(pool, arguments[spec->single_key])
                                        : *relay_.upstream(pool.plan->members.front());
  link::Link* link = nullptr;
  switch (pick_for_database(session, upstream, Relay::Use::kLarge, link)) {
    case Relay::Pick::kWait: return 0;
    case Relay::Pick::kUnavailable:
      refuse_pick(session, upstream);
      start(session::LargeInput::Sink::kNowhere);
      return request_.size;
    case Relay::Pick::kLink: break;
  }
  start(session::LargeInput::Sink::kLink);
  relay_.begin_upload(session, *link, {begin, request_.size},
                      {.is_write = may_write(*spec), .detail = session.database});
  return request_.size;
}

/// Whether the command at hand is one that a server's replicas may get. Of scripts that nobody
/// showed, and of functions (but see waits_as_function()), it is assumed.
bool RedisDialect::may_replicate(const Session& session, const CommandSpec& spec) const {
  const auto writes = [](std::string_view script) {
    const std::string_view first_line = script.substr(0, script.find('\n'));
    return !first_line.starts_with("#!") || first_line.find("no-writes") == std::string_view::npos;
  };
  switch (spec.id) {
    case RedisCommand::kEval: return writes(request_.arguments[1]);
    case RedisCommand::kEvalsha: {
      std::string name(request_.arguments[1]);
      for (char& c : name) c = base::ascii_lower(c);
      const auto body = relay_.facts().scripts.find(session.pool, name);
      return body == nullptr || writes(*body);
    }
    case RedisCommand::kPfcount:
    case RedisCommand::kPublish:
    case RedisCommand::kSpublish:
    case RedisCommand::kFcall: return true;
    default: return spec.flags.has(CommandFlag::kWrite);
  }
}

/// By CLIENT PAUSE WRITE, as a server does: what its replicas would get.
bool RedisDialect::is_held_up(const Session& session, const CommandSpec& spec) const {
  if (spec.id != RedisCommand::kExec) return may_replicate(session, spec);
  return session.transaction != nullptr && session.transaction->writes;
}

bool RedisDialect::route(Session& session, const CommandSpec& spec, std::string_view raw) {
  const auto& arguments = request_.arguments;
  PoolRuntime& pool = relay_.pool(session.pool);
  const wire::Route route = wire::route_of(spec, arguments);
  switch (route.to) {
    case RouteClass::kByKey: return to_keys_backend(session, spec, raw);
    case RouteClass::kByChannel: return publish(session, spec, raw);
    case RouteClass::kSplitGet:
    case RouteClass::kSplitCount: return split(session, spec, route, 1, raw);
    case RouteClass::kSplitSet:
      if (arguments.size() % 2 == 0) return refuse_arity(session, spec);
      return split(session, spec, route, 2, raw);
    case RouteClass::kByCursor: return scan(session, spec, raw);
    case RouteClass::kAnyBackend: {
      link::Upstream& any = relay_.any_upstream(pool, session);
      // Asked what runs it must not wait behind that.
      if (spec.id == RedisCommand::kFunctionStats && lets_wait(session, any) &&
          relay_.keep_side_ready(session, any)) {
        return send_for(session, spec, any, Relay::Use::kLarge, raw, kAsIs);
      }
      return to_one(session, spec, any, raw);
    }
    case RouteClass::kLocal: return answer_locally(session, spec, raw);
    case RouteClass::kAllBackends:
      if (!to_all(session, spec, route.join, raw)) return false;
      if (spec.container == RedisCommand::kScript) note_script_command(session, spec);
      if (spec.id == RedisCommand::kConfigResetstat) relay_.facts().reset_statistics();
      return true;
    case RouteClass::kConnectionBound: return to_own_connection(session, spec, raw);
    case RouteClass::kAdminDenied: return to_servers(session, spec, raw);
  }
  return true;
}

bool RedisDialect::to_own_connection(Session& session, const CommandSpec& spec,
                                     std::string_view raw) {
  using session::TopicKind;
  switch (spec.id) {
    case RedisCommand::kMulti:
    case RedisCommand::kExec:
    case RedisCommand::kDiscard:
    case RedisCommand::kWatch:
    case RedisCommand::kUnwatch: return transact(session, spec, raw);
    case RedisCommand::kSubscribe: return subscribe(session, TopicKind::kChannel);
    case RedisCommand::kPsubscribe: return subscribe(session, TopicKind::kPattern);
    case RedisCommand::kSsubscribe: return subscribe(session, TopicKind::kShard);
    case RedisCommand::kUnsubscribe: return unsubscribe(session, TopicKind::kChannel);
    case RedisCommand::kPunsubscribe: return unsubscribe(session, TopicKind::kPattern);
    case RedisCommand::kSunsubscribe: return unsubscribe(session, TopicKind::kShard);
    case RedisCommand::kWait: return wait_for_replicas(session, spec, raw);
    case RedisCommand::kClientTracking: return client_tracking(session);
    case RedisCommand::kClientCaching: return client_caching(session);
    case RedisCommand::kMonitor:
      // It would show the commands of all of a pool's clients, and of the proxies' own making.
      return refuse(session, "ERR MONITOR is not possible through quorate; ask a backend itself");
    default: break;
  }
  if (spec.flags.has(CommandFlag::kBlocking)) return block(session, spec, raw);
  return refuse(session, refusal_text("ERR '", spec.name,
                                      "' needs a backend connection of its own, which quorate "
                                      "does not lend for it"));
}

bool RedisDialect::to_keys_backend(Session& session, const CommandSpec& spec,
                                   std::string_view raw) {
  const auto& arguments = request_.arguments;
  PoolRuntime& pool = relay_.pool(session.pool);
  const wire::KeyWalk keys(spec, arguments);
  if (keys.error() == wire::KeyError::kAskServer) {
    return to_answered_keys_backend(session, spec, raw);
  }
  const bool is_script = spec.categories.has(wire::AclCategory::kScripting);
  // Without a key, or with arguments that name none: whichever server it is, it will say so. A
  // script without keys runs where all of them do: what it keeps for itself, it finds again.
  if (keys.empty()) {
    link::Upstream& any = is_script ? first_upstream(pool) : relay_.any_upstream(pool, session);
    return is_script ? run_script(session, spec, any, raw) : to_one(session, spec, any, raw);
  }
  link::Upstream& upstream = relay_.upstream_for(pool, arguments[keys.front()]);
  if (pool.plan->members.size() > 1) {
    for (const auto key : keys) {
      if (&relay_.upstream_for(pool, arguments[key.index]) != &upstream) {
        return refuse(session, kCrossSlot);
      }
    }
  }
  return is_script ? run_script(session, spec, upstream, raw)
                   : to_one(session, spec, upstream, raw);
}

link::Upstream* RedisDialect::home_of(PoolRuntime& pool, std::string_view request) {
  wire::Request framed;
  const wire::RequestLimits limits{.count = limits::kMultibulkCount,
                                   .bulk = static_cast<int64_t>(limits::kBulkBytes)};
  const auto status =
      wire::frame_request(request.data(), request.data() + request.size(), limits, framed);
  if (status != wire::RequestStatus::kComplete || framed.arguments.empty()) return nullptr;
  const auto lookup = wire::look_up_command(framed.arguments);
  if (lookup.error != wire::CommandError::kNone) return nullptr;
  const wire::KeyWalk keys(*lookup.spec, framed.arguments);
  if (keys.empty()) return nullptr;
  return &relay_.upstream_for(pool, framed.arguments[keys.front()]);
}

link::Upstream& RedisDialect::first_upstream(PoolRuntime& pool) {
  for (const cluster::BackendId member : pool.plan->members) {
    if (relay_.upstream(member)->available()) return *relay_.upstream(member);
  }
  return *relay_.upstream(pool.plan->members.front());
}

bool RedisDialect::run_script(Session& session, const CommandSpec& spec, link::Upstream& upstream,
                              std::string_view raw) {
  switch (prepare_script(session, spec, upstream)) {
    case Prepared::kReady: break;
    case Prepared::kWait: return false;
    case Prepared::kRefused: return true;
  }
  // PING and SCRIPT KILL will not get past it, and not connect either.
  if (relay_.pool(session.pool).plan->members.size() == 1)
    relay_.keep_side_ready(session, upstream);
  return to_one(session, spec, upstream, raw);
}

uint8_t RedisDialect::shape_of(RedisCommand command) {
  if (command == RedisCommand::kConfigGet) return kMaskPasswords;
  return is_evalsha(command) ? kRepeat : kAsIs;
}

bool RedisDialect::to_one(Session& session, const CommandSpec& spec, link::Upstream& upstream,
                          std::string_view raw) {
  return send_to(session, spec, upstream, raw, shape_of(spec.id));
}

Relay::Pick RedisDialect::pick_shared(Session& session, link::Upstream& upstream,
                                      link::Link*& link) {
  return pick_for_database(session, upstream, Relay::Use::kShared, link);
}

// To one backend, whose count of receivers is corrected by the clients it cannot see
// (subscriber_counts.h); not so inside MULTI or a script.
bool RedisDialect::publish(Session& session, const CommandSpec& spec, std::string_view raw) {
  const std::string_view channel = request_.arguments[1];
  link::Upstream& upstream = relay_.upstream_for(relay_.pool(session.pool), channel);
  if (!relay_.facts().subscriber_counts.any_unseen()) return to_one(session, spec, upstream, raw);
  link::Link* link = nullptr;
  const auto use = raw.size() > limits::kReadBytes ? Relay::Use::kLarge : Relay::Use::kShared;
  switch (pick_for_database(session, upstream, use, link)) {
    case Relay::Pick::kWait: return false;
    case Relay::Pick::kUnavailable: return refuse_pick(session, upstream);
    case Relay::Pick::kLink: break;
  }
  Join& join = relay_.open_join(session, JoinKind::kReceivers, 1, false);
  join.is_write = true;
  join.opcode = static_cast<uint16_t>(spec.id);
  join.memory.keys = channel;
  relay_.append_fragment(*link, raw);
  relay_.forward_fragment(session, *link, join, 0, true);
  return true;
}

bool RedisDialect::to_all(Session& session, const CommandSpec& spec, wire::ReplyJoin how,
                          std::string_view raw) {
  PoolRuntime& pool = relay_.pool(session.pool);
  const auto& members = pool.plan->members;
  parts_.clear();
  // What an ejected backend has is nobody's now; but it must not keep what is to be removed.
  std::set<cluster::BackendId> targets = pool.plan->holders;
  if (may_write(spec)) targets.insert(members.begin(), members.end());
  for (const cluster::BackendId target : targets) {
    parts_.push_back({.upstream = relay_.upstream(target), .link = nullptr, .keys = 0});
  }
  if (parts_.empty()) return refuse_pick(session, *relay_.upstream(members.front()));
  // What ends a script must not wait behind it: it goes where one runs, by all that is known here.
  const bool kills = spec.id == RedisCommand::kScriptKill || spec.id == RedisCommand::kFunctionKill;
  if (kills) {
    const auto busy = std::ranges::find_if(
        parts_, [&](const Part& part) { return lets_wait(session, *part.upstream); });
    if (busy != parts_.end()) parts_ = {*busy};
  }
  const auto use = kills && parts_.size() == 1 ? Relay::Use::kLarge : Relay::Use::kShared;
  for (Part& part : parts_) {
    switch (pick_for_database(session, *part.upstream, use, part.link)) {
      case Relay::Pick::kWait: return false;
      case Relay::Pick::kUnavailable: return refuse_pick(session, *part.upstream);
      case Relay::Pick::kLink: break;
    }
  }
  if (parts_.size() == 1) {
    relay_.forward(session, *parts_[0].link, raw.data(), raw.size(),
                   {.is_write = may_write(spec), .detail = session.database});
    return true;
  }
  Join& join =
      relay_.open_join(session, join_kind(how), static_cast<uint32_t>(parts_.size()), false);
  join.is_write = may_write(spec);
  if (spec.id == RedisCommand::kScriptExists) note_known_scripts(session, join);
  if (spec.id == RedisCommand::kRandomkey) {
    join.opaque = static_cast<uint32_t>(relay_.random().below(parts_.size()));
  }
  for (uint32_t i = 0; i < parts_.size(); ++i) {
    relay_.append_fragment(*parts_[i].link, raw);
    relay_.forward_fragment(session, *parts_[i].link, join, i, join.is_write);
  }
  return true;
}

// MGET, MSET, DEL …: each backend gets one command with its own keys, in the order in which they
// came.
bool RedisDialect::split(Session& session, const CommandSpec& spec, wire::Route route,
                         uint32_t step, std::string_view raw) {
  const auto& arguments = request_.arguments;
  PoolRuntime& pool = relay_.pool(session.pool);
  const PoolPlan& plan = *pool.plan;
  if (plan.members.size() == 1 && !plan.by_slot) {
    return to_one(session, spec, *relay_.upstream(plan.members.front()), raw);
  }
  constexpr uint32_t kNone = UINT32_MAX;
  const size_t groups = plan.by_slot ? cluster::kRedisClusterSlots : relay_.plan().backends.size();
  if (fragment_of_.size() < groups) fragment_of_.resize(groups, kNone);
  owners_.clear();
  parts_.clear();
  for (size_t i = 1; i < arguments.size(); i += step) {
    link::Upstream& upstream = relay_.upstream_for(pool, arguments[i]);
    const uint32_t group = plan.group_of(arguments[i], upstream.number());
    uint32_t& fragment = fragment_of_[group];
    if (fragment == kNone) {
      fragment = static_cast<uint32_t>(parts_.size());
      parts_.push_back({.upstream = &upstream, .link = nullptr, .keys = 0, .group = group});
    }
    ++parts_[fragment].keys;
    owners_.push_back(fragment);
  }
  for (const Part& part : parts_) fragment_of_[part.group] = kNone;
  if (parts_.size() == 1) return to_one(session, spec, *parts_[0].upstream, raw);

  for (Part& part : parts_) {
    switch (pick_for_database(session, *part.upstream, Relay::Use::kShared, part.link)) {
      case Relay::Pick::kWait: return false;
      case Relay::Pick::kUnavailable: return refuse_pick(session, *part.upstream);
      case Relay::Pick::kLink: break;
    }
  }

  // Arrays are canonical: what stands between two arguments' ends is an element, header and all.
  const auto end_of = [&](size_t i) { return arguments[i].data() + arguments[i].size() + 2; };
  const char* name = raw.data() + raw.find('$');
  const std::string_view name_element(name, static_cast<size_t>(end_of(0) - name));
  if (plan.by_slot) return send_by_slot(session, spec, route, step, name_element);
  for (const Part& part : parts_) {
    text_.clear();
    wire::append_array(text_, 1 + size_t{part.keys} * step);
    text_.append(name_element);
    relay_.append_fragment(*part.link, text_);
  }
  for (size_t key = 0; key < owners_.size(); ++key) {
    // Neighbours that go the same way are copied as one.
    size_t last = key;
    while (last + 1 < owners_.size() && owners_[last + 1] == owners_[key]) ++last;
    const char* element = end_of(key * step);
    const char* behind = end_of((last + 1) * step);
    relay_.append_fragment(*parts_[owners_[key]].link,
                           {element, static_cast<size_t>(behind - element)});
    key = last;
  }

  Join& join =
      relay_.open_join(session, join_kind(route.join), static_cast<uint32_t>(parts_.size()), false);
  join.is_write = may_write(spec);
  if (join.kind == JoinKind::kElements) {
    join.memory.order.assign(owners_.begin(), owners_.end());
  }
  for (uint32_t i = 0; i < parts_.size(); ++i) {
    relay_.forward_fragment(session, *parts_[i].link, join, i, join.is_write);
  }
  return true;
}

// split(), where several parts may go to one node: each has to be whole before the next.
bool RedisDialect::send_by_slot(Session& session, const CommandSpec& spec, wire::Route route,
                                uint32_t step, std::string_view name_element) {
  const auto& arguments = request_.arguments;
  const auto end_of = [&](size_t i) { return arguments[i].data() + arguments[i].size() + 2; };
  std::vector<std::string> texts(parts_.size());
  for (size_t i = 0; i < parts_.size(); ++i) {
    wire::append_array(texts[i], 1 + size_t{parts_[i].keys} * step);
    texts[i].append(name_element);
  }
  for (size_t key = 0; key < owners_.size(); ++key) {
    const char* element = end_of(key * step);
    texts[owners_[key]].append(element, static_cast<size_t>(end_of((key + 1) * step) - element));
  }
  Join& join =
      relay_.open_join(session, join_kind(route.join), static_cast<uint32_t>(parts_.size()), false);
  join.is_write = may_write(spec);
  if (join.kind == JoinKind::kElements) {
    join.memory.order.assign(owners_.begin(), owners_.end());
  }
  for (uint32_t i = 0; i < parts_.size(); ++i) {
    relay_.append_fragment(*parts_[i].link, texts[i]);
    relay_.forward_fragment(session, *parts_[i].link, join, i, join.is_write);
  }
  return true;
}

// --- what backends' replies are not to show ---

// CONFIG GET is answered by a backend, whose passwords are none of a client's business: they are
// overwritten where they stand. The reply is flat: names and values in turn, all of them bulks.
bool RedisDialect::shape(const link::Pending&, char* bytes, size_t size) {
  constexpr auto kSecrets = std::to_array<std::string_view>(
      {"requirepass", "masterauth", "tls-key-file-pass", "tls-client-key-file-pass"});
  const std::string_view reply(bytes, size);
  bool is_secret = false;
  bool is_name = true;
  size_t at = reply.find('$');
  while (at != std::string_view::npos) {
    const size_t line_end = reply.find("\r\n", at);
    const auto length = base::parse_integer<size_t>(reply.substr(at + 1, line_end - at - 1));
    const size_t begin = line_end + 2;
    if (!length || begin + *length > size) break;
    if (is_name) {
      is_secret = std::ranges::find(kSecrets, reply.substr(begin, *length)) != kSecrets.end();
    } else if (is_secret) {
      std::fill_n(bytes + begin, *length, '*');
    }
    is_name = !is_name;
    at = reply.find('$', begin + *length);
  }
  return true;
}

// --- joined replies ---

void RedisDialect::render_join(const Session& session, const Join& join, base::ByteChain& out) {
  if (join.kind == JoinKind::kExec) return keep_exec(session, join);
  if (join.kind == JoinKind::kInfo) {
    text_.clear();
    render_info(session, join, text_);
    return out.append(relay_.chunks(), text_);
  }
  if (join.kind == JoinKind::kValues || join.kind == JoinKind::kParts) {
    text_.clear();
    render_parts(session, join, text_);
    return out.append(relay_.chunks(), text_);
  }
  size_t executed = 0;
  for (const Fragment& fragment : join.memory.fragments) {
    const bool answered = fragment.end == FragmentEnd::kAnswered;
    executed += answered && !fragment.reply.starts_with('-') ? 1 : 0;
  }
  const bool in_part = join.is_write && executed > 0 && join.kind != JoinKind::kFirstSuccess;
  const auto executed_in_part = [&](const Fragment& fragment, std::string_view why) {
    text_ = "INDETERMINATE executed in part: backend ";
    text_.append(relay_.upstream(fragment.upstream)->label()).append(" ").append(why);
    std::string error;
    wire::append_error(error, text_);
    text_ = std::move(error);
  };
  text_.clear();
  if (const Fragment* failed = join.first_without_reply()) {
    if (in_part && failed->end != FragmentEnd::kUnknown) {
      executed_in_part(*failed, "unavailable");
    } else {
      append_end(text_, *relay_.upstream(failed->upstream), {}, failed->request_end());
    }
  } else if (join.is_too_large()) {
    wire::append_error(text_,
                       "ERR reply is larger than max_split, and comes from several backends");
  } else if (const Fragment* error = join.first_error(); error != nullptr && in_part) {
    const std::string_view said = error->reply;
    executed_in_part(*error, "said: " + std::string(said.substr(1, said.find("\r\n") - 1)));
  }
  if (text_.empty() && join.kind == JoinKind::kReceivers) {
    const std::string_view reply = join.memory.fragments[0].reply;
    const auto counted = base::parse_integer<int64_t>(reply.substr(1, reply.find("\r\n") - 1));
    if (!reply.starts_with(':') || !counted) return out.append(relay_.chunks(), reply);
    const bool is_shard = join.opcode == static_cast<uint16_t>(RedisCommand::kSpublish);
    const uint64_t unseen = relay_.facts().subscriber_counts.unseen_receivers(
        relay_.upstream(join.memory.fragments[0].upstream)->pool(), join.memory.keys, is_shard);
    wire::append_integer(text_, *counted + static_cast<int64_t>(unseen));
  }
  if (text_.empty() && join.kind == JoinKind::kScan && !join.first_error())
    render_scan(join, text_);
  if (!text_.empty()) {
    out.append(relay_.chunks(), text_);
  } else if (!join.render(relay_.chunks(), out)) {
    wire::append_error(text_, "ERR the backends' replies do not fit together");
    out.append(relay_.chunks(), text_);
  }
}

}  // namespace quorate::relay
