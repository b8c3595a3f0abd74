// Follower: what an observer runs: any proxy without a vote. Events and time in, output out.
//
// It connects to one voter, is sent the map (a snapshot, then each change) and applies what it is
// sent with the same apply() as the voters. When the connection ends, or nothing is heard on it, it
// turns to the next voter; until then, and without any, it goes on with the map it has. It proposes
// by forwarding to its voter.
//
// Does not open connections, read a clock or look names up; does not probe. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/group/options.h"
#include "consensus/group/output.h"

namespace quorate::group {

struct FollowerStatus {
  std::string voter;       ///< address of the one that it follows, or tries; empty: none
  bool connected = false;  ///< and has heard from it
  bool has_map = false;
  Index index = 0;                 ///< applied
  raft::Term term = 0;             ///< as the voter said last, on this connection; 0: nothing yet
  std::optional<MemberId> leader;  ///< likewise
  Index voters_index = 0;          ///< what the voter had applied, when it was last heard
  /// Since when it does not know that it has everything; kNever: it has. A stale map is served on.
  Instant behind_since = base::kNever;
  SessionId session{};
  /// It was sent a change that this program does not know, and stays where it is.
  bool upgrade_needed = false;

  Index behind_by() const { return voters_index > index ? voters_index - index : 0; }
};

class Follower {
 public:
  /// `voters`: addresses to begin with; more are learnt from the map. `seed` differs at each start.
  Follower(Self process, const Options& options, std::vector<std::string> voters, uint64_t seed,
           Instant now);
  ~Follower();

  // ---- Events. `now` never goes back. False: the bytes cannot be; end the connection.

  void on_connected(Instant now);
  /// The connection has ended, or could not be made.
  void on_lost(Instant now);
  [[nodiscard]] bool on_message(std::string_view bytes, Instant now);
  /// This process's own traffic failed so many times in a row at a backend; the voter is told.
  void on_traffic(BackendSerial backend, uint32_t failures_in_a_row, Instant now);
  void on_time(Instant now);
  /// Other addresses to begin with (the configuration was loaded again).
  void set_voters(std::vector<std::string> voters);

  /// Ends once, in an output.
  void request(RequestId id, Request request, Instant now);

  FollowerOutput take_output();
  Instant next_deadline() const;

  const cluster::ClusterMap& map() const;
  std::shared_ptr<const cluster::ClusterMap> published() const;
  FollowerStatus status(Instant now) const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace quorate::group
