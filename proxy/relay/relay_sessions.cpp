// The relay's client side: bytes of sessions, the order of their commands, and where each may go.
#include <algorithm>

#include "backends/redis/handshake.h"
#include "proxy/relay/memcached_text_dialect.h"
#include "proxy/relay/redis_dialect.h"
#include "proxy/relay/relay.h"

namespace quorate::relay {

Session& Relay::open_session(cluster::PoolId pool_id, uint64_t client_id, base::Instant now) {
  now_ = now;
  PoolRuntime& runtime = pool(pool_id);
  const bool redis = runtime.plan->protocol == cluster::Protocol::kRedis;
  Session& session = sessions_.emplace(
      pool_id, redis ? link::Flavor::kResp2 : link::Flavor::kMemcachedText, client_id, now);
  session.last_input = now;
  session.replicated = runtime.plan->replicated;
  if (redis) {
    redis_->begin(session);
  } else {
    const auto& users = runtime.plan->users;
    const wire::AclUser* anonymous = users != nullptr ? users->find("default") : nullptr;
    session.authenticated = users == nullptr || (anonymous != nullptr && anonymous->enabled &&
                                                 anonymous->needs_no_password);
  }
  session.input_ended = draining_;
  ++runtime.counters.clients;
  ++runtime.counters.clients_accepted;
  return session;
}

void Relay::on_client_bytes(Session& session, const char* begin, const char* end,
                            base::Instant now) {
  now_ = now;
  session.last_input = now;
  pool(session.pool).counters.bytes_in += static_cast<size_t>(end - begin) - session.carry.size();
  may_borrow_ = true;
  consume(session, begin, end);
  may_borrow_ = false;
  if (unsettled_) [[unlikely]]
    settle();
}

void Relay::consume(Session& session, const char* begin, const char* end) {
  const char* rest = dispatch_all(session, begin, end);
  if (session.wait == Wait::kBlocked || session.backlog != nullptr) [[unlikely]] {
    keep_in_backlog(session, rest, end);
  } else {
    session.carry.keep(rest, static_cast<size_t>(end - rest));
  }
  decide_on_reading(session);
}

// A blocked client is read from, so that its end is noticed; what it sends meanwhile is kept.
void Relay::keep_in_backlog(Session& session, const char* begin, const char* end) {
  if (session.backlog == nullptr && begin != end) {
    session.backlog = std::make_unique<base::ByteChain>();
  }
  if (begin != end) session.backlog->append(chunks_, begin, static_cast<size_t>(end - begin));
  session.carry.release();
  if (session.backlog != nullptr &&
      session.backlog->size() > pool(session.pool).plan->max_client_output)
    cut_off(session);
}

// As if it were read now, a piece at a time.
void Relay::work_off_backlog(Session& session) {
  base::ByteChain& backlog = *session.backlog;
  const auto piece = std::make_unique_for_overwrite<char[]>(2 * limits::kReadBytes);
  while (!backlog.empty() && session.wait == Wait::kNone && !session.closing) {
    const size_t size = std::min(backlog.size(), 2 * limits::kReadBytes);
    backlog.copy_out(0, size, piece.get());
    const char* rest = dispatch_all(session, piece.get(), piece.get() + size);
    const size_t used = static_cast<size_t>(rest - piece.get());
    backlog.consume(chunks_, used);
    if (used == 0 && session.wait == Wait::kNone) {
      // A command whose end is yet to be read, and so there is nothing behind it.
      session.carry.keep(piece.get(), size);
      backlog.clear(chunks_);
    }
  }
  if (backlog.empty() || session.closing) drop_backlog(session);
  decide_on_reading(session);
}

void Relay::drop_backlog(Session& session) {
  if (session.backlog == nullptr) return;
  session.backlog->clear(chunks_);
  session.backlog.reset();
}

/// Returns where it had to stop: the rest is incomplete, or has to wait.
const char* Relay::dispatch_all(Session& session, const char* begin, const char* end) {
  const PoolRuntime& runtime = pool(session.pool);
  const PoolPlan& plan = *runtime.plan;
  const bool redis = plan.protocol == cluster::Protocol::kRedis;
  if (!session.flavor_known && begin != end) [[unlikely]] {
    session.flavor_known = true;
    if (!redis && static_cast<unsigned char>(*begin) == wire::kBinaryRequestMagic) {
      session.flavor = link::Flavor::kMemcachedBinary;
    }
  }
  const char* p = begin;
  const auto has_more = [&] {
    return p != end || (session.large != nullptr && session.large->complete);
  };
  while (has_more() && session.wait == Wait::kNone && !session.closing) {
    if (session.slots.in_flight() >= plan.max_pipeline) {
      session.wait = Wait::kPipeline;
      break;
    }
    if (session.output.size() > limits::kOutputHighWater) {
      session.wait = Wait::kOutput;
      break;
    }
    if (is_paused(runtime) && !runtime.pauses_writes_only) [[unlikely]] {
      wait_for_unpause(session);
      break;
    }
    size_t used = 0;
    if (session.large != nullptr) [[unlikely]] {
      if (session.large->complete) {
        if (!dialect_of(session).step_held(session)) break;
        continue;
      }
      used = consume_large(session, p, end);
    } else if (redis) {
      used = redis_->step(session, p, end);
    } else {
      used = dialect_of(session).step(session, p, end);
    }
    if (used == 0) break;
    p += used;
  }
  return session.closing ? end : p;
}

void Relay::decide_on_reading(Session& session) {
  const bool waits = session.wait != Wait::kNone && session.wait != Wait::kBlocked;
  const bool wants_reading = !waits && !session.closing;
  if (wants_reading != session.wants_reading) {
    session.wants_reading = wants_reading;
    attend(session);
  }
}

size_t Relay::consume_large(Session& session, const char* begin, const char* end) {
  using Sink = session::LargeInput::Sink;
  session::LargeInput& large = *session.large;
  if (large.sink == Sink::kLink && large.link->requests().unsent() > limits::kOutputHighWater) {
    session.wait = Wait::kBackend;
    upstream_of(*large.link).queue_waiters().push_back(session.id);
    return 0;
  }
  const auto part = dialect_of(session).feed_large(session, begin, end);
  if (part.broken) {
    lose_framing(session, part.error);
    return static_cast<size_t>(end - begin);
  }
  switch (large.sink) {
    case Sink::kLink:
      upload(session, begin, part.passed_on);
      if (!part.tail.empty()) {
        append_request(*large.link, part.tail.data(), part.tail.size());
      }
      break;
    case Sink::kHold:
      large.held.append(begin, part.passed_on);
      if (large.held.size() > pool(session.pool).plan->max_split) {
        dialect_of(session).refuse_held(session);
        large.sink = Sink::kNowhere;
        large.held = {};
      }
      break;
    case Sink::kNowhere: break;
  }
  if (part.done) finish_large(session);
  return part.consumed;
}

void Relay::finish_large(Session& session) {
  session::LargeInput& large = *session.large;
  switch (large.sink) {
    case session::LargeInput::Sink::kHold: large.complete = true; return;
    case session::LargeInput::Sink::kNowhere: break;
    case session::LargeInput::Sink::kLink: {
      link::Link& link = *large.link;
      settle_through();
      if (!large.answered) {
        link.pendings().back().end = link.requests().end();
        link.pendings().back().arrival = now_;
        upstream_of(link).counters.request_bytes += large.uploaded;
      }
      session.large.reset();
      release_if_idle(session, link);
      return;
    }
  }
  session.large.reset();
}

void Relay::begin_upload(Session& session, link::Link& link, std::string_view bytes,
                         RequestTraits traits) {
  // What was sent before cannot be asked again once bytes are no longer kept.
  link.requests().release_sent(chunks_);
  append_request(link, bytes.data(), bytes.size());
  traits.is_upload = true;
  open_request(session, link, traits);
  // Not complete: until it is, whatever was sent of it is certainly not executed.
  link.pendings().back().end = UINT64_MAX;
  session.large->link = &link;
}

void Relay::upload(Session& session, const char* bytes, size_t count) {
  if (count == 0) return;
  session::LargeInput& large = *session.large;
  link::Link& link = *large.link;
  large.uploaded += count;
  if (!large.answered) link.pendings().back().arrival = now_;  // the limit is for standing still
  link.requests().release_sent(chunks_);
  if (may_borrow_ && count >= kThroughBytes && link.state() == link::LinkState::kReady &&
      link.requests().unsent() == 0) {
    settle_through();
    through_ = {.session = nullptr, .link = &link, .bytes = bytes, .size = count};
  } else {
    append_request(link, bytes, count);
  }
}

void Relay::keep_rest(const Through& through, size_t taken) {
  const char* rest = through.bytes + taken;
  const size_t count = through.size - taken;
  if (through.link != nullptr) {
    through.link->requests().skip(taken);
    if (count > 0) append_request(*through.link, rest, count);
  } else if (count > 0) {
    through.session->output.append(chunks_, rest, count);
    attend(*through.session);
  }
}

void Relay::abandon_upload(Session& session) {
  if (session.large == nullptr) return;
  if (session.large->sink == session::LargeInput::Sink::kLink) {
    drop_link(*session.large->link, LinkLoss::kUnwanted);
  }
  session.large.reset();
}

// The client broke its protocol in the middle of a large command, which is thereby not executed.
void Relay::lose_framing(Session& session, std::string_view error) {
  session::LargeInput& large = *session.large;
  if (large.sink == session::LargeInput::Sink::kLink && !large.answered) {
    link::Pending& pending = large.link->pendings().back();
    const bool silent =
        std::exchange(pending.kind, link::PendingKind::kDiscard) != link::PendingKind::kReply ||
        pending.shape == kSilent;
    ++pool(session.pool).counters.own_errors;
    fill_slot(session, pending.slot, error.data(), silent ? 0 : error.size(), true);
  } else if (!error.empty()) {
    reply_own_error(session, error);
  }
  abandon_upload(session);
  session.closing = true;
}

// A command that is here in part will never be whole; one that only waits for its turn still runs.
void Relay::end_input(Session& session) {
  session.input_ended = true;
  if (session.large != nullptr && !session.large->complete) abandon_upload(session);
  attend(session);
}

void Relay::on_client_end(Session& session, base::Instant now) {
  now_ = now;
  // Nobody reads the reply of a blocking command: what it would pop is to stay where it is.
  if (session.wait == Wait::kBlocked) kill(session);
  end_input(session);
  settle();
}

void Relay::on_client_sent(Session& session, size_t count, base::Instant now) {
  now_ = now;
  session.output.consume(chunks_, count);
  pool(session.pool).counters.bytes_out += count;
  if (session.wait != Wait::kNone) resume_if_possible(session);
  if (session.any_detour()) [[unlikely]] {
    for (link::Link* lent : {session.side, session.pin}) {
      if (lent == nullptr) continue;
      if (lent->in_large_reply()) lent->note_progress(now);
      update_flow(session, *lent);
    }
  }
  if (unsettled_) [[unlikely]]
    settle();
}

void Relay::on_client_closed(Session& session, base::Instant now) {
  now_ = now;
  abandon_upload(session);
  session.dead = true;
  if (session.side != nullptr) drop_link(*session.side, LinkLoss::kUnwanted);
  if (session.pin != nullptr) {
    // What it only waited for is no failure of the backend's.
    if (session.wait == Wait::kBlocked) forget_waiting(*session.pin);
    drop_link(*session.pin, LinkLoss::kUnwanted);
  }
  PoolRuntime& runtime = pool(session.pool);
  --runtime.counters.clients;
  if (session.is_blocked()) count_blocked(session, -1);
  session.slots.clear(chunks_);
  session.output.clear(chunks_);
  drop_backlog(session);
  dialect_of(session).forget(session);
  if (through_.session == &session) through_ = {};
  sessions_.erase(session.id);
  settle();
}

void Relay::cut_off(Session& session) {
  if (session.dead) return;
  ++pool(session.pool).counters.clients_cut_off;
  kill(session);
}

// What was answered before leaves still, and what there is of the reply that will never be whole.
void Relay::break_off(Session& session) {
  if (session.dead) return;
  ++pool(session.pool).counters.clients_cut_off;
  if (through_.session == &session) settle_through();
  session.dead = true;
  session.closing = true;
  session.wants_reading = false;
  session.slots.clear(chunks_);
  attend(session);
}

void Relay::kill(Session& session) {
  session.dead = true;
  session.wants_close = true;
  session.closing = true;
  session.wants_reading = false;
  session.slots.clear(chunks_);
  session.output.clear(chunks_);
  if (through_.session == &session) through_ = {};
  attend(session);
}

// --- what concerns the clients of every worker ---

void Relay::gather(Session& session, session::ClientQuestion question) {
  ++pool(session.pool).counters.commands;
  question.asker = session.client_id;
  question.is_silent = session.replies_off || std::exchange(session.skip_next_reply, false);
  gatherings_.push_back({session.id, session.slots.open(), std::move(question)});
  attend(session);  // the io layer is to look here
}

session::ClientAnswer Relay::answer(const session::ClientQuestion& question, base::Instant now) {
  now_ = now;
  auto answer = redis_->answer(question);
  settle();
  return answer;
}

void Relay::on_gathered(const Gathering& gathering,
                        const std::vector<session::ClientAnswer>& answers, base::Instant now) {
  now_ = now;
  Session* session = find_live(gathering.session);
  if (session == nullptr) return;
  scratch_.clear();
  if (!gathering.question.is_silent) {
    redis_->append_gathered(scratch_, *session, gathering.question, answers);
  }
  fill_slot(*session, gathering.slot, scratch_.data(), scratch_.size(), true);
  if (redis_->kills_asker(*session, gathering.question)) {
    session->closing = true;
    attend(*session);
  }
  settle();
}

void Relay::pause(cluster::PoolId id, base::Duration duration, bool writes_only) {
  PoolRuntime& runtime = pool(id);
  runtime.paused_until = std::max(runtime.paused_until, now_ + duration);
  runtime.pauses_writes_only = writes_only;
  any_pause_ = true;
  note_deadline(runtime.paused_until);
}

void Relay::unpause(cluster::PoolId id) {
  pool(id).paused_until = now_;
  end_pauses();
}

void Relay::end_pauses() {
  any_pause_ = false;
  for (const auto& runtime : pools_) {
    if (runtime == nullptr || now_ >= runtime->paused_until) continue;
    any_pause_ = true;
    note_deadline(runtime->paused_until);
  }
  sessions_.for_each([this](Session& session) {
    if (session.wait != Wait::kPaused || is_paused(pool(session.pool))) return;
    count_blocked(session, -1);
    make_runnable(session);
  });
}

void Relay::make_runnable(Session& session) {
  session.wait = Wait::kNone;
  if (session.runnable) return;
  session.runnable = true;
  runnable_.push_back(session.id);
  unsettled_ = true;
}

void Relay::resume_if_possible(Session& session) {
  bool ready = false;
  switch (session.wait) {
    case Wait::kAnswered: ready = session.slots.in_flight() == 0; break;
    case Wait::kPipeline:
      ready = session.slots.in_flight() <= pool(session.pool).plan->max_pipeline / 2;
      break;
    case Wait::kOutput: ready = session.output.size() <= limits::kOutputHighWater / 2; break;
    case Wait::kBlocked:
      ready = session.slots.in_flight() == 0;
      if (ready) count_blocked(session, -1);
      break;
    case Wait::kNone:
    case Wait::kSideLink:
    case Wait::kBackend:
    case Wait::kPaused:
    case Wait::kQuestion: break;
  }
  if (ready) make_runnable(session);
}

// --- where a request may go ---

Relay::Pick Relay::pick_link_with_care(Session& session, link::Upstream& upstream, Use use,
                                       link::Link*& link) {
  const bool large = use == Use::kLarge;
  const auto wait = [&session](Wait what) {
    session.wait = what;
    return Pick::kWait;
  };
  if (!upstream.available()) [[unlikely]]
    return Pick::kUnavailable;

  if (session.unsettled) [[unlikely]] {
    if (session.slots.in_flight() != 0) return wait(Wait::kAnswered);
    session.unsettled = false;
  }
  link::Link* chosen = nullptr;
  if (session.pin != nullptr && session.pin->upstream() == upstream.number()) [[unlikely]] {
    chosen = session.pin;  // what it does there, it does in order, large or small
  } else if (session.side != nullptr || session.deferred != 0) [[unlikely]] {
    // While some of its requests are on a side link, those to the same backend follow them there.
    if (session.side == nullptr || session.deferred != 0) return wait(Wait::kAnswered);
    if (session.side->upstream() == upstream.number() && session.side->flavor() == session.flavor) {
      chosen = session.side;
    } else if (large) {
      return wait(Wait::kAnswered);
    }
  } else if (large || (session.bulky > 0 && use == Use::kAny)) [[unlikely]] {
    if (session.slots.in_flight() == 0) {
      chosen = upstream.take(link::LinkKind::kSide, session.flavor, now_);
      if (chosen != nullptr) {
        chosen->owner = session.id;
        session.set_side(chosen);
      } else if (large) {
        const bool just_failed = upstream.has_free(link::LinkKind::kSide, session.flavor);
        if (just_failed || upstream.side_waiters().size() >= limits::kSideWaiters) {
          return Pick::kUnavailable;
        }
        upstream.side_waiters().push_back(session.id);
        return wait(Wait::kSideLink);
      }
    } else if (large) {
      return wait(Wait::kAnswered);
    }
  }
  if (chosen == nullptr) {
    if (upstream.has_retiring() && session.slots.in_flight() != 0) [[unlikely]] {
      return wait(Wait::kAnswered);
    }
    chosen = &upstream.main_link(session.flavor, session.id.place);
  }
  if (chosen->state() == link::LinkState::kClosed) [[unlikely]] {
    if (now_ < chosen->not_before()) return Pick::kUnavailable;
    open_link(*chosen);
  }
  if (waits_for(session, *chosen)) [[unlikely]]
    return Pick::kWait;
  link = chosen;
  return Pick::kLink;
}

Relay::PinResult Relay::pin(Session& session, link::Upstream& upstream, uint32_t own) {
  if (session.pin != nullptr) {
    if (session.pin->upstream() == upstream.number()) return PinResult::kPinned;
    session.wait = Wait::kAnswered;  // it is given back when what is in flight there is answered
    return PinResult::kWait;
  }
  if (!upstream.available()) return PinResult::kUnavailable;
  if (session.slots.in_flight() > own) {  // nothing of its own may be overtaken
    session.wait = Wait::kAnswered;
    return PinResult::kWait;
  }
  link::Link* link = upstream.take(link::LinkKind::kPinned, session.flavor, now_);
  if (link == nullptr) {
    const bool just_failed = upstream.has_free(link::LinkKind::kPinned, session.flavor);
    return just_failed ? PinResult::kUnavailable : PinResult::kAllLent;
  }
  if (link->state() == link::LinkState::kClosed) {
    if (upstream.pinned_opening() >= limits::kPinnedOpening) {
      upstream.give_back(*link);
      upstream.pin_waiters().push_back(session.id);
      if (session.blocked == nullptr) session.wait = Wait::kBackend;
      return PinResult::kWait;
    }
    open_link(*link);
  }
  link->owner = session.id;
  session.set_pin(link);
  return PinResult::kPinned;
}

std::string Relay::all_lent_error(const link::Upstream& upstream) {
  return "ERR all " + std::to_string(upstream.rules().pinned_connections) +
         " pinned_connections to backend " + upstream.label() +
         " are in use by blocked clients and transactions";
}

void Relay::unpin(Session& session) {
  session.holds_pin = false;
  if (session.pin != nullptr) release_if_idle(session, *session.pin);
}

bool Relay::keep_side_ready(const Session& session, link::Upstream& upstream) {
  if (!upstream.available()) return false;
  link::Link* link = upstream.take(link::LinkKind::kSide, session.flavor, now_);
  if (link == nullptr) return false;
  if (link->state() == link::LinkState::kClosed) open_link(*link);
  upstream.give_back(*link);
  return link->state() == link::LinkState::kReady;
}

link::Link* Relay::question_link(link::Upstream& upstream) {
  if (!upstream.available()) return nullptr;
  link::Link& link = upstream.main_link(link::Flavor::kResp2, 0);
  if (link.state() == link::LinkState::kClosed) {
    if (now_ < link.not_before()) return nullptr;
    open_link(link);
  }
  return link.pendings().size() < limits::kPendingPerLink ? &link : nullptr;
}

void Relay::append_fragment(link::Link& link, std::string_view bytes) {
  append_request(link, bytes.data(), bytes.size());
}

void Relay::forward_quietly(Session& session, link::Link& link, std::string_view bytes,
                            uint16_t database) {
  append_request(link, bytes.data(), bytes.size());
  push_pending(link, {.owner = session.id,
                      .detail = database,
                      .arrival = now_,
                      .kind = link::PendingKind::kDiscard});
}

// --- what waits on the server ---

void Relay::enter_blocked(Session& session) {
  session.wait = Wait::kBlocked;
  count_blocked(session, 1);
}

void Relay::forget_waiting(link::Link& link) {
  for (uint32_t i = 0; i < link.pendings().size(); ++i) {
    link.pendings()[i].kind = link::PendingKind::kDiscard;
  }
}

void Relay::count_blocked(const Session& session, int change) {
  pool(session.pool).counters.blocked += static_cast<uint64_t>(change);
  ++blocked_changes_;
}

bool Relay::end_unsent(Session& session, std::string_view reply) {
  link::Link& link = *session.pin;
  const link::Pending waiting = link.pendings().back();
  if (waiting.end <= link.requests().sent()) return false;
  for (uint32_t i = 0; i < link.pendings().size(); ++i) {  // EXEC, too, and what it would execute
    link::Pending& pending = link.pendings()[i];
    if (pending.slot == waiting.slot) pending.kind = link::PendingKind::kDiscard;
  }
  lose_pin(session);
  if (waiting.kind == link::PendingKind::kRound) {
    go_on_later(session);
  } else {
    if (waiting.shape == kSilent) reply = {};
    fill_slot(session, waiting.slot, reply.data(), reply.size(), true);
  }
  return true;
}

void Relay::forward_blocking(Session& session, std::string_view bytes, RequestTraits traits,
                             base::Instant until) {
  link::Link& link = *session.pin;
  forward(session, link, bytes.data(), bytes.size(), traits);
  link.pendings().back().is_blocking = true;
  link.pendings().back().arrival = until;
  enter_blocked(session);
}

void Relay::begin_rounds(Session& session, bool is_write) {
  session.blocked->slot = session.slots.open();
  if (is_write) {
    session.last_write_slot = session.blocked->slot;
    session.has_written = true;
  }
  session.blocked->is_silent = session.replies_off || std::exchange(session.skip_next_reply, false);
  ++pool(session.pool).counters.commands;
  enter_blocked(session);
}

void Relay::forward_round(Session& session, std::string_view bytes, RequestTraits traits) {
  link::Link& link = *session.pin;
  append_request(link, bytes.data(), bytes.size());
  upstream_of(link).counters.request_bytes += bytes.size();
  ++upstream_of(link).counters.requests;
  push_pending(link, {.owner = session.id,
                      .slot = session.blocked->slot,
                      .detail = traits.detail,
                      .arrival = now_,
                      .kind = link::PendingKind::kRound,
                      .opcode = traits.opcode,
                      .is_write = traits.is_write});
}

void Relay::forward_blocking_round(Session& session, std::string_view bytes, RequestTraits traits,
                                   base::Instant until) {
  forward_round(session, bytes, traits);
  session.pin->pendings().back().is_blocking = true;
  session.pin->pendings().back().arrival = until;
}

void Relay::end_rounds(Session& session, std::string_view reply) {
  const auto blocked = std::move(session.blocked);
  if (blocked->is_silent) reply = {};
  fill_slot(session, blocked->slot, reply.data(), reply.size(), true);
}

void Relay::go_on_later(Session& session) {
  if (session.runnable) return;
  session.runnable = true;
  runnable_.push_back(session.id);
  unsettled_ = true;
}

void Relay::ask_about(Session& session, link::Link& link, std::string_view bytes, uint32_t question,
                      uint32_t detail, uint16_t opcode) {
  append_request(link, bytes.data(), bytes.size());
  push_pending(link, {.owner = session.id,
                      .slot = question,
                      .detail = detail,
                      .arrival = now_,
                      .kind = link::PendingKind::kInternal,
                      .opcode = opcode});
}

// --- messages ---

void Relay::wake_questioner(base::SlabId id) {
  Session* session = find_live(id);
  if (session != nullptr && session->wait == Wait::kQuestion) make_runnable(*session);
}

// Between two replies: at once, if none has begun to leave; else behind those that are due.
void Relay::push(base::SlabId id, std::string_view message) {
  Session* session = find_live(id);
  if (session == nullptr) return;
  const char type = session->flavor == link::Flavor::kResp3 ? '>' : '*';
  message.remove_prefix(1);
  if (through_.session == session) settle_through();
  session::Subscriber& subscriber = *session->subscriber;
  const bool after_another =
      subscriber.has_queued && session->slots.is_open(subscriber.queued_slot);
  subscriber.has_queued = after_another || session->slots.front_has_begun();
  if (subscriber.has_queued) {
    const uint32_t slot = subscriber.queued_slot = session->slots.open();
    session->slots.fill(chunks_, slot, &type, 1, false, session->output);
    session->slots.fill(chunks_, slot, message.data(), message.size(), true, session->output);
  } else {
    session->output.append(chunks_, &type, 1);
    session->output.append(chunks_, message);
  }
  attend(*session);
  check_subscriber_output(*session);
}

void Relay::check_subscriber_output(Session& session) {
  const size_t unsent = session.output.size() + session.slots.held_bytes();
  base::Instant& slow_since = session.subscriber->slow_since;
  if (unsent <= limits::kSubscriberOutputForLong) {
    slow_since = base::kNever;
    return;
  }
  if (slow_since == base::kNever) slow_since = now_;
  const size_t most =
      std::min<size_t>(limits::kSubscriberOutput, pool(session.pool).plan->max_client_output);
  const bool for_long = now_ - slow_since > std::chrono::seconds(limits::kSubscriberLongSeconds);
  if (unsent > most || for_long) cut_off(session);
}

void Relay::end_session(base::SlabId id, std::string_view error) {
  Session* session = find_live(id);
  if (session == nullptr || session->closing) return;
  ++pool(session->pool).counters.own_errors;
  session->closing = true;
  session->wants_reading = false;
  fill_slot(*session, session->slots.open(), error.data(), error.size(), true);
}

void Relay::cut_off_subscriber(base::SlabId id) {
  if (Session* session = find_live(id)) cut_off(*session);
}

// --- asked again ---

void Relay::copy_request(link::Link& link, const link::Pending& pending, std::string& bytes) {
  base::ByteChain copy;
  link.requests().copy_range(chunks_, link.front_begin(), pending.end, copy);
  bytes.resize(copy.size());
  copy.copy_out(0, copy.size(), bytes.data());
  copy.clear(chunks_);
}

void Relay::forward_again(link::Link& link, link::Pending pending, std::string_view bytes) {
  append_request(link, bytes.data(), bytes.size());
  pending.is_retry = true;
  push_pending(link, pending);
}

void Relay::forward_fragment(Session& session, link::Link& link, Join& join, uint32_t fragment,
                             bool is_write) {
  if (is_write) {  // a part that is lost may have been executed
    session.last_write_slot = join.slot;
    session.has_written = true;
  }
  push_pending(link, {.owner = join.id,
                      .slot = fragment,
                      .detail = session.database,
                      .arrival = now_,
                      .kind = link::PendingKind::kFragment,
                      .is_write = is_write});
  ++upstreams_[link.upstream()]->counters.requests;
  join.fragments()[fragment].upstream = link.upstream();
  attend(link);
}

void Relay::ask(Session& session, link::Link& link, std::string_view bytes, uint32_t question) {
  append_request(link, bytes.data(), bytes.size());
  push_pending(link, {.owner = session.id,
                      .slot = question,
                      .detail = link.database(),
                      .arrival = now_,
                      .kind = link::PendingKind::kInternal});
  session.wait = Wait::kQuestion;
}

Join& Relay::open_join(Session& session, JoinKind kind, uint32_t fragments, bool is_silent) {
  Join& join = joins_.emplace();
  join.session = session.id;
  join.slot = session.slots.open();
  join.kind = kind;
  join.open_fragments = fragments;
  if (!free_join_memory_.empty()) {
    join.memory = std::move(free_join_memory_.back());
    free_join_memory_.pop_back();
  }
  join.memory.fragments.resize(fragments);
  join.is_silent = is_silent || session.replies_off || session.skip_next_reply;
  session.skip_next_reply = false;
  ++pool(session.pool).counters.commands;
  return join;
}

void Relay::ask_database(Session& session, link::Link& link, uint16_t database, uint32_t question) {
  scratch_.clear();
  redis::append_select(scratch_, database);
  append_request(link, scratch_.data(), scratch_.size());
  link.set_database(database);
  push_pending(link, {.owner = session.id,
                      .slot = question,
                      .detail = database,
                      .arrival = now_,
                      .kind = link::PendingKind::kInternal});
  session.wait = Wait::kQuestion;
}

// --- answers of the proxy's own ---

void Relay::reply(Session& session, std::string_view bytes) {
  ++pool(session.pool).counters.commands;
  if (session.replies_off || session.skip_next_reply) [[unlikely]] {
    session.skip_next_reply = false;
    bytes = {};
  }
  fill_slot(session, session.slots.open(), bytes.data(), bytes.size(), true);
}

void Relay::reply_always(Session& session, std::string_view bytes) {
  ++pool(session.pool).counters.commands;
  session.skip_next_reply = false;
  fill_slot(session, session.slots.open(), bytes.data(), bytes.size(), true);
}

}  // namespace quorate::relay
