#include "tests/simulation/group/oracle.h"

#include <algorithm>

#include "consensus/cluster/cluster_codec.h"
#include "consensus/cluster/hash.h"
#include "consensus/raft/quorum.h"

namespace quorate::group_simulation {
namespace {

using cluster::BackendState;

Duration milliseconds(uint32_t count) { return std::chrono::milliseconds(count); }

uint64_t digest_of(const cluster::PoolView& view) {
  uint64_t hash = digest(view.name);
  for (const cluster::BackendView& member : view.members) {
    hash = digest(cluster::number(member.serial), hash);
    hash = digest(cluster::number(member.server), hash);
    hash = digest(member.address, hash);
    hash = digest(member.member.name, hash);
    hash = digest(static_cast<uint64_t>(member.state), hash);
    hash = digest(member.member.weight, hash);
    hash = digest((member.member.on_ring ? 1u : 0u) + (member.refuses ? 2u : 0u), hash);
    hash = digest(member.incarnation.low, hash);
  }
  return hash;
}

/// Places of the pool that somebody answers for.
size_t in_service(const ClusterMap& map, cluster::PoolSerial pool) {
  size_t count = 0;
  for (const auto& [serial, backend] : map.backends) {
    if (backend.pool != pool || backend.rules.spare) continue;
    bool stood_in = false;
    for (const auto& [other, spare] : map.backends) stood_in |= spare.stands_in_for == serial;
    count += backend.state == BackendState::kUp || stood_in ? 1 : 0;
  }
  return count;
}

/// Whether no other request has the same bytes.
bool is_unique(const std::string& bytes) {
  const auto change = cluster::decode_change(bytes);
  return change && (std::holds_alternative<cluster::AddBackend>(change.value()) ||
                    std::holds_alternative<cluster::AddMember>(change.value()) ||
                    std::holds_alternative<cluster::TakeLease>(change.value()));
}

}  // namespace

// ---- Maps.

void Oracle::saw_map(const std::string& who, const ClusterMap* before, const ClusterMap& map) {
  if (!setting_.crowd) {
    const uint64_t hash = cluster::hash_of(cluster::HashKind::kXxh3, cluster::encode(map));
    const auto [place, is_new] = maps_.try_emplace(map.index, hash);
    const auto problem = is_new ? cluster::problem_with(map) : std::nullopt;
    if (problem) throw Violation{who + " has a map that cannot be: " + *problem};
    if (!is_new && place->second != hash) {
      throw Violation{who + " has another map at index " + std::to_string(map.index)};
    }
  }
  check_epochs(who, before, map);
}

void Oracle::check_epochs(const std::string& who, const ClusterMap* before, const ClusterMap& map) {
  for (const auto& [serial, pool] : map.pools) {
    const uint64_t view = digest_of(view_of(map, pool));
    const auto [place, is_new] = epochs_.try_emplace(pool.epoch, Named{serial, view});
    if (is_new) world_.counted.add(Count::kEpochs);
    if (place->second.pool != serial || place->second.view != view) {
      throw Violation{"epoch " + std::to_string(pool.epoch) + " names two maps, one of " + who};
    }
    if (before == nullptr) continue;
    const auto known = before->pools.find(serial);
    if (known != before->pools.end() && known->second.epoch > pool.epoch) {
      throw Violation{"an epoch falls, at " + who};
    }
  }
}

// ---- Changes.

void Oracle::saw_applied(const raft::Entry& entry, const ClusterMap& before,
                         const ClusterMap& after) {
  const auto* command = std::get_if<raft::Command>(&entry.data);
  const std::string bytes = command == nullptr ? "" : command->bytes;
  const auto [place, is_new] = committed_.try_emplace(entry.index, bytes);
  if (place->second != bytes) {
    throw Violation{"two changes are applied at index " + std::to_string(entry.index)};
  }
  if (!is_new || command == nullptr) return;
  indexes_[bytes].push_back(entry.index);
  const auto change = cluster::decode_change(bytes);
  if (!change) throw Violation{"a change does not decode"};
  const bool applied = !cluster::validate(before, change.value());
  world_.counted.add(applied ? Count::kApplied : Count::kRejected);
  if (!applied) {
    rejected_.insert(entry.index);
    return;
  }
  check_sessions(before, after);
  check_change(change.value(), before, after);
  count(change.value(), before, after);
}

/// A new session's number was never a session's before.
void Oracle::check_sessions(const ClusterMap& before, const ClusterMap& after) {
  for (const auto& [id, session] : after.sessions) {
    const auto [place, is_new] = sessions_.try_emplace(id, session.nonce);
    if (place->second != session.nonce) throw Violation{"a session's number is given twice"};
    if (before.sessions.contains(id)) continue;
    if (!is_new || number(id) <= last_session_) throw Violation{"a session's number comes again"};
    last_session_ = number(id);
    world_.counted.add(Count::kSessionsOpened);
  }
}

void Oracle::check_change(const cluster::Change& change, const ClusterMap& before,
                          const ClusterMap& after) {
  if (const auto* eject = std::get_if<cluster::EjectBackend>(&change)) {
    check_ejection(*eject, before, after);
    ejected_[eject->backend] = world_.now();
  } else if (const auto* ready = std::get_if<cluster::ReadyBackend>(&change)) {
    const cluster::Backend& backend = before.backends.at(ready->backend);
    if (ready->cause == cluster::Cause::kEvidence && backend.state == BackendState::kEjected) {
      check_readmission(backend);
    }
  }
}

void Oracle::check_ejection(const cluster::EjectBackend& change, const ClusterMap& before,
                            const ClusterMap& after) {
  const cluster::Backend& backend = before.backends.at(change.backend);
  const cluster::PoolRules& rules = before.pools.at(backend.pool).rules;
  if (change.cause == cluster::Cause::kOperatorForced) return;
  const size_t left = in_service(after, backend.pool);
  if (left < rules.min_up && left < in_service(before, backend.pool)) {
    throw Violation{"an ejection leaves fewer than min_up"};
  }
  if (change.cause != cluster::Cause::kEvidence || backend.rules.spare) return;
  if (backend.rules.zone.empty()) return;
  const bool another = std::ranges::any_of(after.backends, [&](const auto& entry) {
    const cluster::Backend& other = entry.second;
    return other.pool == backend.pool && !other.rules.spare &&
           other.rules.zone == backend.rules.zone && other.state == BackendState::kUp;
  });
  if (!another) throw Violation{"a whole zone is ejected by evidence"};
}

/// Anti-flap: after the second ejection in a row it stays away for its time.
void Oracle::check_readmission(const cluster::Backend& backend) const {
  if (backend.flaps < 2) return;
  const uint32_t doublings = std::min(backend.flaps - 2, 16u);
  const Duration time = milliseconds(
      std::min(setting_.detection.backoff_ms << doublings, setting_.detection.backoff_max_ms));
  const auto since = ejected_.find(backend.serial);
  // Clocks differ by up to 2 %; and it is committed where it was applied before it is seen here.
  if (since == ejected_.end() || world_.now() - since->second >= time - time / 20) return;
  throw Violation{"a backend that flaps comes back too soon"};
}

// ---- Evidence, when the leader acts on it.

void Oracle::saw_proposed(MemberId, const raft::Configuration& configuration,
                          const cluster::Change& change, const ClusterMap& map) {
  if (const auto* eject = std::get_if<cluster::EjectBackend>(&change)) {
    if (eject->cause != cluster::Cause::kEvidence) return;
    const cluster::Backend& backend = map.backends.at(eject->backend);
    const auto enough = [](const Seen& seen, const cluster::DetectionRules& r, Instant now) {
      const Duration fresh = milliseconds(r.interval_ms + r.deadline_ms + 400);
      return seen.failing_at != Instant{} && now - seen.failing_at <= fresh + fresh / 20;
    };
    const auto& rules = map.pools.at(backend.pool).rules.detection;
    if (!quorum_saw(configuration, backend.serial, enough, rules)) {
      throw Violation{"an ejection is proposed without fresh evidence from a majority"};
    }
  } else if (const auto* ready = std::get_if<cluster::ReadyBackend>(&change)) {
    if (ready->cause != cluster::Cause::kEvidence) return;
    const cluster::Backend& backend = map.backends.at(ready->backend);
    const auto enough = [](const Seen& seen, const cluster::DetectionRules& r, Instant now) {
      const Duration fresh = milliseconds(r.interval_ms + r.deadline_ms + 400);
      return seen.answering_at != Instant{} && now - seen.answering_at <= fresh + fresh / 20;
    };
    const auto& rules = map.pools.at(backend.pool).rules.detection;
    if (!quorum_saw(configuration, backend.serial, enough, rules)) {
      throw Violation{"a readmission is proposed without evidence from a majority"};
    }
  }
}

bool Oracle::quorum_saw(const raft::Configuration& configuration, BackendSerial backend,
                        bool (*enough)(const Seen&, const cluster::DetectionRules&, Instant now),
                        const cluster::DetectionRules& rules) {
  return raft::quorum_has(configuration, [&](MemberId id) {
    return enough(backends_.seen(id, backend), rules, world_.now());
  });
}

// ---- Clients.

void Oracle::ended(uint64_t request, const group::Outcome& outcome) {
  const auto found = asked_.find(request);
  if (found == asked_.end()) throw Violation{"a request ends twice"};
  const std::string bytes = std::move(found->second);
  asked_.erase(found);
  Counts& counts = world_.counted;
  if (const auto* done = std::get_if<group::Done>(&outcome)) {
    counts.add(Count::kDone);
    if (!bytes.empty()) done_[done->index] = bytes;
  } else if (const auto* refused = std::get_if<group::Refused>(&outcome)) {
    using Reason = group::Refused::Reason;
    counts.add(refused->reason == Reason::kInvalid    ? Count::kRefusedAsInvalid
               : refused->reason == Reason::kRejected ? Count::kRefusedAsRejected
                                                      : Count::kRefusedWithoutLeader);
    if (!bytes.empty() && is_unique(bytes)) certainly_not_.insert(bytes);
  } else {
    counts.add(Count::kUnknown);
  }
}

void Oracle::check_answers() const {
  for (const auto& [index, bytes] : done_) {
    const auto found = committed_.find(index);
    if (found == committed_.end() || found->second != bytes || rejected_.contains(index)) {
      throw Violation{"an acknowledged change is lost"};
    }
  }
  for (const std::string& bytes : certainly_not_) {
    const auto found = indexes_.find(bytes);
    if (found == indexes_.end()) continue;
    for (const Index index : found->second) {
      if (!rejected_.contains(index)) throw Violation{"a refused change was done"};
    }
  }
  for (const auto& [bytes, indexes] : indexes_) {
    const auto applied =
        std::ranges::count_if(indexes, [&](Index index) { return !rejected_.contains(index); });
    if (is_unique(bytes) && applied > 1) throw Violation{"one request was done twice"};
  }
}

// ---- Counts.

void Oracle::count(const cluster::Change& change, const ClusterMap& before,
                   const ClusterMap& after) {
  Counts& counts = world_.counted;
  if (const auto* eject = std::get_if<cluster::EjectBackend>(&change)) {
    const cluster::Backend& backend = after.backends.at(eject->backend);
    counts.add(backend.flaps > 1 ? Count::kEjectedAgain : Count::kEjected);
    const cluster::PoolRules& rules = after.pools.at(backend.pool).rules;
    const bool stood_in = after.stand_in_of(backend.serial) != nullptr;
    if (stood_in) counts.add(Count::kStoodIn);
    if (rules.on_eject == cluster::OnEject::kRehash) counts.add(Count::kRehashed);
    if (rules.on_eject == cluster::OnEject::kKeep) counts.add(Count::kKept);
  } else if (const auto* ready = std::get_if<cluster::ReadyBackend>(&change)) {
    if (ready->cause == cluster::Cause::kEvidence) counts.add(Count::kReadmitted);
  } else if (std::holds_alternative<cluster::NoteIdentity>(change)) {
    counts.add(Count::kIdentities);
  } else if (const auto* end = std::get_if<cluster::EndSession>(&change)) {
    if (end->cause == cluster::SessionEnd::kLost) counts.add(Count::kSessionsLost);
    if (end->cause == cluster::SessionEnd::kExpired) counts.add(Count::kSessionsExpired);
  } else if (const auto* lease = std::get_if<cluster::EndLease>(&change)) {
    if (lease->expired) counts.add(Count::kLeasesExpired);
  }
  for (const auto& [serial, pool] : after.pools) {
    const auto known = before.pools.find(serial);
    if (known != before.pools.end() && known->second.slots != pool.slots) {
      counts.add(Count::kSlotsMoved);
    }
  }
}

}  // namespace quorate::group_simulation
