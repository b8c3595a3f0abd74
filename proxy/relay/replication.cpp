#include "proxy/relay/replication.h"

#include <algorithm>
#include <utility>

#include "backends/redis/identity.h"
#include "proxy/relay/process_facts.h"
#include "proxy/relay/relay.h"

namespace quorate::relay {

namespace acceptor = redis::acceptor;
using replicate::End;

struct Replication::PoolReplicas {
  PoolReplicas(cluster::PoolId pool_id, const replicate::Options& options)
      : id(pool_id), coordinator(options) {}

  const cluster::PoolId id;
  replicate::Coordinator coordinator;
  std::shared_ptr<const cluster::ReplicaTable> table;
  /// The process's numbers of the group's backends.
  std::map<cluster::BackendSerial, cluster::BackendId> backends;
  bool touched = false;  ///< has output
};

namespace {

base::SlabId slab_id(uint64_t number) {
  return {static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32)};
}
uint64_t number_of(base::SlabId id) { return uint64_t{id.generation} << 32 | id.place; }

/// How an end travels: one byte, then the reply.
std::string text_of(End end, std::string_view reply) {
  std::string text(1, static_cast<char>(end));
  return text.append(reply);
}

}  // namespace

Replication::Replication(Relay& relay) : relay_(relay) {}
Replication::~Replication() = default;

// --- the plan ---

void Replication::adopt() {
  const ServingPlan& plan = relay_.plan();
  for (const auto& pool : plan.pools) {
    if (pool == nullptr || pool->replica_table == nullptr) continue;
    if (pools_.size() <= pool->id) pools_.resize(pool->id + 1);
    auto& replicas = pools_[pool->id];
    if (replicas == nullptr) {
      replicas = std::make_unique<PoolReplicas>(
          pool->id, replicate::Options{.worker = relay_.worker(),
                                       .workers = relay_.facts().workers,
                                       .request_timeout = pool->request_timeout,
                                       .seed = relay_.random().next(),
                                       .pool = pool->replica_table->pool(),
                                       .sweep_rate = pool->sweep_rate});
    }
    replicas->backends.clear();
    for (const auto& backend : plan.backends) {
      if (backend != nullptr && backend->pool == pool->id && !backend->is_nobody()) {
        replicas->backends[backend->serial] = backend->id;
      }
    }
    replicas->table = pool->replica_table;
    replicas->coordinator.adopt(pool->replica_table, plan.session, now());
    touched(*replicas);
  }
}

void Replication::touched(PoolReplicas& pool) {
  pool.touched = true;
  has_output_ = true;
  relay_.note_unsettled();
}

void Replication::on_time() {
  wake_sleepers();
  for (const auto& pool : pools_) {
    if (pool == nullptr) continue;
    if (pool->coordinator.next_deadline() <= relay_.now()) {
      pool->coordinator.on_time(now());
      touched(*pool);
    } else {
      relay_.wake_at(pool->coordinator.next_deadline());
    }
  }
}

// --- clients ---

bool Replication::has_room(session::Session& session, size_t operations) {
  const bool full =
      operations_.size() + operations > limits::kReplicatedOperations && operations_.size() > 0;
  const bool pool_full = session.pool < pools_.size() && pools_[session.pool] != nullptr &&
                         !pools_[session.pool]->coordinator.has_room();
  if (!full && !pool_full) [[likely]]
    return true;
  session.wait = session::Wait::kBackend;
  waiters_.push_back(session.id);
  return false;
}

bool Replication::submit(session::Session& session, const redis::ReplicatedCommand& command) {
  if (!has_room(session, 1)) return false;
  Operation& operation = operations_.emplace(session.pool);
  operation.owner = session.id;
  operation.slot = relay_.open_slot(session, operation.is_silent);
  begin(session, operation, command);
  return true;
}

bool Replication::watch(session::Session& session, const redis::ReplicatedCommand& command) {
  if (!has_room(session, 1)) return false;
  Operation& operation = operations_.emplace(session.pool);
  operation.owner = session.id;
  operation.slot = relay_.open_slot(session, operation.is_silent);
  session.transaction->watch = operation.id;
  begin(session, operation, command);
  return true;
}

