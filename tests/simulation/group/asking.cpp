// Clients: they ask any voter and any observer for changes of every kind. Most carry something that
// no other change carries, so that what was said of each can be checked at the end.
#include "consensus/cluster/cluster_codec.h"
#include "tests/simulation/group/town.h"

namespace quorate::group_simulation {

void Town::ask_turn() {
  if (healed_) return;
  const Voter* any = any_voter();
  if (founded_ && any != nullptr) {
    if (auto request = draw_request(any->group().map())) ask(std::move(*request));
  }
  world_.after(world_.between(us(100), 2 * setting_.request_interval), [this] { ask_turn(); });
}

void Town::ask(group::Request request) {
  const uint64_t id = ++last_request_;
  const auto* change = std::get_if<cluster::Change>(&request);
  const std::string bytes = change == nullptr ? "" : cluster::encode(*change);
  Observer* observer = below(3) == 0 ? any_observer() : nullptr;
  Voter* voter = observer == nullptr ? any_voter() : nullptr;
  if (observer == nullptr && voter == nullptr) return;
  oracle_.asked(id, bytes);
  if (observer != nullptr) {
    asked_at_[id] = observer->name();
    observer->request(group::RequestId{id}, std::move(request));
  } else {
    asked_at_[id] = voter->address();
    voter->request(group::RequestId{id}, std::move(request));
  }
}

/// Whoever asked has died: nobody was told anything.
void Town::forget_requests_of(const std::string& at) {
  std::vector<uint64_t> lost;
  for (const auto& [id, asker] : asked_at_) {
    if (asker == at) lost.push_back(id);
  }
  for (const uint64_t id : lost) {
    asked_at_.erase(id);
    oracle_.ended(id, group::Unknown{});
  }
}

std::optional<group::Request> Town::draw_request(const ClusterMap& map) {
  const std::string unique = std::to_string(++unique_);
  const cluster::Nonce nonce{world_.random.next(), unique_};
  switch (below(8)) {
    case 0:
    case 1:
      return cluster::TakeLease{.nonce = nonce,
                                .kind = cluster::LeaseKind::kDrill,
                                .ttl_ms = static_cast<uint32_t>(1 + below(3000)),
                                .what = unique};
    case 2:
      if (!map.leases.empty()) return cluster::EndLease{map.leases.begin()->first};
      return std::nullopt;
    case 3: return cluster::AddMember{"spare-" + unique, "nowhere-" + unique};
    case 4: {
      const cluster::Pool* store = map.find_pool("store");
      if (store == nullptr) return std::nullopt;
      const auto first = static_cast<uint16_t>(below(cluster::kSlots));
      return cluster::RaiseSlotConfiguration{store->serial, first, 1};
    }
    case 5: {
      const cluster::Pool* store = map.find_pool("store");
      if (store == nullptr || map.sessions.empty()) return std::nullopt;
      return cluster::SetSlotOwner{store->serial, static_cast<uint16_t>(below(1000)),
                                   static_cast<uint16_t>(1 + below(1000)),
                                   map.sessions.rbegin()->first};
    }
    default: return draw_backend_change(map);
  }
}

std::optional<group::Request> Town::draw_backend_change(const ClusterMap& map) {
  const cluster::Pool* pool = map.find_pool("cache");
  if (pool == nullptr) return std::nullopt;
  std::vector<const cluster::Backend*> backends;
  for (const auto& [serial, backend] : map.backends) {
    if (backend.pool == pool->serial) backends.push_back(&backend);
  }
  const std::string unique = std::to_string(++unique_);
  if (backends.empty() || (backends.size() < 9 && below(4) == 0)) {
    return cluster::AddBackend{pool->serial,
                               {.name = "new-" + unique,
                                .address = "backend-new-" + unique,
                                .zone = setting_.zones == 0 ? "" : "zone-0"}};
  }
  const cluster::Backend& one = *backends[below(backends.size())];
  using cluster::BackendState;
  switch (one.state) {
    case BackendState::kUp:
      if (below(3) == 0) return cluster::DrainBackend{one.serial, false};
      return cluster::EjectBackend{one.serial, cluster::Cause::kOperator, false, {}};
    case BackendState::kEjected:
      if (!one.by_operator) return std::nullopt;
      return cluster::ReadyBackend{one.serial, cluster::Cause::kOperator, {}};
    case BackendState::kDraining:
      if (below(2) == 0) return cluster::ReadyBackend{one.serial, cluster::Cause::kOperator, {}};
      return cluster::RemoveBackend{one.serial};
    case BackendState::kRemoved: return cluster::RemoveBackend{one.serial};
    case BackendState::kJoining: return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace quorate::group_simulation
