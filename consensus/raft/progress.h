// Progress: what a leader knows of one other member, and how it is sending to it.
//
//            AppendEntriesResponse                     log no longer reaches back to `next`
//   Probe ───────────────────────────► Replicate   Probe ─────────────────────────────────► Install
//     ▲   AppendEntriesRefused, or no      │                                                   │
//     └─────── answer for too long ────────┘        Replicate ◄──── installed ────────────────┘
//
// Probe: one message at a time until it is known where the logs agree. Replicate: a pipeline of
// messages, bounded (§10.2.2). Install: a snapshot, one piece at a time (§5.1).
// Invariants: match < next; what is between has been sent and is not answered.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <variant>

#include "consensus/base/time.h"
#include "consensus/raft/entry.h"
#include "consensus/raft/ids.h"

namespace quorate::raft {

using base::Duration;
using base::Instant;

struct Probe {
  std::optional<Instant> sent;  ///< none: nothing is unanswered
};

struct InFlight {
  Index last = 0;  ///< the last entry of the message
  Instant sent{};
};

struct Replicate {
  std::deque<InFlight> in_flight;
};

struct Install {
  SnapshotRef snapshot;
  uint64_t offset = 0;  ///< of the piece that is being sent
  std::optional<Instant> sent;
};

struct Progress {
  Index match = 0;         ///< on that member's disk, and equal to the leader's log
  Index next = 1;          ///< the next entry to send
  Index told_commit = 0;   ///< the highest commit index sent
  Instant last_contact{};  ///< when it last answered anything
  uint64_t round = 0;      ///< the highest heartbeat round it answered
  std::variant<Probe, Replicate, Install> state;
  /// It has left the group, and is sent the log until then, so that it learns of it.
  std::optional<Instant> farewell_until;

  // Catching up in rounds (§4.2.1): each replicates what the log held when it began. A member has
  // caught up when a round took less than an election timeout.
  Index catch_up_target = 0;
  Instant catch_up_began{};
  bool caught_up = false;
};

/// When an unanswered message is given up; kNever if nothing waits for an answer.
Instant resend_at(const Progress& progress, Duration resend_timeout);

/// What was sent and not answered counts as lost.
void stop_waiting(Progress& progress);

/// Takes note that the member has the log up to `match`, on disk. Returns whether that is news.
bool advance(Progress& progress, Index match);

/// Ends a catch-up round that `match` has completed, and begins the next one.
void count_catch_up(Progress& progress, Index last_index, Instant now, Duration election_timeout);

/// Whether it could vote without holding the group up: caught up, and not fallen behind since.
bool keeps_up(const Progress& progress, Instant now, Duration election_timeout);

}  // namespace quorate::raft
