#include "proxy/relay/memcached_binary_dialect.h"

#include <algorithm>

#include "backends/wire/memcached_login.h"
#include "proxy/relay/stats_sum.h"

namespace quorate::relay {

using session::LargeInput;
using wire::BinaryOpcode;
using wire::BinaryStatusCode;

namespace {

bool only_reads(BinaryOpcode loud) {
  switch (loud) {
    case BinaryOpcode::kGet:
    case BinaryOpcode::kGetK:
    case BinaryOpcode::kGat:  // twice is as good as once
    case BinaryOpcode::kGatK:
    case BinaryOpcode::kTouch:
    case BinaryOpcode::kVersion:
    case BinaryOpcode::kStat: return true;
    default: return false;
  }
}

BinaryStatusCode status_of(const Fragment& fragment) {
  return wire::read_binary_reply_header(fragment.reply.data()).status;
}

}  // namespace

size_t MemcachedBinaryDialect::step(Session& session, const char* begin, const char* end) {
  const wire::MemcachedLimits limits{
      .value = static_cast<int64_t>(relay_.pool(session.pool).plan->max_value)};
  switch (wire::frame_binary_request(begin, end, limits, request_)) {
    case wire::MemcachedStatus::kComplete: return dispatch(session, begin) ? request_.size : 0;
    case wire::MemcachedStatus::kIncomplete: return 0;
    case wire::MemcachedStatus::kLarge: return begin_large(session);
    case wire::MemcachedStatus::kAnswered: break;
  }
  return answer(session);
}

size_t MemcachedBinaryDialect::answer(Session& session) {
  if (request_.answer != BinaryStatusCode::kOk) {
    say(session, request_.answer, wire::binary_status_text(request_.answer));
  }
  if (request_.swallow > 0) {
    session.large = std::make_unique<LargeInput>(session::CountedBytes{request_.swallow},
                                                 LargeInput::Sink::kNowhere);
  }
  if (request_.closes) session.closing = true;
  return request_.size;
}

bool MemcachedBinaryDialect::say(Session& session, BinaryStatusCode status, std::string_view text) {
  text_.clear();
  wire::append_binary_reply(request_.opcode, request_.opaque, status, text, text_);
  relay_.reply(session, text_);
  return true;
}

size_t MemcachedBinaryDialect::begin_large(Session& session) {
  const session::CountedBytes value{request_.value_size};
  if (!session.authenticated) [[unlikely]] {
    session.large = std::make_unique<LargeInput>(value, LargeInput::Sink::kNowhere);
    say(session, BinaryStatusCode::kAuthError,
        wire::binary_status_text(BinaryStatusCode::kAuthError));
    session.closing = true;
    return request_.size;
  }
  link::Upstream& upstream = relay_.upstream_for(relay_.pool(session.pool), request_.key);
  link::Link* link = nullptr;
  switch (relay_.pick_link(session, upstream, Relay::Use::kLarge, link)) {
    case Relay::Pick::kWait: return 0;
    case Relay::Pick::kUnavailable:
      refuse(session, upstream);
      session.large = std::make_unique<LargeInput>(value, LargeInput::Sink::kNowhere);
      return request_.size;
    case Relay::Pick::kLink: break;
  }
  session.large = std::make_unique<LargeInput>(value, LargeInput::Sink::kLink);
  text_.clear();
  wire::append_loud(request_, text_);
  relay_.begin_upload(session, *link, text_, traits());
  return request_.size;
}

Dialect::LargePart MemcachedBinaryDialect::feed_large(Session& session, const char* begin,
                                                      const char* end) {
  auto& bytes = std::get<session::CountedBytes>(session.large->scanner);
  const int64_t part = std::min<int64_t>(bytes.left, end - begin);
  bytes.left -= part;
  return {.consumed = static_cast<size_t>(part),
          .passed_on = static_cast<size_t>(part),
          .done = bytes.left == 0};
}

// True: it is a client that is not known yet, and has been told so.
bool MemcachedBinaryDialect::refuse_unknown_client(Session& session) {
  switch (request_.loud) {
    case BinaryOpcode::kSaslList:
    case BinaryOpcode::kSaslAuth:
    case BinaryOpcode::kSaslStep:
    case BinaryOpcode::kVersion: return false;
    default: break;
  }
  say(session, BinaryStatusCode::kAuthError,
      wire::binary_status_text(BinaryStatusCode::kAuthError));
  session.closing = true;
  return true;
}

bool MemcachedBinaryDialect::log_in(Session& session, std::string_view data) {
  constexpr size_t kLongestMechanism = 32;
  const auto& users = relay_.pool(session.pool).plan->users;
  const auto refuse = [&](BinaryStatusCode status) {
    return say(session, status, wire::binary_status_text(status));
  };
  if (users == nullptr) return refuse(BinaryStatusCode::kUnknownCommand);
  if (request_.loud == BinaryOpcode::kSaslList) {
    return say(session, BinaryStatusCode::kOk, "PLAIN");
  }
  if (request_.key.size() > kLongestMechanism) return refuse(BinaryStatusCode::kInvalid);
  const auto login = wire::read_sasl_plain(data);
  const bool is_plain = request_.loud == BinaryOpcode::kSaslAuth && request_.key == "PLAIN";
  const wire::AclUser* user = login && is_plain ? users->find(login->user) : nullptr;
  session.authenticated = user != nullptr && user->accepts(login->password);
  if (!session.authenticated) return refuse(BinaryStatusCode::kAuthError);
  return say(session, BinaryStatusCode::kOk, "Authenticated");
}

bool MemcachedBinaryDialect::dispatch(Session& session, const char* frame) {
  if (!session.authenticated && refuse_unknown_client(session)) [[unlikely]]
    return true;
  PoolRuntime& pool = relay_.pool(session.pool);
  switch (request_.loud) {
    case BinaryOpcode::kNoop: return say(session, BinaryStatusCode::kOk, {});
    case BinaryOpcode::kQuit:
      if (!request_.quiet) say(session, BinaryStatusCode::kOk, {});
      session.closing = true;
      return true;
    case BinaryOpcode::kVersion: return to_one(session, relay_.any_upstream(pool, session), frame);
    case BinaryOpcode::kStat: return to_all(session, JoinKind::kBinaryStats, frame);
    case BinaryOpcode::kFlush: return to_all(session, JoinKind::kBinaryFirst, frame);
    case BinaryOpcode::kSaslList:
    case BinaryOpcode::kSaslAuth:
    case BinaryOpcode::kSaslStep:
      return log_in(session,
                    {frame + request_.value_offset, static_cast<size_t>(request_.value_size)});
    case BinaryOpcode::kVerbosity:
      return say(session, BinaryStatusCode::kUnknownCommand,
                 wire::binary_status_text(BinaryStatusCode::kUnknownCommand));
    default: return to_one(session, relay_.upstream_for(pool, request_.key), frame);
  }
}

Relay::RequestTraits MemcachedBinaryDialect::traits() const {
  return {.is_write = !only_reads(request_.loud),
          .shape = request_.quiet ? kReopcode : kAsIs,
          .opcode = static_cast<uint16_t>(request_.opcode),
          .detail = request_.opaque};
}

std::string_view MemcachedBinaryDialect::forwarded_form(const char* frame) {
  if (request_.as_is) return {frame, request_.size};
  text_.clear();
  wire::append_loud(request_, text_);
  text_.append(frame + request_.value_offset, request_.size - request_.value_offset);
  return text_;
}

bool MemcachedBinaryDialect::to_one(Session& session, link::Upstream& upstream, const char* frame) {
  link::Link* link = nullptr;
  const auto use = request_.size > limits::kReadBytes ? Relay::Use::kLarge : Relay::Use::kAny;
  switch (relay_.pick_link(session, upstream, use, link)) {
    case Relay::Pick::kWait: return false;
    case Relay::Pick::kUnavailable: return refuse(session, upstream);
    case Relay::Pick::kLink: break;
  }
  const std::string_view bytes = forwarded_form(frame);
  relay_.forward(session, *link, bytes.data(), bytes.size(), traits());
  return true;
}

bool MemcachedBinaryDialect::to_all(Session& session, JoinKind kind, const char* frame) {
  const auto& members = relay_.pool(session.pool).plan->members;
  if (members.size() == 1) return to_one(session, *relay_.upstream(members.front()), frame);
  std::vector<link::Link*> links;
  for (const cluster::BackendId member : members) {
    link::Upstream& upstream = *relay_.upstream(member);
    link::Link*& link = links.emplace_back(nullptr);
    switch (relay_.pick_link(session, upstream, Relay::Use::kShared, link)) {
      case Relay::Pick::kWait: return false;
      case Relay::Pick::kUnavailable: return refuse(session, upstream);
      case Relay::Pick::kLink: break;
    }
  }
  Join& join = relay_.open_join(session, kind, static_cast<uint32_t>(links.size()), false);
  join.is_write = !only_reads(request_.loud);
  join.opcode = static_cast<uint16_t>(request_.opcode);
  join.opaque = request_.opaque;
  join.memory.keys = request_.key;
  const std::string_view bytes = forwarded_form(frame);
  for (uint32_t i = 0; i < links.size(); ++i) {
    relay_.append_fragment(*links[i], bytes);
    relay_.forward_fragment(session, *links[i], join, i, join.is_write);
  }
  return true;
}

bool MemcachedBinaryDialect::refuse(Session& session, const link::Upstream& upstream) {
  text_.clear();
  wire::append_binary_unavailable(request_.opcode, request_.opaque, upstream.label(), text_);
  relay_.reply_own_error(session, text_);
  return true;
}

// --- replies ---

bool MemcachedBinaryDialect::shape(const link::Pending& pending, char* bytes, size_t) {
  const auto opcode = static_cast<BinaryOpcode>(pending.opcode);
  if (wire::hides_reply(opcode, wire::read_binary_reply_header(bytes).status)) return false;
  wire::set_reply_opcode(bytes, opcode);
  return true;
}

void MemcachedBinaryDialect::append_end(std::string& out, const link::Upstream& upstream,
                                        const link::Pending& pending, RequestEnd end) {
  const auto opcode = static_cast<BinaryOpcode>(pending.opcode);
  if (end == RequestEnd::kUnknown) {
    wire::append_binary_indeterminate(opcode, pending.detail, upstream.label(), out);
  } else {
    wire::append_binary_unavailable(opcode, pending.detail, upstream.label(), out);
  }
}

void MemcachedBinaryDialect::render_join(const Session&, const Join& join, base::ByteChain& out) {
  text_.clear();
  const auto opcode = static_cast<BinaryOpcode>(join.opcode);
  const auto& fragments = join.memory.fragments;
  const auto error = std::ranges::find_if(fragments, [](const Fragment& fragment) {
    return fragment.end == FragmentEnd::kAnswered && status_of(fragment) != BinaryStatusCode::kOk;
  });
  if (const Fragment* failed = join.first_without_reply()) {
    append_end(text_, *relay_.upstream(failed->upstream),
               {.detail = join.opaque, .opcode = join.opcode}, failed->request_end());
  } else if (join.is_too_large()) {
    wire::append_binary_reply(opcode, join.opaque, BinaryStatusCode::kInternal,
                              "reply is larger than max_split", text_);
  } else if (error != fragments.end()) {
    text_ = error->reply;
    wire::set_reply_opcode(text_.data(), opcode);
  } else if (join.kind == JoinKind::kBinaryStats) {
    render_stats(join);
  } else if (!wire::hides_reply(opcode, BinaryStatusCode::kOk)) {
    text_ = fragments.front().reply;
  }
  out.append(relay_.chunks(), text_);
}

void MemcachedBinaryDialect::render_stats(const Join& join) {
  StatsSum sum(join.memory.keys);
  for (const Fragment& fragment : join.memory.fragments) {
    std::string_view rest = fragment.reply;
    while (rest.size() >= wire::kBinaryHeaderBytes) {
      const auto header = wire::read_binary_reply_header(rest.data());
      const std::string_view body = rest.substr(wire::kBinaryHeaderBytes, header.body_size);
      rest.remove_prefix(wire::kBinaryHeaderBytes + header.body_size);
      if (header.key_size == 0) break;  // the packet that ends them
      sum.add(body.substr(0, header.key_size), body.substr(header.key_size));
    }
  }
  for (const auto& line : sum.lines()) {
    wire::append_binary_stat(join.opaque, line.name, line.value, text_);
  }
  wire::append_binary_stat(join.opaque, {}, {}, text_);
}

}  // namespace quorate::relay
