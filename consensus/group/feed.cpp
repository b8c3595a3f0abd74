#include "consensus/group/feed.h"

#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/cluster/cluster_codec.h"
#include "consensus/group/mutation.h"

namespace quorate::group {
namespace {

constexpr Duration kLeastInterval = std::chrono::milliseconds(10);
constexpr Duration kMostInterval = std::chrono::seconds(60);
/// Silent for so many intervals, an observer is gone.
constexpr int kObserverPatience = 20;

Bytes shared(const VoterMessage& message) {
  return std::make_shared<const std::string>(encode(message));
}

}  // namespace

void Feed::restart(Index index) {
  base_ = index;
  log_.clear();
  log_bytes_ = 0;
  messages_.clear();
  snapshot_ = nullptr;
  all_ready_ = true;
}

void Feed::append(raft::EntryRef entry) {
  ASSERT(entry->index == last() + 1);
  log_bytes_ += raft::cost(*entry);
  log_.push_back(std::move(entry));
  while (log_.size() > options_.feed_entries || log_bytes_ > options_.feed_bytes) {
    log_bytes_ -= raft::cost(*log_.front());
    log_.pop_front();
    ++base_;
  }
  messages_.clear();
  all_ready_ = true;
}

void Feed::on_connected(ConnectionId connection, Instant now) {
  Observer& observer = observers_[connection];
  observer = Observer{};
  observer.heard = observer.last_sent = now;
  observer.interval = options_.follow_interval;
  next_beat_ = std::min(next_beat_, now + observer.interval * kObserverPatience);
  if (observers_.size() > options_.max_observers) close(connection, Goodbye::Reason::kTooMany);
}

void Feed::close(ConnectionId connection, Goodbye::Reason reason) {
  sent_.push_back({connection, shared(Goodbye{reason})});
  closed_.push_back(connection);
  observers_.erase(connection);
}

void Feed::part(Goodbye::Reason reason) {
  while (!observers_.empty()) close(observers_.begin()->first, reason);
}

void Feed::forgive(Duration gap) {
  for (auto& [id, observer] : observers_) observer.heard += gap;
}

bool Feed::subscribed(ConnectionId connection) const {
  const auto found = observers_.find(connection);
  return found != observers_.end() && found->second.subscribed;
}

bool Feed::subscribe(ConnectionId connection, const Subscribe& message,
                     const cluster::ClusterMap& map, Instant now) {
  const auto found = observers_.find(connection);
  if (found == observers_.end()) return true;  // it was told goodbye; this crossed it
  Observer& observer = found->second;
  if (observer.subscribed) return false;
  if (message.version != kProtocolVersion) {
    close(connection, Goodbye::Reason::kProtocol);
    return true;
  }
  if (message.cluster && map.cluster && message.cluster != map.cluster) {
    close(connection, Goodbye::Reason::kOtherCluster);
    return true;
  }
  observer.subscribed = true;
  observer.name = message.name;
  observer.interval = std::clamp(message.interval, kLeastInterval, kMostInterval);
  observer.heard = now;
  observer.last_sent = now - observer.interval;  // the first Beat is due
  // An index names one map within a generation only. One that is ahead of this voter waits for it.
  const bool known = message.index > 0 && message.generation == map.generation &&
                     message.cluster == map.cluster && message.index >= base_;
  observer.next = known ? message.index + 1 : 0;
  observer.confirmed_index = message.index;
  ready_.insert(connection);
  next_beat_ = std::min(next_beat_, now);
  return true;
}

bool Feed::confirm(ConnectionId connection, const Confirm& message, Instant now) {
  const auto found = observers_.find(connection);
  if (found == observers_.end()) return true;
  Observer& observer = found->second;
  if (!observer.subscribed || message.messages > observer.sent) return false;
  observer.heard = now;
  observer.confirmed = std::max(observer.confirmed, message.messages);
  observer.confirmed_index = message.index;
  if (observer.session != message.session) {
    observer.session = message.session;
    news_ = true;
  }
  ready_.insert(connection);
  return true;
}

void Feed::send(ConnectionId connection, const VoterMessage& message) {
  if (observers_.contains(connection)) sent_.push_back({connection, shared(message)});
}

// ---- What there is to send.

void Feed::pump(const cluster::ClusterMap& map, const Leadership& leadership, Instant now) {
  if (std::exchange(all_ready_, false)) {
    for (auto& [id, observer] : observers_) pump_one(id, observer, map, now);
  } else {
    for (const ConnectionId id : ready_) {
      const auto found = observers_.find(id);
      if (found != observers_.end()) pump_one(id, found->second, map, now);
    }
  }
  ready_.clear();
  if (now >= next_beat_ || leadership != told_) beat(leadership, now);
  told_ = leadership;
}

void Feed::pump_one(ConnectionId id, Observer& observer, const cluster::ClusterMap& map,
                    Instant now) {
  if (!observer.subscribed) return;
  while (observer.sent - observer.confirmed < options_.feed_in_flight) {
    // The snapshot must be of now: what came before the log's beginning is in no other place.
    if (observer.snapshot == nullptr && observer.next <= base_) begin_snapshot(observer, map);
    if (observer.snapshot != nullptr) {
      const std::string& bytes = observer.snapshot->bytes;
      Piece piece{observer.offset, bytes.size(),
                  bytes.substr(observer.offset, options_.feed_message_bytes)};
      observer.offset += piece.data.size();
      sent_.push_back({id, shared(piece)});
      if (observer.offset == bytes.size()) {
        observer.next = observer.snapshot->index + 1;
        observer.snapshot = nullptr;
      }
    } else if (observer.next <= last()) {
      const Message& message = changes_from(observer.next);
      sent_.push_back({id, message.bytes});
      observer.next = message.last + 1;
    } else {
      return;
    }
    ++observer.sent;
    observer.last_sent = now;
  }
}

void Feed::begin_snapshot(Observer& observer, const cluster::ClusterMap& map) {
  // Nor is one that is older than what the observer has of any use to it.
  const Index wanted = std::min(std::max(base_, observer.confirmed_index), map.index);
  if (snapshot_ == nullptr || snapshot_->index < wanted) {
    snapshot_ = std::make_shared<const Snapshot>(Snapshot{map.index, cluster::encode(map)});
  }
  observer.snapshot = snapshot_;
  observer.offset = 0;
}

const Feed::Message& Feed::changes_from(Index first) {
  const auto [place, is_new] = messages_.try_emplace(first);
  Message& message = place->second;
  if (!is_new) return message;
  Changes changes;
  changes.previous = first - 1;
  size_t bytes = 0;
  for (Index index = first; index <= last() && bytes < options_.feed_message_bytes; ++index) {
    const raft::Entry& entry = *log_[index - base_ - 1];
    changes.last = index;
    bytes += raft::cost(entry);
    if (const auto* command = std::get_if<raft::Command>(&entry.data)) {
      if (mutated(Mutation::kFeedSkipsEntries) && index % 16 == 0) continue;
      changes.entries.push_back({index, command->bytes});
    } else if (const auto* members = std::get_if<raft::Configuration>(&entry.data)) {
      changes.entries.push_back({index, *members});
    }
  }
  message = {changes.last, shared(changes)};
  return message;
}

void Feed::beat(const Leadership& leadership, Instant now) {
  const Bytes bytes = shared(Beat{last(), leadership.term, leadership.leader});
  next_beat_ = base::kNever;
  std::vector<ConnectionId> silent;
  for (auto& [id, observer] : observers_) {
    const Instant patience = observer.heard + observer.interval * kObserverPatience;
    if (now > patience) silent.push_back(id);
    next_beat_ = std::min(next_beat_, patience + Duration(1));
    if (!observer.subscribed) continue;
    if (now >= observer.last_sent + observer.interval || leadership != told_) {
      sent_.push_back({id, bytes});
      observer.last_sent = now;
    }
    next_beat_ = std::min(next_beat_, observer.last_sent + observer.interval);
  }
  // Not a pass over all for each of them.
  next_beat_ = std::max(next_beat_, now + kLeastInterval);
  for (const ConnectionId id : silent) close(id, Goodbye::Reason::kProtocol);
  if (observers_.empty()) next_beat_ = base::kNever;
}

// ---- For reports.

std::vector<Heard> Feed::sessions(Instant now) const {
  std::vector<Heard> sessions;
  for (const auto& [id, observer] : observers_) {
    if (observer.session == SessionId{}) continue;
    sessions.push_back({observer.session, now - observer.heard, observer.confirmed_index});
  }
  return sessions;
}

std::vector<ObserverStatus> Feed::status() const {
  std::vector<ObserverStatus> all;
  for (const auto& [id, observer] : observers_) {
    all.push_back({.connection = id,
                   .name = observer.name,
                   .session = observer.session,
                   .confirmed = observer.confirmed_index,
                   .heard = observer.heard});
  }
  return all;
}

}  // namespace quorate::group
