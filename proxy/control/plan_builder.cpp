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
  pool->replicated = from.replicated();
  pool->sweep_rate = from.sweep_rate;
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
  pool->follows_servers = from.discovery != config::Discovery::kNone;
  pool->by_slot = from.discovery == config::Discovery::kCluster;
  pool->reads_from_replicas = from.reads == config::Reads::kReplica;
  pool->emulates_cluster = from.emulate_cluster;
  if (!from.users.empty()) {
    auto users = wire::parse_acl_users(from.users);
    ASSERT(users.ok());  // the configuration was checked
    pool->users = std::move(users).value();
  }
  return pool;
}

/// The address; where a pool has it twice (another database, another name), the name besides.
std::string label_of(const cluster::ClusterMap& map, const cluster::Backend& backend) {
  const cluster::BackendRules& rules = backend.rules;
  const bool twice = std::ranges::any_of(map.backends, [&](const auto& entry) {
    const cluster::Backend& other = entry.second;
    return &other != &backend && other.pool == backend.pool &&
           other.state != cluster::BackendState::kRemoved && other.rules.address == rules.address;
  });
  return twice && rules.name != rules.address ? rules.address + " (" + rules.name + ")"
                                              : rules.address;
}

relay::BackendPlan backend_of(const config::PoolSettings& from, cluster::PoolId pool,
                              const cluster::Backend& agreed) {
  relay::BackendPlan backend;
  backend.pool = pool;
  backend.serial = agreed.serial;
  backend.name = agreed.rules.name;
  backend.state = agreed.state;
  backend.run_id = agreed.run_id;
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
    relay::BackendPlan one = backend_of(from, pool.id, backend);
    one.label = label_of(map, backend);
    ids[serial] = add(plan, std::move(one), backend.rules.name);
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
  if (!pool.replicated || !agreed.rules.replicated()) return;
  auto table = cluster::ReplicaTable::build(map, agreed);
  auto& last = replicas_[pool.id];
  if (last == nullptr || !last->says_the_same_as(*table)) last = std::move(table);
  pool.replica_table = last;
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

/// A backend that only this proxy knows of: its serial is none of the group's.
cluster::BackendId PlanBuilder::add_found(relay::ServingPlan& plan, const relay::PoolPlan& pool,
                                          const config::PoolSettings& from,
                                          const ServerAddress& address) {
  constexpr uint32_t kNotOfTheGroup = 0x8000'0000;
  const config::BackendSettings& own = from.backends.front();
  relay::BackendPlan backend;
  backend.pool = pool.id;
  backend.name = backend.label = address.text();
  backend.host = address.host;
  backend.port = address.port;
  backend.user = own.user;
  backend.password = own.password;
  backend.database = static_cast<uint16_t>(own.db);
  backend.says_readonly = pool.by_slot && pool.reads_from_replicas;
  backend.serial =
      static_cast<cluster::BackendSerial>(kNotOfTheGroup | backend_id(backend, backend.name));
  const std::string name = backend.name;
  return add(plan, std::move(backend), name);
}

void PlanBuilder::place_found(relay::ServingPlan& plan, relay::PoolPlan& pool,
                              const config::PoolSettings& from, const FoundServers& found) {
  for (const FoundPrimary& primary : found.primaries) {
    const cluster::BackendId id = add_found(plan, pool, from, primary.address);
    pool.members.push_back(id);
    pool.holders.insert(id);
    auto& replicas = pool.replicas.emplace_back();
    for (const ServerAddress& replica : primary.replicas) {
      replicas.push_back(add_found(plan, pool, from, replica));
    }
  }
  PlacedFound& placed = placed_found_[pool.id];
  const bool is_new = placed.epoch == 0 || !(placed.found == found);
  if (is_new) {
    placed.found = found;
    ++placed.epoch;
  }
  pool.epoch = placed.epoch;
  if (!pool.by_slot) {
    if (is_new) {
      cluster::PlacementMember member;
      member.name = found.primaries.front().address.text();
      placed.placement = cluster::Placement::build({}, std::vector{member});
    }
    pool.placement = placed.placement;
    return;
  }
  const auto nobody = static_cast<uint32_t>(pool.members.size());
  std::vector<uint32_t> owners(cluster::kRedisClusterSlots, nobody);
  for (uint32_t i = 0; i < found.primaries.size(); ++i) {
    for (const SlotRange& range : found.primaries[i].slots) {
      std::fill(owners.begin() + range.first, owners.begin() + range.last + 1, i);
    }
  }
  if (std::ranges::find(owners, nobody) != owners.end()) {
    relay::BackendPlan unserved;
    unserved.pool = pool.id;
    unserved.label = "of a slot that no node serves:";
    unserved.host = "invalid.";
    unserved.state = cluster::BackendState::kEjected;
    pool.members.push_back(add(plan, std::move(unserved), "nobody"));
    pool.replicas.emplace_back();
  }
  if (is_new) placed.placement = cluster::Placement::of_redis_cluster(owners);
  pool.placement = placed.placement;
}

std::shared_ptr<const relay::ServingPlan> PlanBuilder::build(
    const config::Settings& settings, const cluster::ClusterMap& map,
    const std::map<std::string, FoundServers>& found, cluster::SessionId session) {
  auto plan = std::make_shared<relay::ServingPlan>();
  plan->session = session;
  plan->epoch = ++version_;
  for (const config::PoolSettings& from : settings.pools) {
    auto pool = local_part(from);
    pool->id = pool_id(from);
    const cluster::Pool* agreed = map.find_pool(from.name);
    const auto servers = found.find(from.name);
    if (pool->follows_servers) {
      if (servers != found.end()) {
        place_found(*plan, *pool, from, servers->second);
      } else {
        place_nobody(*plan, *pool, from);
      }
    } else if (agreed != nullptr && agreed->rules.protocol == from.protocol) {
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
