#include "consensus/cluster/topology.h"

#include "consensus/cluster/cluster_map.h"

namespace quorate::cluster {
namespace {

bool is_on_ring(const Backend& backend, const PoolRules& rules) {
  switch (backend.state) {
    case BackendState::kUp: return true;
    case BackendState::kEjected:
      // The members of a replicated pool change by reconfiguration only.
      return rules.replicated() || rules.on_eject != OnEject::kRehash;
    case BackendState::kDraining: return rules.replicated();
    case BackendState::kJoining:
    case BackendState::kRemoved: return false;
  }
  return false;
}

BackendView view_of(const Backend& backend, const Backend& server, const PoolRules& rules) {
  BackendView view;
  view.serial = backend.serial;
  view.server = server.serial;
  view.address = server.rules.address;
  view.incarnation = server.incarnation;
  view.state = backend.state;
  view.member = {.name = backend.rules.name,
                 .weight = backend.rules.weight,
                 .on_ring = is_on_ring(backend, rules),
                 .zone = backend.rules.zone};
  view.refuses = backend.state == BackendState::kEjected && view.member.on_ring &&
                 &server == &backend && !rules.replicated();
  return view;
}

}  // namespace

PoolView view_of(const ClusterMap& map, const Pool& pool) {
  PoolView view;
  view.serial = pool.serial;
  view.name = pool.rules.name;
  view.epoch = pool.epoch;
  view.rules = pool.rules.placement;
  std::map<BackendSerial, const Backend*> stand_ins;
  for (const auto& [serial, backend] : map.backends) {
    if (backend.stands_in_for != BackendSerial{}) stand_ins[backend.stands_in_for] = &backend;
  }
  for (const auto& [serial, backend] : map.backends) {
    if (backend.pool != pool.serial || backend.rules.spare) continue;
    if (backend.state == BackendState::kRemoved) continue;
    const auto stand_in = stand_ins.find(serial);
    const Backend& server = stand_in == stand_ins.end() ? backend : *stand_in->second;
    view.members.push_back(view_of(backend, server, pool.rules));
  }
  return view;
}

}  // namespace quorate::cluster
