#include "proxy/control/plan_builder.h"

#include "consensus/base/assert.h"

namespace quorate::control {

cluster::PoolId PlanBuilder::pool_id(const config::PoolSettings& pool) {
  // Another protocol makes another pool: nothing of the old one's connections could be used.
  const std::string identity =
      pool.name + (pool.protocol == cluster::Protocol::kRedis ? "/redis" : "/memcached");
  return pool_ids_.try_emplace(identity, static_cast<cluster::PoolId>(pool_ids_.size()))
      .first->second;
}

cluster::BackendId PlanBuilder::backend_id(cluster::PoolId pool,
                                           const config::BackendSettings& backend) {
  // What a connection is made of: with another address or password it is another connection.
  std::string identity = std::to_string(pool) + '\n' + backend.address.text() + '\n' +
                         backend.name + '\n' + std::to_string(backend.db) + '\n' + backend.user +
                         '\n' + backend.password;
  return backend_ids_
      .try_emplace(std::move(identity), static_cast<cluster::BackendId>(backend_ids_.size()))
      .first->second;
}

std::shared_ptr<const relay::ServingPlan> PlanBuilder::build(
    const config::Settings& settings, const std::set<cluster::BackendId>& ejected) {
  auto plan = std::make_shared<relay::ServingPlan>();
  plan->epoch = ++epoch_;
  for (const config::PoolSettings& from : settings.pools) {
    auto pool = std::make_shared<relay::PoolPlan>();
    pool->id = pool_id(from);
    pool->name = from.name;
    pool->protocol = from.protocol;
    pool->connect_timeout = from.connect_timeout;
    pool->request_timeout = from.request_timeout;
    pool->client_idle_timeout = from.client_idle_timeout;
    pool->reconnect_backoff = from.reconnect_backoff;
    pool->reconnect_backoff_max = from.reconnect_backoff_max;
    pool->keepalive = from.keepalive;
    pool->connections = from.connections;
    pool->side_connections = from.side_connections;
    pool->pinned_connections = from.pinned_connections;
    pool->preconnect = from.preconnect;
    pool->max_clients = from.max_clients;
    pool->max_pipeline = from.max_pipeline;
    pool->max_value = from.max_value;
    pool->max_split = from.max_split;
    pool->max_client_output = from.max_client_output;
    pool->password = from.password;
    if (!from.users.empty()) {
      auto users = wire::parse_acl_users(from.users);
      ASSERT(users.ok());  // the configuration was checked
      pool->users = std::move(users).value();
    }

    std::vector<cluster::PlacementMember> members;
    std::string mark;
    for (const config::BackendSettings& backend : from.backends) {
      auto target = std::make_shared<relay::BackendPlan>();
      target->id = backend_id(pool->id, backend);
      target->pool = pool->id;
      target->label = backend.address.text();
      target->host = backend.address.host;
      target->port = backend.address.port;
      target->path = backend.address.path;
      target->user = backend.user;
      target->password = backend.password;
      target->database = static_cast<uint16_t>(backend.db);
      const bool is_ejected = ejected.contains(target->id);
      target->state = is_ejected ? cluster::BackendState::kEjected : cluster::BackendState::kUp;
      const bool on_ring = !is_ejected || from.on_eject == config::OnEject::kKeep;
      target->on_ring = on_ring;
      members.push_back({.name = backend.name,
                         .weight = backend.weight,
                         .on_ring = on_ring,
                         .zone = backend.zone});
      mark.append(backend.name).append("\n").append(std::to_string(backend.weight));
      mark.append(on_ring ? "+" : "-");
      pool->members.push_back(target->id);
      if (plan->backends.size() <= target->id) plan->backends.resize(target->id + 1);
      plan->backends[target->id] = std::move(target);
    }
    const auto rules = from.placement_rules();
    ASSERT(!cluster::problem_with(rules, members));
    pool->placement = cluster::Placement::build(rules, members);
    mark.append(cluster::name_of(rules.distribution)).append(rules.hash_tag);
    mark.append(std::to_string(static_cast<int>(rules.hash))).append(std::to_string(rules.points));
    if (std::exchange(ring_marks_[pool->id], mark) != mark) ++ring_epochs_[pool->id];
    pool->epoch = ring_epochs_[pool->id];
    if (plan->pools.size() <= pool->id) plan->pools.resize(pool->id + 1);
    plan->pools[pool->id] = std::move(pool);
  }
  return plan;
}

}  // namespace quorate::control
