#include "consensus/group/jury.h"

#include <algorithm>

#include "consensus/group/mutation.h"
#include "consensus/raft/quorum.h"

namespace quorate::group {
namespace {

using cluster::BackendState;

Duration milliseconds(uint64_t count) {
  return std::chrono::milliseconds(static_cast<int64_t>(count));
}

/// For how long a backend stays away after its last ejection, of `flaps` in a row.
Duration time_off(const cluster::DetectionRules& rules, uint32_t flaps) {
  if (flaps <= 1 || mutated(Mutation::kForgetBackoff)) return Duration(0);
  const uint32_t doublings = std::min(flaps - 2, 30u);
  return milliseconds(
      std::min<uint64_t>(uint64_t{rules.backoff_ms} << doublings, rules.backoff_max_ms));
}

/// A process behind an address that several answer for would be noted for ever; not more often.
constexpr Duration kBetweenNotes = std::chrono::seconds(1);

}  // namespace

// ---- Events.

void Jury::begin(const cluster::ClusterMap& map, Instant now) {
  cases_.clear();
  heard_.clear();
  renewed_.clear();
  proposed_.clear();
  next_deadline_ = base::kNever;
  follow(map, now);
}

void Jury::follow(const cluster::ClusterMap& map, Instant now) {
  std::erase_if(cases_, [&](const auto& one) { return !map.backends.contains(one.first); });
  std::erase_if(heard_, [&](const auto& one) { return !map.sessions.contains(one.first); });
  std::erase_if(renewed_, [&](const auto& one) { return !map.leases.contains(one.first); });
  for (const auto& [serial, backend] : map.backends) {
    const auto [place, is_new] = cases_.try_emplace(serial);
    Case& one = place->second;
    if (!is_new && one.state == backend.state) continue;
    one.state = backend.state;
    one.since = now;
    one.held = false;
  }
  for (const auto& [id, session] : map.sessions) heard_.try_emplace(id, Hearing{now, 0});
  for (const auto& [id, lease] : map.leases) renewed_.try_emplace(id, now);
}

void Jury::forgive(Duration gap) {
  for (auto& [id, hearing] : heard_) hearing.when += gap;
  for (auto& [id, when] : renewed_) when += gap;
}

void Jury::on_report(MemberId from, const Report& report, Instant stamp, Instant now) {
  const Duration held = std::min(report.held, now - stamp);
  for (const Sight& sight : report.sights) {
    const auto found = cases_.find(sight.backend);
    if (found == cases_.end()) continue;
    // It was sent at `stamp + held` at the earliest.
    Instant seen = stamp + held - sight.age;
    if (mutated(Mutation::kTrustLateReports)) seen = now - sight.age;
    Testimony& known = found->second.testimonies[from];
    if (seen < known.seen) continue;
    known = {sight.failures, sight.answers, seen, sight.run_id};
  }
  for (const Heard& session : report.sessions) {
    heard(session.session, now - session.age, session.confirmed);
  }
}

void Jury::heard(SessionId session, Instant when, Index confirmed) {
  const auto found = heard_.find(session);
  if (found == heard_.end()) return;
  Hearing& hearing = found->second;
  hearing.when = std::max(hearing.when, when);
  hearing.confirmed = std::max(hearing.confirmed, confirmed);
}

void Jury::renewed(cluster::LeaseId lease, Instant now) {
  const auto found = renewed_.find(lease);
  if (found != renewed_.end()) found->second = now;
}

std::vector<SessionStatus> Jury::sessions() const {
  std::vector<SessionStatus> all;
  for (const auto& [id, hearing] : heard_) {
    if (hearing.confirmed > 0) all.push_back({id, hearing.confirmed, hearing.when});
  }
  return all;
}

// ---- What follows.

std::vector<Jury::Proposal> Jury::deliberate(const cluster::ClusterMap& map,
                                             const raft::Configuration& configuration,
                                             Instant now) {
  next_deadline_ = base::kNever;
  std::vector<Proposal> proposals;
  judge_backends(map, configuration, now, proposals);
  judge_sessions(map, now, proposals);
  judge_leases(map, now, proposals);
  return proposals;
}

std::vector<MemberId> Jury::witnesses(const Case& one, const raft::Configuration& configuration,
                                      bool (*holds)(const Testimony&,
                                                    const cluster::DetectionRules&),
                                      const cluster::DetectionRules& rules, Instant now) const {
  const Duration fresh =
      milliseconds(rules.interval_ms) + milliseconds(rules.deadline_ms) + options_.evidence_slack;
  std::vector<MemberId> result;
  for (const auto& [id, testimony] : one.testimonies) {
    if (!configuration.is_voter(id) || !holds(testimony, rules)) continue;
    if (now - testimony.seen > fresh && !mutated(Mutation::kTrustOldEvidence)) continue;
    result.push_back(id);
  }
  const auto is_witness = [&](MemberId id) { return std::ranges::binary_search(result, id); };
  if (mutated(Mutation::kEjectByOneWitness)) return result;
  if (!raft::quorum_has(configuration, is_witness)) result.clear();
  return result;
}

std::optional<cluster::Change> Jury::judge(const cluster::ClusterMap& map,
                                           const cluster::Backend& backend, Case& one,
                                           const raft::Configuration& configuration, Instant now) {
  const cluster::PoolRules& pool = map.pools.at(backend.pool).rules;
  const cluster::DetectionRules& rules = pool.detection;
  if (backend.state == BackendState::kUp) {
    if (rules.count == 0) return std::nullopt;
    const auto fails = [](const Testimony& t, const cluster::DetectionRules& r) {
      return t.failures >= (mutated(Mutation::kEjectAfterOneFailure) ? 1 : r.count);
    };
    const bool was_steady = now - one.since >= milliseconds(rules.steady_ms);
    auto seen_by = witnesses(one, configuration, fails, rules, now);
    if (seen_by.empty()) {
      one.held = false;
      return std::nullopt;
    }
    return cluster::EjectBackend{backend.serial, cluster::Cause::kEvidence, was_steady,
                                 std::move(seen_by)};
  }
  const bool comes_back = backend.state == BackendState::kEjected && !backend.by_operator;
  // Who is to keep replicas has to be admitted, and filled: validate() says whether it is.
  const bool joins =
      backend.state == BackendState::kJoining && (!pool.replicated() || backend.incarnation);
  if (!comes_back && !joins) return std::nullopt;
  const Instant not_before = one.since + (joins ? Duration(0) : time_off(rules, backend.flaps));
  if (now < not_before) {
    wake_at(not_before);
    return std::nullopt;
  }
  const auto answers = [](const Testimony& t, const cluster::DetectionRules& r) {
    return t.answers >= r.readmit_count;
  };
  auto seen_by = witnesses(one, configuration, answers, rules, now);
  if (seen_by.empty()) return std::nullopt;
  return cluster::ReadyBackend{backend.serial, cluster::Cause::kEvidence, std::move(seen_by)};
}

/// Another process answers, as whoever looked last says.
std::optional<cluster::Change> Jury::identify(const cluster::Backend& backend, Case& one,
                                              Instant now) {
  const Testimony* last = nullptr;
  for (const auto& [id, testimony] : one.testimonies) {
    if (testimony.answers == 0 || testimony.run_id.empty()) continue;
    if (last == nullptr || testimony.seen > last->seen) last = &testimony;
  }
  if (last == nullptr || last->run_id == backend.run_id) return std::nullopt;
  if (backend.state == BackendState::kRemoved) return std::nullopt;
  if (one.noted != Instant{} && now - one.noted < kBetweenNotes) return std::nullopt;
  one.noted = now;
  return cluster::NoteIdentity{backend.serial, backend.run_id, last->run_id};
}

void Jury::judge_backends(const cluster::ClusterMap& map, const raft::Configuration& configuration,
                          Instant now, std::vector<Proposal>& proposals) {
  for (auto& [serial, one] : cases_) {
    if (proposed_.contains(serial)) continue;
    const cluster::Backend& backend = map.backends.at(serial);
    auto change = judge(map, backend, one, configuration, now);
    if (!change) change = identify(backend, one, now);
    if (!change) continue;
    if (const auto refusal = cluster::validate(map, *change)) {
      if (!std::exchange(one.held, true)) held_.push_back(refusal->text);
      continue;
    }
    proposed_.insert(serial);
    proposals.push_back({serial, std::move(*change)});
  }
}

void Jury::judge_sessions(const cluster::ClusterMap& map, Instant now,
                          std::vector<Proposal>& proposals) {
  for (const auto& [id, session] : map.sessions) {
    if (proposed_.contains(id)) continue;
    const bool optional = session.ttl_ms != 0;
    const Duration time = optional ? milliseconds(session.ttl_ms) : options_.session_timeout;
    const Instant end = heard_.at(id).when + time;
    if (now <= end) {
      wake_at(end + Duration(1));
      continue;
    }
    proposed_.insert(id);
    const auto cause = optional ? cluster::SessionEnd::kExpired : cluster::SessionEnd::kLost;
    proposals.push_back({id, cluster::EndSession{id, cause}});
  }
}

void Jury::judge_leases(const cluster::ClusterMap& map, Instant now,
                        std::vector<Proposal>& proposals) {
  for (const auto& [id, lease] : map.leases) {
    if (proposed_.contains(id)) continue;
    const Instant end = renewed_.at(id) + milliseconds(lease.ttl_ms);
    if (now < end) {
      wake_at(end);
      continue;
    }
    proposed_.insert(id);
    proposals.push_back({id, cluster::EndLease{id, true}});
  }
}

}  // namespace quorate::group
