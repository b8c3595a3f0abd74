// SubscriberCounts: who has subscribed to what, over all workers. A worker subscribes to a channel
// once for all its clients, so what a backend counts is workers; this is what is missing to tell
// PUBLISH and PUBSUB how many clients that are.
//
// One lock, taken when a client (un)subscribes, when PUBSUB asks, and when PUBLISH is answered
// while some worker has several clients on one topic: never by other commands. Clients of another
// quorate process are not known here: its workers count as one client each.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/session/subscriber.h"

namespace quorate::relay {

class SubscriberCounts {
 public:
  using Kind = session::TopicKind;

  /// A client of a worker has subscribed; `first`: as the first of that worker.
  void add(uint32_t pool, Kind kind, std::string_view topic, bool first);
  void remove(uint32_t pool, Kind kind, std::string_view topic, bool last);

  /// Whether any topic has more clients than a backend knows of.
  bool any_unseen() const { return unseen_.load(std::memory_order_acquire) != 0; }
  /// Receivers of a message on `channel` that no backend has counted.
  uint64_t unseen_receivers(uint32_t pool, std::string_view channel, bool is_shard) const;

  /// PUBSUB CHANNELS, SHARDCHANNELS: those that match; no pattern: all. In any order.
  std::vector<std::string> names(uint32_t pool, Kind kind, const std::string_view* pattern) const;
  /// PUBSUB NUMSUB, SHARDNUMSUB.
  uint64_t clients(uint32_t pool, Kind kind, std::string_view topic) const;
  /// PUBSUB NUMPAT.
  uint64_t topics(uint32_t pool, Kind kind) const;

 private:
  struct Count {
    uint32_t clients = 0;
    uint32_t workers = 0;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Topics = std::unordered_map<std::string, Count, Hash, std::equal_to<>>;
  using Pool = std::array<Topics, session::kTopicKinds>;

  const Topics* find(uint32_t pool, Kind kind) const;

  mutable std::mutex mutex_;
  std::unordered_map<uint32_t, Pool> pools_;
  std::atomic<uint64_t> unseen_{0};
};

}  // namespace quorate::relay
