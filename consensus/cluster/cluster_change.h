// Changes of the ClusterMap: what is proposed, replicated and applied.
//
//   validate(map, change)    before it is proposed: would it be refused, and why?
//   apply(map, index, change)  when it is committed: the same question once more, as the map may
//                            have changed meanwhile; then the change, or its refusal, on every
//                            member alike
//
// Pure: what a change does follows from the map and the change alone. Anything that was drawn,
// measured or looked at (nonces, who witnessed a failure) is in the change.
//
// As bytes a change begins with the version of its format and its kind. Bytes that are not
// understood are never guessed, and never skipped: the one who cannot apply what others applied
// would hold another map under the same index, so a voter stops and an observer stays where it is.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "consensus/base/result.h"
#include "consensus/cluster/cluster_map.h"
#include "consensus/raft/configuration.h"

namespace quorate::cluster {

// ---- The cluster and its members. (Who votes is not decided here: Raft's own entries say so.)

struct FoundCluster {  ///< once
  Nonce cluster;
};
/// A new number, for a member that may join the Raft group.
struct AddMember {
  std::string name;
  std::string address;
};
struct DescribeMember {  ///< names a member, or tells its new address
  MemberId member{};
  std::string name;
  std::string address;
};
struct RemoveMember {  ///< forgets one that neither votes nor learns
  MemberId member{};
};

// ---- Sessions.

struct OpenSession {
  Nonce nonce;
  MemberId member{};
  std::string name;
  std::string address;
  bool coordinator = false;
  uint32_t ttl_ms = 0;
};
enum class SessionEnd : uint8_t { kLeft, kLost, kExpired };
/// Its slots go to the first candidate among the coordinators that are left.
struct EndSession {
  SessionId session{};
  SessionEnd cause{};
};

// ---- Pools and backends.

/// Creates a pool, or makes an existing one as described: backends that are not named go, new ones
/// come (up if the pool is new, otherwise joining), the others stay as they are.
struct DefinePool {
  PoolRules rules;
  std::vector<BackendRules> backends;
  bool only_if_absent = false;
};
struct RemovePool {
  PoolSerial pool{};
};
struct AddBackend {
  PoolSerial pool{};
  BackendRules rules;
};
enum class Cause : uint8_t {
  kEvidence,        ///< a majority of voters has seen it
  kOperator,        ///< somebody asked for it; the floor holds
  kOperatorForced,  ///< the floor does not hold either
};
struct EjectBackend {
  BackendSerial backend{};
  Cause cause{};
  bool was_steady = false;          ///< up long enough for earlier ejections to be forgotten
  std::vector<MemberId> witnesses;  ///< ascending; who has seen it fail
};
/// To up: from ejected, joining or draining.
struct ReadyBackend {
  BackendSerial backend{};
  Cause cause{};
  std::vector<MemberId> witnesses;  ///< ascending; who has seen it answer
};
struct DrainBackend {
  BackendSerial backend{};
  bool force = false;  ///< below the floor, too
};
/// From draining, joining or ejected to removed; a removed one is forgotten.
struct RemoveBackend {
  BackendSerial backend{};
};
/// Another process answers at its address (or the first one). In a replicated pool it has to be
/// admitted again.
struct NoteIdentity {
  BackendSerial backend{};
  std::string expected_run_id;  ///< refused if the map has another one by now
  std::string run_id;
};
/// The backend carries the marker of `incarnation`: it counts (consistency.md §4.2).
struct AdmitBackend {
  BackendSerial backend{};
  Nonce expected;
  Nonce incarnation;
};
/// An admitted backend has thrown keys away: what it holds does not count before it is admitted
/// again, to begin empty (consistency.md §6.7).
struct DismissBackend {
  BackendSerial backend{};
  Nonce expected;  ///< refused if it has another incarnation by now
};

// ---- Slots.

struct SetSlotOwner {  ///< raises no configuration
  PoolSerial pool{};
  uint16_t first = 0;
  uint16_t count = 0;
  SessionId owner{};
};
struct RaiseSlotConfiguration {
  PoolSerial pool{};
  uint16_t first = 0;
  uint16_t count = 0;
};

/// Most slots that one of the following moves.
inline constexpr size_t kMaxSlotsInMove = 256;

/// Slots begin to move to new members: the next configuration, kJoint.
struct BeginMove {
  struct Slot {
    uint16_t slot = 0;
    uint32_t configuration = 0;          ///< refused if it has another one by now
    std::vector<BackendSerial> members;  ///< ascending; as many as there are replicas
  };
  PoolSerial pool{};
  std::vector<Slot> slots;  ///< ascending
};
/// Slots have moved: the next configuration, kStable, the new members alone. Or they go back: what
/// was written meanwhile is with a majority of the old ones too.
struct EndMove {
  struct Slot {
    uint16_t slot = 0;
    uint32_t configuration = 0;
  };
  PoolSerial pool{};
  std::vector<Slot> slots;  ///< ascending
  bool back = false;
};

// ---- Leases.

struct TakeLease {
  Nonce nonce;
  LeaseKind kind{};
  SessionId holder{};
  uint32_t ttl_ms = 0;
  std::string what;
};
struct RenewLease {
  LeaseId lease{};
};
struct EndLease {
  LeaseId lease{};
  bool expired = false;
};

// ---- After the majority was lost.

/// The first change after `member recover --force`: another generation begins, and all numbers and
/// epochs go above anything that the lost majority may have given away.
struct Recover {
  uint32_t generation = 0;  ///< must be above the map's
  uint32_t least_session = 0;
  uint64_t raise_epochs_by = 0;
  uint32_t raise_configurations_by = 0;
};

using Change =
    std::variant<FoundCluster, AddMember, DescribeMember, RemoveMember, OpenSession, EndSession,
                 DefinePool, RemovePool, AddBackend, EjectBackend, ReadyBackend, DrainBackend,
                 RemoveBackend, NoteIdentity, AdmitBackend, SetSlotOwner, RaiseSlotConfiguration,
                 TakeLease, RenewLease, EndLease, Recover, BeginMove, EndMove, DismissBackend>;

enum class RefusalKind : uint8_t {
  kNotFound,  ///< it names something that is not there
  kConflict,  ///< something is not as it expects, or has the name already
  kInvalid,   ///< a value that cannot be
  kFloor,     ///< too few would be left up
  kZone,      ///< the last backend of a zone would go by itself
  kLimit,     ///< the map may not hold more of it
};
const char* to_string(RefusalKind kind);

/// Why a change was not applied; nothing was changed.
struct Refusal {
  RefusalKind kind{};
  std::string text;  ///< a sentence for the operator
};

struct Applied {
  uint64_t id = 0;     ///< of the member, session, pool, backend or lease that it made or named
  uint64_t epoch = 0;  ///< of the pool that it touched; 0: none
};

std::optional<Refusal> validate(const ClusterMap& map, const Change& change);

/// Applies the committed change at `index`, or refuses it; map.index moves either way.
/// REQUIRES: index > map.index.
base::Result<Applied, Refusal> apply(ClusterMap& map, Index index, const Change& change);
/// A committed configuration of the Raft group: the members' roles and addresses follow.
void apply(ClusterMap& map, Index index, const raft::Configuration& configuration);

/// One line for logs, such as `eject backend 3 (cache/a)`.
std::string describe(const ClusterMap& map, const Change& change);

}  // namespace quorate::cluster
