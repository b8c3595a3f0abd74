#include "tests/simulation/relay/plans.h"

#include "consensus/base/limits.h"

namespace quorate::simulation {

using namespace std::chrono_literals;

relay::PoolPlan default_settings(cluster::Protocol protocol) {
  relay::PoolPlan plan;
  plan.name = "pool";
  plan.protocol = protocol;
  plan.connect_timeout = 500ms;
  plan.request_timeout = 2s;
  plan.reconnect_backoff = 50ms;
  plan.reconnect_backoff_max = 2s;
  plan.max_value = 512 * limits::kMiB;
  plan.max_split = 64 * limits::kMiB;
  plan.max_client_output = 64 * limits::kMiB;
  return plan;
}

std::shared_ptr<const relay::ServingPlan> make_plan(const relay::PoolPlan& settings,
                                                    const std::vector<BackendSpec>& backends) {
  static uint64_t version = 0;
  auto plan = std::make_shared<relay::ServingPlan>();
  auto pool = std::make_shared<relay::PoolPlan>(settings);
  plan->epoch = ++version;
  if (pool->epoch == 0) pool->epoch = 1;
  std::vector<cluster::PlacementMember> members;
  for (const BackendSpec& spec : backends) {
    auto backend = std::make_shared<relay::BackendPlan>();
    backend->id = static_cast<cluster::BackendId>(spec.letter - 'A');
    backend->serial = cluster::BackendSerial{backend->id + 1};
    backend->name = backend->label = backend->host = std::string(1, spec.letter);
    backend->port = 1;
    backend->user = spec.user;
    backend->password = spec.password;
    backend->database = spec.database;
    backend->state = spec.ejected ? cluster::BackendState::kEjected : cluster::BackendState::kUp;
    pool->members.push_back(backend->id);
    if (spec.on_ring) pool->holders.insert(backend->id);
    // fnv1a_64 of "a", "b", "c", "d" modulo 4 is 0, 1, 2, 3: three backends share four slots.
    const bool takes_two = backends.size() == 3 && members.size() == 2;
    members.push_back({.name = backend->label,
                       .weight = takes_two ? 2u : 1u,
                       .on_ring = spec.on_ring,
                       .zone = {}});
    if (plan->backends.size() <= backend->id) plan->backends.resize(backend->id + 1);
    plan->backends[backend->id] = std::move(backend);
  }
  const cluster::PlacementRules rules{.hash = cluster::HashKind::kFnv1a_64,
                                      .distribution = cluster::Distribution::kModula,
                                      .hash_tag = "{}"};
  ASSERT(!cluster::problem_with(rules, members));
  pool->placement = cluster::Placement::build(rules, members);
  plan->pools.push_back(std::move(pool));
  return plan;
}

}  // namespace quorate::simulation
