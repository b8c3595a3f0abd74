// ClusterMap: everything the group decides, as one value. What is in here is the same on every
// proxy that has applied the same index.
//
// A plain value: it is changed by apply() alone (cluster_change.h), from committed entries, and
// holds no time, no connection and no opinion: "the leader has not heard of a session" is somebody
// else's business (consensus/group), "the session has ended" is a change.
//
// Invariants (check_invariants): numbers are never given twice, so all next_… ones only grow; every
// reference (pool, session, stand-in, owner) names something that is there; whenever a pool's
// PoolView changes, the pool gets the next epoch, which no pool has had.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/result.h"
#include "consensus/cluster/topology.h"
#include "consensus/raft/ids.h"

namespace quorate::cluster {

using raft::Index;
using raft::MemberId;
using raft::number;

/// A run of one proxy process; never given to another one (it orders versions of keys).
enum class SessionId : uint32_t {};  // 0: none
enum class LeaseId : uint64_t {};    // 0: none

constexpr uint32_t number(SessionId id) { return static_cast<uint32_t>(id); }
constexpr uint64_t number(LeaseId id) { return static_cast<uint64_t>(id); }

/// Keys of replicated pools are fenced and owned in so many parts.
inline constexpr uint16_t kSlots = 4096;

/// Most members of a slot, in one phase.
inline constexpr size_t kMaxReplicas = 7;

// Bounds of what the map may hold; a change beyond one of them is refused.
inline constexpr size_t kMaxMembersInMap = 256;
inline constexpr size_t kMaxSessions = 8192;
inline constexpr size_t kMaxPools = 256;
inline constexpr size_t kMaxBackends = 4096;  ///< of all pools, removed ones included
inline constexpr size_t kMaxLeases = 256;
inline constexpr size_t kMaxNameBytes = 255;
inline constexpr size_t kMaxTextBytes = 4096;  ///< of a lease's description

enum class MemberRole : uint8_t { kVoter, kLearner, kObserver };

struct Member {
  MemberId id{};
  std::string name;                         ///< may be empty, otherwise unique
  std::string address;                      ///< where other members reach it
  MemberRole role = MemberRole::kObserver;  ///< as the last committed configuration has it

  bool operator==(const Member&) const = default;
};

struct Session {
  SessionId id{};
  Nonce nonce;        ///< the process's: asking twice gives the same session
  MemberId member{};  ///< 0: not a member of the Raft group
  std::string name;
  std::string address;
  bool coordinator = false;  ///< may own slots
  /// Ends when nobody has heard of the process for so long. 0: the group's own time-out, which is
  /// below a second.
  uint32_t ttl_ms = 0;

  bool operator==(const Session&) const = default;
};

enum class Consistency : uint8_t { kNone, kAsync, kAll, kQuorum, kByzantine };
enum class OnEject : uint8_t {
  kKeep,    ///< its keys get prompt errors
  kRehash,  ///< its keys move to the next one on the ring
  kSpare,   ///< a stand-in takes exactly its place; while there is none, as with kKeep
};

/// When a backend counts as gone, and when as back. Agreed on, so that all voters judge alike.
struct DetectionRules {
  uint32_t interval_ms = 200;        ///< between two probes of one voter
  uint32_t deadline_ms = 250;        ///< for the answer to one
  uint32_t count = 2;                ///< failures in a row; at least two; 0: never eject
  uint32_t readmit_count = 3;        ///< answers in a row before it is used again
  uint32_t backoff_ms = 2'000;       ///< least time off after the second ejection in a row; doubles
  uint32_t backoff_max_ms = 60'000;  ///< up to this
  uint32_t steady_ms = 60'000;       ///< up for so long, it may fail as if it never had

  bool operator==(const DetectionRules&) const = default;
};

/// What an operator says of a pool.
struct PoolRules {
  std::string name;
  Protocol protocol = Protocol::kRedis;
  Consistency consistency = Consistency::kNone;
  OnEject on_eject = OnEject::kKeep;
  uint32_t replicas = 1;
  uint32_t min_up = 1;
  PlacementRules placement;
  DetectionRules detection;

  bool replicated() const { return consistency != Consistency::kNone; }
  bool operator==(const PoolRules&) const = default;
};

enum class SlotPhase : uint8_t {
  kStable,
  kJoint,  ///< it moves: majorities of the old members and of the new ones are needed
};

/// Who keeps a slot's keys. As many places as the pool has replicas.
struct SlotMembers {
  struct Place {
    /// 0: its member has lost its memory; the place stays, and counts, until the slot has moved.
    BackendSerial backend{};
    /// The slot's configuration when it became a member: what it held before does not count.
    uint32_t joined = 0;

