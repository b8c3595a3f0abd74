// Every limit and every time of this layer, in one place; the same for all proxies of a cluster.
#pragma once

#include <chrono>
#include <cstddef>

#include "consensus/base/time.h"
#include "consensus/cluster/cluster_map.h"
#include "consensus/raft/options.h"

namespace quorate::group {

struct Options {
  raft::Options raft;

  /// The leader asks the voters this often what they have seen; what is new, they tell at once.
  base::Duration report_interval = std::chrono::milliseconds(200);
  /// A session of which no report has told for so long has ended, unless it has a time of its own.
  /// An observer whose voter falls silent needs follow_patience intervals to turn to the next one;
  /// the end of a dead one has to be committed within a second.
  base::Duration session_timeout = std::chrono::milliseconds(700);
  /// What a voter saw of a backend counts for so long, beyond the interval and deadline of a probe.
  base::Duration evidence_slack = std::chrono::milliseconds(400);
  /// A forwarded request whose end is not heard of after so long ends as unknown.
  base::Duration request_timeout = std::chrono::seconds(5);
  /// A voter and an observer whose session has no time of its own hear of each other this often;
  /// others, and those without a session, five times as rarely.
  base::Duration follow_interval = std::chrono::milliseconds(100);
  /// An observer that hears nothing from its voter for so many intervals turns to another one.
  int follow_patience = 4;
  /// First pause after every voter was tried; doubles up to the other.
  base::Duration reconnect_backoff = std::chrono::milliseconds(20);
  base::Duration reconnect_backoff_max = std::chrono::seconds(1);
  /// An observer whose voter has known no leader for so long turns to another one.
  base::Duration leaderless_timeout = std::chrono::seconds(2);

  raft::Index snapshot_every = 4096;     ///< entries
  size_t feed_entries = 4096;            ///< kept for observers that are a little behind
  size_t feed_bytes = size_t{4} << 20;   ///< the same
  size_t feed_message_bytes = 64 << 10;  ///< of changes, or of a snapshot, in one message
  size_t feed_in_flight = 16;            ///< messages an observer has not confirmed
  size_t max_observers = 4096;
  size_t max_requests = 4096;  ///< that have not ended; of one process
};

/// This process, as its session tells the others.
struct Self {
  std::string name;
  std::string address;        ///< where members reach it; may be empty of an observer
  cluster::Nonce nonce;       ///< drawn at each start
  bool wants_session = true;  ///< opens one as soon as it can, and another one if it ends
  bool coordinator = false;
  uint32_t session_ttl_ms = 0;  ///< of an optional one; see cluster::Session
};

}  // namespace quorate::group
