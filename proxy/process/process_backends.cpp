// What is agreed on becomes the workers' plan; what probes and workers see of the backends becomes
// evidence, or, without a group, a change of the map.
#include <algorithm>
#include <utility>

#include "proxy/config/address.h"
#include "proxy/io/clock.h"
#include "proxy/member/group_log.h"
#include "proxy/process/process.h"

namespace quorate::process {

namespace {

constexpr base::Duration kWishWaits = std::chrono::seconds(1);
constexpr size_t kWishesAtOnce = 16;  ///< each tick

/// Of a backend whose pool this proxy's file does not have; no plan gives such an id.
constexpr cluster::BackendId kForeignBackend = 0x8000'0000;

/// With a group, what this proxy sees is no verdict.
control::HealthRules health_rules(const config::PoolSettings& pool, bool alone) {
  // Servers that are found are not ejected: what they say of each other counts.
  const bool judges = alone && pool.discovery == config::Discovery::kNone;
  return {.eject_after = judges ? pool.eject_after : 0,
          .readmit_after = pool.readmit_after,
          .min_up = pool.min_up};
}

std::string_view name_of(relay::LinkLoss loss) {
  switch (loss) {
    case relay::LinkLoss::kRefused: return "cannot connect";
    case relay::LinkLoss::kTimedOut: return "connect timed out";
    case relay::LinkLoss::kClosed: return "closed";
    case relay::LinkLoss::kStuck: return "no answer in time";
    case relay::LinkLoss::kProtocol: return "protocol broken";
    case relay::LinkLoss::kUnwanted: return "not needed any more";
  }
  return "?";
}

}  // namespace

bool Process::keeps_replicas(const cluster::ClusterMap& map) {
  return std::ranges::any_of(map.pools,
                             [](const auto& entry) { return entry.second.rules.replicated(); });
}

void Process::on_agreed(std::shared_ptr<const cluster::ClusterMap> map) {
  if (last_map_ && !last_map_->is_news(*map)) return;
  if (last_map_) last_map_->keep(map);
  on_map(std::move(map));
}

void Process::on_map(std::shared_ptr<const cluster::ClusterMap> map) {
  const auto before = std::exchange(map_, std::move(map));
  log_map_changes(*before, *map_);
  if (phase_ == Phase::kStopping) return;
  // Members come and go without the workers, and so do sessions, unless they own slots.
  const bool owners = before->sessions != map_->sessions && keeps_replicas(*map_);
  if (before->pools == map_->pools && before->backends == map_->backends && !owners) return;
  publish_plan();
  update_targets();
}

void Process::log_map_changes(const cluster::ClusterMap& before, const cluster::ClusterMap& after) {
  for (const auto& [serial, backend] : after.backends) {
    const auto old = before.backends.find(serial);
    if (old == before.backends.end()) continue;
    const cluster::Pool& pool = after.pools.at(backend.pool);
    const bool known = !old->second.run_id.empty() && !backend.run_id.empty();
    if (known && old->second.run_id != backend.run_id) {
      io::log_info("backend has restarted", {{"pool", pool.rules.name},
                                             {"backend", backend.rules.address},
                                             {"run_id", backend.run_id}});
    }
    if (old->second.state == backend.state) continue;
    const bool ejected = backend.state == cluster::BackendState::kEjected;
    const bool back = backend.state == cluster::BackendState::kUp &&
                      old->second.state == cluster::BackendState::kEjected;
    const std::string event = ejected ? "backend ejected"
                              : back  ? "backend readmitted"
                                      : std::string("backend ") + to_string(backend.state);
    if (ejected) {
      io::log_warn(
          event,
          {{"pool", pool.rules.name}, {"backend", backend.rules.address}, {"epoch", pool.epoch}});
    } else {
      io::log_info(
          event,
          {{"pool", pool.rules.name}, {"backend", backend.rules.address}, {"epoch", pool.epoch}});
    }
  }
}

void Process::update_targets() {
  const bool ordered = membership_ != nullptr && membership_->orders_probes();
  std::vector<ProbeTarget> targets;
  for (const config::PoolSettings& pool : settings_.pools) {
    for (const auto& plan : plan_->pools) {
      if (plan == nullptr || plan->name != pool.name) continue;
      std::vector<cluster::BackendId> backends;
      for (const auto& backend : plan_->backends) {
        if (backend == nullptr || backend->pool != plan->id || backend->is_nobody()) continue;
        backends.push_back(backend->id);
        targets.push_back({.backend = backend,
                           .protocol = pool.protocol,
                           .interval = ordered && pool.discovery == config::Discovery::kNone
                                           ? base::Duration::zero()
                                           : pool.probe_interval,
                           .timeout = pool.probe_timeout});
      }
      health_.set_pool(plan->id, health_rules(pool, alone_ != nullptr), backends);
    }
  }
  if (ordered) add_foreign_targets(targets);
  prober_->set_targets(targets);
}

/// A voter judges every backend, also those of pools that it does not serve. It has no password for
/// them, but an answer is an answer.
void Process::add_foreign_targets(std::vector<ProbeTarget>& targets) const {
  for (const auto& [serial, agreed] : map_->backends) {
    const cluster::Pool& pool = map_->pools.at(agreed.pool);
    if (backend_of(serial) || agreed.state == cluster::BackendState::kRemoved) continue;
    auto backend = std::make_shared<relay::BackendPlan>();
    backend->id = kForeignBackend | cluster::number(serial);
    backend->serial = serial;
    backend->label = agreed.rules.address;
    if (const auto address = config::parse_address(agreed.rules.address); address.ok()) {
      backend->host = address.value().host;
      backend->port = address.value().port;
      backend->path = address.value().path;
    }
    targets.push_back({.backend = std::move(backend),
                       .protocol = pool.rules.protocol,
                       .interval = base::Duration::zero(),
                       .timeout = base::Duration::zero()});
  }
}

std::optional<cluster::BackendId> Process::backend_of(cluster::BackendSerial serial) const {
  for (const auto& backend : plan_->backends) {
    if (backend != nullptr && backend->serial == serial) return backend->id;
  }
  return std::nullopt;
}

/// None: no plan has it any more.
cluster::BackendSerial Process::serial_of(cluster::BackendId id) const {
  if (id >= kForeignBackend) return cluster::BackendSerial{id & ~kForeignBackend};
  const bool known = id < plan_->backends.size() && plan_->backends[id] != nullptr;
  return known ? plan_->backends[id]->serial : cluster::BackendSerial{};
}

/// Of the replicated pools.
std::map<cluster::PoolSerial, cluster::PoolMotion> Process::motions() {
  std::map<cluster::PoolSerial, cluster::PoolMotion> motions;
  for (const auto& [serial, pool] : map_->pools) {
    if (pool.rules.replicated()) motions[serial] = reconfiguration_.motion_of(*map_, pool);
  }
  return motions;
}

std::string Process::label_of(cluster::BackendId id) const {
  return id < plan_->backends.size() && plan_->backends[id] != nullptr ? plan_->backends[id]->label
                                                                       : "?";
}

std::string Process::pool_of(cluster::BackendId id) const {
  if (id >= plan_->backends.size() || plan_->backends[id] == nullptr) return "?";
  return plan_->pools[plan_->backends[id]->pool]->name;
}

void Process::on_probe_order(const group::ProbeOrder& order) {
  const auto known = backend_of(order.backend);
  const cluster::BackendId id = known ? *known : kForeignBackend | cluster::number(order.backend);
  prober_->ask(id, order.probe, order.deadline - io::monotonic_now());
}

/// The process behind a backend, for the map. Of what keeps replicas, Admission says who is there.
std::string Process::run_id_for_map(const ProbeResult& result) const {
  const auto agreed = map_->backends.find(serial_of(result.backend));
  const bool admitted =
      agreed == map_->backends.end() || map_->pools.at(agreed->second.pool).rules.replicated();
  return admitted ? std::string() : result.run_id;
}

/// Without a group nobody else does it.
void Process::note_identity(const ProbeResult& result) {
  const auto agreed = map_->backends.find(serial_of(result.backend));
  if (result.run_id.empty() || agreed == map_->backends.end()) return;
  if (agreed->second.run_id == result.run_id) return;
  const cluster::NoteIdentity change{agreed->first, agreed->second.run_id, result.run_id};
  alone_->request(cluster::Change(change), [](const group::Outcome&) {});
}

void Process::on_probe(const ProbeResult& result) {
  if (result.order != 0) {
    const bool refused_only =
        result.backend >= kForeignBackend && result.failure.find("NOAUTH") != std::string::npos;
    membership_->on_probe({.probe = result.order,
                           .answered = result.answered || refused_only,
                           .latency = result.latency,
                           .run_id = run_id_for_map(result),
                           .failure = result.failure});
  }
  if (result.backend >= kForeignBackend) return;
  if (alone_ != nullptr) note_identity(result);
  const bool first = !health_.was_probed(result.backend);
  const bool answered_before = health_.answers(result.backend);
  health_.on_probe(result.backend, result.answered);
  if (!result.answered && (first || answered_before)) {
    io::log_warn("probe failed", {{"pool", pool_of(result.backend)},
                                  {"backend", label_of(result.backend)},
                                  {"why", result.failure}});
  } else if (result.answered && !first && !answered_before) {
    io::log_info("probe answered",
                 {{"pool", pool_of(result.backend)}, {"backend", label_of(result.backend)}});
  }
  apply_health();
}

void Process::on_link_events(uint32_t worker, const std::vector<relay::LinkEvent>& events) {
  if (phase_ == Phase::kStopping) return;  // the membership is closed
  for (const relay::LinkEvent& event : events) {
    const std::string label = label_of(event.upstream);
    const std::string pool = pool_of(event.upstream);
    switch (event.kind) {
      case relay::LinkEvent::Kind::kDown:
        io::log_warn(
            "backend down",
            {{"pool", pool}, {"backend", label}, {"why", name_of(event.loss)}, {"worker", worker}});
        break;
      case relay::LinkEvent::Kind::kUp:
        io::log_info("backend up", {{"pool", pool}, {"backend", label}, {"worker", worker}});
        break;
      case relay::LinkEvent::Kind::kLost:
        io::log_info(
            "connection lost",
            {{"pool", pool}, {"backend", label}, {"why", name_of(event.loss)}, {"worker", worker}});
        break;
      case relay::LinkEvent::Kind::kFailed:
      case relay::LinkEvent::Kind::kMoved: break;
    }
    const bool follows = event.upstream < plan_->backends.size() &&
                         plan_->backends[event.upstream] != nullptr &&
                         plan_->pools[plan_->backends[event.upstream]->pool]->follows_servers;
    if (follows) {
      if (event.kind != relay::LinkEvent::Kind::kUp) discoverer_->hint(pool);
      continue;
    }
    if (event.failures_in_a_row == 0 || event.upstream >= plan_->backends.size()) continue;
    if (alone_ != nullptr) {
      health_.on_traffic(event.upstream, event.failures_in_a_row);
    } else if (plan_->backends[event.upstream] != nullptr) {
      membership_->on_traffic(plan_->backends[event.upstream]->serial, event.failures_in_a_row);
    }
  }
  apply_health();
}

/// Without a group, Health's verdicts are proposed to the map, which has the last word: the floor
/// and the zones hold there.
void Process::apply_health() {
  const auto changes = health_.take_changes();
  if (alone_ == nullptr || phase_ == Phase::kStopping) return;
  for (const control::HealthChange& change : changes) {
    change.ejected ? eject(change.backend) : readmit(change.backend);
  }
  std::vector<cluster::BackendId> joined;
  for (const auto& backend : plan_->backends) {
    const bool joins = backend != nullptr && backend->state == cluster::BackendState::kJoining;
    if (joins && health_.steady(backend->id)) joined.push_back(backend->id);
  }
  for (const cluster::BackendId id : joined) readmit(id);
}

void Process::eject(cluster::BackendId id) {
  const cluster::EjectBackend change{
      plan_->backends[id]->serial, cluster::Cause::kEvidence, false, {raft::MemberId{1}}};
  alone_->request(cluster::Change(change), [this, id](const group::Outcome& outcome) {
    if (std::holds_alternative<group::Done>(outcome)) return;
    health_.forget_ejection(id);
    io::log_debug("backend not ejected",
                  {{"backend", label_of(id)}, {"why", member::text_of(outcome)}});
  });
}

void Process::readmit(cluster::BackendId id) {
  const cluster::ReadyBackend change{
      plan_->backends[id]->serial, cluster::Cause::kEvidence, {raft::MemberId{1}}};
  alone_->request(cluster::Change(change), [](const group::Outcome&) {});
}

void Process::on_found(const std::string& name) {
  if (phase_ == Phase::kStopping) return;
  std::string text;
  for (const control::FoundPrimary& primary : discoverer_->found(name)->primaries) {
    text += (text.empty() ? "" : " ") + primary.address.text();
    for (const control::ServerAddress& replica : primary.replicas) text += "<" + replica.text();
  }
  io::log_info("servers found", {{"pool", name}, {"servers", text}});
  publish_plan();
  update_targets();
}

void Process::publish_plan() {
  const auto session = membership_ != nullptr ? membership_->session() : cluster::SessionId{};
  plan_ = builder_.build(settings_, *map_, discoverer_->all_found(), session);
  for (auto& worker : workers_) worker->adopt(plan_);
}

/// What coordinators want of the group waits a little: most of it follows from the end of a session
/// anyway, which is one change.
void Process::on_wishes(const std::vector<relay::Relay::Wish>& wishes) {
  using Kind = replicate::Output::Wish::Kind;
  for (const relay::Relay::Wish& one : wishes) {
    if (one.wish.kind == Kind::kGiveAway) {
      gives_away_ = true;
    } else if (one.wish.kind == Kind::kEndMove) {
      mover_.end_move(one.pool, one.wish.slot, one.wish.configuration);
    } else {
      wishes_[{one.pool, one.wish.slot}] = {one.wish, io::monotonic_now()};
    }
  }
}

void Process::grant_wishes() {
  using Kind = replicate::Output::Wish::Kind;
  if (std::exchange(gives_away_, false)) {
    membership_->request(
        cluster::Change(cluster::EndSession{plan_->session, cluster::SessionEnd::kLeft}),
        [](const group::Outcome&) {});
  }
  const base::Instant now = io::monotonic_now();
  size_t granted = 0;
  for (auto it = wishes_.begin(); it != wishes_.end() && granted < kWishesAtOnce;) {
    const auto& [where, wish] = *it;
    if (now - wish.since < kWishWaits) {
      ++it;
      continue;
    }
    const auto pool = map_->pools.find(where.first);
    const bool raise = wish.wish.kind == Kind::kRaiseConfiguration;
    const bool is_so =
        pool == map_->pools.end() || !pool->second.rules.replicated() ||
        (!raise && cluster::run_of(pool->second, where.second).owner == wish.wish.owner);
    if (!is_so) {
      cluster::Change change = cluster::SetSlotOwner{where.first, where.second, 1, wish.wish.owner};
      if (raise) change = cluster::RaiseSlotConfiguration{where.first, where.second, 1};
      membership_->request(std::move(change), [](const group::Outcome&) {});
      ++granted;
    }
    it = wishes_.erase(it);
  }
}

void Process::on_tick() {
  tell_facts();
  if (phase_ != Phase::kStopping) grant_wishes();
  if (admission_ && phase_ == Phase::kServing) {
    const base::Instant now = io::monotonic_now();
    admission_->on_tick(*membership_, plan_, now);
    const auto answers = [this](cluster::BackendSerial serial) {
      const auto id = backend_of(serial);
      return !id || health_.answers(*id);
    };
    mover_.on_tick(*membership_, settings_.cluster.moving_slots, answers, now);
  }
}

/// What is served counts, also before the membership has come so far again.
member::Standing Process::standing() const {
  member::Standing standing = membership_->standing();
  standing.applied = std::max(standing.applied, map_->index);
  return standing;
}

void Process::tell_facts() {
  if (membership_ == nullptr) return;
  const member::Standing now = standing();
  const relay::GroupFacts facts{.role = now.role,
                                .member = now.member,
                                .cluster = now.cluster,
                                .leader = now.leader,
                                .term = now.term,
                                .applied = now.applied,
                                .behind = now.behind.value_or(0),
                                .in_touch = now.in_touch};
  if (facts != *facts_.group.load()) {
    facts_.group.store(std::make_shared<const relay::GroupFacts>(facts));
  }
}

}  // namespace quorate::process
