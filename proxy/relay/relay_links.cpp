// The relay's backend side: replies to where they belong, and what becomes of requests that get
// none.
#include <algorithm>

#include "backends/memcached/handshake.h"
#include "backends/redis/handshake.h"
#include "proxy/relay/redis_dialect.h"
#include "proxy/relay/relay.h"
#include "proxy/relay/replication.h"

namespace quorate::relay {

using link::Link;
using link::LinkState;
using link::Pending;
using link::PendingKind;
using link::ReplyPiece;
using link::Upstream;

namespace {

bool is_redis(link::Flavor flavor) {
  return flavor == link::Flavor::kResp2 || flavor == link::Flavor::kResp3;
}

link::Greeting greeting_for(link::Flavor flavor, const link::Credentials& credentials) {
  return is_redis(flavor) ? redis::greeting(flavor, credentials)
                          : memcached::greeting(flavor, credentials);
}

link::GreetingVerdict judge_greeting(link::Flavor flavor, std::string_view reply) {
  return is_redis(flavor) ? redis::judge_greeting_reply(flavor, reply)
                          : memcached::judge_greeting_reply(flavor, reply);
}

}  // namespace

void Relay::open_link(Link& link) {
  link.open(now_, ++openings_);
  link.set_follows(pool_of(link).plan->follows_servers);
  links_to_open_.push_back(&link);
  if (link.kind() == link::LinkKind::kPinned) upstream_of(link).on_pinned_opening();
  note_deadline(now_ + upstreams_[link.upstream()]->rules().connect_timeout);
}

// Versioned requests travel on it, once its server has told that it is the process that was
// admitted.
bool Relay::is_versioned(const Link& link) {
  return link.kind() == link::LinkKind::kMain && link.flavor() == link::Flavor::kResp3 &&
         pool_of(link).plan->replicated;
}

void Relay::on_link_connected(Link& link, base::Instant now) {
  now_ = now;
  const BackendPlan& backend = *backends_[link.upstream()];
  const link::Credentials credentials{.user = backend.user,
                                      .password = backend.password,
                                      .database = backend.database,
                                      .readonly = backend.says_readonly};
  const auto greeting = is_versioned(link) ? Replication::greeting(credentials)
                                           : greeting_for(link.flavor(), credentials);
  link.on_connected(chunks_, greeting.bytes, greeting.replies);
  attend(link);
}

void Relay::on_link_sent(Link& link, size_t count, base::Instant now) {
  now_ = now;
  link.on_sent(chunks_, count);
  Upstream& upstream = *upstreams_[link.upstream()];
  if (!upstream.queue_waiters().empty() && link.requests().unsent() <= limits::kOutputHighWater / 2)
      [[unlikely]] {
    wake_queue_waiters(upstream);
    settle();
  }
}

void Relay::wake_queue_waiters(Upstream& upstream) { wake_waiters(upstream.queue_waiters()); }

// As many as may open a link now; they ask again, and find one that is free, or open it.
void Relay::wake_pin_waiters(Upstream& upstream) {
  const uint32_t opening = upstream.pinned_opening();
  uint32_t room = limits::kPinnedOpening > opening ? limits::kPinnedOpening - opening : 1;
  while (!upstream.pin_waiters().empty() && (room > 0 || !upstream.available())) {
    Session* session = find_live(upstream.pin_waiters().front());
    upstream.pin_waiters().pop_front();
    if (session == nullptr) continue;
    if (session->blocked != nullptr) {
      go_on_later(*session);
    } else if (session->wait == Wait::kBackend) {
      make_runnable(*session);
    } else {
      continue;
    }
    if (room > 0) --room;
  }
}

// --- replies ---

void Relay::on_link_bytes(Link& link, const char* begin, const char* end, base::Instant now) {
  now_ = now;
  upstreams_[link.upstream()]->counters.reply_bytes +=
      static_cast<size_t>(end - begin) - link.carry.size();
  may_borrow_ = true;
  read_link(link, begin, end);
  may_borrow_ = false;
  if (unsettled_) [[unlikely]]
    settle();
}

void Relay::read_link(Link& link, const char* begin, const char* end) {
  link.begin_bytes(begin, end);
  const uint64_t opening = link.opening();
  ReplyPiece piece;
  while (link.wants_reading) {
    const auto result = link.next_piece(piece);
    if (result == link::ReadResult::kMore) break;
    if (result == link::ReadResult::kBroken) return drop_link(link, LinkLoss::kProtocol);
    if (link.state() == LinkState::kHandshake) [[unlikely]] {
      on_greeting_reply(link, piece);
      if (link.opening() != opening || link.state() == LinkState::kClosed) return;
      continue;
    }
    if (link.piece_is_push()) [[unlikely]]
      continue;  // nobody subscribes through a shared link
    if (link.pendings().empty()) [[unlikely]] {
      if (!link.is_feed()) return drop_link(link, LinkLoss::kProtocol);
      subscriptions_->on_piece(link, piece);
      continue;
    }
    if (link.follows() && *piece.bytes == '-' && redirect(link, piece)) [[unlikely]] {
      if (link.opening() != opening || link.state() == LinkState::kClosed) return;
      continue;
    }
    deliver(link, piece);
    if (link.opening() != opening || link.state() == LinkState::kClosed) [[unlikely]]
      return;
  }
  link.end_bytes(chunks_);
  if (!link.in_large_reply()) [[likely]]
    return;
  link.note_progress(now_);
  // Its end is not in sight: nobody else is to wait for it.
  Upstream& upstream = upstream_of(link);
  if (!link.is_lent() && link.takes_requests() && !link.pendings().empty() &&
      link.pendings().front().kind == PendingKind::kDiscard &&
      upstream.retiring_count() < limits::kRetiringLinks) {
    upstream.retire(link);
  }
}

void Relay::on_greeting_reply(Link& link, const ReplyPiece& piece) {
  Upstream& upstream = *upstreams_[link.upstream()];
  if (!piece.whole()) return drop_link(link, LinkLoss::kProtocol);
  const auto verdict = is_versioned(link) ? Replication::judge_greeting(*backends_[link.upstream()],
                                                                        link, piece.view())
                                          : judge_greeting(link.flavor(), piece.view());
  if (!verdict.refusal.empty()) {
    upstream.last_refusal = verdict.refusal;
    return drop_link(link, LinkLoss::kRefused);
  }
  if (!verdict.server_version.empty()) upstream.server_version = verdict.server_version;
  if (verdict.client_id != 0) link.set_client_id(verdict.client_id);
  link.greeting_answered();
  if (link.greeting_replies_left() != 0) return;
  link.become_ready();
  if (upstream.removed()) [[unlikely]]
    upstream.retire(link);  // it does what it was opened for
  // What was queued meanwhile counts on the database it was queued for, beginning with 0.
  const bool was_down = upstream.down();
  upstream.on_ready();
  if (was_down) note_event(link.upstream(), LinkEvent::Kind::kUp, LinkLoss::kUnwanted);
  ++upstream.counters.connects;
  ++upstream.counters.connected;
  attend(link);
  if (link.kind() == link::LinkKind::kPinned) {
    upstream.on_pinned_opened();
    wake_pin_waiters(upstream);
  }
  if (!link.is_feed()) subscriptions_->revive(upstream);
}

void Relay::deliver(Link& link, const ReplyPiece& piece) {
  Pending& pending = link.pendings().front();
  switch (pending.kind) {
    case PendingKind::kReply: deliver_to_session(link, pending, piece); break;
    case PendingKind::kFragment: deliver_to_join(link, pending, piece); break;
    case PendingKind::kInternal: deliver_to_question(link, pending, piece); break;
    case PendingKind::kRound: deliver_round(link, pending, piece); break;
    case PendingKind::kVersioned: replication_->on_answer(link, pending, piece); break;
    case PendingKind::kDiscard: break;
  }
  if (piece.last && link.state() != LinkState::kClosed) finish_pending(link);
}

void Relay::deliver_to_session(Link& link, Pending& pending, const ReplyPiece& piece) {
  Session* session = find_live(pending.owner);
  if (session == nullptr) [[unlikely]] {
    pending.kind = PendingKind::kDiscard;
    return;
  }
  if (!piece.whole()) [[unlikely]]
    return deliver_large(link, pending, *session, piece);
  if (session->bulky > 0) [[unlikely]] {
    if (piece.size <= limits::kReadBytes / 2) --session->bulky;
  }
  if (pending.shape == 0) [[likely]] {
    fill_slot(*session, pending.slot, piece.bytes, piece.size, true);
  } else if (pending.shape != kRepeat ||
             !dialect_of(*session).repeat(*session, link, pending, piece.view())) {
    fill_shaped(*session, pending, piece);
  }
}

void Relay::fill_shaped(Session& session, Pending& pending, const ReplyPiece& piece) {
  if (is_hidden(session, pending, piece)) {
    fill_slot(session, pending.slot, nullptr, 0, true);
  } else {
    fill_slot(session, pending.slot, piece.bytes, piece.size, true);
  }
}

// True: the client is not to see this reply. A dialect's shape may change the first piece's bytes.
bool Relay::is_hidden(Session& session, Pending& pending, const ReplyPiece& piece) {
  if (pending.shape < kOwnShapes) return pending.shape == kSilent;
  if (!piece.first) return false;
  // The bytes are the worker's own buffer, or a carry: nobody else reads them.
  const bool seen = dialect_of(session).shape(pending, const_cast<char*>(piece.bytes), piece.size);
  if (!seen) pending.shape = kSilent;
  return !seen;
}

void Relay::finish_pending(Link& link) {
  Upstream& upstream = upstream_of(link);
  const Pending& pending = link.pendings().front();
  const bool is_upload = pending.is_upload;
  if (!pending.is_timed_out && !pending.is_blocking) [[likely]] {
    upstream.on_answer();
    ++upstream.counters.replies;
    upstream.counters.latency.record(now_ - pending.arrival);
  } else if (pending.is_blocking) {
    ++upstream.counters.replies;
  }
  --upstream.counters.in_flight;
  link.pop();
  if (link.is_lent()) [[unlikely]] {
    Session* session = find_live(link.owner);
    if (session != nullptr) {
      if (is_upload && session->large != nullptr && session->large->link == &link) {
        session->large->answered = true;
      }
      release_if_idle(*session, link);
    }
  }
  if (link.state() == LinkState::kRetiring && link.pendings().empty()) [[unlikely]] {
    drop_link(link, LinkLoss::kUnwanted);
    return;
  }
  if (!upstream.queue_waiters().empty() && link.pendings().size() <= limits::kPendingPerLink / 2)
      [[unlikely]] {
    wake_queue_waiters(upstream);
  }
}

// --- large replies ---
//
// On a side link they stream: the link is not read faster than its one client reads. On a main link
// nobody may wait for that client, so a large reply to a read is dropped there and asked again on a
// side link, which the session then prefers for a while; what cannot be asked again is held. While
// a reply comes that is dropped its link takes no more, unless a few are at that already: what is
// asked next goes to a new one.

void Relay::deliver_large(Link& link, Pending& pending, Session& session, const ReplyPiece& piece) {
  if (piece.first) {
    session.bulky = kBulkyFor;
    if (!link.is_lent() && link.announced() > limits::kHeldReplyBytes &&
        ask_again_aside(link, pending, session)) {
      pending.kind = PendingKind::kDiscard;
      return;
    }
  }
  if (is_hidden(session, pending, piece)) {
    if (piece.last) fill_slot(session, pending.slot, nullptr, 0, true);
    return;
  }
  const bool is_head = session.slots.is_head(pending.slot);
  if (is_head && may_borrow_ && piece.size >= kThroughBytes) {
    settle_through();
    through_ = {.session = &session, .link = nullptr, .bytes = piece.bytes, .size = piece.size};
    if (piece.last) {
      if (session.slots.holds_any()) settle_through();  // what was held comes behind it
      session.slots.advance(chunks_, session.output);
    } else {
      session.slots.begin_front();
    }
    after_fill(session);
  } else {
    fill_slot(session, pending.slot, piece.bytes, piece.size, piece.last);
  }
  link.mark_partly_delivered();
  link.note_progress(now_);
  if (link.is_lent() && !session.dead) update_flow(session, link);
}

void Relay::update_flow(Session& session, Link& lent) {
  const size_t most = lent.wants_reading ? limits::kOutputHighWater : limits::kOutputHighWater / 2;
  bool wants = session.output.size() <= most;
  if (wants && lent.in_large_reply()) {
    const Pending& front = lent.pendings().front();
    wants = front.kind != PendingKind::kReply || session.slots.is_head(front.slot) ||
            session.slots.held_bytes() <= limits::kOutputHighWater;
  }
  if (wants == lent.wants_reading) return;
  lent.wants_reading = wants;
  attend(lent);
  if (!wants) return;
  const base::Duration limit = upstream_of(lent).rules().request_timeout;
  if (limit > base::Duration::zero()) note_deadline(now_ + limit);
  if (!lent.carry.empty()) {
    resumable_links_.push_back(&lent);
    unsettled_ = true;
  }
}

// A large reply may take its time as long as it moves; and while it is the client that does not
// take it the server is not to blame. Others' requests behind it wait with it, though not for ever.
base::Instant Relay::deadline_of(const Pending& pending, const Link& link) const {
  const base::Duration patience = std::chrono::seconds(limits::kSlowReaderSeconds);
  base::Duration limit = upstream_of(link).rules().request_timeout;
  if (!link.is_lent()) {
    return std::clamp(link.progress(), pending.arrival, pending.arrival + patience) + limit;
  }
  if (link.in_large_reply() && !link.wants_reading) limit = std::max(limit, patience);
  return std::max(pending.arrival, link.progress()) + limit;
}

// What stands still stands still because of its client: one that does not take a large reply, or
// that owes the rest of an upload of which the server has all that came.
bool Relay::waits_for_client(const Link& link) {
  if (!link.is_lent() || link.pendings().empty()) return false;
  if (link.in_large_reply()) return !link.wants_reading;
  if (!link.pendings().front().is_upload || link.unsent() > 0) return false;
  const Session* session = find_live(link.owner);
  return session != nullptr && session->large != nullptr && session->large->link == &link;
}

bool Relay::ask_again_aside(Link& link, const Pending& pending, Session& session) {
  const bool later_write =
      session.has_written && static_cast<int32_t>(session.last_write_slot - pending.slot) > 0;
  Upstream& upstream = *upstreams_[link.upstream()];
  // A session is asked aside by one backend at a time: it has one side link.
  const auto here = std::ranges::count_if(upstream.deferred(), [&](const link::DeferredAsk& ask) {
    return ask.pending.owner == session.id;
  });
  const bool is_aside_elsewhere =
      session.deferred != here ||
      (session.side != nullptr &&
       (session.side->upstream() != link.upstream() || session.side->flavor() != link.flavor()));
  if (pending.is_write || pending.is_retry || later_write || is_aside_elsewhere ||
      session.deferred == UINT16_MAX) {
    return false;
  }
  link::DeferredAsk ask;
  ask.pending = pending;
  ask.pending.is_retry = true;
  ask.pending.arrival = now_;  // the server has answered in time
  link.requests().copy_range(chunks_, link.front_begin(), pending.end, ask.bytes);
  ++upstream.counters.retried;
  ++session.deferred;
  upstream.deferred().push_back(std::move(ask));
  serve_side_waiters(upstream);
  return true;
}

void Relay::serve_side_waiters(Upstream& upstream) {
  while (!upstream.deferred().empty()) {
    link::DeferredAsk& ask = upstream.deferred().front();
    Session* session = find_live(ask.pending.owner);
    if (session != nullptr) {
      Link* side = session->side;
      if (side == nullptr) {
        side = upstream.take(link::LinkKind::kSide, session->flavor, now_);
        if (side == nullptr) return;
        side->owner = session->id;
        session->set_side(side);
        if (side->state() == LinkState::kClosed) open_link(*side);
      }
      --session->deferred;
      if (is_redis(side->flavor())) {
        select_database(*side, static_cast<uint16_t>(ask.pending.detail));
      }
      side->requests().append(chunks_, ask.bytes);
      ask.pending.arrival = now_;
      push_pending(*side, ask.pending);
      attend(*side);
      if (session->wait != Wait::kNone) resume_if_possible(*session);
    }
    ask.bytes.clear(chunks_);
    upstream.deferred().pop_front();
  }
  while (!upstream.side_waiters().empty()) {
    Session* session = sessions_.find(upstream.side_waiters().front());
    if (session != nullptr && session->wait == Wait::kSideLink) {
      if (!upstream.has_free(link::LinkKind::kSide, session->flavor)) return;
      make_runnable(*session);  // it takes the link when it runs
      upstream.side_waiters().pop_front();
      return;  // the next one is served when that link is given back
    }
    upstream.side_waiters().pop_front();
  }
}

void Relay::release_if_idle(Session& session, Link& lent) {
  if (!lent.pendings().empty()) return;
  if (session.large != nullptr && session.large->link == &lent) return;
  if (&lent == session.pin && session.holds_pin) return;
  Upstream& upstream = upstream_of(lent);
  if (upstream.removed()) return drop_link(lent, LinkLoss::kUnwanted);
  if (&lent == session.pin) {
    session.set_pin(nullptr);
  } else {
    session.set_side(nullptr);
  }
  if (!lent.wants_reading) {  // it was not read for the sake of this client
    lent.wants_reading = true;
    attend(lent);
    if (!lent.carry.empty()) resumable_links_.push_back(&lent);
  }
  upstream.give_back(lent);
  serve_side_waiters(upstream);
  if (!upstream.pin_waiters().empty()) [[unlikely]]
    wake_pin_waiters(upstream);
}

// --- joins and questions ---

void Relay::deliver_to_join(Link& link, Pending& pending, const ReplyPiece& piece) {
  Join* join = joins_.find(pending.owner);
  if (join == nullptr) {
    pending.kind = PendingKind::kDiscard;
    return;
  }
  Fragment& fragment = join->fragments()[pending.slot];
  if (fragment.end == FragmentEnd::kOpen) {
    Session* session = find_live(join->session);
    join->held_bytes += piece.size;
    if (session == nullptr || join->held_bytes > pool_of(link).plan->max_split) {
      fragment.reply = {};
      fragment.end = FragmentEnd::kTooLarge;
    } else {
      fragment.reply.append(piece.bytes, piece.size);
    }
    if (session != nullptr) hold_joined(*session, *join, piece.size);
  }
  if (!piece.last) return;
  if (fragment.end == FragmentEnd::kOpen) fragment.end = FragmentEnd::kAnswered;
  if (--join->open_fragments == 0) finish_join(*join);
}

// One reply may be as large as max_split; what else is held for the client may not.
void Relay::hold_joined(Session& session, const Join& join, size_t count) {
  session.joined_bytes += count;
  const size_t held = session.joined_bytes + session.output.size() + session.slots.held_bytes();
  if (held - join.held_bytes > pool(session.pool).plan->max_client_output) cut_off(session);
}

void Relay::finish_join(Join& join) {
  Session* session = find_live(join.session);
  if (session != nullptr) {
    session->joined_bytes -= join.held_bytes;
    base::ByteChain rendered;
    dialect_of(*session).render_join(*session, join, rendered);
    if (join.is_silent) rendered.clear(chunks_);
    if (through_.session == session) settle_through();
    session->slots.fill(chunks_, join.slot, rendered, true, session->output);
    after_fill(*session);
  }
  if (free_join_memory_.size() < kKeptJoinMemory) {
    for (Fragment& fragment : join.fragments()) {
      fragment.end = FragmentEnd::kOpen;
      if (fragment.reply.capacity() > limits::kReadBytes) fragment.reply = {};
      fragment.reply.clear();
    }
    join.memory.order.clear();
    join.memory.keys.clear();
    join.memory.key_sizes.clear();
    free_join_memory_.push_back(std::move(join.memory));
  }
  joins_.erase(join.id);
}

void Relay::deliver_to_question(Link& link, Pending& pending, const ReplyPiece& piece) {
  if (!piece.whole()) return;  // no question of ours has such an answer: it is dropped
  Session* session = find_live(pending.owner);
  redis_->on_answer(session, upstream_of(link), pending, piece.view());
  if (session != nullptr && session->wait == Wait::kQuestion) make_runnable(*session);
}

// A step of a blocked command: the dialect says whether its answer is the command's.
void Relay::deliver_round(Link& link, Pending& pending, ReplyPiece piece) {
  Session* session = find_live(pending.owner);
  if (session == nullptr || session->blocked == nullptr) {
    pending.kind = PendingKind::kDiscard;
    return;
  }
  const auto part = redis_->on_round(*session, pending, piece);
  if (!part.is_reply) {
    if (!piece.last) pending.kind = PendingKind::kDiscard;
    return;
  }
  pending.kind = PendingKind::kReply;
  pending.shape = session->blocked->is_silent ? kSilent : kAsIs;
  session->blocked.reset();
  piece.bytes += part.without;
  piece.size -= part.without;
  deliver_to_session(link, pending, piece);
}

void Relay::select_database(Link& link, uint16_t database) {
  if (link.database() == database) [[likely]]
    return;
  std::string& text = scratch_;
  text.clear();
  const BackendPlan& backend = *backends_[link.upstream()];
  redis::append_select(text, database == 0 ? backend.database : database);
  append_request(link, text.data(), text.size());
  push_pending(link, {.detail = database, .arrival = now_, .kind = PendingKind::kDiscard});
  link.set_database(database);
}

// --- for Replication ---

Link* Relay::versioned_link(Upstream& upstream) {
  if (!upstream.available()) return nullptr;
  Link& link = upstream.main_link(link::Flavor::kResp3, 0);
  if (link.state() == LinkState::kClosed) {
    if (now_ < link.not_before()) return nullptr;
    open_link(link);
  }
  return link.has_room() ? &link : nullptr;
}

void Relay::send_versioned(Link& link, std::string_view bytes, base::SlabId question,
                           uint32_t replies) {
  append_request(link, bytes.data(), bytes.size());
  Upstream& upstream = upstream_of(link);
  upstream.counters.request_bytes += bytes.size();
  ++upstream.counters.requests;
  // Each ends where the last command ends: none of them counts as sent before all are.
  for (; replies > 0; --replies) {
    push_pending(
        link,
        {.owner = question, .arrival = now_, .kind = PendingKind::kVersioned, .is_write = true});
  }
}

uint32_t Relay::open_slot(Session& session, bool& is_silent) {
  ++pool(session.pool).counters.commands;
  is_silent = session.replies_off || std::exchange(session.skip_next_reply, false);
  return session.slots.open();
}

void Relay::answer_slot(base::SlabId id, uint32_t slot, std::string_view reply) {
  Session* session = find_live(id);
  if (session != nullptr) fill_slot(*session, slot, reply.data(), reply.size(), true);
}

void Relay::on_tried(base::SlabId id, bool got_nothing, std::string_view reply) {
  Session* session = find_live(id);
  if (session == nullptr || session->blocked == nullptr) return;
  redis_->on_tried(*session, got_nothing, reply);
}

void Relay::wake_blocked(base::SlabId id, bool now) {
  Session* session = find_live(id);
  if (session == nullptr || session->blocked == nullptr) return;
  if (now) session->blocked->again_at = now_;
  go_on_later(*session);
}

void Relay::answer_fragment(base::SlabId id, uint32_t number, std::string_view reply) {
  Join* join = joins_.find(id);
  if (join == nullptr) return;
  Fragment& fragment = join->fragments()[number];
  fragment.reply = reply;
  fragment.end = FragmentEnd::kAnswered;
  if (--join->open_fragments == 0) finish_join(*join);
}

void Relay::wake_waiters(std::vector<base::SlabId>& waiters) {
  for (const base::SlabId id : waiters) {
    Session* session = sessions_.find(id);
    if (session != nullptr && session->wait == Wait::kBackend) make_runnable(*session);
  }
  waiters.clear();
}

// --- the end of a link ---

void Relay::on_link_closed(Link& link, LinkLoss loss, base::Instant now) {
  now_ = now;
  drop_link(link, loss);
  settle();
}

void Relay::drop_link(Link& link, LinkLoss loss) {
  if (link.state() == LinkState::kClosed) return;
  Upstream& upstream = upstream_of(link);
  const LinkState state = link.state();
  const bool served = state == LinkState::kReady || state == LinkState::kRetiring;
  const bool wanted = loss == LinkLoss::kUnwanted;
  const bool was_down = upstream.down();
  if (served) --upstream.counters.connected;
  if (!served && link.kind() == link::LinkKind::kPinned) upstream.on_pinned_opened();
  // Nobody waited for it: a server that is busy for so long is not failing for that.
  const bool was_ahead_of_need =
      !served && loss == LinkLoss::kTimedOut && link.is_lent() && link.owner == base::SlabId{};
  if (was_ahead_of_need) {
    link.set_not_before(now_ + upstream.rules().backoff_max);
  } else if (!wanted) {
    ++(served ? upstream.counters.connections_lost : upstream.counters.connect_failures);
    if (!served || now_ - link.since() < kYoungLink) {
      upstream.on_failure(link, now_, random_);
    } else {
      ++upstream.counters.failures_in_a_row;
    }
    const auto kind = upstream.down() && !was_down ? LinkEvent::Kind::kDown
                      : served                     ? LinkEvent::Kind::kLost
                                                   : LinkEvent::Kind::kFailed;
    note_event(link.upstream(), kind, loss);
  }

  if (through_.link == &link) through_ = {};
  const bool may_retry = served && state != LinkState::kRetiring && !link.is_lent() &&
                         upstream.available() && now_ >= link.not_before();
  std::vector<Pending> again;
  base::ByteChain bytes;
  end_requests(link, may_retry, again, bytes);

  Session* owner = link.is_lent() ? find_live(link.owner) : nullptr;
  link.close(chunks_);
  if (link.io != nullptr) {
    link.wants_close = true;
    attend(link);
  }
  if (link.is_lent()) {
    if (owner != nullptr) lose_lent(*owner, link);
    if (link.owner != base::SlabId{}) upstream.give_back(link);  // else it lay idle
  } else if (link.is_feed()) {
    const bool misses = !wanted && served;
    subscriptions_->on_feed_lost(upstream, misses);
  } else if (state == LinkState::kRetiring) {
    // Upstream::forget_closed() has the last word once the io layer is done with it.
  } else if (!again.empty()) {
    requeue(link, again, bytes);
  } else if (upstream.available() && upstream.rules().preconnect && now_ >= link.not_before()) {
    open_link(link);
  }

  if (!upstream.available()) refuse_waiters(upstream);
  if (upstream.down()) note_deadline(upstream.retry_at());
  serve_side_waiters(upstream);
  wake_queue_waiters(upstream);
  if (!upstream.pin_waiters().empty()) wake_pin_waiters(upstream);
}

void Relay::lose_lent(Session& session, Link& lent) {
  if (session.large != nullptr && session.large->link == &lent) {
    session.large->link = nullptr;
    session.large->sink = session::LargeInput::Sink::kNowhere;
  }
  if (&lent == session.pin) {
    session.set_pin(nullptr);
    if (std::exchange(session.holds_pin, false)) dialect_of(session).on_pin_lost(session);
  } else {
    session.set_side(nullptr);
  }
  if (session.wait != Wait::kNone) resume_if_possible(session);
}

void Relay::refuse_waiters(Upstream& upstream) {
  auto deferred = std::move(upstream.deferred());
  upstream.deferred().clear();
  for (link::DeferredAsk& ask : deferred) {
    ask.bytes.clear(chunks_);
    if (Session* session = find_live(ask.pending.owner)) --session->deferred;
    end_request(upstream, ask.pending, RequestEnd::kNotExecuted);
  }
  auto waiters = std::move(upstream.side_waiters());
  upstream.side_waiters().clear();
  for (const base::SlabId id : waiters) {
    Session* session = sessions_.find(id);
    if (session != nullptr && session->wait == Wait::kSideLink) make_runnable(*session);
  }
}

void Relay::expire_deferred(Upstream& upstream) {
  const base::Duration timeout = upstream.rules().request_timeout;
  if (timeout == base::Duration::zero()) return;
  auto& deferred = upstream.deferred();
  while (!deferred.empty()) {
    const Pending pending = deferred.front().pending;
    if (pending.arrival + timeout > now_) return note_deadline(pending.arrival + timeout);
    deferred.front().bytes.clear(chunks_);
    deferred.pop_front();
    if (Session* session = find_live(pending.owner)) --session->deferred;
    end_request(upstream, pending, RequestEnd::kTimedOut);
  }
}

Session* Relay::session_of(const Pending& pending) {
  if (pending.kind == PendingKind::kReply) return find_live(pending.owner);
  if (pending.kind != PendingKind::kFragment) return nullptr;
  Join* join = joins_.find(pending.owner);
  return join != nullptr ? find_live(join->session) : nullptr;
}

// The front's reply will not come to its end. Its beginning is taken back if it is still held for
// its turn; once it is on its way to the client nothing can be put in its place.
void Relay::spoil_front(Link& link) {
  if (!link.partly_delivered() || link.pendings().empty()) return;
  const Pending& front = link.pendings().front();
  Session* session = front.kind == PendingKind::kReply ? find_live(front.owner) : nullptr;
  if (session == nullptr) return;
  if (!session->slots.take_back(chunks_, front.slot)) break_off(*session);
}

void Relay::end_requests(Link& link, bool may_retry, std::vector<Pending>& again,
                         base::ByteChain& bytes) {
  auto& pendings = link.pendings();
  const auto& requests = link.requests();
  Upstream& upstream = *upstreams_[link.upstream()];
  upstream.counters.in_flight -= pendings.size();

  // A read may be asked again only if no later write of its session is in doubt: it would see it.
  ++loss_number_;
  for (uint32_t i = pendings.size(); i-- > 0;) {
    Pending& pending = pendings[i];
    Session* session = session_of(pending);
    if (session == nullptr) continue;
    const bool sent = pending.end <= requests.sent();
    if (sent && pending.is_write) session->loss_number = loss_number_;
    if (sent && session->loss_number == loss_number_) pending.is_retry = true;
  }

  spoil_front(link);

  uint64_t begin = link.front_begin();
  for (uint32_t i = 0; i < pendings.size(); ++i) {
    const Pending& pending = pendings[i];
    const uint64_t first = std::exchange(begin, std::min(pending.end, requests.end()));
    if (pending.kind == PendingKind::kDiscard) continue;
    const bool sent = pending.end <= requests.sent();
    const bool kept = first >= requests.kept() && !pending.is_upload;
    const bool is_wanted = !pending.is_write && !pending.is_retry && session_of(pending) != nullptr;
    const bool is_own =
        pending.kind == PendingKind::kInternal || pending.kind == PendingKind::kVersioned;
    const bool repeatable = kept && !is_own && !pending.is_timed_out && (!sent || is_wanted);
    if (may_retry && repeatable) {
      requests.copy_range(chunks_, first, begin, bytes);
      again.push_back(pending);
      again.back().end = begin - first;  // for now: its length
      if (sent) {
        again.back().is_retry = true;
        ++upstream.counters.retried;
      }
    } else {
      end_request(upstream, pending,
                  !sent              ? RequestEnd::kNotExecuted
                  : pending.is_write ? RequestEnd::kUnknown
                                     : RequestEnd::kNotExecuted);
    }
  }
}

void Relay::requeue(Link& link, const std::vector<Pending>& again, base::ByteChain& bytes) {
  open_link(link);
  for (Pending pending : again) {
    if (is_redis(link.flavor())) select_database(link, static_cast<uint16_t>(pending.detail));
    base::ByteChain one;
    const size_t length = static_cast<size_t>(pending.end);
    bytes.append_range_to(chunks_, 0, length, one);
    bytes.consume(chunks_, length);
    link.requests().append(chunks_, one);
    push_pending(link, pending);
  }
}

void Relay::end_request(Upstream& upstream, const Pending& pending, RequestEnd end) {
  switch (end) {
    case RequestEnd::kNotExecuted: ++upstream.counters.unavailable; break;
    case RequestEnd::kTimedOut: ++upstream.counters.timed_out; break;
    case RequestEnd::kUnknown: ++upstream.counters.unknown; break;
  }
  switch (pending.kind) {
    case PendingKind::kReply: {
      Session* session = find_live(pending.owner);
      if (session == nullptr) return;
      scratch_.clear();
      if (pending.shape != kSilent) {
        dialect_of(*session).append_end(scratch_, upstream, pending, end);
      }
      ++pool(session->pool).counters.own_errors;
      fill_slot(*session, pending.slot, scratch_.data(), scratch_.size(), true);
      return;
    }
    case PendingKind::kFragment: {
      Join* join = joins_.find(pending.owner);
      if (join == nullptr) return;
      Fragment& fragment = join->fragments()[pending.slot];
      fragment.reply.clear();
      fragment.end = end == RequestEnd::kNotExecuted ? FragmentEnd::kNotExecuted
                     : end == RequestEnd::kTimedOut  ? FragmentEnd::kTimedOut
                                                     : FragmentEnd::kUnknown;
      if (--join->open_fragments == 0) finish_join(*join);
      return;
    }
    case PendingKind::kInternal: {
      Session* session = find_live(pending.owner);
      if (session == nullptr) return;
      dialect_of(*session).on_no_answer(*session, upstream, pending);
      if (session->wait == Wait::kQuestion) make_runnable(*session);
      return;
    }
    case PendingKind::kRound: {
      Session* session = find_live(pending.owner);
      if (session == nullptr || session->blocked == nullptr) return;
      scratch_.clear();
      redis_->append_end(scratch_, upstream, pending, end);
      ++pool(session->pool).counters.own_errors;
      end_rounds(*session, scratch_);
      return;
    }
    case PendingKind::kVersioned:
      return replication_->on_lost(pending, end == RequestEnd::kNotExecuted);
    case PendingKind::kDiscard: return;
  }
}

// --- time-outs ---

void Relay::expire_link(Upstream& upstream, Link& link) {
  const auto& rules = upstream.rules();
  auto& pendings = link.pendings();
  const bool limited = rules.request_timeout > base::Duration::zero();
  if (link.state() == LinkState::kConnecting || link.state() == LinkState::kHandshake) {
    base::Instant deadline = link.since() + rules.connect_timeout;
    if (limited && !pendings.empty() && pendings.front().arrival != base::kNever) {
      deadline = std::min(deadline, pendings.front().arrival + rules.request_timeout);
    }
    if (deadline <= now_) return drop_link(link, LinkLoss::kTimedOut);
    return note_deadline(deadline);
  }
  if (!limited) return;
  if (waits_for_client(link)) {
    const base::Instant deadline = deadline_of(pendings.front(), link);
    if (deadline <= now_)
      return drop_link(link, LinkLoss::kUnwanted);  // no failure of the server's
    return note_deadline(deadline);
  }

  bool expired = false;
  bool live = false;
  bool all_sent = true;
  for (uint32_t i = 0; i < pendings.size(); ++i) {
    Pending& pending = pendings[i];
    if (pending.is_timed_out) continue;
    if (pending.is_blocking && pending.arrival == base::kNever) break;
    const base::Instant deadline = deadline_of(pending, link);
    if (deadline > now_) {
      note_deadline(deadline);
      live = true;
      break;
    }
    expired = true;
    const bool sent = pending.end <= link.requests().sent();
    all_sent = all_sent && sent;
    expire(upstream, link, pending, sent);
  }
  if (!expired) return;
  upstream.on_timeout();
  note_event(link.upstream(), LinkEvent::Kind::kFailed, LinkLoss::kStuck);
  // What was called "not executed" must not be sent later: then the connection has to go, and so it
  // does when nobody waits for it any more. Else it only takes no more, so that those whose time is
  // not up may still be answered.
  if (link.is_lent() || !live || !all_sent) return drop_link(link, LinkLoss::kStuck);
  if (link.takes_requests()) upstream.retire(link);
}

void Relay::expire(Upstream& upstream, Link& link, Pending& pending, bool sent) {
  pending.is_timed_out = true;
  if (&pending == &link.pendings().front()) spoil_front(link);
  end_request(upstream, pending,
              !sent              ? RequestEnd::kNotExecuted
              : pending.is_write ? RequestEnd::kUnknown
                                 : RequestEnd::kTimedOut);
  pending.kind = PendingKind::kDiscard;
}

}  // namespace quorate::relay
