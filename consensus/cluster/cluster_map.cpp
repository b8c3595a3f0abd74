#include "consensus/cluster/cluster_map.h"

#include <algorithm>
#include <set>

#include "consensus/base/assert.h"
#include "consensus/cluster/change_steps.h"

namespace quorate::cluster {
namespace {

/// Looks at one thing after the other, and keeps the first that is wrong.
class Inspection {
 public:
  explicit Inspection(const ClusterMap& map) : map_(map) {}

  std::optional<std::string> result() {
    // Far beyond what can be given away; so that adding to them never runs over.
    constexpr uint64_t kMost = uint64_t{1} << 60;
    require(map_.index <= kMost && map_.epoch <= kMost && map_.next_member <= kMost &&
                map_.next_lease <= kMost,
            "numbers that cannot have been given");
    inspect_members();
    inspect_sessions();
    inspect_pools();
    inspect_backends();
    inspect_stand_ins();
    inspect_leases();
    return problem_;
  }

 private:
  void require(bool holds, const char* what) {
    if (!holds && !problem_) problem_ = what;
  }

  void inspect_members() {
    require(map_.members.size() <= kMaxMembersInMap + raft::kMaxMembers, "too many members");
    std::set<std::string_view> names;
    for (const auto& [id, member] : map_.members) {
      require(id == member.id && number(id) != 0, "a member under another number");
      require(number(id) < map_.next_member, "a member with a number not given yet");
      require(member.name.empty() || names.insert(member.name).second, "two members of one name");
    }
  }

  void inspect_sessions() {
    require(map_.sessions.size() <= kMaxSessions, "too many sessions");
    for (const auto& [id, session] : map_.sessions) {
      require(id == session.id && number(id) != 0, "a session under another number");
      require(number(id) < map_.next_session, "a session with a number not given yet");
      require(session.member == MemberId{} || map_.members.contains(session.member),
              "a session of a member that is not there");
    }
  }

  void inspect_pools() {
    require(map_.pools.size() <= kMaxPools, "too many pools");
    std::set<std::string_view> names;
    std::set<uint64_t> epochs;
    for (const auto& [serial, pool] : map_.pools) {
      require(serial == pool.serial && number(serial) != 0, "a pool under another number");
      require(number(serial) < map_.next_pool, "a pool with a number not given yet");
      require(names.insert(pool.rules.name).second, "two pools of one name");
      require(epochs.insert(pool.epoch).second, "two pools with one epoch");
      require(pool.epoch > 0 && pool.epoch <= map_.epoch, "a pool with an epoch not given yet");
      require(!steps::problem_with(pool.rules), "a pool that could not be defined");
      require(!steps::placement_problem(map_, pool), "a pool that could not be placed");
      inspect_slots(pool);
    }
  }

  void inspect_slots(const Pool& pool) {
    require(pool.slots.empty() == !pool.rules.replicated(), "slots of a pool without replicas");
    uint32_t next = 0;
    const SlotRun* before = nullptr;
    for (const SlotRun& run : pool.slots) {
      require(run.count > 0 && run.first == next, "slots with a gap");
      next += run.count;
      require(before == nullptr || !steps::is_one_run(*before, run),
              "slots that are one run, as two");
      before = &run;
      if (run.owner == SessionId{}) continue;
      const auto owner = map_.sessions.find(run.owner);
      require(owner != map_.sessions.end() && owner->second.coordinator,
              "a slot of a session that is not there");
    }
    require(next == (pool.slots.empty() ? 0 : kSlots), "slots that are not all there");
    inspect_members_of_slots(pool);
  }

  void inspect_members_of_slots(const Pool& pool) {
    size_t named = 0;
    const auto name = [&](uint16_t set) {
      // Each once, in the order of first use.
      require(set <= named && set < pool.member_sets.size(), "members out of order");
      if (set == named) ++named;
    };
    for (const SlotRun& run : pool.slots) {
      require((run.phase == SlotPhase::kJoint) == (run.next != SlotRun::kNowhere),
              "a slot that moves nowhere");
      name(run.members);
      if (run.next != SlotRun::kNowhere) name(run.next);
    }
    require(named == pool.member_sets.size(), "members of no slot");
    for (const SlotMembers& members : pool.member_sets) {
      // As many as there are replicas, or were when it was moved there.
      require(members.count > 0 && members.count <= kMaxReplicas, "a slot without places");
      if (problem_) return;  // there are no more places to look at
      require(std::ranges::count(pool.member_sets, members) == 1, "the same members twice");
      std::set<BackendSerial> serials;
      for (const SlotMembers::Place& place : members.all()) {
        if (place.backend == BackendSerial{}) continue;
        const auto backend = map_.backends.find(place.backend);
        require(serials.insert(place.backend).second, "a slot with a member twice");
        require(backend != map_.backends.end() && backend->second.pool == pool.serial,
                "a slot with a member that is not there");
      }
    }
  }

