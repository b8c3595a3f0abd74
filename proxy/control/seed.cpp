#include "proxy/control/seed.h"

#include <algorithm>

namespace quorate::control {

namespace {

uint32_t milliseconds(base::Duration duration) {
  return static_cast<uint32_t>(std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

cluster::OnEject on_eject_of(config::OnEject on_eject) {
  switch (on_eject) {
    case config::OnEject::kKeep: return cluster::OnEject::kKeep;
    case config::OnEject::kRehash: return cluster::OnEject::kRehash;
    case config::OnEject::kSpare: return cluster::OnEject::kSpare;
  }
  return cluster::OnEject::kKeep;
}

cluster::Consistency consistency_of(config::Consistency consistency) {
  switch (consistency) {
    case config::Consistency::kNone: return cluster::Consistency::kNone;
    case config::Consistency::kQuorum: return cluster::Consistency::kQuorum;
  }
  return cluster::Consistency::kNone;
}

}  // namespace

cluster::DefinePool seed_of(const config::PoolSettings& pool,
                            const config::ClusterSettings& cluster) {
  cluster::DefinePool seed;
  seed.only_if_absent = true;
  cluster::PoolRules& rules = seed.rules;
  rules.name = pool.name;
  rules.protocol = pool.protocol;
  rules.consistency = consistency_of(pool.consistency);
  rules.replicas = pool.replicas;
  rules.on_eject = on_eject_of(pool.on_eject);
  rules.min_up = pool.min_up;
  rules.placement = pool.placement_rules();
  rules.detection.interval_ms = milliseconds(cluster.probe_interval);
  rules.detection.deadline_ms = milliseconds(cluster.probe_timeout);
  rules.detection.count = cluster.probe_failures;
  rules.detection.readmit_count = pool.readmit_after;
  for (const config::BackendSettings& backend : pool.backends) {
    seed.backends.push_back({.name = backend.name,
                             .address = backend.address.text(),
                             .zone = backend.zone,
                             .weight = backend.weight,
                             .spare = backend.spare});
  }
  return seed;
}

std::vector<std::string> differences(const config::Settings& settings,
                                     const cluster::ClusterMap& map) {
  std::vector<std::string> found;
  for (const config::PoolSettings& pool : settings.pools) {
    if (pool.discovery != config::Discovery::kNone) continue;  // none of the cluster's
    const std::string where = "pool " + pool.name + ": ";
    const cluster::Pool* agreed = map.find_pool(pool.name);
    if (agreed == nullptr) {
      found.push_back(where + "the cluster does not know it");
      continue;
    }
    const cluster::DefinePool seed = seed_of(pool, settings.cluster);
    if (agreed->rules != seed.rules) {
      found.push_back(where + "its rules differ from the cluster's, which count");
    }
    for (const cluster::BackendRules& rules : seed.backends) {
      const cluster::Backend* backend = map.find_backend(agreed->serial, rules.name);
      if (backend == nullptr) {
        found.push_back(where + "backend " + rules.name + " is in the file only");
      } else if (!(backend->rules == rules)) {
        found.push_back(where + "backend " + rules.name + " differs from the cluster's");
      }
    }
    for (const auto& [serial, backend] : map.backends) {
      if (backend.pool != agreed->serial || backend.state == cluster::BackendState::kRemoved) {
        continue;
      }
      if (std::ranges::find(seed.backends, backend.rules.name, &cluster::BackendRules::name) ==
          seed.backends.end()) {
        found.push_back(where + "backend " + backend.rules.name + " is in the cluster only");
      }
    }
  }
  return found;
}

}  // namespace quorate::control
