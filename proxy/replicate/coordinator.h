// Coordinator: linearizable keys over unmodified Redis servers, for one worker and one replicated
// pool (consistency.md §6). Commands, answers, forwards and time go in; Output comes out. Pure.
//
//   client  ─ submit ────►┌ reader: majority of identical versions ┐─ asked ─► acceptors
//   guest   ─ on_forward ►│ owner:  install, touch, propose, choose │◄ on_answer, on_request_lost
//           ◄─ ended ─────└ else:   forwarded to the owner ─────────┘◄ on_forward_reply
//
// Does not know: connections, clients' RESP, who may own what (the table says), Raft (wishes).
//
// Invariants: a version is proposed with one state, ever; under a term of its own only; on a key,
// one proposal at a time, and operations in the order in which they were submitted; kFailed only
// if nothing that was sent can have been accepted. Every queue has a bound (limits.h).
//
// Called only by its worker, which carries out() after each event, or after some, and says so by
// carried_out(); never from within a call.
#pragma once

#include <memory>

#include "consensus/base/time.h"
#include "proxy/replicate/limits.h"
#include "proxy/replicate/output.h"

namespace quorate::replicate {

struct Options {
  uint32_t worker = 0;   ///< this one: slots with slot % workers == worker are its to own
  uint32_t workers = 1;  ///< of this process
  base::Duration request_timeout{};
  uint64_t seed = 0;
  cluster::PoolSerial pool{};
  uint32_t sweep_rate = limits::kSweepRate;  ///< keys a second, at most, that a sweep looks at
  base::Duration sweep_pause = limits::kSweepPause;  ///< between two sweeps, unless one is urgent
};

/// Both clocks: the one that deadlines are of, and the one that expiry is of.
struct Now {
  base::Instant instant{};
  base::WallTime wall{};
};

class Coordinator {
 public:
  explicit Coordinator(const Options& options);
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  /// A new table, or another session of this process (0: none: it forwards and reads only).
  void adopt(std::shared_ptr<const cluster::ReplicaTable> table, cluster::SessionId self, Now now);

  /// Whether there is room for one more operation; if not, the caller waits.
  bool has_room() const;
  /// A client's command; ends once, by `ended`. Of one key, in this order. REQUIRES: has_room(), a
  /// table, and that the command is not empty.
  void submit(OperationId id, const redis::ReplicatedCommand& command, Now now);
  /// A command that this worker is to carry out as the slot's owner; ends once, by `guests_ended`.
  /// `seen`: as it was forwarded.
  void on_forward(GuestId id, const redis::ReplicatedCommand& command, base::Term seen, Now now);

  /// How a forward ended. One that is not known (any more) is none.
  void on_forward_reply(ForwardId id, End end, std::string_view reply, Now now);
  /// The connection to that process is gone: forwards that had left are unknown.
  void on_peer_lost(cluster::SessionId session, Now now);

  /// One that is not known (any more) is none.
  void on_answer(RequestId id, const redis::acceptor::Answer& answer, Now now);
  /// There will be no answer. `certainly_not_sent`: not a byte of it has left.
  void on_request_lost(RequestId id, bool certainly_not_sent, Now now);

  void on_time(Now now);
  /// When on_time() is wanted; kNever: not at all.
  base::Instant next_deadline() const;

  /// The process is about to stop: finish what is proposed, then wish slots to others.
  void hand_over(Now now);
  /// Owns no slot, and no operation is under way.
  bool is_idle() const;

  const Output& output() const;
  /// The output has been carried out; its views end.
  void carried_out();

  const Counters& counters() const;
  /// Slots that this worker owns with an installed term.
  uint32_t owned_slots() const;
  SweepProgress sweep_progress() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace quorate::replicate
