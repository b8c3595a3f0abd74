#include "proxy/control/health.h"

#include <algorithm>

namespace quorate::control {

void Health::set_pool(cluster::PoolId pool_id, const HealthRules& rules,
                      const std::vector<cluster::BackendId>& backends) {
  Pool& pool = pools_[pool_id];
  for (const cluster::BackendId id : pool.backends) {
    if (std::ranges::find(backends, id) != backends.end()) continue;
    backends_.erase(id);
    ejected_.erase(id);
  }
  pool.rules = rules;
  pool.backends = backends;
  for (const cluster::BackendId id : backends) backends_[id].pool = pool_id;
  if (rules.eject_after == 0) {
    for (const cluster::BackendId id : backends) {
      if (ejected_.erase(id) > 0) changes_.push_back({id, false, 0});
    }
  }
}

void Health::remove_pool(cluster::PoolId pool_id) {
  const auto pool = pools_.find(pool_id);
  if (pool == pools_.end()) return;
  for (const cluster::BackendId id : pool->second.backends) {
    backends_.erase(id);
    ejected_.erase(id);
  }
  pools_.erase(pool);
}

bool Health::was_probed(cluster::BackendId id) const {
  const auto backend = backends_.find(id);
  return backend != backends_.end() && backend->second.probed;
}

bool Health::answers(cluster::BackendId id) const {
  const auto backend = backends_.find(id);
  return backend != backends_.end() && backend->second.answers > 0;
}

bool Health::steady(cluster::BackendId id) const {
  const auto backend = backends_.find(id);
  if (backend == backends_.end()) return false;
  return backend->second.answers >= pools_.at(backend->second.pool).rules.readmit_after;
}

void Health::on_probe(cluster::BackendId id, bool answered) {
  const auto found = backends_.find(id);
  if (found == backends_.end()) return;
  Backend& backend = found->second;
  backend.probed = true;
  if (!answered) {
    backend.answers = 0;
    consider_ejecting(id, ++backend.failures);
    return;
  }
  backend.failures = 0;
  ++backend.answers;
  if (backend.answers >= pools_[backend.pool].rules.readmit_after && ejected_.erase(id) > 0) {
    changes_.push_back({id, false, 0});
  }
}

void Health::on_traffic(cluster::BackendId id, uint32_t failures_in_a_row) {
  const auto found = backends_.find(id);
  if (found == backends_.end()) return;
  consider_ejecting(id, failures_in_a_row);
}

void Health::consider_ejecting(cluster::BackendId id, uint32_t failures) {
  Backend& backend = backends_[id];
  const Pool& pool = pools_[backend.pool];
  if (pool.rules.eject_after == 0 || failures < pool.rules.eject_after) return;
  if (ejected_.contains(id)) return;
  const auto up = std::ranges::count_if(
      pool.backends, [this](cluster::BackendId other) { return !ejected_.contains(other); });
  if (static_cast<uint32_t>(up) <= pool.rules.min_up) return;
  backend.answers = 0;  // it has to prove itself anew
  ejected_.insert(id);
  changes_.push_back({id, true, failures});
}

}  // namespace quorate::control
