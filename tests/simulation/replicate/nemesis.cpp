// Faults, and the group: whose the slots are, told late, or not at all for a while.
#include <algorithm>

#include "proxy/replicate/mutation.h"
#include "tests/simulation/replicate/world.h"

namespace quorate::replicate_simulation {

using namespace std::chrono_literals;

void World::start_proxy(uint32_t index) {
  Proxy& proxy = proxies_[index];
  ++proxy.life;
  proxy.paused_until = proxy.wakes_at = {};
  proxy.is_leaving = false;
  proxy.told = table_;
  proxy.deferred.clear();
  const int64_t skew = std::chrono::microseconds(kLargestSkew).count();
  proxy.skew_us = random_.between(-skew, skew);
  proxy.session = cluster::SessionId{map_.next_session++};
  proxy.connections.assign(backends_.size(), {});
  for (uint32_t other = 0; other < proxies_.size(); ++other) {
    if (other == index) continue;
    PeerLink& between = link(index, other);
    between.up = true;
    ++between.epoch;
  }
  replicate::Options options;
  options.request_timeout = 400ms;
  options.seed = random_.next();
  options.pool = cluster::PoolSerial{1};
  options.sweep_pause = std::chrono::microseconds(profile_.sweep_pause_us);
  proxy.coordinator = std::make_unique<replicate::Coordinator>(options);
  proxy.coordinator->adopt(table_, proxy.session, now_of(proxy));
  proxy.coordinator->carried_out();
  cluster::Session session;
  session.id = proxy.session;
  session.name = "p" + std::to_string(index);
  session.coordinator = true;
  map_.sessions.emplace(session.id, session);
  note("proxy " + std::to_string(index) + " starts as session " +
       std::to_string(cluster::number(proxy.session)));
  publish();
}

void World::kill_proxy(uint32_t index) {
  Proxy& proxy = proxies_[index];
  if (proxy.coordinator == nullptr) return;
  note("proxy " + std::to_string(index) + " dies");
  for (const auto& [id, pending] : proxy.pending) {
    keys_[pending.key].history.at(pending.event).known = Known::kUnknown;
    --clients_[pending.client].under_way;
  }
  proxy.pending.clear();
  proxy.coordinator.reset();
  ++proxy.life;
  for (Connection& connection : proxy.connections) {
    connection.up = false;
    ++connection.epoch;
  }
  for (uint32_t other = 0; other < proxies_.size(); ++other) {
    if (other != index) cut_peers(index, other);
  }
  const cluster::SessionId session = proxy.session;
  after(std::chrono::microseconds(random_.between(50'000, 600'000)),
        [this, session] { end_session(session); });
  after(std::chrono::microseconds(random_.between(10'000, 900'000)), [this, index] {
    if (proxies_[index].coordinator == nullptr) start_proxy(index);
  });
}

cluster::SessionId World::any_session() {
  if (map_.sessions.empty()) return {};
  auto it = map_.sessions.begin();
  std::advance(it, random_.below(map_.sessions.size()));
  return it->first;
}

void World::end_session(cluster::SessionId session) {
  if (group_down_) {
    after(100ms, [this, session] { end_session(session); });
    return;
  }
  if (map_.sessions.erase(session) > 0) publish();
}

/// The group has decided something: slots whose owner is gone get another, and everybody is told,
/// sooner or later.
void World::publish() {
  std::vector<cluster::SlotRun> runs;
  uint16_t next = 0;
  const auto run_at = [this](uint16_t slot) {
    for (const cluster::SlotRun& run : pool().slots) {
      if (slot >= run.first && slot < run.first + run.count) return run;
    }
    return cluster::SlotRun{};
  };
  std::map<uint16_t, cluster::SlotRun> ours;  // only slots with keys have owners: the rest is time
  for (const Key& key : keys_) {
    const uint16_t slot = table_->slot_of(key.name);
    cluster::SlotRun run = run_at(slot);
    run.first = slot;
    run.count = 1;
    if (!map_.sessions.contains(run.owner)) run.owner = any_session();
    ours[slot] = run;
  }
  for (const auto& [slot, run] : ours) {
    if (slot > next) runs.push_back({.first = next, .count = static_cast<uint16_t>(slot - next)});
    runs.push_back(run);
    next = static_cast<uint16_t>(slot + 1);
  }
  if (next < cluster::kSlots) {
    runs.push_back({.first = next, .count = static_cast<uint16_t>(cluster::kSlots - next)});
  }
  pool().slots = runs;
  ++map_.index;
  table_ = cluster::ReplicaTable::build(map_, pool());
  for (uint32_t i = 0; i < proxies_.size(); ++i) tell(i);
}

void World::tell(uint32_t index) {
  Proxy& proxy = proxies_[index];
  if (proxy.coordinator == nullptr) return;
  const Duration late =
      random_.below(100) < profile_.late_news && !is_calm_ ? delay() * 20 : delay();
  on_proxy_later(index, proxy.life, now_ + late, [this, table = table_](Proxy& it) {
    if (table->index() <= it.told->index()) return;
    it.told = table;
    it.coordinator->adopt(table, it.session, now_of(it));
  });
}

void World::wish(uint32_t, const replicate::Output::Wish& wish) {
  after(5ms + delay(), [this, wish] {
    if (group_down_) return;
    if (wish.kind == replicate::Output::Wish::Kind::kEndMove) {
      return end_move(wish.slot, wish.configuration);
    }
    for (cluster::SlotRun& run : pool().slots) {
      if (run.first != wish.slot) continue;
      if (wish.kind == replicate::Output::Wish::Kind::kRaiseConfiguration) {
        ++run.configuration;
      } else if (map_.sessions.contains(wish.owner)) {
        if (run.owner == wish.owner) return;
        run.owner = wish.owner;
      }
      return publish();
    }
  });
}

void World::fault() {
  if (is_calm_) return;
  const auto proxy = static_cast<uint32_t>(random_.below(proxies_.size()));
  const auto backend = static_cast<uint32_t>(random_.below(backends_.size()));
  const auto for_some_time = [this] {
    return now_ + std::chrono::microseconds(random_.between(1000, profile_.fault_us));
  };
  const auto share = static_cast<uint32_t>(random_.below(100));
  Backend& saves = backends_[random_.below(backends_.size())];
  saves.saved = saves.model;
  if (share < profile_.cuts) return cut(proxy, backend);
  if (share < profile_.cuts + profile_.moves) {
    return profile_.loses_memory && random_.below(3) == 0 ? lose_memory(backend) : begin_move();
  }
  if (share < profile_.cuts + profile_.moves + profile_.duels) return change_slots();
  if (share < profile_.cuts + profile_.moves + profile_.duels + profile_.restarts) {
    return lose_memory(backend);
  }
  if (replicate::mutated(replicate::Mutation::kAdmitEvicting) && random_.below(4) == 0) {
    return evict(backend);
  }
  switch (random_.below(14)) {
    case 0:
    case 1: return cut(proxy, backend);
    case 2:
      ++counts_[Count::kBackendPauses];
      note("backend " + std::to_string(backend) + " pauses");
      backends_[backend].paused_until = std::max(backends_[backend].paused_until, for_some_time());
      return;
    case 3:
      ++counts_[Count::kProxyPauses];
      note("proxy " + std::to_string(proxy) + " pauses");
      proxies_[proxy].paused_until = std::max(proxies_[proxy].paused_until, for_some_time());
      return;
    case 4: ++counts_[Count::kProxyKills]; return kill_proxy(proxy);
    case 5:
      ++counts_[Count::kPeerCuts];
      return cut_peers(proxy, static_cast<uint32_t>(random_.below(proxies_.size())));
    case 6: {
      // Everybody loses the backend; or it loses its memory, and comes back as nobody.
      if (profile_.loses_memory) lose_memory(backend);
      for (uint32_t i = 0; i < proxies_.size(); ++i) cut(i, backend);
      return;
    }
    case 7: {
      if (!profile_.group_may_fail || group_down_) return;
      ++counts_[Count::kGroupDown];
      note("the group is down");
      group_down_ = true;
      at(for_some_time() + 300ms, [this] { group_down_ = false; });
      return;
    }
    case 8: return change_slots();
    case 9: {
      Proxy& it = proxies_[proxy];
      if (it.coordinator == nullptr || it.is_leaving || group_down_) return;
      ++counts_[Count::kHandOvers];
      note("proxy " + std::to_string(proxy) + " hands over");
      it.is_leaving = true;
      on_proxy(proxy, [this](Proxy& one) { one.coordinator->hand_over(now_of(one)); });
      after(600ms, [this, proxy, life = it.life] {
        if (proxies_[proxy].life == life) kill_proxy(proxy);
      });
      return;
    }
    case 10:
    case 11:
    case 12: return begin_move();
    default:
      ++counts_[Count::kOutOfMemory];
      note("backend " + std::to_string(backend) + " is out of memory");
      backends_[backend].model.set_nack(acceptor::Nack::kOutOfMemory);
      at(for_some_time(),
         [this, backend] { backends_[backend].model.set_nack(acceptor::Nack::kNone); });
      return;
  }
}

/// Each slot with keys gets another owner, or another configuration.
void World::change_slots() {
  if (group_down_) return;
  ++counts_[Count::kConfigurations];
  for (cluster::SlotRun& run : pool().slots) {
    if (run.owner == cluster::SessionId{}) continue;
    if (random_.below(2) == 0) {
      ++run.configuration;
    } else {
      run.owner = any_session();
    }
  }
  note("the group changes slots");
  publish();
}

void World::heal() {
  is_calm_ = true;
  group_down_ = false;
  note("all is calm");
  for (uint32_t i = 0; i < proxies_.size(); ++i) {
    Proxy& proxy = proxies_[i];
    proxy.paused_until = {};
    if (proxy.is_leaving) kill_proxy(i);
    if (proxy.coordinator == nullptr) start_proxy(i);
    for (Connection& connection : proxy.connections) connection.up = true;
  }
  for (auto& [pair, between] : links_) between.up = true;
  for (Backend& backend : backends_) {
    backend.paused_until = {};
    backend.model.set_nack(acceptor::Nack::kNone);
  }
  publish();
  fill_places();
}

}  // namespace quorate::replicate_simulation
