#include "proxy/relay/subscriptions.h"

#include <algorithm>
#include <array>

#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/relay.h"

namespace quorate::relay {

using link::LinkState;
using link::Upstream;
using session::Subscriber;

namespace {

constexpr std::array<std::string_view, session::kTopicKinds> kSubscribe = {
    "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"};
constexpr std::array<std::string_view, session::kTopicKinds> kUnsubscribe = {
    "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"};

size_t index_of(session::TopicKind kind) { return static_cast<size_t>(kind); }

bool is_of_keyspace(std::string_view channel) {
  return channel.starts_with("__keyspace@") || channel.starts_with("__keyevent@");
}

/// The bulk strings at the beginning of what a feed sends: "message", the channel …
class BulkReader {
 public:
  explicit BulkReader(std::string_view reply) : rest_(reply) {
    const size_t line_end = rest_.find("\r\n");
    rest_.remove_prefix(line_end == std::string_view::npos ? rest_.size() : line_end + 2);
  }
  /// Empty, too, if there is none (UNSUBSCRIBE of nothing says nil).
  std::string_view next() {
    const size_t line_end = rest_.find("\r\n");
    if (!rest_.starts_with('$') || line_end == std::string_view::npos) return {};
    const auto length = base::parse_integer<size_t>(rest_.substr(1, line_end - 1));
    if (!length || line_end + 2 + *length > rest_.size()) return {};
    const std::string_view bulk = rest_.substr(line_end + 2, *length);
    rest_.remove_prefix(std::min(rest_.size(), line_end + 4 + *length));
    return bulk;
  }

