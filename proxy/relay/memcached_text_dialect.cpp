#include "proxy/relay/memcached_text_dialect.h"

#include <algorithm>

#include "backends/wire/memcached_login.h"
#include "backends/wire/memcached_reply.h"
#include "proxy/relay/stats_sum.h"

namespace quorate::relay {

using session::LargeInput;
using wire::TextVerb;

namespace {

// A line of "get" may be as long as one likes; one of "gat" is refused above kMemcachedLineBytes.
constexpr size_t kLongestGetLine = 32 * limits::kKiB;

size_t longest_line(std::string_view head) {
  return head.starts_with("gat") ? limits::kMemcachedLineBytes - 64 : kLongestGetLine;
}

}  // namespace

// --- framing ---

size_t MemcachedTextDialect::step(Session& session, const char* begin, const char* end) {
  if (!session.authenticated) [[unlikely]]
    return log_in(session, begin, end);
  const wire::MemcachedLimits limits{
      .value = static_cast<int64_t>(relay_.pool(session.pool).plan->max_value)};
  switch (wire::frame_text_request(begin, end, limits, request_)) {
    case wire::MemcachedStatus::kComplete: return dispatch(session, begin) ? request_.size : 0;
    case wire::MemcachedStatus::kIncomplete: return 0;
    case wire::MemcachedStatus::kLarge: return begin_large(session);
    case wire::MemcachedStatus::kAnswered: break;
  }
  return answer(session);
}

size_t MemcachedTextDialect::log_in(Session& session, const char* begin, const char* end) {
  const wire::TextLogin login = wire::read_text_login(begin, end);
  if (login.closes) session.closing = true;
  if (login.size == 0 || login.closes) return login.size;
  if (!login.answer.empty()) {
    say(session, login.answer);
    return login.size;
  }
  const auto& users = relay_.pool(session.pool).plan->users;
  const wire::AclUser* user = users != nullptr ? users->find(login.user) : nullptr;
  session.authenticated = user != nullptr && user->accepts(login.password);
  say(session, session.authenticated ? "STORED" : "CLIENT_ERROR authentication failure");
  return login.size;
}

bool MemcachedTextDialect::say(Session& session, std::string_view line) {
  text_.assign(line).append("\r\n");
  relay_.reply(session, text_);
  return true;
}

size_t MemcachedTextDialect::answer(Session& session) {
  if (!request_.answer.empty()) {
    text_.assign(request_.answer).append("\r\n");
    relay_.reply_own_error(session, text_);
  }
  if (request_.swallows) {
    session.large = std::make_unique<LargeInput>(wire::TextDataScanner(request_.value_size),
                                                 LargeInput::Sink::kNowhere);
    session.large->echoes = request_.echoes;
  }
  if (request_.closes) session.closing = true;
  return request_.size;
}

size_t MemcachedTextDialect::begin_large(Session& session) {
  if (wire::is_retrieval(request_.verb)) {
    session.large =
        std::make_unique<LargeInput>(wire::TextKeyScanner(request_), LargeInput::Sink::kHold);
    wire::append_retrieval(request_, session.large->head);
    for (const std::string_view key : request_.keys) {
      session.large->held.append(key);
      session.large->key_sizes.push_back(static_cast<uint8_t>(key.size()));
    }
    return request_.size;
  }
  const wire::TextDataScanner scanner(request_.value_size);
  link::Upstream& upstream = relay_.upstream_for(relay_.pool(session.pool), request_.key());
  link::Link* link = nullptr;
  switch (relay_.pick_link(session, upstream, Relay::Use::kLarge, link)) {
    case Relay::Pick::kWait: return 0;
    case Relay::Pick::kUnavailable:
      refuse(session, upstream, request_.noreply);
      session.large = std::make_unique<LargeInput>(scanner, LargeInput::Sink::kNowhere);
      return request_.size;
    case Relay::Pick::kLink: break;
  }
  session.large = std::make_unique<LargeInput>(scanner, LargeInput::Sink::kLink);
  text_.clear();
  wire::append_canonical(request_, text_);
  relay_.begin_upload(session, *link, text_, traits());
  return request_.size;
}

Dialect::LargePart MemcachedTextDialect::feed_large(Session& session, const char* begin,
                                                    const char* end) {
  LargeInput& large = *session.large;
  if (auto* data = std::get_if<wire::TextDataScanner>(&large.scanner)) {
    const auto progress = data->feed(begin, end);
    if (large.echoes) {
      for (auto lines = std::count(begin, begin + progress.consumed, '\n'); lines > 0; --lines) {
        say(session, "ERROR");
      }
    }
    const bool lost = progress.broken && large.sink == LargeInput::Sink::kLink;
    return {.consumed = progress.consumed,
            .passed_on = progress.value,
            .tail = progress.done ? "\r\n" : "",
            .done = progress.done,
            .broken = progress.broken,
            .error = lost ? "CLIENT_ERROR bad data chunk\r\n" : ""};
  }
  keys_.clear();
  const auto progress = std::get<wire::TextKeyScanner>(large.scanner).feed(begin, end, keys_);
  for (const std::string_view key : keys_) {
    large.held.append(key);
    large.key_sizes.push_back(static_cast<uint8_t>(key.size()));
  }
  if (progress.done && !progress.answer.empty()) {
    say(session, progress.answer);
    large.sink = LargeInput::Sink::kNowhere;
  }
  return {.consumed = progress.consumed, .done = progress.done};
}

bool MemcachedTextDialect::step_held(Session& session) {
  keys_.clear();
  const char* key = session.large->held.data();
  for (const uint8_t size : session.large->key_sizes) {
    keys_.emplace_back(key, size);
    key += size;
  }
  const auto large = std::move(session.large);
  if (retrieve(session, large->head, keys_)) return true;
  session.large = std::make_unique<LargeInput>(std::move(*large));
  return false;
}

void MemcachedTextDialect::refuse_held(Session& session) {
  say(session, "SERVER_ERROR line is larger than max_split");
}

// --- dispatch ---

bool MemcachedTextDialect::dispatch(Session& session, const char* frame) {
  switch (request_.verb) {
    case TextVerb::kGet:
    case TextVerb::kGets:
    case TextVerb::kGat:
    case TextVerb::kGats:
      if (request_.keys.size() == 1) return to_owner(session, frame);
      text_.clear();
      wire::append_retrieval(request_, text_);
      return retrieve(session, std::string(text_), request_.keys);
    case TextVerb::kFlushAll:
    case TextVerb::kVerbosity: return to_all(session, JoinKind::kTextFirst, frame);
    case TextVerb::kStats:
      return to_all(session,
                    !request_.words.empty() && request_.words[0] == "reset" ? JoinKind::kTextFirst
                                                                            : JoinKind::kTextStats,
                    frame);
    case TextVerb::kVersion: return to_any(session, frame);
    case TextVerb::kQuit: session.closing = true; return true;
    case TextVerb::kShutdown:
    case TextVerb::kAdmin: return say(session, wire::admin_refusal(request_));
    case TextVerb::kMetaNoop: return say(session, "MN");
    case TextVerb::kUnknown: return say(session, "ERROR");
    default: return to_owner(session, frame);
  }
}

bool MemcachedTextDialect::may_write() const {
  switch (request_.verb) {
    case TextVerb::kGet:
    case TextVerb::kGets:
    case TextVerb::kGat:  // twice is as good as once
    case TextVerb::kGats:
    case TextVerb::kVersion:
    case TextVerb::kStats:
    case TextVerb::kMetaDebug: return false;
    case TextVerb::kMetaGet:
      // N makes an item, R claims the right to make one anew: the second answer would differ.
      return std::ranges::any_of(request_.words, [](std::string_view word) {
        return word.starts_with('N') || word.starts_with('R');
      });
    default: return true;
  }
}

Relay::RequestTraits MemcachedTextDialect::traits() const {
  return {.is_write = may_write(),
          .shape = request_.noreply ? kSilent : (request_.quiet ? kQuiet : kAsIs),
          .opcode = static_cast<uint16_t>(request_.verb)};
}

std::string_view MemcachedTextDialect::forwarded_form(const char* frame) {
  if (request_.as_is) return {frame, request_.size};
  text_.clear();
  wire::append_canonical(request_, text_);
  text_.append(frame + request_.line_size, request_.size - request_.line_size);
  return text_;
}

bool MemcachedTextDialect::to_owner(Session& session, const char* frame) {
  return to_one(session, relay_.upstream_for(relay_.pool(session.pool), request_.key()), frame);
}

bool MemcachedTextDialect::to_any(Session& session, const char* frame) {
  return to_one(session, relay_.any_upstream(relay_.pool(session.pool), session), frame);
}

bool MemcachedTextDialect::to_one(Session& session, link::Upstream& upstream, const char* frame) {
  link::Link* link = nullptr;
  const auto use = request_.size > limits::kReadBytes ? Relay::Use::kLarge : Relay::Use::kAny;
  switch (relay_.pick_link(session, upstream, use, link)) {
    case Relay::Pick::kWait: return false;
    case Relay::Pick::kUnavailable: return refuse(session, upstream, request_.noreply);
    case Relay::Pick::kLink: break;
  }
  const std::string_view bytes = forwarded_form(frame);
  relay_.forward(session, *link, bytes.data(), bytes.size(), traits());
  return true;
}

bool MemcachedTextDialect::to_all(Session& session, JoinKind kind, const char* frame) {
  const auto& members = relay_.pool(session.pool).plan->members;
  if (members.size() == 1) return to_any(session, frame);
  std::vector<link::Link*> links;
  for (const cluster::BackendId member : members) {
    link::Upstream& upstream = *relay_.upstream(member);
    link::Link*& link = links.emplace_back(nullptr);
    switch (relay_.pick_link(session, upstream, Relay::Use::kShared, link)) {
      case Relay::Pick::kWait: return false;
      case Relay::Pick::kUnavailable: return refuse(session, upstream, request_.noreply);
      case Relay::Pick::kLink: break;
    }
  }
  Join& join =
      relay_.open_join(session, kind, static_cast<uint32_t>(links.size()), request_.noreply);
  join.is_write = may_write();
  if (!request_.words.empty()) join.memory.keys = request_.words[0];
  const std::string_view bytes = forwarded_form(frame);
  for (uint32_t i = 0; i < links.size(); ++i) {
    relay_.append_fragment(*links[i], bytes);
    relay_.forward_fragment(session, *links[i], join, i, join.is_write);
  }
  return true;
}

// A retrieval of many keys: a line for each backend that owns some of them, or several if they
// would get long; one reply, in the order of the keys.
bool MemcachedTextDialect::retrieve(Session& session, std::string_view head,
                                    const std::vector<std::string_view>& keys) {
  PoolRuntime& pool = relay_.pool(session.pool);
  part_of_.resize(relay_.plan().backends.size(), kNoPart);
  part_of_key_.clear();
  part_count_ = 0;
  const size_t longest = longest_line(head);
  for (const std::string_view key : keys) {
    link::Upstream& upstream = relay_.upstream_for(pool, key);
    uint32_t& part = part_of_[upstream.number()];
    if (part == kNoPart || parts_[part].line.size() + key.size() > longest) {
      part = static_cast<uint32_t>(part_count_++);
      if (parts_.size() < part_count_) parts_.emplace_back();
      parts_[part].upstream = &upstream;
      parts_[part].line.assign(head);
    }
    parts_[part].line.append(1, ' ').append(key);
    part_of_key_.push_back(static_cast<uint16_t>(part));
  }
  for (size_t i = 0; i < part_count_; ++i) part_of_[parts_[i].upstream->number()] = kNoPart;
  if (part_count_ > UINT16_MAX) return say(session, "SERVER_ERROR too many keys in one line");

  for (size_t i = 0; i < part_count_; ++i) {
    Part& part = parts_[i];
    part.line.append("\r\n");
    const auto use = part_count_ == 1 ? Relay::Use::kAny : Relay::Use::kShared;
    switch (relay_.pick_link(session, *part.upstream, use, part.link)) {
      case Relay::Pick::kWait: return false;
      case Relay::Pick::kUnavailable: return refuse(session, *part.upstream, false);
      case Relay::Pick::kLink: break;
    }
  }
  if (part_count_ == 1) {
    relay_.forward(session, *parts_[0].link, parts_[0].line.data(), parts_[0].line.size(), {});
    return true;
  }
  Join& join =
      relay_.open_join(session, JoinKind::kTextValues, static_cast<uint32_t>(part_count_), false);
  join.memory.order.assign(part_of_key_.begin(), part_of_key_.end());
  for (const std::string_view key : keys) {
    join.memory.keys.append(key);
    join.memory.key_sizes.push_back(static_cast<uint8_t>(key.size()));
  }
  for (uint32_t i = 0; i < part_count_; ++i) {
    relay_.append_fragment(*parts_[i].link, parts_[i].line);
    relay_.forward_fragment(session, *parts_[i].link, join, i, false);
  }
  return true;
}

bool MemcachedTextDialect::refuse(Session& session, const link::Upstream& upstream, bool silently) {
  if (silently) return true;
  text_.clear();
  wire::append_text_unavailable(upstream.label(), text_);
  relay_.reply_own_error(session, text_);
  return true;
}

// --- replies ---

bool MemcachedTextDialect::shape(const link::Pending& pending, char* bytes, size_t size) {
  return !wire::hides_quiet_reply(static_cast<TextVerb>(pending.opcode),
                                  wire::classify_text_reply({bytes, size}));
}

void MemcachedTextDialect::append_end(std::string& out, const link::Upstream& upstream,
                                      const link::Pending&, RequestEnd end) {
  switch (end) {
    case RequestEnd::kNotExecuted: return wire::append_text_unavailable(upstream.label(), out);
    case RequestEnd::kTimedOut:
      out.append("SERVER_ERROR backend ").append(upstream.label()).append(" timed out\r\n");
      return;
    case RequestEnd::kUnknown: return wire::append_text_indeterminate(upstream.label(), out);
  }
}

void MemcachedTextDialect::render_join(const Session&, const Join& join, base::ByteChain& out) {
  text_.clear();
  if (const Fragment* failed = join.first_without_reply()) {
    append_end(text_, *relay_.upstream(failed->upstream), {}, failed->request_end());
  } else if (join.is_too_large()) {
    text_ = "SERVER_ERROR reply is larger than max_split\r\n";
  } else {
    bool fits = true;
    switch (join.kind) {
      case JoinKind::kTextValues: fits = render_values(join); break;
      case JoinKind::kTextStats: fits = render_stats(join); break;
      default: {
        const auto& fragments = join.memory.fragments;
        const auto error = std::ranges::find_if(fragments, [](const Fragment& fragment) {
          return wire::classify_text_reply(fragment.reply) == wire::TextReplyKind::kError;
        });
        text_ = error != fragments.end() ? error->reply : fragments.front().reply;
        break;
      }
    }
    if (!fits) text_ = "SERVER_ERROR the backends' replies do not fit together\r\n";
  }
  out.append(relay_.chunks(), text_);
}

bool MemcachedTextDialect::render_values(const Join& join) {
  struct Reader {
    wire::ValueCursor cursor;
    wire::ValueBlock block;
    bool has_block;
  };
  std::vector<Reader> readers;
  for (const Fragment& fragment : join.memory.fragments) {
    Reader& reader = readers.emplace_back(
        Reader{.cursor = wire::ValueCursor(fragment.reply), .block = {}, .has_block = false});
    reader.has_block = reader.cursor.next(reader.block);
  }
  std::string_view keys = join.memory.keys;
  for (size_t i = 0; i < join.memory.order.size(); ++i) {
    const std::string_view key = keys.substr(0, join.memory.key_sizes[i]);
    keys.remove_prefix(key.size());
    Reader& reader = readers[join.memory.order[i]];
    if (!reader.has_block || reader.block.key != key) continue;  // a miss
    text_.append(reader.block.bytes);
    reader.has_block = reader.cursor.next(reader.block);
  }
  for (const Reader& reader : readers) {
    if (reader.has_block) return false;
    if (reader.cursor.rest() == "END\r\n") continue;
    text_ = reader.cursor.rest();  // an error in place of the END
    return true;
  }
  text_.append("END\r\n");
  return true;
}

bool MemcachedTextDialect::render_stats(const Join& join) {
  StatsSum sum(join.memory.keys);
  for (const Fragment& fragment : join.memory.fragments) {
    std::string_view rest = fragment.reply;
    while (!rest.empty() && rest != "END\r\n") {
      const std::string_view line = rest.substr(0, rest.find("\r\n"));
      rest.remove_prefix(line.size() + 2);
      constexpr std::string_view kStat = "STAT ";
      const size_t space = line.find(' ', kStat.size());
      if (!line.starts_with(kStat) || space == std::string_view::npos) {
        text_.assign(line).append("\r\n");  // an error
        return wire::classify_text_reply(line) == wire::TextReplyKind::kError;
      }
      sum.add(line.substr(kStat.size(), space - kStat.size()), line.substr(space + 1));
    }
  }
  for (const auto& line : sum.lines()) {
    text_.append("STAT ").append(line.name).append(1, ' ').append(line.value).append("\r\n");
  }
  text_.append("END\r\n");
  return true;
}

}  // namespace quorate::relay