  void inspect_backends() {
    require(map_.backends.size() <= kMaxBackends, "too many backends");
    std::set<std::pair<PoolSerial, std::string_view>> names;
    for (const auto& [serial, backend] : map_.backends) {
      require(serial == backend.serial && number(serial) != 0, "a backend under another number");
      require(number(serial) < map_.next_backend, "a backend with a number not given yet");
      require(map_.pools.contains(backend.pool), "a backend of a pool that is not there");
      require(!backend.by_operator || backend.state == BackendState::kEjected,
              "a backend ejected by hand that is not ejected");
      if (backend.state == BackendState::kRemoved) continue;
      require(names.insert({backend.pool, backend.rules.name}).second,
              "two backends of one name in a pool");
    }
  }

  void inspect_stand_ins() {
    std::set<BackendSerial> places;
    for (const auto& [serial, backend] : map_.backends) {
      if (backend.stands_in_for == BackendSerial{}) continue;
      require(backend.rules.spare && backend.state == BackendState::kUp,
              "a stand-in that cannot be one");
      require(places.insert(backend.stands_in_for).second, "two stand-ins in one place");
      const auto target = map_.backends.find(backend.stands_in_for);
      require(target != map_.backends.end() && target->second.pool == backend.pool &&
                  target->second.state == BackendState::kEjected && !target->second.rules.spare,
              "a stand-in for one that needs none");
    }
  }

  void inspect_leases() {
    require(map_.leases.size() <= kMaxLeases, "too many leases");
    for (const auto& [id, lease] : map_.leases) {
      require(id == lease.id && number(id) != 0, "a lease under another number");
      require(number(id) < map_.next_lease, "a lease with a number not given yet");
      require(lease.holder == SessionId{} || map_.sessions.contains(lease.holder),
              "a lease of a session that is not there");
    }
  }

  const ClusterMap& map_;
  std::optional<std::string> problem_;
};

}  // namespace

bool SlotMembers::contains(BackendSerial backend) const {
  return std::ranges::find(all(), backend, &Place::backend) != all().end();
}

const Pool* ClusterMap::find_pool(std::string_view name) const {
  for (const auto& [serial, pool] : pools) {
    if (pool.rules.name == name) return &pool;
  }
  return nullptr;
}

const Backend* ClusterMap::find_backend(PoolSerial pool, std::string_view name) const {
  for (const auto& [serial, backend] : backends) {
    if (backend.pool != pool || backend.state == BackendState::kRemoved) continue;
    if (backend.rules.name == name) return &backend;
  }
  return nullptr;
}

const Member* ClusterMap::find_member(std::string_view name) const {
  for (const auto& [id, member] : members) {
    if (member.name == name) return &member;
  }
  return nullptr;
}

const Session* ClusterMap::find_session(const Nonce& nonce) const {
  for (const auto& [id, session] : sessions) {
    if (session.nonce == nonce) return &session;
  }
  return nullptr;
}

const Backend* ClusterMap::stand_in_of(BackendSerial backend) const {
  for (const auto& [serial, other] : backends) {
    if (other.stands_in_for == backend) return &other;
  }
  return nullptr;
}

const SlotRun& run_of(const Pool& pool, uint16_t slot) {
  ASSERT(!pool.slots.empty() && slot < kSlots);
  const auto after = std::ranges::upper_bound(pool.slots, slot, {}, &SlotRun::first);
  return *std::prev(after);
}

std::optional<std::string> problem_with(const ClusterMap& map) { return Inspection(map).result(); }

void check_invariants(const ClusterMap& map) { ASSERT(!problem_with(map)); }

const char* to_string(MemberRole role) {
  switch (role) {
    case MemberRole::kVoter: return "voter";
    case MemberRole::kLearner: return "learner";
    case MemberRole::kObserver: return "observer";
  }
  return "?";
}

const char* to_string(Consistency consistency) {
  switch (consistency) {
    case Consistency::kNone: return "none";
    case Consistency::kAsync: return "async";
    case Consistency::kAll: return "all";
    case Consistency::kQuorum: return "quorum";
    case Consistency::kByzantine: return "byzantine";
  }
  return "?";
}

const char* to_string(OnEject on_eject) {
  switch (on_eject) {
    case OnEject::kKeep: return "keep";
    case OnEject::kRehash: return "rehash";
    case OnEject::kSpare: return "spare";
  }
  return "?";
}

const char* to_string(BackendState state) {
  switch (state) {
    case BackendState::kUp: return "up";
    case BackendState::kEjected: return "ejected";
    case BackendState::kJoining: return "joining";
    case BackendState::kDraining: return "draining";
    case BackendState::kRemoved: return "removed";
  }
  return "?";
}

}  // namespace quorate::cluster
