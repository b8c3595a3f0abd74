// Operation: one command under way, and how far it is. Re-used: what it allocated stays warm.
//
//   kQueued ─► kReading ────────────────────────────► ended       direct, by a majority that agrees
//      │          └ not conclusive ┐
//      └─► kRouting ◄──────────────┘
//             ├─► kForwarded ─► ended, or kRouting again (certainly not applied)
//             └─► kWaitingForSlot ─► kTouching ─► kFetching ─► kProposing ─► ended
//                                        └────────────────────────┘ (settled, expired, planned)
//
// An operation whose proposal may have been accepted stays, and holds its key, until the proposal
// is chosen or its term is over; its client may have been told long before (`is_answered`).
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "backends/redis/replicated_command.h"
#include "consensus/base/time.h"
#include "proxy/replicate/output.h"
#include "proxy/replicate/replica_set.h"

namespace quorate::replicate {

struct Key;

/// Names an operation for as long as it is under way.
struct OperationRef {
  uint32_t index = 0;
  uint32_t generation = 0;  ///< 0: nobody
};

enum class Origin : uint8_t {
  kClient,
  kGuest,
  kSweep,  ///< nobody waits: a key is looked at, and mended if its members differ
};

enum class Stage : uint8_t {
  kFree,
  kQueued,
  kReading,         ///< a direct read has been asked
  kReady,           ///< has ended but for its turn: those before it come first
  kInconclusive,    ///< a direct read that needs the owner, and waits for those before it
  kRouting,         ///< waits for a moment, then looks for the owner again
  kForwarded,       ///< another worker or proxy has it
  kWaitingForSlot,  ///< the slot is being taken
  kTouching,        ///< owner: a majority is being read under its term
  kFetching,        ///< owner: a member is asked for its state
  kProposing,       ///< owner: a version has been proposed
  kRepairing,       ///< owner: chosen and answered; a member that lagged is brought up to it
  kEnded,           ///< until the output has been carried out
};

/// What a proposal is for.
enum class Purpose : uint8_t {
  kClient,  ///< the client's write
  kSettle,  ///< the newest state once more, as a majority did not have it
  kExpire,  ///< a tombstone for what has expired
};

/// What a place of the replica set has said in this step.
struct Vote {
  enum class Kind : uint8_t {
    kNotAsked,
    kAsked,
    kRead,      ///< it has told what it has
    kAccepted,  ///< it has the proposed version
    kLagging,   ///< it has another version than the base
    kOutran,    ///< it has seen later counters: the state needs a new version
    kErrored,   ///< the command failed on the base, as it would everywhere
    kRefused,   ///< it cannot, for now: certainly not accepted
    kUnsent,    ///< it was not asked after all
    kMissing,   ///< it may have accepted: the answer is lost
  };
  Kind kind = Kind::kNotAsked;
  bool is_outstanding = false;     ///< a request has neither been answered nor lost
  bool may_have_accepted = false;  ///< an earlier request of this version was lost
  bool is_blank = false;
  redis::acceptor::Type type = redis::acceptor::Type::kNone;
  int64_t expires_at_ms = 0;
  base::Version version;   ///< zero if blank
  base::Version gc_floor;  ///< if blank
};

/// A state on its way from one member to others. Strings are this one's.
struct StateCopy {
  redis::acceptor::Form form = redis::acceptor::Form::kDeleted;
  redis::acceptor::Type type = redis::acceptor::Type::kNone;
  int64_t expires_at_ms = 0;
  std::string recorded;
  std::string payload;
};

struct Operation {
  uint32_t index = 0;
  uint32_t generation = 0;
  Stage stage = Stage::kFree;
  Origin origin = Origin::kClient;
  Purpose purpose = Purpose::kClient;
  bool is_answered = false;       ///< the client has been told an end
  bool has_touched = false;       ///< a majority has been read since it was submitted
  bool is_plan_made = false;      ///< `plan` is of the base state as it is
  bool is_state_known = false;    ///< `state` is that of the proposed version
  bool is_proposed_full = false;  ///< every member is sent the state, not a command
  bool has_read_reply = false;    ///< `read_reply` is there
  bool has_reply = false;         ///< `reply` is there
  bool must_restart = false;      ///< a direct read that what came before may have overtaken
  bool is_patient = true;         ///< waits for more than a majority before it settles
  bool is_retry_armed = false;
  bool is_counted = false;  ///< among its slot's owned operations
  bool is_fetching = false;
  uint8_t full_place = 0;      ///< of a read: who tells the value
  PlaceMask fetched_from = 0;  ///< members that were asked for the state in vain
  PlaceMask run_on = 0;        ///< Plan::kState: members that were asked to run it
  uint8_t attempts = 0;
  uint8_t rounds = 0;     ///< kSweep: how often its state was written again
  PlaceMask in_sync = 0;  ///< kSweep: places that were seen to have the newest state, at its end
  uint32_t step = 0;      ///< answers of other steps are late
  uint64_t external = 0;  ///< OperationId or GuestId
  Key* key = nullptr;
  Operation* next = nullptr;  ///< in its key's queue
  base::Instant deadline{};
  base::Term term;        ///< of the touch or the proposal
  base::Version version;  ///< proposed
  base::Version base;     ///< of the delta
  base::Version read_version;
  cluster::SessionId forwarded_to{};
  uint32_t forward_stamp = 0;
  ReplicaSet set;
  std::array<Vote, kMaxPlaces> votes;
  redis::ReplicatedCommand command;
  redis::Plan plan;
  StateCopy state;
  redis::BaseState result;  ///< of the proposed version
  std::string read_reply;
  std::string reply;

  OperationRef ref() const { return {index, generation}; }
};

}  // namespace quorate::replicate
