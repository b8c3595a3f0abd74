// Subscriber: what a session has subscribed to. Topics are named by their number among the worker's
// (relay/subscriptions.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "consensus/base/time.h"

namespace quorate::session {

enum class TopicKind : uint8_t { kChannel, kPattern, kShard };
inline constexpr size_t kTopicKinds = 3;

struct Subscriber {
  /// By kind: the topic's number, and the session's place among its subscribers.
  std::array<std::unordered_map<uint32_t, uint32_t>, kTopicKinds> topics;
  /// Topics that a SUBSCRIBE which waits for the backends has asked for.
  std::vector<uint32_t> wanted;
  /// UNSUBSCRIBEs sent to backends (by number of upstream, of the request there) that are to be
  /// confirmed before `farewell`, the reply, is said.
  std::vector<std::pair<uint32_t, uint64_t>> unconfirmed;
  std::string farewell;
  /// The last message that had to wait for replies before it, if any: no other may overtake it.
  uint32_t queued_slot = 0;
  bool has_queued = false;
  /// Since when more is unsent than a subscriber may have for long.
  base::Instant slow_since = base::kNever;

  size_t count(TopicKind kind) const { return topics[static_cast<size_t>(kind)].size(); }
  /// What SUBSCRIBE and PSUBSCRIBE count.
  size_t count() const { return count(TopicKind::kChannel) + count(TopicKind::kPattern); }
  bool any() const { return count() + count(TopicKind::kShard) > 0; }
};

}  // namespace quorate::session