/// What is seen of a watched key, RESP3, to whom asked, if he still wants it: the reply for him.
std::string_view Replication::watched(const Operation& operation, std::string_view reply) {
  session::Session* session = relay_.find_session(operation.owner);
  session::Transaction* transaction = session == nullptr ? nullptr : session->transaction.get();
  if (transaction == nullptr || transaction->watch != operation.id) return reply;
  transaction->watch.reset();
  const auto version = redis::ReplicatedCommand::watched_version(reply);
  if (!version) {
    transaction->watch_lost = true;
    return reply;
  }
  transaction->watched = *version;
  return "+OK\r\n";
}

bool Replication::try_to_pop(session::Session& session, const redis::ReplicatedCommand& command) {
  const bool pool_full = session.pool < pools_.size() && pools_[session.pool] != nullptr &&
                         !pools_[session.pool]->coordinator.has_room();
  if (pool_full || operations_.size() >= limits::kReplicatedOperations) return false;
  Operation& operation = operations_.emplace(session.pool);
  operation.owner = session.id;
  operation.is_try = true;
  begin(session, operation, command);
  return true;
}

void Replication::submit_part(session::Session& session, base::SlabId join, uint32_t fragment,
                              const redis::ReplicatedCommand& command) {
  Operation& operation = operations_.emplace(session.pool);
  operation.owner = join;
  operation.slot = fragment;
  operation.is_part = true;
  begin(session, operation, command);
}

void Replication::begin(session::Session& session, Operation& operation,
                        const redis::ReplicatedCommand& command) {
  operation.resp3 = session.flavor == link::Flavor::kResp3;
  operation.shape = command.reply_shape();
  if (!operation.resp3) operation.queued_shapes = command.queued_shapes();
  operation.is_watch = command.id() == wire::RedisCommand::kWatch;
  if (!sleepers_of_.empty() && !operation.is_try && !command.is_read() &&
      sleepers_of_.contains(command.key())) {
    operation.wakes = command.key();
  }
  const base::SlabId id = operation.id;
  if (session.pool >= pools_.size() || pools_[session.pool] == nullptr) {
    return finish(id, "-CLUSTERDOWN the cluster does not know this pool yet\r\n");
  }
  PoolReplicas& pool = *pools_[session.pool];
  pool.coordinator.submit(replicate::OperationId{number_of(id)}, command, now());
  touched(pool);
}

/// `reply` is RESP3.
void Replication::finish(base::SlabId id, std::string_view reply) {
  const Operation* operation = operations_.find(id);
  if (operation == nullptr) return;
  if (operation->is_watch) reply = watched(*operation, reply);
  const bool got_nothing = reply == "_\r\n";
  reply_.clear();
  if (!operation->resp3) {
    wire::append_as_resp2(reply, operation->shape, operation->queued_shapes, reply_);
    reply = reply_;
  }
  if (!operation->wakes.empty()) wake(operation->wakes);
  if (operation->is_silent) reply = {};
  const base::SlabId owner = operation->owner;
  const uint32_t slot = operation->slot;
  const bool is_part = operation->is_part;
  const bool is_try = operation->is_try;
  operations_.erase(id);
  if (is_try) {
    relay_.on_tried(owner, got_nothing, reply);
  } else if (is_part) {
    relay_.answer_fragment(owner, slot, reply);
  } else {
    relay_.answer_slot(owner, slot, reply);
  }
}

// --- lists of keys ---

