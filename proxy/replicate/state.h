// Coordinator::State: everything a coordinator remembers, and its steps, by file:
//
//   coordinator.cpp  operations: made, queued by key, ended; time        reading.cpp   direct reads
//   routing.cpp      who owns the slot; forwards                         owning.cpp    slots: terms
//   touching.cpp     owner: majority reads, settling                     proposing.cpp owner:
//   writes sweeping.cpp     owner: passes over all keys of its slots            forgetting.cpp
//   their floors
//
// Only these files include this one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/random.h"
#include "consensus/base/ring_buffer.h"
#include "proxy/replicate/coordinator.h"
#include "proxy/replicate/key_table.h"
#include "proxy/replicate/limits.h"
#include "proxy/replicate/operation.h"
#include "proxy/replicate/sweep.h"

namespace quorate::replicate {

namespace acceptor = redis::acceptor;

class Coordinator::State {
 public:
  explicit State(const Options& options);

  void adopt(std::shared_ptr<const cluster::ReplicaTable> table, cluster::SessionId self);
  bool has_room() const { return clients_ < limits::kOperations; }
  void submit(OperationId id, const redis::ReplicatedCommand& command);
  void on_forward(GuestId id, const redis::ReplicatedCommand& command, base::Term seen);
  void on_forward_reply(ForwardId id, End end, std::string_view reply);
  void on_peer_lost(cluster::SessionId session);
  void on_answer(RequestId id, const acceptor::Answer& answer);
  void on_request_lost(RequestId id, bool certainly_not_sent);
  void on_time();
  base::Instant next_deadline() const;
  void hand_over();
  bool is_idle() const;
  void carried_out();
  uint32_t owned_slots() const;
  SweepProgress sweep_progress() const;

  void set_now(Now now) { now_ = now; }
  /// Looks at the keys that the last event touched. After every event.
  void settle_down();

  Output output;
  Counters counters;

 private:
  struct Slot {
    enum class Stage : uint8_t { kNotOurs, kInstalling, kOwned };
    Stage stage = Stage::kNotOurs;
    uint8_t attempts = 0;     // installations in a row without success
    PlaceMask installed = 0;  // places of the table's set
    PlaceMask asked = 0;
    uint32_t operations = 0;     // that this worker carries out as the owner
    base::Term term;             // the last one that was ours; never used again once it is over
    base::Term seen;             // the highest that any fence was said to hold
    cluster::SessionId owner{};  // who is believed to have it
    base::Instant retry_at{};
    std::vector<OperationRef> waiting;
    SlotSweep sweep;
  };
  /// What a request was about.
  struct Question {
    enum class About : uint8_t {
      kFree,
      kVote,
      kFetch,
      kLazyInstall,
      kInstall,
      kScan,
      kFloor,
      kForget,
      kPurge,
      kFence,  ///< an install before something that says itself whether it had to be
    };
    About about = About::kFree;
    uint8_t place = 0;
    bool is_proposal = false;  ///< kVote: an answer that comes too late still says who lags
    uint16_t slot = 0;
    uint32_t generation = 0;
    uint32_t step = 0;
    OperationRef operation;
    base::Term term;
    cluster::BackendSerial backend{};
  };
  struct Timer {
    base::Instant at{};
    OperationRef operation;
    uint32_t step = 0;
  };
  struct Unreachable {
    cluster::SessionId session{};
    base::Instant until{};
  };

  // ---- Operations (coordinator.cpp).
  Operation& make(Origin origin, uint64_t external, const redis::ReplicatedCommand& command);
  Operation* find(OperationRef ref);
  void enqueue(Operation& operation);
  /// Tells whoever asked; `reply` is the operation's unless another is given.
  void answer(Operation& operation, End end, std::string_view reply);
  void succeed(Operation& operation);
  void fail(Operation& operation, std::string_view why);
  /// It is over: leaves its key's queue now, or at its turn.
  void finish(Operation& operation);
  void pump(Key& key);
  void pop_front(Key& key);
  void look_at(Key& key);
  void begin_step(Operation& operation, Stage stage);
  void arm(base::RingBuffer<Timer>& timers, Operation& operation, base::Duration delay);
  void retry_later(Operation& operation);
  void on_deadline(Operation& operation);
  void on_hedge(Operation& operation);
  void on_retry(Operation& operation);
  template <class Visit>
  void run_timers(base::RingBuffer<Timer>& timers, bool by_step, Visit visit);
  base::Instant first_of(const base::RingBuffer<Timer>& timers) const;
  int64_t now_ms() const { return now_.wall.count() / 1000; }
  Slot& slot_of(const Operation& operation) { return slots_[operation.key->slot]; }
  bool expired(int64_t expires_at_ms) const {
    return expires_at_ms != 0 && expires_at_ms <= now_ms();
  }

