// What a coordinator wants done: requests to acceptors, ends of operations, forwards to the owners
// of slots, and what only the group can change.
//
// Lists are re-used and so keep their memory. Views are of the coordinator's operations, which stay
// until Coordinator::carried_out().
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "backends/redis/acceptor.h"
#include "backends/redis/replicated_command.h"
#include "consensus/base/version.h"
#include "consensus/cluster/replica_table.h"

namespace quorate::replicate {

/// The caller's names for what it submits; handed back with the end, otherwise not looked at.
enum class OperationId : uint64_t {};  ///< a client's command
enum class GuestId : uint64_t {};      ///< a command that another worker or proxy forwarded
/// The coordinator's names for what it asks; never given twice.
enum class RequestId : uint64_t {};
enum class ForwardId : uint64_t {};

/// How a command ended.
enum class End : uint8_t {
  kSucceeded,  ///< the reply is Redis' own, and may be an error of the command
  kFailed,     ///< certainly not applied, now or later
  kUnknown,    ///< it may have been applied, or may be yet
  // Of forwards only; both certainly not applied.
  kNotOwner,      ///< whoever was asked does not own the slot: the reply is the fence's "T:S"
  kNotDelivered,  ///< nobody was asked: there is no connection
};

struct Output {
  struct Asked {
    RequestId id{};
    cluster::BackendSerial backend{};
    redis::acceptor::Request request;
  };
  struct Ended {
    OperationId id{};
    End end{};
    /// RESP3, whole: of kFailed and kUnknown an error ("-TRYAGAIN …\r\n", "-INDETERMINATE …\r\n").
    std::string_view reply;
  };
  struct Forwarded {
    ForwardId id{};
    cluster::SessionId to{};  ///< may be the own session: then it is for another worker of it
    uint16_t slot = 0;
    /// What the asker knows of the slot's fence; the owner has to know at least as much.
    base::Term seen;
    const redis::ReplicatedCommand* command = nullptr;
  };
  struct GuestEnded {
    GuestId id{};
    End end{};
    std::string_view reply;
  };
  /// For the group; not answered: a new table is. Asking again is harmless.
  struct Wish {
    enum class Kind : uint8_t {
      kRecordOwner,         ///< `owner` has taken the slot already: SetSlotOwner
      kGiveAway,            ///< this session stops; `owner` is to have it: SetSlotOwner
      kRaiseConfiguration,  ///< bumps are used up: RaiseSlotConfiguration
      kEndMove,             ///< a majority of the slot's new members have all of it: EndMove
    };
    Kind kind{};
    uint16_t slot = 0;
    cluster::SessionId owner{};
    uint32_t configuration = 0;  ///< kEndMove: the kJoint one whose keys were copied
  };

  std::vector<Asked> asked;
  std::vector<Ended> ended;
  std::vector<Forwarded> forwarded;
  std::vector<GuestEnded> guests_ended;
  std::vector<Wish> wishes;

  bool empty() const {
    return asked.empty() && ended.empty() && forwarded.empty() && guests_ended.empty() &&
           wishes.empty();
  }
  void clear() {
    asked.clear();
    ended.clear();
    forwarded.clear();
    guests_ended.clear();
    wishes.clear();
  }
};

/// What has happened, since the start.
struct Counters {
  uint64_t direct_reads = 0;        ///< answered by a majority that agreed
  uint64_t inconclusive_reads = 0;  ///< went on to the slot's owner
  uint64_t hedged_reads = 0;        ///< asked a further member
  uint64_t writes = 0;              ///< proposed and chosen
  uint64_t forwards = 0;
  uint64_t takeovers = 0;      ///< slots activated under a term of this session
  uint64_t emergencies = 0;    ///< of these, without waiting for the group
  uint64_t self_bumps = 0;     ///< slots whose term was raised to give up a proposal
  uint64_t depositions = 0;    ///< slots lost to a higher term
  uint64_t first_touches = 0;  ///< states read from a majority
  uint64_t settlements = 0;    ///< states written again, as their majority did not agree
  uint64_t need_state = 0;     ///< answers NEEDSTATE or TORN to proposals
  uint64_t old_sequence = 0;   ///< answers OLD or OLDSEQ to proposals
  uint64_t transfers = 0;      ///< states sent to members that lagged
  uint64_t expiries = 0;       ///< tombstones committed as a time had come
  uint64_t lazy_installs = 0;  ///< fences raised after the majority's
  uint64_t unknown_ends = 0;
  uint64_t failed_ends = 0;
  uint64_t sweeps = 0;          ///< passes over slots that came to their end
  uint64_t keys_looked_at = 0;  ///< by these
  uint64_t keys_mended = 0;     ///< of these, written again as a member had something else
  uint64_t forgotten = 0;       ///< tombstones dropped, of a key one for each member
  uint64_t purged = 0;          ///< keys dropped where they do not belong any more
};

/// How far the sweep is (consistency.md §6.6, §6.9); of the slots that this worker owns.
struct SweepProgress {
  uint32_t slots = 0;          ///< owned
  uint32_t slots_in_sync = 0;  ///< of these, every member has every key's newest state
  uint32_t slots_joint = 0;    ///< of these, on their way to new members
  uint32_t slots_moved = 0;    ///< of those, the new members have all; the group is to say so
  bool is_under_way = false;
};

}  // namespace quorate::replicate
