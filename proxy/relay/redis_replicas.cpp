// reads = "replica": what only reads goes to a replica of the keys' owner while one is available,
// else to the owner. Which of the replicas: always the same one for a client, so that it does not
// see an older state after a newer one for no reason.
//
// What belongs to a transaction, blocks, or asks about the whole keyspace stays with the primaries;
// and so do commands that are split.
#include <algorithm>

#include "backends/wire/key_walk.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

using wire::CommandFlag;
using wire::CommandSpec;
using wire::RouteClass;

bool RedisDialect::reads_only(const Session& session, const CommandSpec& spec) const {
  if (!spec.flags.has(CommandFlag::kReadonly) || session.transaction != nullptr) return false;
  if (spec.categories.has(wire::AclCategory::kScripting)) return false;
  switch (wire::route_of(spec.id).to) {
    case RouteClass::kByKey: return true;
    case RouteClass::kSplitGet:
    case RouteClass::kSplitCount: {
      const PoolPlan& plan = *relay_.pool(session.pool).plan;
      return plan.members.size() == 1 && !plan.by_slot;
    }
    default: return false;
  }
}

bool RedisDialect::to_replica(Session& session, const CommandSpec& spec, std::string_view raw) {
  PoolRuntime& pool = relay_.pool(session.pool);
  session.last_command = static_cast<uint16_t>(spec.id);
  if (relay_.is_paused(pool) && is_held_up(session, spec)) {
    relay_.wait_for_unpause(session);
    return false;
  }
  const wire::KeyWalk keys(spec, request_.arguments);
  if (keys.empty()) return route(session, spec, raw);
  link::Upstream* owner = &relay_.upstream_for(pool, request_.arguments[keys.front()]);
  for (const auto key : keys) {
    if (&relay_.upstream_for(pool, request_.arguments[key.index]) == owner) continue;
    return refuse(session, kCrossSlot);
  }
  const PoolPlan& plan = *pool.plan;
  const auto place = std::find(plan.members.begin(), plan.members.end(), owner->number());
  const auto member = static_cast<size_t>(place - plan.members.begin());
  if (member >= plan.replicas.size()) return to_one(session, spec, *owner, raw);
  const auto& replicas = plan.replicas[member];
  for (size_t i = 0; i < replicas.size(); ++i) {
    link::Upstream& replica = *relay_.upstream(replicas[(session.id.place + i) % replicas.size()]);
    if (replica.available()) return to_one(session, spec, replica, raw);
  }
  return to_one(session, spec, *owner, raw);
}

}  // namespace quorate::relay
