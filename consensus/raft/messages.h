// What members say to each other: one small struct a message, in a variant.
//
// The names are the paper's. Where there are more of them than in the paper, it is so that no field
// means two things:
//  - Heartbeat is not an empty AppendEntries. Its answer promises nothing that is on disk, so it
//  need
//    not wait for one, and a slow disk loses neither leadership nor reads;
//  - what AppendEntriesResponse says with success = false is AppendEntriesRefused if the logs
//  differ
//    and StaleTerm if the sender's term is over;
//  - pre-votes have messages of their own: they change nothing where they arrive.
// `term` is always the sender's current one.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "consensus/raft/entry.h"

namespace quorate::raft {

/// Would you vote for me? (§9.6)
struct PreVote {
  Term term = 0;
  Term next_term = 0;  ///< the one the sender would campaign in
  Index last_log_index = 0;
  Term last_log_term = 0;
};

struct PreVoteResponse {
  Term term = 0;
  Term next_term = 0;  ///< the question's
  bool granted = false;
};

struct RequestVote {
  Term term = 0;
  Index last_log_index = 0;
  Term last_log_term = 0;
  bool leadership_transfer = false;  ///< the leader itself asked for this election (§4.2.3)
};

struct RequestVoteResponse {
  Term term = 0;
  bool granted = false;
};

struct AppendEntries {
  Term term = 0;
  Index prev_log_index = 0;
  Term prev_log_term = 0;
  Index leader_commit = 0;
  std::vector<EntryRef> entries;  ///< the first has prev_log_index + 1
};

/// The log through match_index is the leader's, and is on this member's disk.
struct AppendEntriesResponse {
  Term term = 0;
  Index match_index = 0;
};

/// The log does not hold the entry before those sent (§3.5, the paper's fast back-up).
struct AppendEntriesRefused {
  Term term = 0;
  Index prev_log_index = 0;  ///< the message's
  Index conflict_index = 0;  ///< first entry of the term found there; or where the log ends, plus 1
  Term conflict_term = 0;    ///< the term found there; 0: the log ends before it
};

struct Heartbeat {
  Term term = 0;
  Index commit_index = 0;  ///< never beyond what the leader knows this member to have
  uint64_t round = 0;      ///< for ReadIndex: its answer confirms reads up to this round (§6.4)
};

struct HeartbeatResponse {
  Term term = 0;
  uint64_t round = 0;
};

/// A piece of a snapshot; whatever makes it up to `snapshot.size` is repeated in each (§5.1).
struct InstallSnapshot {
  Term term = 0;
  SnapshotHead snapshot;
  Configuration configuration;
  uint64_t offset = 0;
  std::string data;
};

struct InstallSnapshotResponse {
  Term term = 0;
  Index snapshot_index = 0;
  uint64_t next_offset = 0;  ///< the piece wanted next
  bool installed = false;    ///< all that the snapshot stands for is on this member's disk
};

/// Campaign now: you are to lead (§3.10).
struct TimeoutNow {
  Term term = 0;
};

/// A member asks the leader how far it must have applied before it may read (§6.4).
struct ReadIndex {
  Term term = 0;
  uint64_t request = 0;
};

struct ReadIndexResponse {
  Term term = 0;
  uint64_t request = 0;
  std::optional<Index> index;  ///< none: ask again
};

/// What you sent belongs to a term that is over.
struct StaleTerm {
  Term term = 0;
};

using Message = std::variant<PreVote, PreVoteResponse, RequestVote, RequestVoteResponse,
                             AppendEntries, AppendEntriesResponse, AppendEntriesRefused, Heartbeat,
                             HeartbeatResponse, InstallSnapshot, InstallSnapshotResponse,
                             TimeoutNow, ReadIndex, ReadIndexResponse, StaleTerm>;

struct Envelope {
  MemberId to{};
  Message message;
};

inline Term term_of(const Message& message) {
  return std::visit([](const auto& m) { return m.term; }, message);
}

}  // namespace quorate::raft
