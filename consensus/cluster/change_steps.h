// The two halves of each change: whether it is allowed, and what it does. Only cluster_change.cpp
// calls these, and always the first before the second.
//
// member_changes.cpp: members, sessions, leases, recovery. pool_changes.cpp: pools and backends.
// slot_changes.cpp: slots. slot_moves.cpp: their members.
#pragma once

#include <optional>
#include <string>

#include "consensus/cluster/cluster_change.h"

namespace quorate::cluster::steps {

using Verdict = std::optional<Refusal>;

inline Verdict refuse(RefusalKind kind, std::string text) { return Refusal{kind, std::move(text)}; }

Verdict check(const ClusterMap& map, const FoundCluster& change);
Verdict check(const ClusterMap& map, const AddMember& change);
Verdict check(const ClusterMap& map, const DescribeMember& change);
Verdict check(const ClusterMap& map, const RemoveMember& change);
Verdict check(const ClusterMap& map, const OpenSession& change);
Verdict check(const ClusterMap& map, const EndSession& change);
Verdict check(const ClusterMap& map, const DefinePool& change);
Verdict check(const ClusterMap& map, const RemovePool& change);
Verdict check(const ClusterMap& map, const AddBackend& change);
Verdict check(const ClusterMap& map, const EjectBackend& change);
Verdict check(const ClusterMap& map, const ReadyBackend& change);
Verdict check(const ClusterMap& map, const DrainBackend& change);
Verdict check(const ClusterMap& map, const RemoveBackend& change);
Verdict check(const ClusterMap& map, const NoteIdentity& change);
Verdict check(const ClusterMap& map, const AdmitBackend& change);
Verdict check(const ClusterMap& map, const DismissBackend& change);
Verdict check(const ClusterMap& map, const SetSlotOwner& change);
Verdict check(const ClusterMap& map, const RaiseSlotConfiguration& change);
Verdict check(const ClusterMap& map, const TakeLease& change);
Verdict check(const ClusterMap& map, const RenewLease& change);
Verdict check(const ClusterMap& map, const EndLease& change);
Verdict check(const ClusterMap& map, const Recover& change);
Verdict check(const ClusterMap& map, const BeginMove& change);
Verdict check(const ClusterMap& map, const EndMove& change);

Applied carry_out(ClusterMap& map, const FoundCluster& change);
Applied carry_out(ClusterMap& map, const AddMember& change);
Applied carry_out(ClusterMap& map, const DescribeMember& change);
Applied carry_out(ClusterMap& map, const RemoveMember& change);
Applied carry_out(ClusterMap& map, const OpenSession& change);
Applied carry_out(ClusterMap& map, const EndSession& change);
Applied carry_out(ClusterMap& map, const DefinePool& change);
Applied carry_out(ClusterMap& map, const RemovePool& change);
Applied carry_out(ClusterMap& map, const AddBackend& change);
Applied carry_out(ClusterMap& map, const EjectBackend& change);
Applied carry_out(ClusterMap& map, const ReadyBackend& change);
Applied carry_out(ClusterMap& map, const DrainBackend& change);
Applied carry_out(ClusterMap& map, const RemoveBackend& change);
Applied carry_out(ClusterMap& map, const NoteIdentity& change);
Applied carry_out(ClusterMap& map, const AdmitBackend& change);
Applied carry_out(ClusterMap& map, const DismissBackend& change);
Applied carry_out(ClusterMap& map, const SetSlotOwner& change);
Applied carry_out(ClusterMap& map, const RaiseSlotConfiguration& change);
Applied carry_out(ClusterMap& map, const TakeLease& change);
Applied carry_out(ClusterMap& map, const RenewLease& change);
Applied carry_out(ClusterMap& map, const EndLease& change);
Applied carry_out(ClusterMap& map, const Recover& change);
Applied carry_out(ClusterMap& map, const BeginMove& change);
Applied carry_out(ClusterMap& map, const EndMove& change);

// ---- Slots (slot_changes.cpp).

/// All slots, of the first generation; owned by the first candidates, kept where they belong.
void lay_out_slots(const ClusterMap& map, Pool& pool);
/// A backend that has lost its memory is a member of nothing any more.
void empty_places_of(Pool& pool, BackendSerial backend);
/// How many slots have it as a member, old or new.
uint32_t slots_with(const Pool& pool, BackendSerial backend);
/// Whether the two differ in nothing but which slots they are.
bool is_one_run(const SlotRun& one, const SlotRun& other);
/// Puts neighbours together that are one run.
std::vector<SlotRun> joined(const std::vector<SlotRun>& runs);
void settle_owners(const ClusterMap& map, Pool& pool);
/// Gives slots whose owner is not there (or that have none) to their first candidate, in all pools.
void settle_owners(ClusterMap& map);
/// Gives every slot to its first candidate: there is another coordinator.
void spread_owners(ClusterMap& map);
void raise_configurations(Pool& pool, uint16_t first, uint16_t count, uint32_t by);
/// Whether raising would run over.
bool configurations_end(const Pool& pool, uint16_t first, uint16_t count, uint32_t by);

// ---- Pools (pool_changes.cpp).

/// What is wrong with what an operator said; nothing if it can be.
std::optional<std::string> problem_with(const PoolRules& rules);
/// Whether the pool's backends can be placed by its rules.
std::optional<std::string> placement_problem(const ClusterMap& map, const Pool& pool);

// ---- Text.

inline bool fits(const std::string& text) { return text.size() <= kMaxNameBytes; }
inline bool is_name(const std::string& text) { return !text.empty() && fits(text); }

}  // namespace quorate::cluster::steps
