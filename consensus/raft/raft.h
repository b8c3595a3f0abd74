// Raft: the consensus core of one member. Events and time in, output out.
//
// Why nothing is called from in here: every effect is a value in an Output, so there is no
// re-entry, nothing to mock, and a run can be repeated from its events. The caller owns sockets,
// disk and clock, and does, after every event:
//
//        event ──► on_…(…, now) ──► take_output() ──► begin persist, send, apply, answer
//                                       ▲                 │
//     next_deadline() ──► on_time       └── on_persisted ─┘ when the disk has it, in any later turn
//
// The disk may be slow. Meanwhile the core goes on: a leader sends entries while it writes them
// itself (§10.2.1), and everything that promises durability (a vote, an answer to AppendEntries,
// the own vote and the own copy of an entry) is held in here until on_persisted covers it.
// Departures from the dissertation: heartbeats are messages of their own (messages.h); a member
// applies whatever is committed, not only what is on its own disk; followers are told the commit
// index at once, not with the next entry; a leader that leaves the group hands over (§4.2.2).
//
// Does not forward proposals: it refuses them with the leader's id. Whoever holds the client knows
// whether and where to ask again; a hop in here would need a second time-out and a third unknown.
// Does not look into commands, addresses or snapshots. Not thread-safe.
//
// Split by idea: election.cpp, replication.cpp, installation.cpp (snapshots), membership.cpp,
// reads.cpp, proposals.cpp; raft.cpp is the way in and out; invariants.cpp what always holds.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "consensus/base/random.h"
#include "consensus/base/result.h"
#include "consensus/raft/log.h"
#include "consensus/raft/options.h"
#include "consensus/raft/output.h"
#include "consensus/raft/roles.h"

namespace quorate::raft {

class Raft {
 public:
  /// `seed` must differ at each start of a member. REQUIRES: `durable` is consistent, as storage
  /// has checked: terms never fall and none is above the hard state's.
  Raft(MemberId self, const Options& options, const Durable& durable, uint64_t seed, Instant now);

  // ---- Events. `now` never goes back.

  /// REQUIRES: `message` has passed decode_message or was made by another Raft.
  void on_message(MemberId from, Message message, Instant now);
  void on_time(Instant now);
  /// Every order up to `sequence` is on disk. (If the disk fails, the member has to stop.)
  void on_persisted(uint64_t sequence, Instant now);
  /// `state`: all that has been applied up to and including `index`. The log before it goes.
  void on_snapshot_taken(Index index, std::string state);
  /// Messages to `member` were lost; it need not wait for a time-out to send them again.
  void on_connection_lost(MemberId member);

  // ---- Requests. Each ends once: refused here, or in an output.

  /// The index at which it will be committed, if it is.
  base::Result<Index, Refusal> propose(ProposalId id, std::string command, Instant now);
  /// Ends as committed when the change is decided: what is left of it (leaving a joint
  /// configuration) happens by itself, whoever leads.
  base::Result<Index, Refusal> change_membership(ProposalId id, const Change& change, Instant now);
  /// The term in which it was begun. Complete when another term has begun; given up after an
  /// election timeout.
  base::Result<Term, Refusal> transfer_leadership(MemberId target, Instant now);
  void read(ReadId id, Instant now);

  // ---- What to do, and until when.

  Output take_output();
  /// When on_time is wanted; kNever: not at all.
  Instant next_deadline() const;

  Status status() const;
  const Configuration& configuration() const { return log_.configuration(); }
  const Log& log() const { return log_; }
  const HardState& hard_state() const { return hard_state_; }
  const SnapshotRef& snapshot() const { return snapshot_; }
  /// Whether the latest configuration is committed and this member is not in it.
  bool removed() const;

  /// ASSERTs everything that must hold between two events.
  void check_invariants() const;

 private:
  struct Write {  ///< an order that the disk has not confirmed
    uint64_t sequence = 0;
    Index last_index = 0;  ///< with it, the log is on disk up to here
    SnapshotRef snapshot;
  };
  struct Held {  ///< a message that waits for the disk
    uint64_t sequence = 0;
    Envelope envelope;
  };
  struct Proposal {
    ProposalId id{};
    Term term = 0;
    Instant deadline{};
  };
  struct LocalRead {
    ReadId id{};
    Instant deadline{};
    std::optional<Index> index;  ///< confirmed; waits until so much has been applied
  };
  struct Incoming {  ///< a snapshot that is being received
    SnapshotHead head;
    std::string state;
  };

