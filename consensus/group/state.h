// Group::State: the Group itself; see group.h.
//
// Split by idea: state.cpp is the way in and out, applying.cpp what committed entries do,
// requests.cpp what is asked of the leader, reporting.cpp evidence and what the leader makes of it.
#pragma once

#include <set>

#include "consensus/base/random.h"
#include "consensus/group/detector.h"
#include "consensus/group/feed.h"
#include "consensus/group/group.h"
#include "consensus/group/jury.h"

namespace quorate::group {

class Group::State {
 public:
  State(MemberId self, Self process, const Options& options, const raft::Durable& durable,
        uint64_t seed, Instant now);

  // state.cpp
  bool on_message(MemberId from, std::string_view bytes, Instant now);
  void on_connection_lost(MemberId member, Instant now);
  void on_observer_connected(ConnectionId connection, Instant now);
  bool on_observer_message(ConnectionId connection, std::string_view bytes, Instant now);
  void on_observer_lost(ConnectionId connection, Instant now);
  void on_persisted(uint64_t sequence, Instant now);
  void on_probe(const ProbeResult& result, Instant now);
  void on_traffic(BackendSerial backend, uint32_t failures_in_a_row, Instant now);
  void on_time(Instant now);
  void request(RequestId id, Request request, Instant now);
  void read(raft::ReadId id, Instant now);
  Output take_output();
  Instant next_deadline() const;
  GroupStatus status() const;
  void check_invariants() const;

  const cluster::ClusterMap& map() const { return map_; }
  std::shared_ptr<const cluster::ClusterMap> published() const { return published_; }
  std::optional<MemberId> leader() const { return leader_; }
  SessionId session() const { return session_; }
  const raft::Configuration& configuration() const { return raft_.configuration(); }

 private:
  // Who asked for something.
  struct Local {
    RequestId id{};
  };
  struct OfObserver {
    ConnectionId connection{};
    uint64_t request = 0;
  };
  struct OfMember {
    MemberId member{};
    uint64_t life = 0;
    uint64_t request = 0;
  };
  enum class Own : uint8_t { kFound, kDescribe, kSession };  ///< this process, for itself
  using Origin = std::variant<Local, OfObserver, OfMember, Own, Jury::Subject>;

  enum class Stage : uint8_t {
    kWaiting,    ///< for a leader that takes it; certainly not done
    kForwarded,  ///< to `target`
    kProposed,   ///< here, at `index`
    kTransfer,   ///< of leadership, begun in `term`
  };
  struct Pending {
    Origin origin;
    Request what;
    Stage stage{};
    Instant deadline{};
    MemberId target{};
    raft::Term term = 0;
    Index index = 0;                 ///< that it may get; 0: it is not proposed
    std::optional<Outcome> applied;  ///< what became of the entry at its index
  };
  struct LastPulse {
    MemberId from{};
    raft::Term term = 0;
    int64_t stamp = 0;
    Instant arrived{};
  };
  struct Forwards {  ///< from one member
    uint64_t life = 0;
    std::set<uint64_t> seen;
  };

  // state.cpp
  void advance(Instant now);
  /// After every event: what follows from it here.
  void settle();
  void watch_leader();
  void watch_configuration();
  void note(EventKind kind, std::string text) { events_.push_back({kind, std::move(text)}); }
  void send(MemberId to, const MemberMessage& message);
  bool is_voter() const { return raft_.configuration().is_voter(self_); }

  // applying.cpp
  void take_committed(raft::Output& output);
  void restore(const raft::Snapshot& snapshot);
  void apply(const raft::EntryRef& entry);
  void apply_command(const raft::Entry& entry, const std::string& bytes);
  void watch_map();
  void maybe_take_snapshot();

  // requests.cpp
  void start(Origin origin, Request what);
  void route(uint64_t id);
  void carry_out(uint64_t id, Pending& pending);
  void carry_out(uint64_t id, Pending& pending, const cluster::Change& change);
  void carry_out(uint64_t id, Pending& pending, const raft::Change& change);
  void carry_out(uint64_t id, Pending& pending, const TransferLeadership& transfer);
  void await(uint64_t id, Pending& pending, Index index);
  void refuse(uint64_t id, Pending& pending, const raft::Refusal& refusal);
  void handle(MemberId from, const Forward& message);
  void handle(MemberId from, const ForwardEnd& message);
  void take_ended(const raft::ProposalEnd& end);
  void finish(uint64_t id, Outcome outcome);
  void finish(const Origin& origin, Outcome outcome);
  void finish_own(Own own, const Outcome& outcome);
  void retry_waiting();
  void expire_requests();
  void end_transfers();
  void give_up_forwarded(MemberId target);
  void mind_own_affairs();

  // reporting.cpp
  void handle(MemberId from, const Pulse& message);
  void handle(MemberId from, const Report& message);
  void handle(MemberId from, const raft::Message& message);
  void begin_to_lead();
  void pulse();
  void report();
  Report make_report() const;
  void deliberate();

  MemberId self_;
  Self process_;
  Options options_;
  base::Random random_;
  raft::Raft raft_;
  Instant now_;

  // The replicated state.
  cluster::ClusterMap map_;
  std::shared_ptr<const cluster::ClusterMap> published_;
  bool map_changed_ = false;
  Index snapshot_index_ = 0;
  SessionId session_{};  ///< this process's, in map_
  std::optional<std::string> fatal_;

  Feed feed_;
  Detector detector_;
  Jury jury_;

  // Who leads.
  std::optional<MemberId> leader_;
  raft::Term term_ = 0;
  bool leads_ = false;
  Instant began_to_lead_{};
  Instant next_pulse_ = base::kNever;
  std::optional<LastPulse> last_pulse_;
  bool report_wanted_ = false;
  bool deliberate_wanted_ = false;

  // Who belongs to the group.
  raft::Configuration seen_configuration_;
  std::map<MemberId, std::pair<std::string, Instant>> leaving_;  ///< until when
  bool peers_changed_ = true;
  bool removed_ = false;

  // Requests.
  const uint64_t life_;
  const raft::Term last_life_term_;  ///< it may have led that one, and have forgotten what it did
  uint64_t last_request_ = 0;
  std::map<uint64_t, Pending> pending_;
  std::map<Index, uint64_t> proposed_;  ///< here, by the index they may get
  std::map<MemberId, Forwards> forwards_;
  /// Nothing was heard from them since a connection to them was lost; of a leader, nothing as one.
  std::set<MemberId> unreachable_;
  Instant next_retry_ = base::kNever;
  Instant next_expiry_ = base::kNever;
  std::set<Own> own_;  ///< under way
  Instant next_own_{};
  Index own_index_ = 0;  ///< of what was done last; nothing is missed before it is applied
  bool name_refused_ = false;

  // On the way out.
  std::vector<MemberEnvelope> to_members_;
  std::vector<RequestEnd> ended_;
  std::vector<Event> events_;
};

}  // namespace quorate::group
