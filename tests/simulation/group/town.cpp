#include "tests/simulation/group/town.h"

namespace quorate::group_simulation {
namespace {

constexpr Duration kTimeToSettle = ms(25'000);
constexpr Duration kLookInterval = ms(50);

}  // namespace

Town::Town(World& world, const Setting& setting)
    : world_(world),
      setting_(setting),
      backends_(world, setting.detection),
      oracle_(world, backends_, setting),
      network_(world, setting.network,
               [this](MemberId from, MemberId to, const std::string& bytes) {
                 const auto voter = voters_.find(to);
                 if (voter != voters_.end()) voter->second->receive(from, bytes);
               }),
      lines_(world) {
  lines_.set_delay(setting.network.min_delay, setting.network.max_delay);
  raft::Configuration founders;
  for (uint64_t id = 1; id <= setting.voters; ++id) {
    founders.addresses[MemberId{id}] = "member-" + std::to_string(id);
    founders.voters.push_back(MemberId{id});
  }
  for (const MemberId id : founders.members()) add_voter(id, founders);
  for (uint32_t i = 0; i < setting.observers; ++i) {
    std::optional<uint32_t> ttl_ms = i % 3 == 2 ? 1500 : 0;
    // Of a crowd, a few have sessions, the others only follow.
    if (setting.crowd) ttl_ms = i % 20 == 0 ? std::optional<uint32_t>(30'000) : std::nullopt;
    add_observer("observer-" + std::to_string(i + 1), ttl_ms);
  }
}

void Town::add_voter(MemberId id, std::optional<raft::Configuration> founds) {
  Voter::Outside outside;
  outside.send = [this](MemberId from, MemberId to, const std::string& bytes) {
    network_.send(from, to, bytes);
  };
  outside.ended = [this](MemberId, const group::RequestEnd& end) {
    asked_at_.erase(number(end.id));
    oracle_.ended(number(end.id), end.outcome);
  };
  outside.died = [this](MemberId at) {
    forget_requests_of("member-" + std::to_string(raft::number(at)));
    const Duration wait = healed_ ? ms(10) : world_.between(ms(1), ms(900));
    world_.after(wait, [this, at] {
      if (!voters_.at(at)->running()) voters_.at(at)->start();
    });
  };
  outside.published = [this](const std::string& who, const ClusterMap& map) {
    published(who, map);
  };
  highest_voter_ = std::max(highest_voter_, raft::number(id));
  voters_[id] = std::make_unique<Voter>(world_, setting_, oracle_, backends_, lines_,
                                        std::move(outside), id, std::move(founds));
}

void Town::add_observer(const std::string& name, std::optional<uint32_t> ttl_ms) {
  Observer::Outside outside;
  outside.connect = [this](const std::string& from, const std::string& address, LineEnd end) {
    for (const auto& [id, voter] : voters_) {
      if (voter->address() != address) continue;
      return lines_.open(from, address, std::move(end), voter->line_end(), voter->running());
    }
    return lines_.open(from, address, std::move(end), {}, false);
  };
  outside.ended = [this](const std::string&, const group::RequestEnd& end) {
    asked_at_.erase(number(end.id));
    oracle_.ended(number(end.id), end.outcome);
  };
  outside.died = [this](const std::string& at) {
    world_.counted.add(Count::kObserverKills);
    forget_requests_of(at);
    const Duration wait = healed_         ? ms(10)
                          : setting_.calm ? ms(1500)
                                          : world_.between(ms(1), ms(2500));
    world_.after(wait, [this, at] {
      if (!observers_.at(at)->running()) observers_.at(at)->start();
    });
  };
  outside.published = [this](const std::string& who, const ClusterMap& map) {
    published(who, map);
  };
  std::vector<std::string> seeds;
  for (const auto& [id, voter] : voters_) seeds.push_back(voter->address());
  observers_[name] = std::make_unique<Observer>(world_, setting_, oracle_, lines_,
                                                std::move(outside), name, seeds, ttl_ms);
}

Voter* Town::leader() {
  Voter* best = nullptr;
  for (const auto& [id, voter] : voters_) {
    if (!voter->leads()) continue;
    if (best == nullptr || voter->group().status().raft.term > best->group().status().raft.term) {
      best = voter.get();
    }
  }
  return best;
}

Voter* Town::any_voter() {
  std::vector<Voter*> running;
  for (const auto& [id, voter] : voters_) {
    if (voter->running() && !voter->paused()) running.push_back(voter.get());
  }
  return running.empty() ? nullptr : running[below(running.size())];
}

Observer* Town::any_observer() {
  std::vector<Observer*> running;
  for (const auto& [name, observer] : observers_) {
    if (observer->running() && !observer->paused()) running.push_back(observer.get());
  }
  return running.empty() ? nullptr : running[below(running.size())];
}

// ---- A run.

void Town::run() {
  for (const auto& [id, voter] : voters_) voter->start();
  for (const auto& [name, observer] : observers_) {
    world_.after(world_.between(us(0), ms(300)), [one = observer.get()] { one->start(); });
  }
  world_.after(ms(100), [this] { found(); });
  if (setting_.crowd) {
    world_.after(ms(3000), [this] { crowd_turn(); });
  } else if (setting_.calm) {
    world_.after(ms(1500), [this] { calm_turn(); });
  } else {
    world_.after(ms(300), [this] { nemesis_turn(); });
    world_.after(ms(300), [this] { ask_turn(); });
  }
  world_.run_until(Instant(setting_.fault_time));
  heal();
  Instant end = world_.now() + kTimeToSettle;
  while (world_.now() < end && !settled()) world_.run_until(world_.now() + kLookInterval);
  const std::string why = unsettled_because();
  if (!why.empty()) throw Violation{"not settled: " + why};
  oracle_.check_answers();
}

/// The two pools of every town: one without replicas, one with.
void Town::found() {
  if (founded_) return;
  Voter* leads = leader();
  if (leads == nullptr || leads->paused() || leads->group().map().index == 0) {
    world_.after(ms(50), [this] { found(); });
    return;
  }
  founded_ = true;
  cluster::DefinePool pool;
  pool.rules.name = "cache";
  pool.rules.on_eject = setting_.on_eject;
  pool.rules.min_up = setting_.min_up;
  pool.rules.detection = setting_.detection;
  for (uint32_t i = 0; i < setting_.backends + setting_.spares; ++i) {
    const bool spare = i >= setting_.backends;
    const std::string zone =
        setting_.zones == 0 ? "" : "zone-" + std::to_string(i % setting_.zones);
    pool.backends.push_back({.name = "b" + std::to_string(i),
                             .address = "backend-" + std::to_string(i),
                             .zone = zone,
                             .spare = spare});
  }
  ask(pool);
  if (setting_.crowd) return;
  cluster::DefinePool kept;
  kept.rules.name = "store";
  kept.rules.consistency = cluster::Consistency::kQuorum;
  kept.rules.replicas = 3;
  kept.rules.detection = setting_.detection;
  for (uint32_t i = 0; i < 3; ++i) {
    kept.backends.push_back(
        {.name = "s" + std::to_string(i), .address = "store-" + std::to_string(i)});
  }
  ask(kept);
}

void Town::heal() {
  healed_ = true;
  waiting_.reset();
  network_.heal_for_good();
  lines_.heal();
  lines_.set_delay(us(50), ms(2));
  backends_.heal();
  for (const auto& [id, voter] : voters_) {
    voter->wake();
    if (!voter->running()) voter->start();
  }
  for (const auto& [name, observer] : observers_) {
    observer->wake();
    if (!observer->running()) observer->start();
  }
}

std::string Town::voter_unsettled(const Voter& voter, const ClusterMap& map) {
  // One that was removed, or that never joined, follows nobody.
  const auto member = map.members.find(voter.id());
  if (member == map.members.end() || member->second.role != cluster::MemberRole::kVoter) return "";
  if (!voter.running()) return voter.address() + " does not run";
  if (voter.group().map() != map) return voter.address() + " has another map";
  return "";
}

std::string Town::sessions_unsettled(const ClusterMap& map) {
  std::set<cluster::Nonce> alive;
  for (const auto& [name, observer] : observers_) alive.insert(observer->nonce());
  for (const auto& [id, voter] : voters_) {
    const auto member = map.members.find(id);
    const bool belongs =
        member != map.members.end() && member->second.role == cluster::MemberRole::kVoter;
    if (belongs && !map.sessions.contains(voter->group().session())) {
      return voter->address() + " has no session";
    }
  }
  for (const auto& [name, observer] : observers_) {
    const bool missing = map.find_session(observer->nonce()) == nullptr;
    if (observer->wants_session() && missing) return name + " has no session";
  }
  for (const auto& [id, session] : map.sessions) {
    if (session.member == MemberId{} && !alive.contains(session.nonce)) {
      return "a dead proxy's session lives: " + session.name;
    }
  }
  return "";
}

std::string Town::backends_unsettled(const ClusterMap& map) {
  for (const auto& [serial, backend] : map.backends) {
    if (backend.state != cluster::BackendState::kEjected || backend.by_operator) continue;
    if (backends_.well(backend.rules.address)) return backend.rules.name + " is not used again";
  }
  return "";
}

std::string Town::unsettled_because() {
  Voter* leads = leader();
  if (leads == nullptr) return "nobody leads";
  if (oracle_.open_requests() > 0) return "a request has not ended";
  const ClusterMap& map = leads->group().map();
  if (leads->group().configuration().joint()) return "the group is still changing";
  for (const auto& [id, voter] : voters_) {
    const std::string why = voter_unsettled(*voter, map);
    if (!why.empty()) return why;
  }
  for (const auto& [name, observer] : observers_) {
    if (!observer->running()) return name + " does not run";
    const group::FollowerStatus status = observer->follower().status(observer->local_now());
    if (!status.connected) return name + " is not connected";
    if (observer->follower().map() != map) return name + " has another map";
    if (status.behind_since != base::kNever) return name + " does not know that it is current";
  }
  const std::string why = sessions_unsettled(map);
  return why.empty() ? backends_unsettled(map) : why;
}

// ---- How long things take.

void Town::published(const std::string& who, const ClusterMap& map) {
  if (!waiting_ || !waiting_->missing.contains(who) || !waiting_->holds(map)) return;
  const Duration took = world_.now() - waiting_->since;
  if (!std::exchange(waiting_->first_seen, true)) {
    if (waiting_->first != nullptr) waiting_->first->push_back(took);
    // From the commit on, for those that measure how it spreads.
    if (waiting_->each != nullptr) waiting_->since = world_.now();
  }
  if (waiting_->each != nullptr) waiting_->each->push_back(world_.now() - waiting_->since);
  waiting_->missing.erase(who);
  if (!waiting_->missing.empty()) return;
  if (waiting_->last != nullptr) waiting_->last->push_back(took);
  waiting_.reset();
}

}  // namespace quorate::group_simulation
