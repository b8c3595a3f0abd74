#include "proxy/control/plan_builder.h"

#include <algorithm>

#include "consensus/base/assert.h"
#include "proxy/config/address.h"

namespace quorate::control {

namespace {

std::shared_ptr<relay::PoolPlan> local_part(const config::PoolSettings& from) {
  auto pool = std::make_shared<relay::PoolPlan>();
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
  return pool;
}

relay::BackendPlan backend_of(const config::PoolSettings& from, cluster::PoolId pool,
                              const cluster::Backend& agreed) {
  relay::BackendPlan backend;
  backend.pool = pool;
  backend.serial = agreed.serial;
  backend.name = agreed.rules.name;
  backend.label = agreed.rules.address;
  backend.state = agreed.state;
  // What is no address is nowhere: connecting to it fails, as the cluster was told.
  if (const auto address = config::parse_address(agreed.rules.address); address.ok()) {
    backend.host = address.value().host;
    backend.port = address.value().port;
    backend.path = address.value().path;
  } else {
    backend.host = "invalid.";
  }
  const auto named =
      std::ranges::find(from.backends, agreed.rules.name, &config::BackendSettings::name);
  const config::BackendSettings& own =
      named != from.backends.end() ? *named : from.backends.front();
  backend.user = own.user;
  backend.password = own.password;
  backend.database = static_cast<uint16_t>(own.db);
  return backend;
}

}  // namespace

cluster::PoolId PlanBuilder::pool_id(const config::PoolSettings& pool) {
  // Another protocol makes another pool: nothing of the old one's connections could be used.
  const std::string identity =
      pool.name + (pool.protocol == cluster::Protocol::kRedis ? "/redis" : "/memcached");
  return pool_ids_.try_emplace(identity, static_cast<cluster::PoolId>(pool_ids_.size()))
      .first->second;
}

cluster::BackendId PlanBuilder::backend_id(const relay::BackendPlan& backend,
                                           const std::string& name) {
  // What a connection is made of: with another address or password it is another connection.
  std::string identity = std::to_string(backend.pool) + '\n' + backend.label + '\n' + name + '\n' +
                         std::to_string(backend.database) + '\n' + backend.user + '\n' +
                         backend.password;
  return backend_ids_
      .try_emplace(std::move(identity), static_cast<cluster::BackendId>(backend_ids_.size()))
      .first->second;
}

cluster::BackendId PlanBuilder::add(relay::ServingPlan& plan, relay::BackendPlan backend,
                                    const std::string& name) {
  const cluster::BackendId id = backend_id(backend, name);
  backend.id = id;
  if (plan.backends.size() <= id) plan.backends.resize(id + 1);
  plan.backends[id] = std::make_shared<const relay::BackendPlan>(std::move(backend));
  return id;
}

void PlanBuilder::place(relay::ServingPlan& plan, relay::PoolPlan& pool,
                        const config::PoolSettings& from, const cluster::ClusterMap& map,
                        const cluster::Pool& agreed) {
  std::map<cluster::BackendSerial, cluster::BackendId> ids;
  for (const auto& [serial, backend] : map.backends) {
    if (backend.pool != agreed.serial || backend.state == cluster::BackendState::kRemoved) continue;
    ids[serial] = add(plan, backend_of(from, pool.id, backend), backend.rules.name);
  }
  const cluster::PoolView view = cluster::view_of(map, agreed);
  for (const cluster::BackendView& one : view.members) {
    const cluster::BackendId server = ids.at(one.server);
    pool.members.push_back(server);
    if (one.member.on_ring) pool.holders.insert(server);
  }
  pool.epoch = view.epoch;
  pool.placement = placement_of(pool.id, map, view);
  if (pool.placement.empty()) place_nobody(plan, pool, from);
}

const cluster::Placement& PlanBuilder::placement_of(cluster::PoolId pool,
                                                    const cluster::ClusterMap& map,
                                                    const cluster::PoolView& view) {
  Placed& placed = placed_[pool];
  if (placed.cluster == map.cluster && placed.generation == map.generation &&
      placed.epoch == view.epoch) {
    return placed.placement;
  }
  std::vector<cluster::PlacementMember> members;
  for (const cluster::BackendView& one : view.members) members.push_back(one.member);
  ASSERT(!cluster::problem_with(view.rules, members));
  placed = {map.cluster, map.generation, view.epoch,
            cluster::Placement::build(view.rules, members)};
  return placed.placement;
}

void PlanBuilder::place_nobody(relay::ServingPlan& plan, relay::PoolPlan& pool,
                               const config::PoolSettings& from) {
  relay::BackendPlan nobody;
  nobody.pool = pool.id;
  nobody.label = "of pool " + from.name;
  nobody.host = "invalid.";
  nobody.state = cluster::BackendState::kEjected;
  pool.members = {add(plan, std::move(nobody), "nobody")};
  pool.holders = {pool.members.front()};
  cluster::PlacementMember member;
  member.name = "nobody";
  pool.placement = cluster::Placement::build(from.placement_rules(), std::vector{member});
}

std::shared_ptr<const relay::ServingPlan> PlanBuilder::build(const config::Settings& settings,
                                                             const cluster::ClusterMap& map) {
  auto plan = std::make_shared<relay::ServingPlan>();
  plan->epoch = ++version_;
  for (const config::PoolSettings& from : settings.pools) {
    auto pool = local_part(from);
    pool->id = pool_id(from);
    const cluster::Pool* agreed = map.find_pool(from.name);
    if (agreed != nullptr && agreed->rules.protocol == from.protocol) {
      place(*plan, *pool, from, map, *agreed);
    } else {
      place_nobody(*plan, *pool, from);
    }
    if (plan->pools.size() <= pool->id) plan->pools.resize(pool->id + 1);
    plan->pools[pool->id] = std::move(pool);
  }
  return plan;
}

}  // namespace quorate::control
