// Members, sessions, leases, and the beginning of another generation.
#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/cluster/change_steps.h"
#include "consensus/cluster/mutation.h"

namespace quorate::cluster::steps {
namespace {

/// Beyond what a recovery could need, and far from where numbers end.
constexpr uint32_t kMaxSessionFloor = 1u << 31;
constexpr uint64_t kMaxEpochRaise = uint64_t{1} << 40;
constexpr uint32_t kMaxConfigurationRaise = 1u << 24;
constexpr uint32_t kMaxLeaseMs = 24 * 3600 * 1000;

bool is_address(const std::string& text) {
  return !text.empty() && text.size() <= raft::kMaxAddressBytes;
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

Verdict no_such(const char* what) {
  return refuse(RefusalKind::kNotFound, std::string("there is no such ") + what);
}

Verdict too_many(const char* what, size_t most) {
  return refuse(RefusalKind::kLimit,
                "there are " + std::to_string(most) + " " + what + " already, which is the most");
}

/// With what belongs to it. Slots are left to settle_owners().
void erase_session(ClusterMap& map, SessionId id) {
  map.sessions.erase(id);
  std::erase_if(map.leases, [id](const auto& lease) { return lease.second.holder == id; });
}

void erase_sessions_of(ClusterMap& map, MemberId member) {
  std::vector<SessionId> ended;
  for (const auto& [id, session] : map.sessions) {
    if (session.member == member) ended.push_back(id);
  }
  for (const SessionId id : ended) erase_session(map, id);
}

}  // namespace

// ---- The cluster.

Verdict check(const ClusterMap& map, const FoundCluster& change) {
  if (!change.cluster) return refuse(RefusalKind::kInvalid, "a cluster's id is not zero");
  if (map.cluster) return refuse(RefusalKind::kConflict, "the cluster has its id already");
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const FoundCluster& change) {
  map.cluster = change.cluster;
  return {};
}

Verdict check(const ClusterMap& map, const Recover& change) {
  if (change.generation <= map.generation) {
    return refuse(RefusalKind::kConflict,
                  "generation " + std::to_string(map.generation) + " has begun already");
  }
  if (change.least_session > kMaxSessionFloor || change.raise_epochs_by > kMaxEpochRaise ||
      change.raise_configurations_by > kMaxConfigurationRaise) {
    return refuse(RefusalKind::kInvalid, "numbers are raised too far");
  }
  for (const auto& [serial, pool] : map.pools) {
    if (configurations_end(pool, 0, kSlots, change.raise_configurations_by)) {
      return refuse(RefusalKind::kLimit, "a slot has used up its configurations");
    }
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const Recover& change) {
  map.generation = change.generation;
  map.next_session = std::max(map.next_session, change.least_session);
  map.epoch += change.raise_epochs_by;
  for (auto& [serial, pool] : map.pools) {
    pool.epoch = ++map.epoch;
    if (pool.rules.replicated()) {
      raise_configurations(pool, 0, kSlots, change.raise_configurations_by);
    }
  }
  return {change.generation, map.epoch};
}

// ---- Members.

Verdict check(const ClusterMap& map, const AddMember& change) {
  if (!is_name(change.name)) return refuse(RefusalKind::kInvalid, "a member needs a name");
  if (!is_address(change.address)) return refuse(RefusalKind::kInvalid, "not an address");
  if (const Member* member = map.find_member(change.name)) {
    return refuse(RefusalKind::kConflict, "member " + std::to_string(number(member->id)) +
                                              " is named " + quoted(change.name));
  }
  if (map.members.size() >= kMaxMembersInMap) return too_many("members", kMaxMembersInMap);
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const AddMember& change) {
  const MemberId id{map.next_member++};
  map.members[id] = {id, change.name, change.address, MemberRole::kObserver};
  return {number(id), 0};
}

Verdict check(const ClusterMap& map, const DescribeMember& change) {
  if (!map.members.contains(change.member)) return no_such("member");
  if (!is_name(change.name)) return refuse(RefusalKind::kInvalid, "a member needs a name");
  if (!is_address(change.address)) return refuse(RefusalKind::kInvalid, "not an address");
  const Member* named = map.find_member(change.name);
  if (named != nullptr && named->id != change.member) {
    return refuse(RefusalKind::kConflict, "member " + std::to_string(number(named->id)) +
                                              " is named " + quoted(change.name));
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const DescribeMember& change) {
  Member& member = map.members.at(change.member);
  member.name = change.name;
  member.address = change.address;
  return {number(change.member), 0};
}

Verdict check(const ClusterMap& map, const RemoveMember& change) {
  const auto member = map.members.find(change.member);
  if (member == map.members.end()) return no_such("member");
  if (member->second.role != MemberRole::kObserver) {
    return refuse(RefusalKind::kConflict, "member " + std::to_string(number(change.member)) +
                                              " still belongs to the Raft group");
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const RemoveMember& change) {
  erase_sessions_of(map, change.member);
  map.members.erase(change.member);
  settle_owners(map);
  return {number(change.member), 0};
}

// ---- Sessions.

Verdict check(const ClusterMap& map, const OpenSession& change) {
  if (!change.nonce) return refuse(RefusalKind::kInvalid, "a session's nonce is not zero");
  if (!fits(change.name) || !fits(change.address)) {
    return refuse(RefusalKind::kInvalid, "a name or an address that is too long");
  }
  if (change.member != MemberId{} && !map.members.contains(change.member)) {
    return no_such("member");
  }
  if (map.find_session(change.nonce) != nullptr) return std::nullopt;
  const Member* named = change.name.empty() ? nullptr : map.find_member(change.name);
  if (change.member == MemberId{} && named != nullptr && named->role != MemberRole::kObserver) {
    return refuse(RefusalKind::kConflict, "member " + std::to_string(number(named->id)) +
                                              " is named " + quoted(change.name));
  }
  if (map.sessions.size() >= kMaxSessions) return too_many("sessions", kMaxSessions);
  if (map.next_session == UINT32_MAX) {
    return refuse(RefusalKind::kLimit, "all session numbers have been given away");
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const OpenSession& change) {
  if (const Session* session = map.find_session(change.nonce)) return {number(session->id), 0};
  // A member runs once: what it was before has ended.
  if (change.member != MemberId{}) erase_sessions_of(map, change.member);
  SessionId id{map.next_session++};
  if (mutated(Mutation::kReuseSessions) && !map.sessions.empty()) {
    id = SessionId{number(map.sessions.rbegin()->first) + 1};
  }
  map.sessions[id] = {.id = id,
                      .nonce = change.nonce,
                      .member = change.member,
                      .name = change.name,
                      .address = change.address,
                      .coordinator = change.coordinator,
                      .ttl_ms = change.ttl_ms};
  settle_owners(map);
  if (change.coordinator) spread_owners(map);
  return {number(id), 0};
}

Verdict check(const ClusterMap& map, const EndSession& change) {
  if (!map.sessions.contains(change.session)) return no_such("session");
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const EndSession& change) {
  erase_session(map, change.session);
  settle_owners(map);
  return {number(change.session), 0};
}

// ---- Leases.

Verdict check(const ClusterMap& map, const TakeLease& change) {
  if (!change.nonce) return refuse(RefusalKind::kInvalid, "a lease's nonce is not zero");
  if (change.ttl_ms == 0 || change.ttl_ms > kMaxLeaseMs) {
    return refuse(RefusalKind::kInvalid, "a lease lasts between 1 ms and 24 h");
  }
  if (change.what.size() > kMaxTextBytes) {
    return refuse(RefusalKind::kInvalid, "a lease's description is too long");
  }
  if (change.holder != SessionId{} && !map.sessions.contains(change.holder)) {
    return no_such("session");
  }
  const bool taken = std::ranges::any_of(
      map.leases, [&](const auto& lease) { return lease.second.nonce == change.nonce; });
  if (taken) return std::nullopt;
  if (map.leases.size() >= kMaxLeases) return too_many("leases", kMaxLeases);
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const TakeLease& change) {
  for (const auto& [id, lease] : map.leases) {
    if (lease.nonce == change.nonce) return {number(id), 0};
  }
  const LeaseId id{map.next_lease++};
  map.leases[id] = {id, change.nonce, change.kind, change.holder, change.ttl_ms, change.what};
  return {number(id), 0};
}

Verdict check(const ClusterMap& map, const RenewLease& change) {
  if (!map.leases.contains(change.lease)) return no_such("lease");
  return std::nullopt;
}

Applied carry_out(ClusterMap&, const RenewLease& change) { return {number(change.lease), 0}; }

Verdict check(const ClusterMap& map, const EndLease& change) {
  if (!map.leases.contains(change.lease)) return no_such("lease");
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const EndLease& change) {
  map.leases.erase(change.lease);
  return {number(change.lease), 0};
}

}  // namespace quorate::cluster::steps
