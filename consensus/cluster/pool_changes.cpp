// Pools and backends: what operators and the leader's evidence may change, and what follows.
//
// The floor: a pool keeps `min_up` places in service, unless an operator insists. A place is in
// service if its backend is up, or a spare stands in for it.
// The zone: the last backend of a named zone that is up does not go by evidence alone; what looks
// like that is more often a cut between zones than the death of one. So a backend that is a zone
// of its own is never ejected but by an operator.
#include <algorithm>
#include <set>

#include "consensus/base/assert.h"
#include "consensus/cluster/change_steps.h"
#include "consensus/cluster/mutation.h"
#include "consensus/cluster/reconfiguration.h"

namespace quorate::cluster::steps {
namespace {

constexpr uint32_t kMaxDetectionMs = 3'600'000;
constexpr uint32_t kMaxDetectionCount = 100;
constexpr size_t kMaxWitnesses = 2 * raft::kMaxVoters;

const Backend* find(const ClusterMap& map, BackendSerial serial) {
  const auto found = map.backends.find(serial);
  return found == map.backends.end() ? nullptr : &found->second;
}

const PoolRules& rules_of(const ClusterMap& map, const Backend& backend) {
  return map.pools.at(backend.pool).rules;
}

std::string name_of(const ClusterMap& map, const Backend& backend) {
  return rules_of(map, backend).name + "/" + backend.rules.name;
}

Verdict no_such(const char* what) {
  return refuse(RefusalKind::kNotFound, std::string("there is no such ") + what);
}

Verdict conflict(const ClusterMap& map, const Backend& backend, const std::string& why) {
  return refuse(RefusalKind::kConflict, name_of(map, backend) + " " + why);
}

// ---- Spares.

/// Who takes the place of `target`: a free spare that is up, of its own zone if there is one.
Backend* free_spare(ClusterMap& map, const Backend& target) {
  Backend* best = nullptr;
  for (auto& [serial, backend] : map.backends) {
    if (backend.pool != target.pool || !backend.rules.spare) continue;
    if (backend.state != BackendState::kUp || backend.stands_in_for != BackendSerial{}) continue;
    const bool same_zone = backend.rules.zone == target.rules.zone;
    if (same_zone) return &backend;
    if (best == nullptr) best = &backend;
  }
  return best;
}

bool needs_stand_in(const ClusterMap& map, const Backend& backend) {
  const PoolRules& rules = rules_of(map, backend);
  return backend.state == BackendState::kEjected && !backend.rules.spare &&
         rules.on_eject == OnEject::kSpare && !rules.replicated();
}

/// Sends home the stand-ins that are not needed or not able any more, and fills places.
void settle_spares(ClusterMap& map, PoolSerial pool) {
  for (auto& [serial, backend] : map.backends) {
    if (backend.pool != pool || backend.stands_in_for == BackendSerial{}) continue;
    const Backend* target = find(map, backend.stands_in_for);
    const bool able = backend.rules.spare && backend.state == BackendState::kUp;
    const bool needed = target != nullptr && needs_stand_in(map, *target);
    if (!able || !(needed || mutated(Mutation::kKeepStandIn))) backend.stands_in_for = {};
  }
  for (const auto& [serial, backend] : map.backends) {
    if (backend.pool != pool || !needs_stand_in(map, backend)) continue;
    if (map.stand_in_of(serial) != nullptr) continue;
    Backend* spare = free_spare(map, backend);
    if (spare != nullptr) spare->stands_in_for = serial;
  }
}

/// Carries out `edit` on a pool's backends, and all that follows: stand-ins, and a new epoch if the
/// ring looks different.
template <class Edit>
uint64_t change_ring(ClusterMap& map, PoolSerial serial, Edit edit) {
  Pool& pool = map.pools.at(serial);
  const PoolView before = view_of(map, pool);
  edit();
  settle_spares(map, serial);
  if (view_of(map, pool) == before || mutated(Mutation::kForgetEpoch)) return pool.epoch;
  pool.epoch = mutated(Mutation::kEpochOfPoolOnly) ? pool.epoch + 1 : map.epoch + 1;
  map.epoch = std::max(map.epoch, pool.epoch);
  return pool.epoch;
}

// ---- Floor and zone.

size_t places_in_service(const ClusterMap& map, PoolSerial pool) {
  return static_cast<size_t>(std::ranges::count_if(map.backends, [&](const auto& entry) {
    const Backend& backend = entry.second;
    if (backend.pool != pool || backend.rules.spare) return false;
    return backend.state == BackendState::kUp || map.stand_in_of(backend.serial) != nullptr;
  }));
}

/// How many places would be in service with `backend` in that state.
size_t places_after(const ClusterMap& map, const Backend& backend, BackendState state) {
  // On a copy of this one pool, as the answer depends on who would stand in for whom.
  ClusterMap after;
  after.pools.emplace(backend.pool, map.pools.at(backend.pool));
  for (const auto& [serial, other] : map.backends) {
    if (other.pool == backend.pool) after.backends.emplace(serial, other);
  }
  after.backends.at(backend.serial).state = state;
  settle_spares(after, backend.pool);
  return places_in_service(after, backend.pool);
}

Verdict check_floor(const ClusterMap& map, const Backend& backend, BackendState state) {
  const size_t after = places_after(map, backend, state);
  // An idle spare, or one that is down already: nothing becomes less.
  if (after >= places_in_service(map, backend.pool)) return std::nullopt;
  const PoolRules& rules = rules_of(map, backend);
  if (after >= rules.min_up || mutated(Mutation::kForgetFloor)) return std::nullopt;
  return refuse(RefusalKind::kFloor, "without " + name_of(map, backend) + " only " +
                                         std::to_string(after) + " would be up, and min_up is " +
                                         std::to_string(rules.min_up));
}

/// Whether the others are enough for the replicas that it holds.
Verdict check_replicas(const ClusterMap& map, const Backend& backend) {
  const PoolRules& rules = rules_of(map, backend);
  if (!rules.replicated() || backend.rules.spare) return std::nullopt;
  const auto others = std::ranges::count_if(map.backends, [&](const auto& entry) {
    const Backend& other = entry.second;
    return other.pool == backend.pool && other.serial != backend.serial && !other.rules.spare &&
           other.state != BackendState::kDraining && other.state != BackendState::kRemoved;
  });
  if (others >= rules.replicas) return std::nullopt;
  return refuse(RefusalKind::kFloor,
                "without " + name_of(map, backend) + " there would be " + std::to_string(others) +
                    " backends for " + std::to_string(rules.replicas) + " replicas: add one first");
}

Verdict check_zone(const ClusterMap& map, const Backend& backend) {
  if (backend.rules.zone.empty() || backend.rules.spare) return std::nullopt;
  const bool another = std::ranges::any_of(map.backends, [&](const auto& entry) {
    const Backend& other = entry.second;
    return other.pool == backend.pool && other.serial != backend.serial && !other.rules.spare &&
           other.rules.zone == backend.rules.zone && other.state == BackendState::kUp;
  });
  if (another || mutated(Mutation::kForgetZone)) return std::nullopt;
  return refuse(RefusalKind::kZone, name_of(map, backend) + " is the last one of zone " +
                                        backend.rules.zone + " that is up");
}

Verdict check_witnesses(Cause cause, const std::vector<MemberId>& witnesses) {
  if (witnesses.size() > kMaxWitnesses) return refuse(RefusalKind::kInvalid, "too many witnesses");
  if (cause == Cause::kEvidence && witnesses.empty()) {
    return refuse(RefusalKind::kInvalid, "evidence without a witness");
  }
  const bool ascending =
      std::ranges::adjacent_find(witnesses, std::greater_equal<>()) == witnesses.end();
  if (!ascending) return refuse(RefusalKind::kInvalid, "witnesses out of order");
  return std::nullopt;
}

// ---- What an operator says.

bool is_pool_name(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, allowed);
}

std::optional<std::string> problem_with(const DetectionRules& rules) {
  const auto in_range = [](uint32_t value, uint32_t low, uint32_t high) {
    return value >= low && value <= high;
  };
  if (rules.count == 1 || rules.count > kMaxDetectionCount) {
    return "a backend is ejected after 2..100 failures in a row, or never (0)";
  }
  if (!in_range(rules.readmit_count, 1, kMaxDetectionCount)) {
    return "a backend is used again after 1..100 answers in a row";
  }
  if (!in_range(rules.interval_ms, 10, kMaxDetectionMs)) {
    return "probes are between 10 ms and one hour apart";
  }
  if (!in_range(rules.deadline_ms, 1, kMaxDetectionMs)) {
    return "a probe's deadline is between 1 ms and one hour";
  }
  if (rules.backoff_ms > rules.backoff_max_ms || rules.backoff_max_ms > kMaxDetectionMs ||
      rules.steady_ms > kMaxDetectionMs) {
    return "times off are at most one hour, and the first not above the longest";
  }
  return std::nullopt;
}

std::optional<std::string> replicas_problem(const PoolRules& rules) {
  const uint32_t n = rules.replicas;
  switch (rules.consistency) {
    case Consistency::kNone:
      if (n != 1) return "without consistency there is one replica";
      return std::nullopt;
    case Consistency::kAsync:
    case Consistency::kAll:
      if (n < 2 || n > kMaxReplicas) return "it takes 2..7 replicas";
      break;
    case Consistency::kQuorum:
      if (n != 3 && n != 5) return "a quorum takes 3 or 5 replicas";
      break;
    case Consistency::kByzantine:
      if (n != 4 && n != 7) return "byzantine consistency takes 4 or 7 replicas";
      break;
  }
  if (rules.placement.distribution != Distribution::kRing) {
    return "replicas are placed on a ring only";
  }
  return std::nullopt;
}

bool is_sane(const BackendRules& rules) {
  return is_name(rules.name) && is_name(rules.address) && fits(rules.zone);
}

PlacementMember placed(const BackendRules& rules) {
  return {.name = rules.name, .weight = rules.weight, .on_ring = true, .zone = rules.zone};
}

std::optional<std::string> problem_with(const PlacementRules& placement,
                                        const std::vector<BackendRules>& backends) {
  std::vector<PlacementMember> members;
  for (const BackendRules& rules : backends) {
    if (!is_sane(rules)) return "a backend needs a name and an address of at most 255 bytes";
    members.push_back(placed(rules));
  }
  return cluster::problem_with(placement, members);
}

/// All that are not removed.
std::vector<BackendRules> rules_of_backends(const ClusterMap& map, PoolSerial pool) {
  std::vector<BackendRules> rules;
  for (const auto& [serial, backend] : map.backends) {
    if (backend.pool != pool || backend.state == BackendState::kRemoved) continue;
    rules.push_back(backend.rules);
  }
  return rules;
}

// ---- Adding.

bool has_room(const ClusterMap& map, size_t backends) {
  return map.backends.size() + backends <= kMaxBackends && backends < UINT32_MAX - map.next_backend;
}

/// Numbers only grow; a removed one of the same name is forgotten.
BackendSerial add_backend(ClusterMap& map, PoolSerial pool, const BackendRules& rules,
                          BackendState state) {
  std::erase_if(map.backends, [&](const auto& entry) {
    const Backend& backend = entry.second;
    return backend.pool == pool && backend.state == BackendState::kRemoved &&
           backend.rules.name == rules.name;
  });
  const BackendSerial serial{map.next_backend++};
  Backend& backend = map.backends[serial];
  backend.serial = serial;
  backend.pool = pool;
  backend.rules = rules;
  backend.state = state;
  return serial;
}

/// Another address is another process.
void redefine(Backend& backend, const BackendRules& rules) {
  if (backend.rules.address != rules.address) {
    backend.run_id.clear();
    backend.flaps = 0;
  }
  if (backend.rules.spare != rules.spare) backend.stands_in_for = {};
  backend.rules = rules;
}

Verdict check_redefinition(const ClusterMap& map, const Pool& pool, const DefinePool& change) {
  const PoolRules& before = pool.rules;
  const PoolRules& after = change.rules;
  if (before.protocol != after.protocol || before.consistency != after.consistency) {
    return refuse(RefusalKind::kConflict, "protocol and consistency of pool " + before.name +
                                              " cannot change: it takes a new pool");
  }
  if (!before.replicated()) return std::nullopt;
  if (before.placement != after.placement) {
    return refuse(RefusalKind::kConflict, "the placement of a replicated pool cannot change");
  }
  // What holds replicas changes by moving slots: weights and zones, and how many replicas there
  // are.
  auto places = std::ranges::count(change.backends, false, &BackendRules::spare);
  for (const auto& [serial, backend] : map.backends) {
    if (backend.pool != pool.serial || backend.state == BackendState::kRemoved) continue;
    const auto named = std::ranges::find(change.backends, backend.rules.name, &BackendRules::name);
    if (named == change.backends.end()) {
      return conflict(map, backend, "holds replicas: drain and remove it first");
    }
    if (named->address != backend.rules.address || named->spare != backend.rules.spare) {
      return conflict(map, backend, "holds replicas: add another one in its place");
    }
    if (backend.state == BackendState::kDraining && !backend.rules.spare) --places;
  }
  if (after.replicas > before.replicas && places < after.replicas) {
    return refuse(RefusalKind::kFloor, "pool " + before.name + " has " + std::to_string(places) +
                                           " backends for " + std::to_string(after.replicas) +
                                           " replicas: add some first");
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> problem_with(const PoolRules& rules) {
  if (!is_pool_name(rules.name)) return "a pool's name is 1..64 of A-Z a-z 0-9 _ -";
  if (auto problem = replicas_problem(rules)) return problem;
  if (rules.min_up == 0 && rules.on_eject != OnEject::kKeep) {
    return "min_up is zero only with on_eject = \"keep\"";
  }
  return problem_with(rules.detection);
}

std::optional<std::string> placement_problem(const ClusterMap& map, const Pool& pool) {
  return problem_with(pool.rules.placement, rules_of_backends(map, pool.serial));
}

// ---- Pools.

Verdict check(const ClusterMap& map, const DefinePool& change) {
  if (auto problem = problem_with(change.rules)) return refuse(RefusalKind::kInvalid, *problem);
  if (auto problem = problem_with(change.rules.placement, change.backends)) {
    return refuse(RefusalKind::kInvalid, *problem);
  }
  const Pool* pool = map.find_pool(change.rules.name);
  if (pool == nullptr && (map.pools.size() >= kMaxPools || map.next_pool == UINT32_MAX)) {
    return refuse(RefusalKind::kLimit, "there are too many pools");
  }
  if (pool != nullptr && change.only_if_absent) {
    return refuse(RefusalKind::kConflict, "there is a pool " + change.rules.name + " already");
  }
  if (!has_room(map, change.backends.size())) {
    return refuse(RefusalKind::kLimit, "there are too many backends");
  }
  if (pool == nullptr) return std::nullopt;
  return check_redefinition(map, *pool, change);
}

Applied carry_out(ClusterMap& map, const DefinePool& change) {
  const Pool* known = map.find_pool(change.rules.name);
  const bool created = known == nullptr;
  const PoolSerial serial = created ? PoolSerial{map.next_pool++} : known->serial;
  if (created) {
    Pool& pool = map.pools[serial];
    pool.serial = serial;
    pool.rules = change.rules;
    pool.epoch = ++map.epoch;
  }
  // A replicated pool's backends count only once they are admitted.
  const bool first_up = created && !change.rules.replicated();
  const uint64_t epoch = change_ring(map, serial, [&] {
    map.pools.at(serial).rules = change.rules;
    std::set<std::string_view> named;
    for (const BackendRules& rules : change.backends) {
      named.insert(rules.name);
      const Backend* backend = map.find_backend(serial, rules.name);
      if (backend != nullptr) {
        redefine(map.backends.at(backend->serial), rules);
      } else {
        add_backend(map, serial, rules, first_up ? BackendState::kUp : BackendState::kJoining);
      }
    }
    std::erase_if(map.backends, [&](const auto& entry) {
      const Backend& backend = entry.second;
      return backend.pool == serial && backend.state != BackendState::kRemoved &&
             !named.contains(backend.rules.name);
    });
  });
  if (created && change.rules.replicated()) lay_out_slots(map, map.pools.at(serial));
  return {number(serial), epoch};
}

Verdict check(const ClusterMap& map, const RemovePool& change) {
  if (!map.pools.contains(change.pool)) return no_such("pool");
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const RemovePool& change) {
  std::erase_if(map.backends, [&](const auto& entry) { return entry.second.pool == change.pool; });
  map.pools.erase(change.pool);
  return {number(change.pool), 0};
}

// ---- Backends.

Verdict check(const ClusterMap& map, const AddBackend& change) {
  const auto pool = map.pools.find(change.pool);
  if (pool == map.pools.end()) return no_such("pool");
  if (const Backend* known = map.find_backend(change.pool, change.rules.name)) {
    return conflict(map, *known, "is there already");
  }
  if (!has_room(map, 1)) {
    return refuse(RefusalKind::kLimit, "there are too many backends");
  }
  std::vector<BackendRules> all = rules_of_backends(map, change.pool);
  all.push_back(change.rules);
  if (auto problem = problem_with(pool->second.rules.placement, all)) {
    return refuse(RefusalKind::kInvalid, *problem);
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const AddBackend& change) {
  BackendSerial serial{};
  const uint64_t epoch = change_ring(map, change.pool, [&] {
    serial = add_backend(map, change.pool, change.rules, BackendState::kJoining);
  });
  return {number(serial), epoch};
}

Verdict check(const ClusterMap& map, const EjectBackend& change) {
  const Backend* backend = find(map, change.backend);
  if (backend == nullptr) return no_such("backend");
  if (Verdict refusal = check_witnesses(change.cause, change.witnesses)) return refusal;
  const bool by_operator = change.cause != Cause::kEvidence;
  if (backend->state == BackendState::kEjected && by_operator && !backend->by_operator) {
    return std::nullopt;  // from now on it stays away until it is called
  }
  if (backend->state != BackendState::kUp) {
    return conflict(map, *backend, std::string("is ") + to_string(backend->state));
  }
  if (!by_operator && rules_of(map, *backend).detection.count == 0) {
    return conflict(map, *backend, "is in a pool that ejects nobody by itself");
  }
  if (change.cause == Cause::kOperatorForced) return std::nullopt;
  if (Verdict refusal = check_floor(map, *backend, BackendState::kEjected)) return refusal;
  return by_operator ? std::nullopt : check_zone(map, *backend);
}

Applied carry_out(ClusterMap& map, const EjectBackend& change) {
  Backend& backend = map.backends.at(change.backend);
  const bool by_operator = change.cause != Cause::kEvidence;
  const uint64_t epoch = change_ring(map, backend.pool, [&] {
    backend.state = BackendState::kEjected;
    backend.by_operator = by_operator;
    backend.stands_in_for = {};
  });
  if (!by_operator && backend.flaps < UINT32_MAX) {
    backend.flaps = change.was_steady ? 1 : backend.flaps + 1;
  }
  return {number(change.backend), epoch};
}

Verdict check(const ClusterMap& map, const ReadyBackend& change) {
  const Backend* backend = find(map, change.backend);
  if (backend == nullptr) return no_such("backend");
  if (Verdict refusal = check_witnesses(change.cause, change.witnesses)) return refusal;
  const bool waits =
      backend->state == BackendState::kEjected || backend->state == BackendState::kJoining;
  if (!waits && backend->state != BackendState::kDraining) {
    return conflict(map, *backend, std::string("is ") + to_string(backend->state));
  }
  const bool replicated = rules_of(map, *backend).replicated();
  if (replicated && !backend->incarnation) {
    return conflict(map, *backend, "is not admitted yet");
  }
  if (change.cause != Cause::kEvidence) return std::nullopt;
  if (backend->by_operator || backend->state == BackendState::kDraining) {
    return conflict(map, *backend, "was taken out by an operator");
  }
  if (replicated && backend->state == BackendState::kJoining && !holds_its_slots(map, *backend)) {
    return conflict(map, *backend, "has to be filled first");
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const ReadyBackend& change) {
  Backend& backend = map.backends.at(change.backend);
  const uint64_t epoch = change_ring(map, backend.pool, [&] {
    backend.state = BackendState::kUp;
    backend.by_operator = false;
  });
  return {number(change.backend), epoch};
}

Verdict check(const ClusterMap& map, const DrainBackend& change) {
  const Backend* backend = find(map, change.backend);
  if (backend == nullptr) return no_such("backend");
  if (backend->state == BackendState::kDraining || backend->state == BackendState::kRemoved) {
    return conflict(map, *backend, std::string("is ") + to_string(backend->state));
  }
  if (change.force) return std::nullopt;
  if (Verdict refusal = check_replicas(map, *backend)) return refusal;
  return check_floor(map, *backend, BackendState::kDraining);
}

Applied carry_out(ClusterMap& map, const DrainBackend& change) {
  Backend& backend = map.backends.at(change.backend);
  const uint64_t epoch = change_ring(map, backend.pool, [&] {
    backend.state = BackendState::kDraining;
    backend.by_operator = false;
    backend.stands_in_for = {};
  });
  return {number(change.backend), epoch};
}

Verdict check(const ClusterMap& map, const RemoveBackend& change) {
  const Backend* backend = find(map, change.backend);
  if (backend == nullptr) return no_such("backend");
  if (backend->state == BackendState::kUp) {
    return conflict(map, *backend, "is up: drain or eject it first");
  }
  if (const uint32_t slots = slots_with(map.pools.at(backend->pool), change.backend); slots > 0) {
    return conflict(map, *backend,
                    "holds replicas of " + std::to_string(slots) + " slots: drain it first");
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const RemoveBackend& change) {
  Backend& backend = map.backends.at(change.backend);
  const PoolSerial pool = backend.pool;
  const uint64_t epoch = change_ring(map, pool, [&] {
    if (backend.state == BackendState::kRemoved) {
      map.backends.erase(change.backend);
      return;
    }
    backend.state = BackendState::kRemoved;
    backend.by_operator = false;
  });
  return {number(change.backend), epoch};
}

/// What it holds is not what it held: it does not count before it is admitted again.
void forget_memory(ClusterMap& map, Backend& backend) {
  backend.incarnation = {};
  empty_places_of(map.pools.at(backend.pool), backend.serial);
  backend.by_operator = false;
  if (backend.state != BackendState::kRemoved) backend.state = BackendState::kJoining;
}

Verdict check(const ClusterMap& map, const NoteIdentity& change) {
  const Backend* backend = find(map, change.backend);
  if (backend == nullptr) return no_such("backend");
  if (!is_name(change.run_id)) return refuse(RefusalKind::kInvalid, "not a run_id");
  if (backend->run_id != change.expected_run_id || backend->run_id == change.run_id) {
    return conflict(map, *backend, "runs as \"" + backend->run_id + "\" by now");
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const NoteIdentity& change) {
  Backend& backend = map.backends.at(change.backend);
  const bool another = !backend.run_id.empty() && rules_of(map, backend).replicated();
  const uint64_t epoch = change_ring(map, backend.pool, [&] {
    backend.run_id = change.run_id;
    if (another) forget_memory(map, backend);
  });
  return {number(change.backend), epoch};
}

Verdict check(const ClusterMap& map, const AdmitBackend& change) {
  const Backend* backend = find(map, change.backend);
  if (backend == nullptr) return no_such("backend");
  if (!change.incarnation) return refuse(RefusalKind::kInvalid, "an incarnation is not zero");
  if (!rules_of(map, *backend).replicated()) {
    return conflict(map, *backend, "is in a pool without replicas, which admits nobody");
  }
  if (backend->state == BackendState::kRemoved) return conflict(map, *backend, "is removed");
  if (backend->incarnation != change.expected) {
    return conflict(map, *backend, "has another incarnation by now");
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const AdmitBackend& change) {
  Backend& backend = map.backends.at(change.backend);
  const uint64_t epoch = change_ring(map, backend.pool, [&] {
    Pool& pool = map.pools.at(backend.pool);
    // To be admitted is to begin empty.
    if (backend.incarnation) empty_places_of(pool, change.backend);
    backend.incarnation = change.incarnation;
    // One that has held its places from the pool's beginning has missed nothing that it had been
    // given; any other has to be filled first.
    const bool first = backend.state == BackendState::kJoining;
    if (first && slots_with(pool, change.backend) > 0) backend.state = BackendState::kUp;
  });
  return {number(change.backend), epoch};
}

Verdict check(const ClusterMap& map, const DismissBackend& change) {
  const Backend* backend = find(map, change.backend);
  if (backend == nullptr) return no_such("backend");
  if (!change.expected || backend->incarnation != change.expected) {
    return conflict(map, *backend, "has another incarnation by now");
  }
  return std::nullopt;
}

Applied carry_out(ClusterMap& map, const DismissBackend& change) {
  Backend& backend = map.backends.at(change.backend);
  const uint64_t epoch = change_ring(map, backend.pool, [&] { forget_memory(map, backend); });
  return {number(change.backend), epoch};
}

}  // namespace quorate::cluster::steps