 private:
  std::string_view rest_;
};

}  // namespace

// --- topics ---

const std::string& Subscriptions::key_of(uint32_t pool, Kind kind, std::string_view name) {
  key_.assign(reinterpret_cast<const char*>(&pool), sizeof pool);
  key_.push_back(static_cast<char>('0' + index_of(kind)));
  key_.append(name);
  return key_;
}

Subscriptions::Topic* Subscriptions::find(uint32_t pool, Kind kind, std::string_view name) {
  const auto found = by_name_.find(key_of(pool, kind, name));
  return found != by_name_.end() ? topics_[found->second].get() : nullptr;
}

Subscriptions::Topic& Subscriptions::find_or_add(uint32_t pool, Kind kind, std::string_view name) {
  if (Topic* topic = find(pool, kind, name)) return *topic;
  uint32_t number = static_cast<uint32_t>(topics_.size());
  if (free_numbers_.empty()) {
    topics_.emplace_back();
  } else {
    number = free_numbers_.back();
    free_numbers_.pop_back();
  }
  topics_[number] = std::make_unique<Topic>(Topic{
      .number = number, .pool = pool, .kind = kind, .name = std::string(name), .subscribers = {}});
  by_name_.emplace(key_of(pool, kind, name), number);
  return *topics_[number];
}

/// The node that has the channel says the same.
bool Subscriptions::is_broadcast(uint32_t pool, std::string_view channel,
                                 const Upstream& from) const {
  PoolRuntime& runtime = relay_.pool(pool);
  if (!runtime.plan->by_slot || is_of_keyspace(channel)) return false;
  return &relay_.upstream_for(runtime, channel) != &from;
}

/// Whether the topic is to be subscribed to there.
bool Subscriptions::belongs(const Topic& topic, const Upstream& upstream) const {
  PoolRuntime& pool = relay_.pool(topic.pool);
  if (!pool.plan->by_slot || topic.kind != Kind::kShard) return true;
  return &relay_.upstream_for(pool, topic.name) == &upstream;
}

bool Subscriptions::comes_from_everywhere(const Topic& topic) const {
  return topic.kind == Kind::kPattern ||
         (topic.kind == Kind::kChannel && is_of_keyspace(topic.name));
}

bool Subscriptions::has_home(const Topic& topic, const Upstream& upstream) const {
  PoolRuntime& pool = relay_.pool(topic.pool);
  if (!comes_from_everywhere(topic)) return &relay_.upstream_for(pool, topic.name) == &upstream;
  return std::ranges::find(pool.plan->members, upstream.number()) != pool.plan->members.end();
}

bool Subscriptions::is_used(uint32_t pool) const {
  return std::ranges::any_of(
      topics_, [pool](const auto& topic) { return topic != nullptr && topic->pool == pool; });
}

void Subscriptions::drop_if_unused(Topic& topic, Subscriber& last) {
  if (!topic.subscribers.empty() || topic.wanted != 0) return;
  for (uint32_t id = 0; id < feeds_.size(); ++id) {
    if (feeds_[id] == nullptr || feeds_[id]->topics.erase(topic.number) == 0) continue;
    Upstream& upstream = *relay_.upstream(id);
    feeds_[id]->errors.erase(topic.number);
    if (upstream.feed().state() == LinkState::kClosed) continue;
    send(upstream, *feeds_[id], kUnsubscribe[index_of(topic.kind)], topic);
    last.unconfirmed.emplace_back(id, feeds_[id]->asked);
  }
  by_name_.erase(key_of(topic.pool, topic.kind, topic.name));
  free_numbers_.push_back(topic.number);
  topics_[topic.number].reset();
}

// --- what sessions want ---

Subscriptions::Verdict Subscriptions::prepare(Session& session, Kind kind,
                                              std::span<const std::string_view> names) {
  if (session.subscriber == nullptr) session.subscriber = std::make_unique<Subscriber>();
  Subscriber& subscriber = *session.subscriber;
  PoolRuntime& pool = relay_.pool(session.pool);
  if (subscriber.wanted.empty()) {
    for (const std::string_view name : names) {
      Topic& topic = find_or_add(session.pool, kind, name);
      ++topic.wanted;
      subscriber.wanted.push_back(topic.number);
    }
  }
  const auto refuse = [&](std::string_view error) {
    refusal_ = error;
    release_wanted(session);
    return Verdict::kRefused;
  };
  for (const cluster::BackendId member : pool.plan->members) {
    Upstream& upstream = *relay_.upstream(member);
    const bool is_open = open_feed(upstream);
    Feed& feed = feed_of(upstream);
    for (const uint32_t number : subscriber.wanted) {
      const Topic& topic = *topics_[number];
      if (!is_open) {
        if (!has_home(topic, upstream)) continue;
        return refuse("ERR backend " + upstream.label() + " unavailable");
      }
      if (!belongs(topic, upstream)) continue;
      if (!feed.topics.contains(number)) subscribe(upstream, feed, topic);
      const auto error = feed.errors.find(number);
      if (error != feed.errors.end()) return refuse(std::string(error->second));
    }
  }
  for (const cluster::BackendId member : pool.plan->members) {
    for (const uint32_t number : subscriber.wanted) {
      if (await_confirmation(session, *relay_.upstream(member), *topics_[number])) {
        return Verdict::kWait;
      }
    }
  }
  return Verdict::kReady;
}

/// True: the session waits for it.
bool Subscriptions::await_confirmation(Session& session, const Upstream& upstream,
                                       const Topic& topic) {
  Feed& feed = feed_of(upstream);
  const auto asked = feed.topics.find(topic.number);
  if (asked == feed.topics.end() || asked->second <= feed.answered) return false;
  feed.waiters.emplace_back(feed.asked, session.id);
  session.wait = session::Wait::kQuestion;
  return true;
}

void Subscriptions::release_wanted(Session& session) {
  const auto wanted = std::exchange(session.subscriber->wanted, {});
  for (const uint32_t number : wanted) {
    --topics_[number]->wanted;
    drop_if_unused(*topics_[number], *session.subscriber);
  }
  session.subscriber->unconfirmed.clear();  // nobody waits for the end of what never began
}

bool Subscriptions::add(Session& session, Kind kind, std::string_view name) {
  Topic& topic = find_or_add(session.pool, kind, name);
  const auto place = static_cast<uint32_t>(topic.subscribers.size());
  auto& topics = session.subscriber->topics[index_of(kind)];
  const bool is_new = topics.emplace(topic.number, place).second;
  if (is_new) {
    relay_.facts().subscriber_counts.add(topic.pool, kind, name, topic.subscribers.empty());
    topic.subscribers.push_back(session.id);
  }
  auto& wanted = session.subscriber->wanted;
  const auto waits = std::ranges::find(wanted, topic.number);
  if (waits != wanted.end()) {
    wanted.erase(waits);
    --topic.wanted;
  }
  return is_new;
}

bool Subscriptions::remove(Session& session, Kind kind, std::string_view name) {
  Topic* topic = find(session.pool, kind, name);
  if (topic == nullptr || session.subscriber == nullptr) return false;
  auto& topics = session.subscriber->topics[index_of(kind)];
  const auto found = topics.find(topic->number);
  if (found == topics.end()) return false;
  // The last one takes the place that becomes free.
  const uint32_t place = found->second;
  const base::SlabId last = topic->subscribers.back();
  topic->subscribers[place] = last;
  topic->subscribers.pop_back();
  if (last != session.id) {
    Session* moved = relay_.find_session(last);
    ASSERT(moved != nullptr);
    moved->subscriber->topics[index_of(kind)].find(topic->number)->second = place;
  }
  topics.erase(found);
  relay_.facts().subscriber_counts.remove(topic->pool, kind, topic->name,
                                          topic->subscribers.empty());
  drop_if_unused(*topic, *session.subscriber);
  return true;
}

bool Subscriptions::await_removals(Session& session) {
  auto& unconfirmed = session.subscriber->unconfirmed;
  while (!unconfirmed.empty()) {
    const auto [upstream, number] = unconfirmed.back();
    Feed& feed = *feeds_[upstream];
    // A feed that was lost begins to count anew.
    if (feed.answered < number && number <= feed.asked) {
      feed.waiters.emplace_back(feed.asked, session.id);
      session.wait = session::Wait::kQuestion;
      return true;
    }
    unconfirmed.pop_back();
  }
  return false;
}

std::vector<std::string_view> Subscriptions::names(const Session& session, Kind kind) const {
  std::vector<std::string_view> names;
  if (session.subscriber == nullptr) return names;
  for (const auto& [number, place] : session.subscriber->topics[index_of(kind)]) {
    names.push_back(topics_[number]->name);
  }
  std::ranges::sort(names);
  return names;
}

void Subscriptions::forget(Session& session) {
  if (session.subscriber == nullptr) return;
  release_wanted(session);
  for (const Kind kind : {Kind::kChannel, Kind::kPattern, Kind::kShard}) {
    auto& topics = session.subscriber->topics[index_of(kind)];
    while (!topics.empty()) {
      const std::string name = topics_[topics.begin()->first]->name;
      remove(session, kind, name);
    }
  }
  session.subscriber.reset();
}

// --- feeds ---

Subscriptions::Feed& Subscriptions::feed_of(const Upstream& upstream) {
  if (feeds_.size() <= upstream.number()) feeds_.resize(upstream.number() + 1);
  auto& feed = feeds_[upstream.number()];
  if (feed == nullptr) feed = std::make_unique<Feed>();
  return *feed;
}

/// False: there is none now.
bool Subscriptions::open_feed(Upstream& upstream) {
  if (!upstream.available()) return false;
  link::Link& link = upstream.feed();
  if (link.state() != LinkState::kClosed) return true;
  Feed& feed = feed_of(upstream);
  // Who waited for the one that is lost is told so, and does not wait again.
  if (relay_.now() < link.not_before() || relay_.now() == feed.lost_at) return false;
  relay_.open_feed(link);
  for (const auto& topic : topics_) {
    if (topic == nullptr || topic->pool != upstream.pool() || !belongs(*topic, upstream)) continue;
    subscribe(upstream, feed, *topic);
  }
  return true;
}

void Subscriptions::revive(Upstream& upstream) {
  if (!is_used(upstream.pool())) return;
  const auto& members = relay_.pool(upstream.pool()).plan->members;
  if (std::ranges::find(members, upstream.number()) == members.end()) return;
  const bool was_open = upstream.feed().state() != LinkState::kClosed;
  if (!open_feed(upstream) || !was_open) return;
  Feed& feed = feed_of(upstream);
  for (const auto& topic : topics_) {
    const bool is_shard = topic != nullptr && topic->kind == Kind::kShard;
    if (!is_shard || topic->pool != upstream.pool()) continue;
    if (!belongs(*topic, upstream)) {
      feed.topics.erase(topic->number);  // the server forgets it with the slot
      feed.errors.erase(topic->number);
    } else if (!feed.topics.contains(topic->number) || feed.errors.contains(topic->number)) {
      subscribe(upstream, feed, *topic);
    }
  }
}

void Subscriptions::subscribe(Upstream& upstream, Feed& feed, const Topic& topic) {
  send(upstream, feed, kSubscribe[index_of(topic.kind)], topic);
  feed.topics[topic.number] = feed.asked;
  feed.errors.erase(topic.number);
}

// One topic at a time, so that a backend answers once for each: an error is about the one it
// answers.
void Subscriptions::send(Upstream& upstream, Feed& feed, std::string_view command,
                         const Topic& topic) {
  bytes_.clear();
  wire::append_command(bytes_, {command, topic.name});
  relay_.append_fragment(upstream.feed(), bytes_);
  if (feed.asked == feed.answered) {
    feed.oldest = relay_.now();
    relay_.wake_in(upstream.rules().request_timeout);
  }
  ++feed.asked;
}

void Subscriptions::on_time(Upstream& upstream) {
  if (upstream.number() >= feeds_.size() || feeds_[upstream.number()] == nullptr) return;
  link::Link& link = upstream.feed();
  if (link.state() == LinkState::kClosed) {
    if (!upstream.available()) return;
    revive(upstream);
    return relay_.wake_in(link.not_before() - relay_.now());
  }
  const Feed& feed = feed_of(upstream);
  const base::Duration timeout = upstream.rules().request_timeout;
  if (feed.asked == feed.answered || timeout == base::Duration::zero()) return;
  if (feed.oldest + timeout <= relay_.now()) return relay_.drop_stuck(link);
  relay_.wake_in(feed.oldest + timeout - relay_.now());
}

void Subscriptions::on_feed_lost(Upstream& upstream, bool misses) {
  Feed& feed = feed_of(upstream);
  const auto waiters = std::move(feed.waiters);
  feed = Feed{};
  feed.lost_at = relay_.now();
  for (const auto& [number, id] : waiters) relay_.wake_questioner(id);
  if (misses) tell_missing(upstream);
  if (!upstream.available()) return;
  constexpr base::Duration kSoon = std::chrono::milliseconds(1);
  relay_.wake_in(std::max(upstream.feed().not_before() - relay_.now(), kSoon));
}

void Subscriptions::tell_missing(const Upstream& upstream) {
  const std::string error =
      "ERR backend " + upstream.label() + " lost: messages may have been missed";
  for (const auto& topic : topics_) {
    if (topic == nullptr || topic->pool != upstream.pool()) continue;
    if (!topic->subscribers.empty() && has_home(*topic, upstream)) end_subscribers(*topic, error);
  }
}

void Subscriptions::end_subscribers(Topic& topic, std::string_view error) {
  bytes_.clear();
  wire::append_error(bytes_, error);
  for (const base::SlabId id : topic.subscribers) relay_.end_session(id, bytes_);
}

// --- what feeds say ---

void Subscriptions::on_piece(link::Link& link, const link::ReplyPiece& piece) {
  Feed& feed = feed_of(*relay_.upstream(link.upstream()));
  const Upstream& upstream = *relay_.upstream(link.upstream());
  link.requests().release_sent(relay_.chunks());
  if (piece.whole()) return on_reply(feed, upstream, piece.view());
  // No more is held of a message than a subscriber may be sent; more would close it anyway.
  if (!feed.is_too_long) feed.held.append(piece.bytes, piece.size);
  if (feed.held.size() > limits::kSubscriberOutput) feed.is_too_long = true;
  if (!piece.last) return;
  const std::string whole = std::exchange(feed.held, {});
  if (!std::exchange(feed.is_too_long, false)) return on_reply(feed, upstream, whole);
  BulkReader reader(whole);
  const std::string_view what = reader.next();
  const Kind kind = what == "pmessage"   ? Kind::kPattern
                    : what == "smessage" ? Kind::kShard
                                         : Kind::kChannel;
  if (Topic* topic = find(upstream.pool(), kind, reader.next())) {
    for (const base::SlabId id : topic->subscribers) relay_.cut_off_subscriber(id);
  }
}

void Subscriptions::on_reply(Feed& feed, const Upstream& upstream, std::string_view reply) {
  if (reply.starts_with("-MOVED ")) {
    return on_answered(feed, "TRYAGAIN the channel's slot has moved to another node: try again");
  }
  if (reply.starts_with('-')) return on_answered(feed, reply.substr(1, reply.find("\r\n") - 1));
  BulkReader reader(reply);
  const std::string_view what = reader.next();
  const Kind kind = what == "message"    ? Kind::kChannel
                    : what == "pmessage" ? Kind::kPattern
                                         : Kind::kShard;
  if (kind == Kind::kShard && what != "smessage") return on_answered(feed, {});
  const std::string_view name = reader.next();
  if (kind != Kind::kShard) {
    const std::string_view channel = kind == Kind::kPattern ? reader.next() : name;
    if (is_broadcast(upstream.pool(), channel, upstream)) return;
  }
  if (Topic* topic = find(upstream.pool(), kind, name)) deliver(*topic, reply);
}

void Subscriptions::on_answered(Feed& feed, std::string_view error) {
  if (feed.answered == feed.asked) return;  // (a server that says more than it was asked)
  ++feed.answered;
  feed.oldest = relay_.now();
  if (!error.empty()) {
    for (const auto& [number, asked] : feed.topics) {
      if (asked == feed.answered) feed.errors[number] = error;
    }
  }
  while (!feed.waiters.empty() && feed.waiters.front().first <= feed.answered) {
    const base::SlabId id = feed.waiters.front().second;
    feed.waiters.pop_front();
    relay_.wake_questioner(id);
  }
}

void Subscriptions::deliver(Topic& topic, std::string_view message) {
  for (const base::SlabId id : topic.subscribers) relay_.push(id, message);
}

}  // namespace quorate::relay
