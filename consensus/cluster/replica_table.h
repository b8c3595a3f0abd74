// ReplicaTable: where the keys of one replicated pool live, and whose they are, ready to be asked
// on the data path: key -> slot -> members, owner, phase.
//
// Immutable; built whole from the committed ClusterMap by the control thread, read by every worker
// without a lock. Two processes that built from the same index hold the same one. It says what is
// agreed, never who answers at the moment.
//
// Majorities are of the places of a set, filled or not: a place whose member has lost its memory
// is kNobody, counts as one that never answers, and stays until the slot is reconfigured.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/cluster/cluster_map.h"

namespace quorate::cluster {

/// Of a backend in ReplicaTable::backends().
using BackendIndex = uint16_t;
inline constexpr BackendIndex kNobody = UINT16_MAX;

/// The members of a slot in one phase, first choice first.
struct Members {
  struct Place {
    BackendIndex backend = kNobody;
    uint32_t joined = 0;  ///< the slot's configuration when it became a member: Install says so

    bool operator==(const Place&) const = default;
  };
  std::array<Place, kMaxReplicas> places{};
  uint8_t count = 0;

  std::span<const Place> all() const { return {places.data(), count}; }
  uint32_t majority() const { return count / 2u + 1; }
  bool operator==(const Members&) const = default;
};

struct SlotView {
  uint32_t configuration = 0;  ///< "cfg" of its terms
  SlotPhase phase = SlotPhase::kStable;
  SessionId owner{};  ///< as Raft has recorded it; 0: nobody
  Members members;    ///< kJoint: the old ones
  Members next;       ///< kJoint: the new ones, whose majority is needed besides; else nobody

  bool operator==(const SlotView&) const = default;
};

struct ReplicaBackend {
  BackendSerial serial{};
  std::string name;
  std::string address;
  std::string run_id;  ///< of the process that was admitted
  Nonce incarnation;   ///< what its fence must hold; none: not admitted, counts as down
  BackendState state{};

  bool admitted() const { return static_cast<bool>(incarnation); }
  bool operator==(const ReplicaBackend&) const = default;
};

struct ReplicaSession {
  SessionId id{};
  std::string name;
  std::string address;       ///< where its proxy is reached by others
  bool coordinator = false;  ///< may own slots

  bool operator==(const ReplicaSession&) const = default;
};

class ReplicaTable {
 public:
  /// REQUIRES: `pool` is of `map` and replicated.
  static std::shared_ptr<const ReplicaTable> build(const ClusterMap& map, const Pool& pool);

  /// Of the map it was built from.
  const Nonce& cluster() const { return cluster_; }
  Index index() const { return index_; }
  PoolSerial pool() const { return pool_; }
  const std::string& pool_name() const { return pool_name_; }
  uint32_t replicas() const { return replicas_; }

  /// The upper 12 bits of XXH3 of the key, or of what its hash tag says.
  uint16_t slot_of(std::string_view key) const;
  /// REQUIRES: slot < kSlots.
  const SlotView& slot(uint16_t slot) const { return slots_[slot]; }

  /// Ascending by serial; without spares and removed ones.
  std::span<const ReplicaBackend> backends() const { return backends_; }
  const ReplicaBackend* find_backend(BackendSerial serial) const;

  /// Ascending by id.
  std::span<const ReplicaSession> sessions() const { return sessions_; }
  const ReplicaSession* find_session(SessionId id) const;

  /// Coordinators in the order in which they are to take `slot` (rendezvous hashing over their
  /// names); replaces `out`. For takeovers: it hashes for each of them.
  void candidates(uint16_t slot, std::vector<SessionId>& out) const;

  /// Whether both say the same, whatever the index: then workers need not be told.
  bool says_the_same_as(const ReplicaTable& other) const;

 private:
  ReplicaTable() = default;

  Nonce cluster_;
  Index index_ = 0;
  PoolSerial pool_{};
  std::string pool_name_;
  std::string hash_tag_;  // empty, or the opening and the closing character
  uint32_t replicas_ = 0;
  std::vector<SlotView> slots_;
  std::vector<ReplicaBackend> backends_;
  std::vector<ReplicaSession> sessions_;
};

}  // namespace quorate::cluster
