// Seed: what the configuration file says of a pool, in the words of the ClusterMap. A cluster is
// given it once, when it does not know the pool; a proxy without one, at every start and reload.
// Pure.
#pragma once

#include "consensus/cluster/cluster_change.h"
#include "proxy/config/settings.h"

namespace quorate::control {

/// `cluster`: its probes are those of a cluster; a proxy without one judges by itself (health.h).
cluster::DefinePool seed_of(const config::PoolSettings& pool,
                            const config::ClusterSettings& cluster);

/// The file's pools that the map does not have, or has otherwise: a sentence each, for `status`.
std::vector<std::string> differences(const config::Settings& settings,
                                     const cluster::ClusterMap& map);

}  // namespace quorate::control
