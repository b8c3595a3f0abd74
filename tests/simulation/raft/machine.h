// A machine: one member of the group with its disk and its clock, and what it does with the core's
// outputs. Processes come and go; the disk stays.
//
// It keeps a shadow of its disk: what must be there, as syncs have succeeded. Every message that
// promises durability is held against it before it leaves, and so is what a new process finds.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/raft/raft.h"
#include "consensus/storage/storage.h"
#include "tests/simulation/raft/oracle.h"
#include "tests/simulation/raft/profile.h"
#include "tests/simulation/raft/simulated_disk.h"

namespace quorate::simulation {

/// The replicated state: a digest of all commands, in bytes enough for several pieces.
class StateMachine {
 public:
  void apply(const Entry& entry);
  std::string save() const;
  void restore(const std::string& bytes);
  Index index() const { return index_; }
  uint64_t state() const { return digest_; }

 private:
  Index index_ = 0;
  uint64_t digest_ = 0;
};

/// What is on a disk for certain.
class Shadow {
 public:
  void set(const raft::Durable& durable);
  void apply(const raft::Persist& order);
  std::optional<Term> term_at(Index index) const;
  bool holds(Index index, Term term) const;
  /// Whether `other` has all entries of this one before `limit`.
  bool included_in(const Shadow& other, Index limit) const;
  bool operator==(const Shadow&) const = default;
  const raft::HardState& hard_state() const { return hard_state_; }

 private:
  raft::HardState hard_state_;
  Index base_ = 0;  ///< of the snapshot
  Term base_term_ = 0;
  std::vector<Term> terms_;  ///< of the entries after it
};

class Machine {
 public:
  /// What a machine needs of the rest of the world.
  struct Outside {
    std::function<void(MemberId from, MemberId to, const raft::Message& message)> send;
    std::function<void(MemberId at, const raft::ProposalEnd& end)> proposal_ended;
    std::function<void(MemberId at, const raft::ReadEnd& end)> read_ended;
    std::function<void(MemberId at, Index index)> first_applied;
    std::function<void(MemberId at)> died;
  };

  Machine(World& world, const Profile& profile, Oracle& oracle, Outside outside, MemberId id,
          std::optional<raft::Configuration> founds);

  MemberId id() const { return id_; }
  bool running() const { return core_ != nullptr; }
  bool paused() const { return world_.now() < paused_until_; }
  const raft::Raft& core() const { return *core_; }
  const StateMachine& state() const { return state_; }
  const Shadow& shadow() const { return shadow_; }
  SimulatedDisk& disk() { return disk_; }
  bool leads() const { return running() && core_->status().role == raft::RoleName::kLeader; }

  // ---- What happens to it.

  void start();
  /// The process ends; the power of the machine fails, too, if `power`.
  void stop(bool power);
  void receive(MemberId from, const std::string& bytes);
  void connection_lost(MemberId peer);
  void pause(Duration duration) { paused_until_ = world_.now() + duration; }
  void slow_disk(Duration duration) { slow_until_ = world_.now() + duration; }
  void set_clock_rate(int64_t ppm);
  /// From now on its disk does as it should.
  void repair();

  // ---- What clients ask. REQUIRES: running().

  base::Result<Index, raft::Refusal> propose(ProposalId id, std::string command);
  base::Result<Index, raft::Refusal> change(ProposalId id, const raft::Change& change);
  base::Result<Term, raft::Refusal> transfer(MemberId target);
  void read(raft::ReadId id);

 private:
  Instant local(Instant global) const;
  Instant local_now() const { return local(world_.now()); }
  /// Runs `what` in this life of the process, when it is not paused.
  void when_awake(std::function<void()> what);
  void check_recovered(const raft::Durable& durable);
  void note_unsynced(const raft::Persist& order);
  void handle(MemberId from, raft::Message message);
  void note_sent(const raft::Message& message);
  void pump();
  void watch();
  void carry_out(raft::Output& output);
  void check_promise(MemberId to, const raft::Message& message) const;
  void maybe_take_snapshot();
  void write();
  void finish_write();
  void fail_disk();
  void arm_timer();

  World& world_;
  const Profile& profile_;
  Oracle& oracle_;
  Outside outside_;
  MemberId id_;
  std::optional<raft::Configuration> founds_;
  SimulatedDisk disk_;
  Shadow shadow_;
  bool unsynced_ = false;             ///< more than the shadow may be on the disk; entries from
  Index unsynced_from_ = UINT64_MAX;  ///< this index on may be others, or gone

  // Of one life of the process.
  uint64_t life_ = 0;
  std::unique_ptr<storage::Storage> storage_;
  std::unique_ptr<raft::Raft> core_;
  StateMachine state_;
  std::deque<raft::Persist> unwritten_;
  std::vector<raft::Persist> unfinished_;
  bool writing_ = false;
  Index snapshot_taken_ = 0;
  size_t segments_ = 0;
  Instant timer_ = base::kNever;
  uint64_t last_piece_end_ = 0;  ///< of the snapshot's piece received last
  raft::Status seen_;
  bool seen_joint_ = false;
  bool change_asked_ = false;  ///< a client is asking for it just now

  // The clock: local time passes at its own rate.
  Instant clock_set_{};
  Instant clock_then_{};
  int64_t clock_ppm_ = 0;
  Instant paused_until_{};
  Instant slow_until_{};
};

}  // namespace quorate::simulation
