// The roles of a member (§3.1), as types: what only a leader has exists only while it leads.
//
//            no leader heard              a quorum would vote           a quorum voted
//   Follower ───────────────► PreCandidate ───────────────► Candidate ───────────────► Leader
//      ▲                        │      ▲                      │    │                      │
//      │◄── a leader is heard ──┘      └── no winner in time ─┘    │                      │
//      │◄── a leader is heard, or a newer term ────────────────────┘                      │
//      └◄── a newer term, or no quorum is heard ──────────────────────────────────────────┘
//
// A learner, or a member that has left the configuration, is a Follower that never campaigns.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <variant>

#include "consensus/raft/progress.h"

namespace quorate::raft {

struct Follower {
  std::optional<MemberId> leader;
  Instant last_contact{};  ///< with `leader`
  Instant election_deadline{};
};

struct PreCandidate {
  std::map<MemberId, bool> votes;
  Instant election_deadline{};
};

struct Candidate {
  std::map<MemberId, bool> votes;
  Instant election_deadline{};
};

/// A read that waits for a quorum to confirm that this leader still leads (§6.4).
struct UnconfirmedRead {
  MemberId from{};  ///< who asked; the leader itself among them
  uint64_t request = 0;
  Index index = 0;     ///< the commit index when it was asked
  uint64_t round = 0;  ///< the heartbeat round that confirms it; 0: none yet, as the leader has not
                       ///< committed an entry of its term
};

/// Leadership is being handed over (§3.10); meanwhile nothing is proposed.
struct Transfer {
  MemberId target{};
  Instant deadline{};
  bool told = false;  ///< TimeoutNow has been sent
};

struct Leader {
  std::map<MemberId, Progress> progress;  ///< of everyone the log goes to, without the leader
  Index term_start = 0;                   ///< its first entry, a Noop
  Instant heartbeat_deadline{};
  uint64_t round = 0;
  bool round_unsent = false;  ///< the heartbeats of `round` are still in the outbox
  std::deque<UnconfirmedRead> reads;
  std::optional<Transfer> transfer;
  size_t uncommitted_bytes = 0;
};

using Role = std::variant<Follower, PreCandidate, Candidate, Leader>;

}  // namespace quorate::raft