bool Replication::list(session::Session& session, replicate::Listing::Wanted wanted) {
  if (listings_.size() >= limits::kListings) {
    session.wait = session::Wait::kBackend;
    waiters_.push_back(session.id);
    return false;
  }
  bool is_silent = false;
  const uint32_t slot = relay_.open_slot(session, is_silent);
  const bool is_known = session.pool < pools_.size() && pools_[session.pool] != nullptr;
  if (!is_known) {
    relay_.answer_slot(session.id, slot,
                       "-CLUSTERDOWN the cluster does not know this pool yet\r\n");
    return true;
  }
  PoolReplicas& pool = *pools_[session.pool];
  const auto answers = [&](cluster::BackendSerial serial) {
    const auto known = pool.backends.find(serial);
    return known != pool.backends.end() && relay_.upstream(known->second)->available() &&
           relay_.versioned_link(*relay_.upstream(known->second)) != nullptr;
  };
  ListingUnderWay& listing = listings_.emplace(
      session.pool,
      std::make_unique<replicate::Listing>(std::move(wanted), pool.table, answers,
                                           now().wall.count() / 1000, relay_.random().next()));
  listing.session = session.id;
  listing.slot = slot;
  listing.is_silent = is_silent;
  listing.resp3 = session.flavor == link::Flavor::kResp3;
  go_on(listing.id);
  return true;
}

void Replication::go_on(base::SlabId id) {
  ListingUnderWay* listing = listings_.find(id);
  if (listing == nullptr) return;
  PoolReplicas& pool = *pools_[listing->pool];
  for (auto asked = listing->keys->take_asked(); !asked.empty();
       asked = listing->keys->take_asked()) {
    for (const replicate::Listing::Asked& one : asked) {
      if (!ask(pool, one.backend, one.request, {}, id, one.tag)) {
        listing->keys->on_answer(one.tag, nullptr);
      }
    }
  }
  if (!listing->keys->is_done()) return;
  std::string reply;
  if (!listing->is_silent) {
    std::string resp3;
    listing->keys->append_reply(*pool.table, resp3);
    if (!listing->resp3) wire::append_as_resp2(resp3, wire::ReplyShape{}, reply);
    if (listing->resp3) reply = std::move(resp3);
  }
  relay_.answer_slot(listing->session, listing->slot, reply);
  listings_.erase(id);
  touched(pool);  // who waits for its place
}

// --- who waits for a key ---

void Replication::sleep(base::SlabId session, std::string_view key, base::Instant until) {
  const Sleepers::iterator sleeper = sleepers_.emplace(until, std::pair(session, std::string(key)));
  auto& others = sleepers_of_[sleeper->second.second];
  const auto before = std::ranges::find(
      others, session, [](Sleepers::iterator other) { return other->second.first; });
  if (before == others.end()) {
    others.push_back(sleeper);
  } else {
    sleepers_.erase(std::exchange(*before, sleeper));
  }
  relay_.wake_at(until);
}

void Replication::wake(std::string_view key) {
  const auto known = sleepers_of_.find(key);
  if (known == sleepers_of_.end()) return;
  for (const Sleepers::iterator sleeper : known->second) {
    relay_.wake_blocked(sleeper->second.first, true);
    sleepers_.erase(sleeper);
  }
  sleepers_of_.erase(known);
}

void Replication::wake_sleepers() {
  while (!sleepers_.empty() && sleepers_.begin()->first <= relay_.now()) {
    const auto sleeper = sleepers_.begin();
    const auto& [session, key] = sleeper->second;
    relay_.wake_blocked(session, false);
    const auto known = sleepers_of_.find(key);
    std::erase(known->second, sleeper);
    if (known->second.empty()) sleepers_of_.erase(known);
    sleepers_.erase(sleeper);
  }
  if (!sleepers_.empty()) relay_.wake_at(sleepers_.begin()->first);
}

// --- links ---

link::Greeting Replication::greeting(const link::Credentials& credentials) {
  return redis::replica_greeting(credentials);
}

link::GreetingVerdict Replication::judge_greeting(const BackendPlan& backend,
                                                  const link::Link& link, std::string_view reply) {
  redis::Identity who;
  auto verdict = redis::judge_replica_greeting(link.greeting_replies_left(), reply, who);
  if (verdict.refusal.empty() && !who.run_id.empty()) {
    verdict.refusal = redis::mismatch(who, backend.run_id);
  }
  return verdict;
}

