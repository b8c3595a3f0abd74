// Group: what a voter (or a learner) runs above Raft. Events and time in, output out.
//
//   members' messages ─┐                              ┌─► messages to members, persist orders
//   observers' bytes ──┤   raft::Raft ─► ClusterMap ──┼─► changes to observers, the map to publish
//   probes' results ───┤   Detector ─► reports ─► Jury├─► probes wanted
//   requests, time ────┘                              └─► ends of requests, events
//
// It applies what Raft has committed, feeds observers from it, forwards requests to the leader,
// asks for probes and tells the leader what they showed. On the leader the Jury weighs the reports
// of all voters and proposes what follows from them: nothing is ejected, and no session ended, but
// by a committed change.
//
// Does not open connections, frame or authenticate messages, read a clock or a disk. Bytes that are
// handed in come from somebody who has proven to belong to the cluster, and are still judged.
// Not thread-safe. The same pattern as raft::Raft: after every event take_output() until !more.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/group/options.h"
#include "consensus/group/output.h"
#include "consensus/raft/raft.h"

namespace quorate::group {

struct ObserverStatus {
  ConnectionId connection{};
  std::string name;
  SessionId session{};
  Index confirmed = 0;  ///< what it says to have applied
  Instant heard{};
};

/// Of a process that follows any voter, or is one.
struct SessionStatus {
  SessionId session{};
  Index confirmed = 0;  ///< what it has applied, as the voters' last reports say
  Instant heard{};
};

struct BackendStatus {
  BackendSerial backend{};
  bool probed = false;
  bool answers = false;   ///< the last probe of this voter
  uint32_t failures = 0;  ///< in a row
  uint32_t answers_in_a_row = 0;
  Duration latency{};   ///< of the last answer
  std::string failure;  ///< of the last probe
};

struct GroupStatus {
  raft::Status raft;
  SessionId session{};                    ///< this process's own; 0: none
  std::vector<ObserverStatus> observers;  ///< that follow this voter
  std::vector<BackendStatus> backends;
  std::vector<SessionStatus> sessions;  ///< on the leader
  bool leads = false;
  bool removed = false;  ///< this member is not in the group any more
};

class Group {
 public:
  /// `durable` as Storage found it, or as raft::founding() made it; `seed` differs at each start.
  /// A snapshot that does not decode is a newer program's: ask readable() first.
  Group(MemberId self, Self process, const Options& options, const raft::Durable& durable,
        uint64_t seed, Instant now);
  ~Group();
  /// Why this program cannot start from `durable`; nothing if it can.
  static std::optional<std::string> problem_with(const raft::Durable& durable);

  // ---- Events. `now` never goes back. False: the bytes cannot be; end the connection.

  [[nodiscard]] bool on_message(MemberId from, std::string_view bytes, Instant now);
  /// Messages to `member` were lost, or cannot be delivered.
  void on_connection_lost(MemberId member, Instant now);
  void on_observer_connected(ConnectionId connection, Instant now);
  [[nodiscard]] bool on_observer_message(ConnectionId connection, std::string_view bytes,
                                         Instant now);
  void on_observer_lost(ConnectionId connection, Instant now);
  void on_persisted(uint64_t sequence, Instant now);
  void on_probe(const ProbeResult& result, Instant now);
  /// This process's own traffic failed so many times in a row at a backend. A hint: it is probed
  /// at once.
  void on_traffic(BackendSerial backend, uint32_t failures_in_a_row, Instant now);
  void on_time(Instant now);

  // ---- Requests. Each ends once, in an output.

  void request(RequestId id, Request request, Instant now);
  /// Ends in Output::reads: with an index, map() then holds all that was acknowledged anywhere.
  void read(raft::ReadId id, Instant now);

  // ---- What to do, and until when.

  Output take_output();
  /// When on_time is wanted; kNever: not at all.
  Instant next_deadline() const;

  const cluster::ClusterMap& map() const;
  /// The same, as it was published last.
  std::shared_ptr<const cluster::ClusterMap> published() const;
  std::optional<MemberId> leader() const;
  SessionId session() const;
  const raft::Configuration& configuration() const;
  GroupStatus status() const;
  void check_invariants() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace quorate::group
