// Subscriptions: the channels and patterns that this worker's clients have subscribed to, and the
// feeds that their messages come on: one connection per backend, subscribed once to each topic
// however many clients want it.
//
// Every topic is subscribed to on every backend of the pool. PUBLISH goes to one of them, which the
// pool's placement names (the channel's home); but a script, a transaction or a keyspace event
// publishes where it happens, and a channel moves when the ring changes. A message is published on
// one backend, so it still comes once.
//
// A feed that is lost may have lost messages with it. Whom that may concern is told so and closed,
// as if the server were gone: subscribers of channels whose home it is, of patterns, and of
// keyspace events, which come from everywhere. The others stay, and the feed is made again.
//
// A SUBSCRIBE is answered once the backends have confirmed it, so that what is published after its
// reply arrives: it waits, unread, and is dispatched again (dialect.h). So does an UNSUBSCRIBE, so
// that who publishes after its reply is not told of a receiver.
//
// A Redis Cluster tells each message of a channel to every node, which one server does not: there a
// message counts from the node that has the channel's slot only. Its shard channels are subscribed
// to on that node alone.
//
// Called by RedisDialect and Relay only.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "backends/link/upstream.h"
#include "proxy/relay/subscriber_counts.h"
#include "proxy/session/session.h"

namespace quorate::relay {

class Relay;
struct PoolRuntime;

class Subscriptions {
 public:
  using Kind = session::TopicKind;
  using Session = session::Session;

  explicit Subscriptions(Relay& relay) : relay_(relay) {}

  enum class Verdict : uint8_t {
    kReady,    ///< the backends send messages of all topics
    kWait,     ///< session.wait is set: dispatch the command again later
    kRefused,  ///< `refusal()`, an error without its "-", says why
  };
  /// Before add() of any of them.
  Verdict prepare(Session& session, Kind kind, std::span<const std::string_view> names);
  const std::string& refusal() const { return refusal_; }

  /// False: it was subscribed (was not, for remove()) already.
  bool add(Session& session, Kind kind, std::string_view name);
  bool remove(Session& session, Kind kind, std::string_view name);
  /// What remove() sent for it is not confirmed: session.wait is set.
  bool await_removals(Session& session);
  /// What it has subscribed to. Views, until the next call of anything here.
  std::vector<std::string_view> names(const Session& session, Kind kind) const;
  /// The session is gone, or RESET.
  void forget(Session& session);

  /// A reply, or a part of one, on a feed.
  void on_piece(link::Link& feed, const link::ReplyPiece& piece);
  /// The feed's connection is gone. `misses`: messages may be lost with it.
  void on_feed_lost(link::Upstream& upstream, bool misses);
  /// Opens the feed, if anybody has subscribed to anything there, and subscribes to what has come
  /// there meanwhile.
  void revive(link::Upstream& upstream);
  void on_time(link::Upstream& upstream);

 private:
  struct Topic {
    uint32_t number;
    uint32_t pool;
    Kind kind;
    std::string name;
    std::vector<base::SlabId> subscribers;
    uint32_t wanted = 0;  // by so many sessions that wait
  };
  // One backend's feed: what was asked there, in order, and how far that was answered.
  struct Feed {
    uint64_t asked = 0;
    uint64_t answered = 0;
    base::Instant oldest{};                            // of what is not answered
    base::Instant lost_at = base::kNever;              // the connection before this one
    std::unordered_map<uint32_t, uint64_t> topics;     // number of its SUBSCRIBE, in `asked`
    std::unordered_map<uint32_t, std::string> errors;  // instead of a confirmation
    std::deque<std::pair<uint64_t, base::SlabId>> waiters;
    std::string held;          // a message that comes in pieces
    bool is_too_long = false;  // it is longer than any subscriber may be sent
  };

  Topic* find(uint32_t pool, Kind kind, std::string_view name);
  Topic& find_or_add(uint32_t pool, Kind kind, std::string_view name);
  const std::string& key_of(uint32_t pool, Kind kind, std::string_view name);
  bool is_broadcast(uint32_t pool, std::string_view channel, const link::Upstream& from) const;
  bool belongs(const Topic& topic, const link::Upstream& upstream) const;
  bool comes_from_everywhere(const Topic& topic) const;
  bool has_home(const Topic& topic, const link::Upstream& upstream) const;
  bool is_used(uint32_t pool) const;

  Feed& feed_of(const link::Upstream& upstream);
  bool open_feed(link::Upstream& upstream);
  void subscribe(link::Upstream& upstream, Feed& feed, const Topic& topic);
  void send(link::Upstream& upstream, Feed& feed, std::string_view command, const Topic& topic);
  bool await_confirmation(Session& session, const link::Upstream& upstream, const Topic& topic);
  void drop_if_unused(Topic& topic, session::Subscriber& last);
  void release_wanted(Session& session);
  void on_answered(Feed& feed, std::string_view error);
  void on_reply(Feed& feed, const link::Upstream& upstream, std::string_view reply);
  void deliver(Topic& topic, std::string_view message);
  void tell_missing(const link::Upstream& upstream);
  void end_subscribers(Topic& topic, std::string_view error);

  Relay& relay_;
  std::vector<std::unique_ptr<Topic>> topics_;  // by number; nullptr: free
  std::vector<uint32_t> free_numbers_;
  std::unordered_map<std::string, uint32_t> by_name_;  // see key_of()
  std::vector<std::unique_ptr<Feed>> feeds_;           // by upstream
  std::string key_;
  std::string bytes_;
  std::string refusal_;
};

}  // namespace quorate::relay
