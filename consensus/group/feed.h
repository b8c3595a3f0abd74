// Feed: how a voter keeps its observers at its own map: a snapshot to begin with, unless they have
// a map that is new enough, then every change.
//
//   subscribed ──► Pieces of one snapshot ──► Changes ──► Changes …     and Beats when there is
//        └── has the map of an index that is still kept ──▲             nothing to say
//
// An observer that does not confirm is sent nothing more until it does; when what it misses is not
// kept any more, it gets a snapshot again. So a slow one costs a bounded queue and delays nobody.
// Messages are made once for all observers that are at the same place. Pure.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "consensus/group/group.h"
#include "consensus/group/messages.h"
#include "consensus/raft/entry.h"

namespace quorate::group {

class Feed {
 public:
  explicit Feed(const Options& options) : options_(options) {}

  /// The map is of `index`, and nothing before it is kept.
  void restart(Index index);
  /// The entry after the last one has been applied.
  void append(raft::EntryRef entry);

  void on_connected(ConnectionId connection, Instant now);
  void on_lost(ConnectionId connection) { observers_.erase(connection); }
  /// These ask for an observer that has subscribed, but for the first. False: that cannot be.
  bool subscribe(ConnectionId connection, const Subscribe& message, const cluster::ClusterMap& map,
                 Instant now);
  bool confirm(ConnectionId connection, const Confirm& message, Instant now);
  bool subscribed(ConnectionId connection) const;
  /// It has been told goodbye, or never came: what it still sends crossed that.
  bool is_gone(ConnectionId connection) const { return !observers_.contains(connection); }
  /// Nothing happens if it is gone.
  void send(ConnectionId connection, const VoterMessage& message);
  /// Ends all connections.
  void part(Goodbye::Reason reason);
  /// This process was held up for so long, and heard nobody.
  void forgive(Duration gap);

  /// Whom this voter takes for the leader, and of which term.
  struct Leadership {
    raft::Term term = 0;
    std::optional<MemberId> leader;
    bool operator==(const Leadership&) const = default;
  };
  /// What there is to send.
  void pump(const cluster::ClusterMap& map, const Leadership& leadership, Instant now);
  Instant next_deadline() const { return next_beat_; }

  std::vector<ObserverEnvelope> take_sent() { return std::exchange(sent_, {}); }
  std::vector<ConnectionId> take_closed() { return std::exchange(closed_, {}); }
  /// Whether an observer said of a session that was not heard of here before.
  bool take_news() { return std::exchange(news_, false); }

  std::vector<Heard> sessions(Instant now) const;
  std::vector<ObserverStatus> status() const;

 private:
  struct Snapshot {
    Index index = 0;
    std::string bytes;
  };
  struct Observer {
    bool subscribed = false;
    std::string name;
    SessionId session{};
    Duration interval{};
    Index next = 0;                            ///< the index it is sent next
    std::shared_ptr<const Snapshot> snapshot;  ///< being sent; then `next` follows it
    size_t offset = 0;
    uint64_t sent = 0;       ///< Pieces and Changes
    uint64_t confirmed = 0;  ///< of them
    Index confirmed_index = 0;
    Instant heard{};
    Instant last_sent{};
  };
  struct Message {
    Index last = 0;
    Bytes bytes;
  };

  void close(ConnectionId connection, Goodbye::Reason reason);
  void begin_snapshot(Observer& observer, const cluster::ClusterMap& map);
  void pump_one(ConnectionId id, Observer& observer, const cluster::ClusterMap& map, Instant now);
  void beat(const Leadership& leadership, Instant now);
  const Message& changes_from(Index first);
  Index last() const { return base_ + log_.size(); }

  Options options_;
  std::map<ConnectionId, Observer> observers_;
  Index base_ = 0;  ///< before the first entry that is kept
  std::deque<raft::EntryRef> log_;
  size_t log_bytes_ = 0;
  std::map<Index, Message> messages_;  ///< by their first index; made since the last append
  std::shared_ptr<const Snapshot> snapshot_;
  bool all_ready_ = false;
  std::set<ConnectionId> ready_;
  Instant next_beat_ = base::kNever;
  Leadership told_;  ///< by the last beat of all
  bool news_ = false;
  std::vector<ObserverEnvelope> sent_;
  std::vector<ConnectionId> closed_;
};

}  // namespace quorate::group