  // ---- Requests.
  RequestId add(const Question& question);
  bool take(RequestId id, Question& question);
  template <class What>
  void ask(Operation& operation, uint8_t place, What&& what,
           Question::About about = Question::About::kVote);
  bool is_avoided(const ReplicaSet::Place& place) const;
  PlaceMask votes_of(const Operation& operation, Vote::Kind kind) const;
  PlaceMask outstanding_of(const Operation& operation) const;

  // ---- Direct reads (reading.cpp).
  bool is_direct(const Operation& operation) const;
  void start_direct(Operation& operation);
  void ask_direct(Operation& operation, uint8_t place, bool full);
  void on_direct_answer(Operation& operation, uint8_t place, const acceptor::Answer* answer);
  void judge_direct(Operation& operation);
  void conclude_direct(Operation& operation, uint8_t place, PlaceMask agreeing);
  void not_conclusive(Operation& operation);
  /// The places that agree with `place`, pairwise.
  static PlaceMask agreeing_with(const Operation& operation, uint8_t place, bool exactly);
  /// What a majority says, if it says the same: one of the places that do.
  static bool find_agreement(const Operation& operation, bool exactly, uint8_t& place,
                             PlaceMask& agreeing);
  static void record_read(Operation& operation, uint8_t place, const acceptor::Answer& answer);

  // ---- Routes (routing.cpp).
  void route(Operation& operation);
  void forward(Operation& operation, cluster::SessionId to);
  bool is_ours(uint16_t slot) const { return slot % options_.workers == options_.worker; }
  bool is_reachable(cluster::SessionId session) const;
  void mark_unreachable(cluster::SessionId session);
  cluster::SessionId owner_of(uint16_t slot) const;
  /// Who is to take the slot if `lost` cannot be reached.
  cluster::SessionId candidate_of(uint16_t slot, cluster::SessionId lost);
  void note_seen(uint16_t slot, base::Term term);

  // ---- Slots (owning.cpp).
  void own(Operation& operation);
  bool begin_install(uint16_t slot);
  void send_installs(uint16_t slot);
  void on_install_answer(const Question& question, const acceptor::Answer* answer);
  void activate(uint16_t slot);
  void lose(uint16_t slot);
  void release_waiting(uint16_t slot);
  void retry_installs();
  void self_bump(uint16_t slot);
  bool is_over(const Operation& operation);
  void count(Operation& operation, bool owned);
  /// A fence said STALE to `place`. True: it is older than ours and is being raised, then asked
  /// again.
  bool on_stale(Operation& operation, uint8_t place, base::Term floor);
  void wish_give_away();

  // ---- Owner: state (touching.cpp).
  void advance(Operation& operation);
  void touch(Operation& operation, int preferred);
  void ask_touch(Operation& operation, uint8_t place);
  void on_touch_answer(Operation& operation, uint8_t place, const acceptor::Answer* answer);
  void judge_touch(Operation& operation);
  void conclude_touch(Operation& operation, uint8_t place, PlaceMask agreeing);
  void settle(Operation& operation);
  void fetch_settled(Operation& operation);
  void make_plan(Operation& operation);

  // ---- Owner: proposals (proposing.cpp).
  void propose_deleted(Operation& operation, Purpose purpose);
  void propose_full(Operation& operation, Purpose purpose);
  void propose_delta(Operation& operation);
  void begin_proposal(Operation& operation, Purpose purpose);
  void send_proposal(Operation& operation, uint8_t place);
  void on_proposal_answer(Operation& operation, uint8_t place, const acceptor::Answer* answer,
                          bool certainly_not_sent);
  void accepted(Operation& operation, uint8_t place, const acceptor::Answer& answer);
  void judge_proposal(Operation& operation);
  bool run_elsewhere(Operation& operation);
  void fetch(Operation& operation, PlaceMask from);
  void on_fetch_answer(Operation& operation, uint8_t place, const acceptor::Answer* answer);
  void on_state_missing(Operation& operation);
  void propose_again(Operation& operation);
  void retry_proposal(Operation& operation);
  void chosen(Operation& operation);
  void begin_repair(Operation& operation, PlaceMask lagging);
  void judge_repair(Operation& operation);
  void give_up(Operation& operation);
  void restart(Operation& operation);
  static bool certainly_nowhere(const Operation& operation);
  void tell_unknown(Operation& operation);
  void tell_no_quorum(Operation& operation);