    bool operator==(const Place&) const = default;
  };
  std::array<Place, kMaxReplicas> places{};  ///< ascending by serial
  uint8_t count = 0;

  std::span<const Place> all() const { return {places.data(), count}; }
  bool contains(BackendSerial backend) const;
  bool operator==(const SlotMembers&) const = default;
};

/// Slots [first, first + count) of which everything is the same.
struct SlotRun {
  static constexpr uint16_t kNowhere = UINT16_MAX;

  uint16_t first = 0;
  uint16_t count = 0;
  uint32_t configuration = 1;  ///< "cfg": only grows
  SessionId owner{};           ///< 0: nobody yet
  SlotPhase phase = SlotPhase::kStable;
  uint16_t members = 0;      ///< of Pool::member_sets; kJoint: the old ones
  uint16_t next = kNowhere;  ///< kJoint: the new ones

  bool operator==(const SlotRun&) const = default;
};

struct Pool {
  PoolSerial serial{};
  PoolRules rules;
  uint64_t epoch = 0;  ///< of its PoolView; no two views, of no two pools, have the same
  /// Ascending, without gaps, neighbours differ; kSlots in all. Empty if not replicated.
  std::vector<SlotRun> slots;
  /// What runs name, each once, in the order of the first run that does.
  std::vector<SlotMembers> member_sets;

  bool operator==(const Pool&) const = default;
};

/// What an operator says of a backend.
struct BackendRules {
  std::string name;  ///< what the ring hashes; unique in its pool
  std::string address;
  std::string zone;
  uint32_t weight = 1;
  bool spare = false;  ///< takes part only in another one's place

  bool operator==(const BackendRules&) const = default;
};

struct Backend {
  BackendSerial serial{};
  PoolSerial pool{};
  BackendRules rules;
  BackendState state = BackendState::kUp;
  bool by_operator = false;       ///< an operator ejected it: it does not come back by itself
  std::string run_id;             ///< of the process that is behind the address; empty: not known
  Nonce incarnation;              ///< chosen when it was admitted; none: never was
  BackendSerial stands_in_for{};  ///< whose place this spare has taken; 0: nobody's
  uint32_t flaps = 0;             ///< ejections without a steady time between them

  bool operator==(const Backend&) const = default;
};

enum class LeaseKind : uint8_t { kDrill, kFault };

/// Something that must not outlive who asked for it.
struct Lease {
  LeaseId id{};
  Nonce nonce;
  LeaseKind kind{};
  SessionId holder{};  ///< 0: nobody in particular
  uint32_t ttl_ms = 0;
  std::string what;  ///< for whoever carries it out; opaque here

  bool operator==(const Lease&) const = default;
};

struct ClusterMap {
  Nonce cluster;  ///< its id; none: not founded yet
  /// 1 when founded, and a greater one each time it was recovered by force: what an index stands
  /// for is certain only within one generation.
  uint32_t generation = 1;
  Index index = 0;     ///< of the last entry that was applied
  uint64_t epoch = 0;  ///< the last one that was given to a pool

  std::map<MemberId, Member> members;
  std::map<SessionId, Session> sessions;
  std::map<PoolSerial, Pool> pools;
  std::map<BackendSerial, Backend> backends;
  std::map<LeaseId, Lease> leases;

  uint64_t next_member = 1;
  uint32_t next_session = 1;
  uint32_t next_pool = 1;
  uint32_t next_backend = 1;
  uint64_t next_lease = 1;

  const Pool* find_pool(std::string_view name) const;
  /// Of those that are not removed.
  const Backend* find_backend(PoolSerial pool, std::string_view name) const;
  const Member* find_member(std::string_view name) const;
  const Session* find_session(const Nonce& nonce) const;
  /// The spare that has taken this one's place.
  const Backend* stand_in_of(BackendSerial backend) const;

  bool operator==(const ClusterMap&) const = default;
};

/// The run that `slot` is in. REQUIRES: pool.rules.replicated(), slot < kSlots.
const SlotRun& run_of(const Pool& pool, uint16_t slot);

/// What must hold between two changes and does not; nothing if all does. For maps from outside.
std::optional<std::string> problem_with(const ClusterMap& map);
/// ASSERTs that there is none.
void check_invariants(const ClusterMap& map);

const char* to_string(MemberRole role);
const char* to_string(Consistency consistency);
const char* to_string(OnEject on_eject);
const char* to_string(BackendState state);

}  // namespace quorate::cluster
