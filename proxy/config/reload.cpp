#include "proxy/config/reload.h"

#include <algorithm>
#include <variant>

#include "proxy/config/schema.h"

namespace quorate::config {

namespace {

template <class Owner>
void keep_restart_keys(const Owner& running, Owner& wanted) {
  for (const Key<Owner>& key : keys_of<Owner>()) {
    if (key.traits.reload != Reload::kRestart) continue;
    std::visit([&](auto member) { wanted.*member = running.*member; }, key.member);
  }
}

}  // namespace

Settings live_settings(const Settings& running, const Settings& wanted) {
  Settings result = wanted;
  keep_restart_keys(running, result);
  keep_restart_keys(running.log, result.log);
  keep_restart_keys(running.admin, result.admin);
  keep_restart_keys(running.cluster, result.cluster);
  result.pools.clear();
  for (const PoolSettings& old : running.pools) {
    const auto now = std::ranges::find(wanted.pools, old.name, &PoolSettings::name);
    // A pool that is another protocol's now cannot be half of each: it stays as it was.
    if (now == wanted.pools.end() || now->protocol != old.protocol) {
      result.pools.push_back(old);
      continue;
    }
    PoolSettings pool = *now;
    keep_restart_keys(old, pool);
    result.pools.push_back(std::move(pool));
  }
  return result;
}

}  // namespace quorate::config