void Replication::on_answer(link::Link& link, link::Pending& pending,
                            const link::ReplyPiece& piece) {
  Question* question = questions_.find(pending.owner);
  if (question == nullptr) {
    pending.kind = link::PendingKind::kDiscard;
    return;
  }
  const bool alone = question->replies_left == 1 && question->replies.empty() && piece.whole();
  if (!alone) {
    question->replies.append(piece.bytes, piece.size);
    if (!piece.last || --question->replies_left != 0) return;
  }
  const std::string replies = std::move(question->replies);
  const auto answer =
      acceptor::decode(question->expected, alone ? piece.view() : std::string_view(replies));
  PoolReplicas& pool = *pools_[question->pool];
  const replicate::RequestId request = question->request;
  const base::SlabId listing = question->listing;
  const uint32_t tag = question->tag;
  questions_.erase(question->id);
  touched(pool);
  const bool is_broken = answer.kind == acceptor::AnswerKind::kBroken;
  const bool forgot =
      answer.kind == acceptor::AnswerKind::kNack && answer.nack == acceptor::Nack::kNoScript;
  if (is_broken || forgot) broken_.push_back(&link);
  if (listing != base::SlabId{}) {
    if (ListingUnderWay* it = listings_.find(listing)) it->keys->on_answer(tag, &answer);
    return go_on(listing);
  }
  if (is_broken) return pool.coordinator.on_request_lost(request, false, now());
  pool.coordinator.on_answer(request, answer, now());
}

void Replication::on_lost(const link::Pending& pending, bool certainly_not_sent) {
  Question* question = questions_.find(pending.owner);
  if (question == nullptr) return;
  // Of several replies to one request the first may be here: then it was sent.
  const bool none_here = question->replies.empty();
  PoolReplicas& pool = *pools_[question->pool];
  const replicate::RequestId request = question->request;
  const base::SlabId listing = question->listing;
  const uint32_t tag = question->tag;
  questions_.erase(question->id);
  if (listing != base::SlabId{}) {
    if (ListingUnderWay* it = listings_.find(listing)) it->keys->on_answer(tag, nullptr);
    return go_on(listing);
  }
  touched(pool);
  pool.coordinator.on_request_lost(request, certainly_not_sent && none_here, now());
}

// --- other workers and proxies ---

std::string Replication::not_delivered() { return text_of(End::kNotDelivered, {}); }

void Replication::on_forward(const Forward& forward) {
  PoolReplicas* pool = nullptr;
  for (const auto& one : pools_) {
    if (one != nullptr && one->table->pool() == forward.header.pool) pool = one.get();
  }
  if (forward.is_reply) {
    if (pool == nullptr || forward.bytes.empty()) return;
    const auto end = static_cast<End>(forward.bytes[0]);
    if (end > End::kNotDelivered) return;
    pool->coordinator.on_forward_reply(replicate::ForwardId{forward.header.id}, end,
                                       std::string_view(forward.bytes).substr(1), now());
    return touched(*pool);
  }
  Guest& guest = guests_.emplace(forward);
  const base::SlabId id = guest.id;
  if (pool == nullptr || guests_.size() > limits::kReplicatedOperations ||
      forward.header.to != relay_.plan().session || !command_.decode(forward.bytes)) {
    return answer_guest(id, End::kNotOwner, "0:0");
  }
  pool->coordinator.on_forward(replicate::GuestId{number_of(id)}, command_, forward.header.seen,
                               now());
  touched(*pool);
}

void Replication::answer_guest(base::SlabId id, End end, std::string_view reply) {
  const Guest* guest = guests_.find(id);
  if (guest == nullptr) return;
  Forward forward;
  forward.header = guest->header;
  forward.bytes = text_of(end, reply);
  forward.way_back = guest->way_back;
  forward.is_reply = true;
  forward.is_local = guest->is_local;
  relay_.forwards().push_back(std::move(forward));
  guests_.erase(id);
}

void Replication::on_peer_lost(cluster::SessionId session) {
  for (const auto& pool : pools_) {
    if (pool == nullptr) continue;
    pool->coordinator.on_peer_lost(session, now());
    touched(*pool);
  }
}

// --- what coordinators want done ---

