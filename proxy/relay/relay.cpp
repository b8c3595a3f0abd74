// The relay's plan, its time, and what both sides share. Clients: relay_sessions.cpp; backends:
// relay_links.cpp.
#include "proxy/relay/relay.h"

#include <algorithm>

#include "proxy/relay/memcached_binary_dialect.h"
#include "proxy/relay/memcached_text_dialect.h"
#include "proxy/relay/redis_dialect.h"
#include "proxy/relay/replication.h"

namespace quorate::relay {

namespace {

link::UpstreamRules rules_of(const PoolPlan& plan) {
  return {.connections = plan.connections,
          .side_connections = plan.side_connections,
          .pinned_connections = plan.pinned_connections,
          .connect_timeout = plan.connect_timeout,
          .request_timeout = plan.request_timeout,
          .backoff = plan.reconnect_backoff,
          .backoff_max = plan.reconnect_backoff_max,
          .preconnect = plan.preconnect};
}

/// Of the connections that are made before a client asks for any.
link::Flavor first_flavor(const PoolPlan& plan) {
  if (plan.protocol != cluster::Protocol::kRedis) return link::Flavor::kMemcachedText;
  return plan.replicated ? link::Flavor::kResp3 : link::Flavor::kResp2;
}

}  // namespace

Relay::Relay(uint32_t worker, uint64_t seed, ProcessFacts& facts)
    : worker_(worker),
      facts_(facts),
      random_(seed),
      redis_(std::make_unique<RedisDialect>(*this)),
      memcached_text_(std::make_unique<MemcachedTextDialect>(*this)),
      memcached_binary_(std::make_unique<MemcachedBinaryDialect>(*this)),
      subscriptions_(std::make_unique<Subscriptions>(*this)),
      replication_(std::make_unique<Replication>(*this)) {}

Relay::~Relay() {
  sessions_.for_each([this](Session& session) {
    session.output.clear(chunks_);
    session.slots.clear(chunks_);
    drop_backlog(session);
  });
  for (auto& upstream : upstreams_) {
    if (upstream == nullptr) continue;
    upstream->for_each_link([this](link::Link& link) { link.close(chunks_); });
    for (auto& deferred : upstream->deferred()) deferred.bytes.clear(chunks_);
  }
  for (HeldRequest& held : held_) held.bytes.clear(chunks_);
}

void Relay::adopt(std::shared_ptr<const ServingPlan> plan, base::Instant now) {
  now_ = now;
  plan_ = std::move(plan);
  // A plan ends with the last backend that is left: those behind it are gone, not forgotten.
  pools_.resize(std::max(pools_.size(), plan_->pools.size()));
  upstreams_.resize(std::max(upstreams_.size(), plan_->backends.size()));

  std::vector<link::Upstream*> newly_ejected;
  for (size_t id = 0; id < upstreams_.size(); ++id) {
    const auto backend = id < plan_->backends.size() ? plan_->backends[id] : nullptr;
    auto& upstream = upstreams_[id];
    if (backend == nullptr) {
      if (upstream != nullptr && !upstream->removed()) remove_upstream(*upstream);
      continue;
    }
    backends_.resize(upstreams_.size());
    const auto before = std::exchange(backends_[id], backend);
    const auto rules = rules_of(*plan_->pools[backend->pool]);
    if (upstream == nullptr) {
      upstream = std::make_unique<link::Upstream>(static_cast<uint32_t>(id), backend->pool,
                                                  backend->label, rules);
    } else {
      upstream->set_rules(rules);
      if (upstream->removed()) upstream->set_added_again();
      // Another process was admitted there: what was held against the old one does not count.
      if (before->run_id != backend->run_id) upstream->forgive(now_);
    }
    const bool was_ejected = upstream->ejected();
    upstream->set_ejected(backend->state == cluster::BackendState::kEjected);
    if (upstream->ejected() && !was_ejected) newly_ejected.push_back(upstream.get());
  }

  for (size_t id = 0; id < plan_->pools.size(); ++id) {
    if (plan_->pools[id] == nullptr) continue;
    if (pools_[id] == nullptr) pools_[id] = std::make_unique<PoolRuntime>();
    const auto users_before = pools_[id]->plan != nullptr ? pools_[id]->plan->users : nullptr;
    const auto epoch_before = pools_[id]->plan != nullptr ? pools_[id]->plan->epoch : 0;
    pools_[id]->plan = plan_->pools[id];
    if (pools_[id]->plan->follows_servers && pools_[id]->plan->epoch != epoch_before) {
      settle_sessions(static_cast<cluster::PoolId>(id));
    }
    change_users(static_cast<cluster::PoolId>(id), users_before);
    pools_[id]->request_limits.bulk = static_cast<int64_t>(plan_->pools[id]->max_value);
    if (plan_->pools[id]->preconnect) preconnect(*pools_[id]);
    if (plan_->pools[id]->client_idle_timeout > base::Duration::zero()) note_deadline(now_);
  }
  for (link::Upstream* upstream : newly_ejected) end_waiting(*upstream);
  replication_->adopt();
  for (const auto& upstream : upstreams_) {
    if (upstream != nullptr && upstream->available()) subscriptions_->revive(*upstream);
  }
  ask_held_again(true);
  settle();
}

// Clients of a user that is gone are closed, as Redis does; the others have its rights of today.
void Relay::change_users(cluster::PoolId id, const std::shared_ptr<const wire::AclUsers>& before) {
  const auto& users = pools_[id]->plan->users;
  const std::string none;
  const std::string& text = users != nullptr ? users->text : none;
  if (text == (before != nullptr ? before->text : none)) return;
  std::vector<Session*> gone;
  sessions_.for_each([&](Session& session) {
    if (session.pool == id && !session.dead && !redis_->renew_user(session))
      gone.push_back(&session);
  });
  for (Session* session : gone) kill(*session);
}

void Relay::remove_upstream(link::Upstream& upstream) {
  upstream.set_removed();
  std::vector<link::Link*> links;
  upstream.for_each_link([&links](link::Link& link) { links.push_back(&link); });
  for (link::Link* link : links) {
    if (link->pendings().empty()) {
      drop_link(*link, LinkLoss::kUnwanted);
    } else if (!link->is_lent() && link->state() == link::LinkState::kReady) {
      upstream.retire(*link);
    }  // One that is being opened retires when it is ready; a lent one goes when it is given back.
  }
}

// An ejected backend may be frozen, and its connections open: what waits there without a limit
// would wait for ever.
void Relay::end_waiting(link::Upstream& upstream) {
  std::vector<link::Link*> links;
  upstream.for_each_link([&links](link::Link& link) {
    const bool waits = !link.pendings().empty() && link.pendings().back().is_blocking;
    if (waits || (link.is_feed() && link.state() != link::LinkState::kClosed)) {
      links.push_back(&link);
    }
  });
  for (link::Link* link : links) {
    if (link->is_feed()) {
      drop_stuck(*link);
    } else {
      drop_link(*link, LinkLoss::kUnwanted);
    }
  }
}

void Relay::preconnect(PoolRuntime& pool) {
  const auto flavor = first_flavor(*pool.plan);
  for (const cluster::BackendId member : pool.plan->members) {
    link::Upstream& upstream = *upstreams_[member];
    if (!upstream.available()) continue;
    for (uint32_t place = 0; place < pool.plan->connections; ++place) {
      link::Link& link = upstream.main_link(flavor, place);
      if (link.state() == link::LinkState::kClosed) open_link(link);
    }
  }
}

link::Upstream& Relay::any_upstream(PoolRuntime& pool, const Session& session) {
  const auto& members = pool.plan->members;
  const size_t count = members.size();
  ASSERT(count > 0);
  for (size_t i = 0; i < count; ++i) {
    link::Upstream& candidate = *upstreams_[members[(session.id.place + i) % count]];
    if (candidate.available()) return candidate;
  }
  return *upstreams_[members[session.id.place % count]];
}

void Relay::on_time(base::Instant now) {
  now_ = now;
  next_deadline_ = base::kNever;
  for (auto& upstream : upstreams_) {
    if (upstream == nullptr) continue;
    std::vector<link::Link*>& links = timed_links_;
    links.clear();
    upstream->for_each_link([&links](link::Link& link) {
      if (link.state() != link::LinkState::kClosed) links.push_back(&link);
    });
    for (link::Link* link : links) expire_link(*upstream, *link);
    upstream->forget_closed();
    expire_deferred(*upstream);
    if (!upstream->removed()) subscriptions_->on_time(*upstream);
    if (upstream->down() && !upstream->removed()) {
      if (upstream->retry_at() <= now) {
        try_again(*upstream);
      } else {
        note_deadline(upstream->retry_at());
      }
    }
  }
  sweep_idle_sessions();
  if (any_pause_) end_pauses();
  replication_->on_time();
  ask_held_again(false);
  settle();
}

void Relay::try_again(link::Upstream& upstream) {
  link::Link& link = upstream.main_link(first_flavor(*plan_->pools[upstream.pool()]), 0);
  if (link.state() == link::LinkState::kClosed) open_link(link);
}

void Relay::sweep_idle_sessions() {
  base::Instant next = base::kNever;
  bool any = false;
  for (const auto& runtime : pools_) {
    any =
        any || (runtime != nullptr && runtime->plan->client_idle_timeout > base::Duration::zero());
  }
  if (!any) return;
  if (now_ < next_idle_sweep_ && next_idle_sweep_ != base::kNever) {
    note_deadline(next_idle_sweep_);
    return;
  }
  // A whole sweep every now and then instead of a timer for each client: up to an eighth late.
  sessions_.for_each([&](Session& session) {
    const base::Duration timeout = pool(session.pool).plan->client_idle_timeout;
    if (timeout == base::Duration::zero() || session.slots.in_flight() != 0) return;
    if (session.is_subscribed()) return;  // it has nothing to send
    if (session.last_input + timeout <= now_) {
      session.closing = true;
      attend(session);
    }
    next =
        std::min(next, now_ + std::max<base::Duration>(timeout / 8, std::chrono::milliseconds(10)));
  });
  next_idle_sweep_ = std::min(next, now_ + std::chrono::seconds(1));
  note_deadline(next_idle_sweep_);
}

void Relay::on_forwards(const std::vector<Forward>& forwards, base::Instant now) {
  now_ = now;
  for (const Forward& forward : forwards) replication_->on_forward(forward);
  settle();
}

void Relay::on_peer_lost(cluster::SessionId session, base::Instant now) {
  now_ = now;
  replication_->on_peer_lost(session);
  settle();
}

void Relay::hand_over(base::Instant now) {
  now_ = now;
  replication_->hand_over();
  settle();
}

bool Relay::owns_slots() const { return replication_->owns_slots(); }

void Relay::drain(base::Instant now) {
  now_ = now;
  draining_ = true;
  sessions_.for_each([this](Session& session) {
    end_input(session);
    if (session.wait == Wait::kBlocked) redis_->unblock(session, true);
  });
  settle();
}

Dialect& Relay::dialect_of(const Session& session) {
  switch (session.flavor) {
    case link::Flavor::kResp2:
    case link::Flavor::kResp3: break;
    case link::Flavor::kMemcachedText: return *memcached_text_;
    case link::Flavor::kMemcachedBinary: return *memcached_binary_;
  }
  return *redis_;
}

link::Link* Relay::find_opening(cluster::BackendId backend, uint64_t opening) {
  link::Link* found = nullptr;
  upstreams_[backend]->for_each_link([&](link::Link& link) {
    if (link.opening() == opening && link.state() == link::LinkState::kConnecting) found = &link;
  });
  return found;
}

void Relay::sum_counters(uint64_t& commands, uint64_t& bytes_in, uint64_t& bytes_out) const {
  for (const auto& runtime : pools_) {
    if (runtime == nullptr) continue;
    commands += runtime->counters.commands;
    bytes_in += runtime->counters.bytes_in;
    bytes_out += runtime->counters.bytes_out;
  }
}

void Relay::settle() {
  while (!runnable_.empty() || !resumable_links_.empty() || replication_->has_output()) {
    if (replication_->has_output()) {
      replication_->pump();
      continue;
    }
    if (!resumable_links_.empty()) {
      link::Link* link = resumable_links_.back();
      resumable_links_.pop_back();
      if (link->wants_reading && !link->carry.empty()) {
        read_link(*link, link->carry.data(), link->carry.data() + link->carry.size());
      }
      continue;
    }
    const base::SlabId id = runnable_.back();
    runnable_.pop_back();
    Session* session = sessions_.find(id);
    if (session == nullptr) continue;
    session->runnable = false;
    if (session->blocked != nullptr && !session->dead) redis_->go_on(*session);
    if (session->wait != Wait::kNone) continue;
    if (session->backlog != nullptr) [[unlikely]] {
      work_off_backlog(*session);
    } else {
      consume(*session, session->carry.data(), session->carry.data() + session->carry.size());
    }
    attend(*session);
  }
  unsettled_ = false;
}

}  // namespace quorate::relay
