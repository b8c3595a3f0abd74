#include "proxy/control/descriptors.h"

#include <algorithm>

#include "consensus/base/limits.h"

namespace quorate::control {

DescriptorNeed descriptors_needed(const config::Settings& settings, uint32_t workers) {
  DescriptorNeed need;
  need.others = 64 + limits::kAdminConnections;
  for (const config::PoolSettings& pool : settings.pools) {
    const uint64_t backends = pool.backends.size();
    need.clients += pool.max_clients;
    // Both RESP versions, or text and binary; and the probe.
    need.others += backends * (2ull * workers * (pool.connections + pool.side_connections) + 1);
    need.others += pool.listen.size() * workers;
    if (pool.protocol != config::Protocol::kRedis) continue;
    need.lent += std::min<uint64_t>(pool.max_clients, backends * workers * pool.pinned_connections);
  }
  return need;
}

}  // namespace quorate::control