  // raft.cpp
  void advance_clock(Instant now);
  bool admit(MemberId from, const Message& message);
  void send(MemberId to, Message message) { outbox_.push_back({to, std::move(message)}); }
  void send_when_persisted(MemberId to, Message message);
  void release_held();
  bool has_unsaved() const;
  std::optional<Persist> take_persist();
  void hand_out_committed(Output& output);
  void append(EntryRef entry);
  void truncate_from(Index index);
  Leader* leader() { return std::get_if<Leader>(&role_); }
  const Leader* leader() const { return std::get_if<Leader>(&role_); }
  std::optional<MemberId> known_leader() const;

  // election.cpp
  void handle(MemberId from, const PreVote& message);
  void handle(MemberId from, const PreVoteResponse& message);
  void handle(MemberId from, const RequestVote& message);
  void handle(MemberId from, const RequestVoteResponse& message);
  void handle(MemberId from, const TimeoutNow& message);
  void handle(MemberId, const StaleTerm&) {}  // admit() has taken note of the term
  void on_election_deadline();
  void ask_for_pre_votes();
  void campaign(bool leadership_transfer);
  void count_vote(MemberId voter, bool granted);
  void become_leader();
  void become_follower(Term term, std::optional<MemberId> leader);
  bool follow(MemberId from);
  bool hears_leader() const;
  bool may_campaign() const;
  bool log_is_up_to_date(Index last_log_index, Term last_log_term) const;
  Instant election_deadline() const;
  Instant draw_election_deadline();

  // replication.cpp
  void handle(MemberId from, const AppendEntries& message);
  void handle(MemberId from, const AppendEntriesResponse& message);
  void handle(MemberId from, const AppendEntriesRefused& message);
  void handle(MemberId from, const Heartbeat& message);
  void handle(MemberId from, const HeartbeatResponse& message);
  void refuse_append(MemberId from, Index prev_log_index);
  void on_leader_time();
  void send_heartbeat(MemberId to, Progress& progress);
  void open_round();
  void replicate();
  void send_pending(MemberId to, Progress& progress);
  bool send_entries(MemberId to, Progress& progress);
  void commit_what_a_quorum_has();
  void advance_commit(Index index);
  Progress* contact(MemberId from);
  bool hears_quorum() const;

  // installation.cpp
  void handle(MemberId from, const InstallSnapshot& message);
  void handle(MemberId from, const InstallSnapshotResponse& message);
  bool receive_piece(const InstallSnapshot& message);
  void install(SnapshotRef snapshot);
  void send_piece(MemberId to, Progress& progress, Install& install);
  void compact(const Snapshot& snapshot);

  // membership.cpp
  std::optional<Refusal> refuse_change() const;
  Index append_configuration(Configuration configuration);
  void follow_configuration();
  void after_commit(bool configured);
  void promote_joining();
  void hand_over(Transfer& transfer);
  void leave();

  // reads.cpp
  void handle(MemberId from, const ReadIndex& message);
  void handle(MemberId from, const ReadIndexResponse& message);
  void take_read(MemberId from, uint64_t request);
  void start_reads();
  void confirm_reads();
  void answer_read(MemberId from, uint64_t request, std::optional<Index> index);
  void fail_reads(Leader& leader);
  void fail_unconfirmed_reads();
  void expire_reads();
  void release_reads(Output& output);

  // proposals.cpp
  Index append_own(EntryData data);
  void expect(ProposalId id, Index index);
  void end_proposals_at(const Entry& applied);
  void end_proposals_through(Index index, ProposalOutcome outcome);
  void expire_proposals();
  void end(ProposalId id, ProposalOutcome outcome) { ended_.push_back({id, outcome}); }

  MemberId self_;
  Options options_;
  base::Random random_;
  Instant now_;

  HardState hard_state_;
  Log log_;
  SnapshotRef snapshot_;  ///< the latest; what is sent to a member that is too far behind
  Index commit_index_ = 0;
  Index applied_index_ = 0;
  Role role_;

  // On the way to the disk.
  bool hard_state_unsaved_ = false;
  Index unsaved_from_ = 1;  ///< entries from here on are in no order yet
  SnapshotRef unsaved_snapshot_;
  bool unsaved_snapshot_replaces_log_ = false;
  uint64_t ordered_ = 0;    ///< sequence of the last order
  uint64_t confirmed_ = 0;  ///< sequence of the last order that is on disk
  std::deque<Write> writes_;
  Index persisted_index_ = 0;  ///< this log is on disk up to here
  std::deque<Held> held_;

  // On the way out.
  std::vector<Envelope> outbox_;
  std::vector<ProposalEnd> ended_;
  std::vector<ReadEnd> ended_reads_;
  SnapshotRef restore_;

  // On the way to their end.
  std::multimap<Index, Proposal> proposals_;
  Instant proposals_deadline_ = base::kNever;  ///< no proposal expires before
  std::map<uint64_t, LocalRead> reads_;        ///< by request number
  uint64_t next_request_;
  std::optional<Incoming> incoming_;
};

}  // namespace quorate::raft