  // ---- Sweeps (sweeping.cpp): the keys of slots that this worker owns, looked at one by one.
  /// A pass over all slots, some time after `at`.
  void want_pass(base::Instant at);
  /// A pass over slots that are urgent, at `at`.
  void hurry(base::Instant at);
  bool is_urgent(uint16_t slot) const;
  void sweep();
  void begin_pass();
  void expect_expiry(int64_t expires_at_ms);
  bool in_pass(uint16_t slot) const;
  void drain();
  void scan();
  void ask_scan(Sweep::Scan& scan);
  void on_scan_answer(const Question& question, const acceptor::Answer* answer);
  void on_scanned(const Sweep::Scan& scan, std::string_view key, const acceptor::Meta& meta);
  void purge(const Sweep::Scan& scan, uint16_t slot, std::string_view key);
  void on_purge_answer(const Question& question, const acceptor::Answer* answer);
  void look_at_found();
  void judge_look(Operation& operation);
  void conclude_look(Operation& operation, uint8_t newest, PlaceMask in_sync);
  void sweep_ended(const Operation& operation);
  PlaceMask place_bit(uint16_t slot, cluster::BackendSerial backend) const;
  /// A proposal did not reach this member: it lags until the next pass.
  void note_missed(uint16_t slot, PlaceMask places);

  // ---- Their ends (forgetting.cpp): floors, moves, tombstones.
  void judge_slots();
  void raise_floors();
  void on_floor_answer(const Question& question, const acceptor::Answer* answer);
  void wish_moves();
  void forget();
  void on_forget_answer(const Question& question, const acceptor::Answer* answer);
  void end_pass();

  const Options options_;
  Now now_;
  base::Random random_;
  std::shared_ptr<const cluster::ReplicaTable> table_;
  cluster::SessionId self_{};
  bool is_leaving_ = false;
  uint64_t counter_ = 0;
  uint32_t forward_stamp_ = 0;
  uint32_t rotation_ = 0;

  std::vector<Slot> slots_;
  std::vector<uint16_t> installing_;
  base::Instant installs_at_ = base::kNever;
  base::Instant wishes_at_ = base::kNever;

  std::vector<std::unique_ptr<Operation>> operations_;
  std::vector<uint32_t> free_operations_;
  std::vector<uint32_t> ended_operations_;
  uint32_t clients_ = 0;
  uint32_t guests_ = 0;
  uint32_t sweeps_ = 0;
  uint32_t& under_way(Origin origin) {
    return origin == Origin::kClient ? clients_ : origin == Origin::kGuest ? guests_ : sweeps_;
  }
  Sweep sweep_;
  redis::ReplicatedCommand look_;  // at a key

  std::vector<Question> questions_;
  std::vector<uint32_t> free_questions_;

  KeyTable keys_{limits::kKnownKeys};
  std::vector<Key*> keys_to_look_at_;

  base::RingBuffer<Timer> client_deadlines_;
  base::RingBuffer<Timer> guest_deadlines_;
  base::RingBuffer<Timer> hedges_;
  base::RingBuffer<Timer> retries_;
  base::RingBuffer<Timer> looks_;

  std::vector<base::Instant> avoided_until_;  // by BackendIndex
  std::vector<Unreachable> unreachable_;
  std::vector<cluster::SessionId> candidates_;
  std::string scratch_;
};

template <class What>
void Coordinator::State::ask(Operation& operation, uint8_t place, What&& what,
                             Question::About about) {
  const ReplicaSet::Place& to = operation.set.places[place];
  Question question;
  question.about = about;
  question.place = place;
  question.slot = operation.key->slot;
  question.step = operation.step;
  question.operation = operation.ref();
  question.backend = to.serial;
  question.is_proposal = operation.stage == Stage::kProposing;
  const RequestId id = add(question);
  output.asked.push_back(
      {id,
       to.serial,
       {{options_.pool, operation.key->slot, to.incarnation, operation.key->name},
        std::forward<What>(what)}});
  if (about == Question::About::kFetch) return;
  operation.votes[place].kind = Vote::Kind::kAsked;
  operation.votes[place].is_outstanding = true;
}

}  // namespace quorate::replicate