void Replication::pump() {
  has_output_ = false;
  for (link::Link* link : std::exchange(broken_, {})) relay_.renew_versioned(*link);
  for (const auto& pool : pools_) {
    if (pool == nullptr || !std::exchange(pool->touched, false)) continue;
    carry_out(*pool);
    relay_.wake_at(pool->coordinator.next_deadline());
  }
  // They ask again, one after the other.
  if (!waiters_.empty() && operations_.size() <= limits::kReplicatedOperations / 2) {
    relay_.wake_waiters(waiters_);
  }
}

void Replication::carry_out(PoolReplicas& pool) {
  const replicate::Output& output = pool.coordinator.output();
  for (const auto& one : output.asked) {
    if (!ask(pool, one.backend, one.request, one.id, {}, 0)) lost_.push_back(one.id);
  }
  for (const auto& one : output.ended) finish(slab_id(static_cast<uint64_t>(one.id)), one.reply);
  for (const auto& one : output.forwarded) forward(pool, one);
  for (const auto& one : output.guests_ended) {
    answer_guest(slab_id(static_cast<uint64_t>(one.id)), one.end, one.reply);
  }
  for (const auto& one : output.wishes) {
    relay_.wishes().push_back({.pool = pool.table->pool(), .wish = one});
  }
  pool.coordinator.carried_out();
  for (const replicate::RequestId id : lost_) {
    pool.coordinator.on_request_lost(id, true, now());
    touched(pool);
  }
  lost_.clear();
}

/// False: it certainly was not sent.
bool Replication::ask(PoolReplicas& pool, cluster::BackendSerial backend,
                      const acceptor::Request& request, replicate::RequestId id,
                      base::SlabId listing, uint32_t tag) {
  const auto known = pool.backends.find(backend);
  if (known == pool.backends.end()) return false;
  link::Link* link = relay_.versioned_link(*relay_.upstream(known->second));
  if (link == nullptr) return false;
  encoded_.clear();
  acceptor::encode(request, encoded_);
  Question& question = questions_.emplace(pool.id);
  question.request = id;
  question.listing = listing;
  question.tag = tag;
  question.expected = acceptor::expected_of(request);
  question.replies_left = question.expected.replies;
  relay_.send_versioned(*link, encoded_, question.id, question.expected.replies);
  return true;
}

void Replication::forward(PoolReplicas& pool, const replicate::Output::Forwarded& forwarded) {
  Forward forward;
  forward.header = {.from = relay_.plan().session,
                    .worker = relay_.worker(),
                    .to = forwarded.to,
                    .pool = pool.table->pool(),
                    .slot = forwarded.slot,
                    .id = static_cast<uint64_t>(forwarded.id),
                    .seen = forwarded.seen};
  forwarded.command->encode(forward.bytes);
  forward.is_local = forwarded.to == relay_.plan().session;
  relay_.forwards().push_back(std::move(forward));
}

void Replication::hand_over() {
  for (const auto& pool : pools_) {
    if (pool == nullptr) continue;
    pool->coordinator.hand_over(now());
    touched(*pool);
  }
}

bool Replication::owns_slots() const {
  return std::ranges::any_of(pools_, [](const auto& pool) {
    return pool != nullptr && pool->coordinator.owned_slots() > 0;
  });
}

replicate::Counters Replication::counters(cluster::PoolId pool) const {
  if (pool >= pools_.size() || pools_[pool] == nullptr) return {};
  return pools_[pool]->coordinator.counters();
}

replicate::SweepProgress Replication::sweep_progress(cluster::PoolId pool) const {
  if (pool >= pools_.size() || pools_[pool] == nullptr) return {};
  return pools_[pool]->coordinator.sweep_progress();
}

uint32_t Replication::owned_slots(cluster::PoolId pool) const {
  if (pool >= pools_.size() || pools_[pool] == nullptr) return 0;
  return pools_[pool]->coordinator.owned_slots();
}

replicate::Now Replication::now() const { return {relay_.now(), relay_.wall_time()}; }

}  // namespace quorate::relay
