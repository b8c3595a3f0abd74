// A calm town: one thing at a time, and a bound for how long it may take. And a crowded one: how a
// change spreads to very many observers.
#include "tests/simulation/group/town.h"

namespace quorate::group_simulation {

void Town::calm_turn() {
  if (healed_) return;
  if (waiting_) {
    if (world_.now() - waiting_->since > waiting_->limit) throw Violation{waiting_->what};
    world_.after(ms(20), [this] { calm_turn(); });
    return;
  }
  // Only from a town where all is well.
  if (settled()) {
    switch (calm_turns_++ % 3) {
      case 0: calm_backend_dies(); break;
      case 1: calm_observer_dies(); break;
      case 2: calm_slow_answer(); break;
    }
  }
  world_.after(ms(100), [this] { calm_turn(); });
}

/// Gone from everybody's ring within a second of its death.
void Town::calm_backend_dies() {
  const ClusterMap& map = leader()->group().map();
  const cluster::Pool* pool = map.find_pool("cache");
  if (pool == nullptr) return;
  const cluster::Backend* victim = map.find_backend(pool->serial, "b0");
  if (victim == nullptr || victim->state != cluster::BackendState::kUp) return;
  // One that flaps stays away for longer each time; another one is taken then.
  const std::string address = victim->rules.address;
  const bool hangs = below(2) == 0;
  world_.counted.add(hangs ? Count::kBackendHangs : Count::kBackendKills);
  hangs ? backends_.hang(address) : backends_.kill(address);
  waiting_.emplace();
  waiting_->since = world_.now();
  waiting_->limit = ms(1000);
  waiting_->what = "a dead backend is not gone within a second";
  waiting_->first = &measures_.first_ejections;
  waiting_->last = &measures_.ejections;
  waiting_->holds = [serial = victim->serial](const ClusterMap& after) {
    const auto backend = after.backends.find(serial);
    return backend != after.backends.end() &&
           backend->second.state == cluster::BackendState::kEjected;
  };
  for (const auto& [id, voter] : voters_) waiting_->missing.insert(voter->address());
  for (const auto& [name, observer] : observers_) waiting_->missing.insert(name);
  world_.after(ms(1200), [this, address] { backends_.restart(address); });
}

/// A proxy's session ends within a second of its death.
void Town::calm_observer_dies() {
  Observer& victim = *observers_.at("observer-1");
  const cluster::Nonce nonce = victim.nonce();
  victim.stop(below(2) == 0);
  waiting_.emplace();
  waiting_->since = world_.now();
  waiting_->limit = ms(1000);
  waiting_->what = "a dead proxy's session has not ended within a second";
  waiting_->last = &measures_.sessions;
  waiting_->holds = [nonce](const ClusterMap& after) {
    return after.find_session(nonce) == nullptr;
  };
  for (const auto& [id, voter] : voters_) waiting_->missing.insert(voter->address());
}

/// One slow answer ejects nobody.
void Town::calm_slow_answer() {
  backends_.slow_once("backend-1", ms(700));
  const ClusterMap& map = leader()->group().map();
  const cluster::Backend* one = map.find_backend(map.find_pool("cache")->serial, "b1");
  if (one == nullptr || one->state != cluster::BackendState::kUp) return;
  world_.after(ms(900), [this, serial = one->serial] {
    const Voter* leads = leader();
    if (leads == nullptr || healed_) return;
    if (leads->group().map().backends.at(serial).state != cluster::BackendState::kUp) {
      throw Violation{"one slow answer has ejected a backend"};
    }
  });
}

/// One change of the ring after the other, each seen by everybody before the next.
void Town::crowd_turn() {
  if (healed_) return;
  world_.after(ms(100), [this] { crowd_turn(); });
  const Voter* leads = leader();
  if (waiting_ || leads == nullptr) return;
  const ClusterMap& map = leads->group().map();
  const cluster::Pool* pool = map.find_pool("cache");
  const cluster::Backend* one = pool == nullptr ? nullptr : map.find_backend(pool->serial, "b0");
  if (one == nullptr) return;
  const bool up = one->state == cluster::BackendState::kUp;
  waiting_.emplace();
  waiting_->since = world_.now();
  waiting_->each = &measures_.spreads;
  waiting_->holds = [serial = one->serial, up](const ClusterMap& after) {
    const auto backend = after.backends.find(serial);
    return backend != after.backends.end() &&
           (backend->second.state == cluster::BackendState::kUp) != up;
  };
  for (const auto& [id, voter] : voters_) waiting_->missing.insert(voter->address());
  for (const auto& [name, observer] : observers_) waiting_->missing.insert(name);
  if (up) {
    ask(cluster::EjectBackend{one->serial, cluster::Cause::kOperator, false, {}});
  } else {
    ask(cluster::ReadyBackend{one->serial, cluster::Cause::kOperator, {}});
  }
}

}  // namespace quorate::group_simulation
