// What servers that know better than the plan say in place of a reply, in pools that follow them
// (PoolPlan::follows_servers). A client sees none of it:
//
//   MOVED, ASK       the request goes on to the server that was named, behind what its client asked
//                    there; the control thread is told to look again at who has which slot
//   TRYAGAIN, CLUSTERDOWN, READONLY; MOVED to a server nobody knows; MOVED a second time
//                    the request is held and asked again, until it was for request_timeout
//
// All of them were certainly not executed, so writes may be repeated. While a request of a session
// is held its later commands wait, and so they do when a new plan finds some in flight: commands of
// one client on one key take effect in the order sent, wherever the key goes.
//
// What is bound to one connection cannot move: a transaction there is refused with -TRYAGAIN, and
// begins anew at the right place when the client tries again.
#include <algorithm>

#include "backends/redis/redirection.h"
#include "proxy/relay/redis_dialect.h"
#include "proxy/relay/relay.h"

namespace quorate::relay {

using link::Link;
using link::LinkState;
using link::Pending;
using link::PendingKind;
using link::ReplyPiece;
using link::Upstream;
using redis::Redirection;

namespace {

constexpr std::string_view kMovedAway =
    "-TRYAGAIN the key's slot has moved to another node: try again\r\n";
constexpr std::string_view kAsking = "*1\r\n$6\r\nASKING\r\n";
constexpr std::chrono::milliseconds kPause{20};
/// Where request_timeout sets no limit.
constexpr std::chrono::seconds kLongest{30};
/// So often is the control thread told.
constexpr std::chrono::milliseconds kNoteEvery{50};

bool names_server(const Redirection& to) {
  return to.kind == Redirection::Kind::kMoved || to.kind == Redirection::Kind::kAsk;
}

}  // namespace

/// True: the reply was none, and has been dealt with.
bool Relay::redirect(Link& link, const ReplyPiece& piece) {
  if (!piece.whole()) return false;
  const Redirection to = redis::redirection_of(piece.view());
  if (to.kind == Redirection::Kind::kNone) return false;
  Upstream& upstream = upstream_of(link);
  if (to.kind == Redirection::Kind::kNotHere && !is_replica(upstream)) return false;
  if (now_ - moved_noted_ >= kNoteEvery) {
    moved_noted_ = now_;
    note_event(upstream.number(), LinkEvent::Kind::kMoved, LinkLoss::kUnwanted);
  }
  const Pending pending = link.pendings().front();
  if (pending.kind == PendingKind::kRound ||
      (link.kind() == link::LinkKind::kPinned && !pending.is_blocking)) {
    return names_server(to) && refuse_on_pin(link, pending);
  }
  Session* session = session_of(pending);
  if (session == nullptr) return false;
  if (pending.is_upload || link.front_begin() >= pending.end) {  // its bytes are not kept
    return names_server(to) && refuse_on_pin(link, pending);
  }
  base::ByteChain bytes;
  link.requests().copy_range(chunks_, link.front_begin(), pending.end, bytes);
  const std::string answer(names_server(to) ? kMovedAway : piece.view());
  Upstream* target = nullptr;
  if (names_server(to)) {
    const BackendPlan& own = *backends_[link.upstream()];
    target = server_at(*pool_of(link).plan, to.host.empty() ? own.host : to.host, to.port);
  }
  finish_pending(link);
  // Nodes that send each other's clients back and forth are to do so slowly.
  const bool asks = to.kind == Redirection::Kind::kAsk;
  const bool at_once = (asks || !pending.is_retry) && session->deferred == 0;
  if (target != nullptr && at_once && send_again(*session, *target, pending, bytes, asks)) {
    return true;
  }
  hold_request(*session, {.pending = pending,
                          .bytes = std::move(bytes),
                          .upstream = upstream.number(),
                          .retry_at = now_ + kPause,
                          .answer = answer});
  return true;
}

bool Relay::refuse_on_pin(Link& link, const Pending& pending) {
  Session* session = find_live(pending.owner);
  deliver(link,
          {.bytes = kMovedAway.data(), .size = kMovedAway.size(), .first = true, .last = true});
  if (session != nullptr && pending.kind == PendingKind::kReply) redis_->on_pin_moved(*session);
  return true;
}

/// False: not now; the bytes are still the caller's.
bool Relay::send_again(Session& session, Upstream& upstream, Pending pending,
                       base::ByteChain& bytes, bool asking) {
  if (!upstream.available()) return false;
  Link* link = nullptr;
  if (pending.is_blocking) {
    const Wait wait = session.wait;
    const auto result = pin(session, upstream, session.slots.in_flight());
    session.wait = wait;  // it waits for the reply, whatever pin() would have it wait for
    if (result != PinResult::kPinned) return false;
    link = session.pin;
  } else {
    link = &upstream.main_link(session.flavor, session.id.place);
    if (link->state() == LinkState::kClosed) {
      if (now_ < link->not_before()) return false;
      open_link(*link);
    }
    if (!link->has_room()) return false;
    pending.arrival = now_;
  }
  pending.is_retry = true;
  select_database(*link, static_cast<uint16_t>(pending.detail));
  if (asking) {
    append_request(*link, kAsking.data(), kAsking.size());
    push_pending(*link, {.detail = link->database(), .arrival = now_});
  }
  if (through_.link == link) settle_through();
  link->requests().append(chunks_, bytes);
  push_pending(*link, pending);
  ++upstream.counters.requests;
  ++upstream.counters.retried;
  if (pending.kind == PendingKind::kFragment) {
    if (Join* join = joins_.find(pending.owner)) {
      join->fragments()[pending.slot].upstream = upstream.number();
    }
  }
  attend(*link);
  return true;
}

void Relay::hold_request(Session& session, HeldRequest held) {
  const base::Duration timeout = upstreams_[held.upstream]->rules().request_timeout;
  const base::Duration limit = timeout > base::Duration::zero() ? timeout : kLongest;
  const size_t size = held.bytes.size();
  if (held.pending.opcode * kPause >= limit || session.deferred == UINT16_MAX ||
      held_.size() >= limits::kHeldRequests || held_bytes_ + size > limits::kHeldRequestBytes) {
    return end_held(held);
  }
  ++held.pending.opcode;
  ++session.deferred;
  held_bytes_ += size;
  note_deadline(held.retry_at);
  held_.push_back(std::move(held));
}

void Relay::end_held(HeldRequest& held) {
  held.bytes.clear(chunks_);
  const Pending& pending = held.pending;
  if (pending.kind == PendingKind::kFragment) {
    Join* join = joins_.find(pending.owner);
    if (join == nullptr) return;
    Fragment& fragment = join->fragments()[pending.slot];
    fragment.reply = held.answer;
    fragment.end = FragmentEnd::kAnswered;
    if (--join->open_fragments == 0) finish_join(*join);
  } else if (Session* session = find_live(pending.owner)) {
    const size_t size = pending.shape == kSilent ? 0 : held.answer.size();
    fill_slot(*session, pending.slot, held.answer.data(), size, true);
  }
}

/// Those whose time has come, or all of them: in the order in which they came, for each session.
void Relay::ask_held_again(bool all) {
  if (held_.empty()) return;
  auto waiting = std::exchange(held_, {});
  held_bytes_ = 0;
  std::vector<base::SlabId> behind;  // sessions one of whose requests is held on
  std::string text;
  for (HeldRequest& held : waiting) {
    Session* session = session_of(held.pending);
    if (session == nullptr) {
      end_held(held);
      continue;
    }
    const bool due = all || held.retry_at <= now_;
    if (!due || std::ranges::find(behind, session->id) != behind.end()) {
      behind.push_back(session->id);
      held_bytes_ += held.bytes.size();
      note_deadline(std::max(held.retry_at, now_));
      held_.push_back(std::move(held));
      continue;
    }
    --session->deferred;
    text.resize(held.bytes.size());
    held.bytes.copy_out(0, text.size(), text.data());
    Upstream* home = redis_->home_of(pool(session->pool), text);
    if (home == nullptr) home = upstreams_[held.upstream].get();
    if (send_again(*session, *home, held.pending, held.bytes, false)) continue;
    behind.push_back(session->id);
    held.retry_at = now_ + kPause;
    hold_request(*session, std::move(held));
  }
}

Upstream* Relay::server_at(const PoolPlan& plan, std::string_view host, uint16_t port) {
  const auto is_it = [&](cluster::BackendId id) {
    const BackendPlan& backend = *backends_[id];
    return backend.port == port && backend.host == host;
  };
  for (const cluster::BackendId member : plan.members) {
    if (is_it(member)) return upstreams_[member].get();
  }
  for (const auto& replicas : plan.replicas) {
    for (const cluster::BackendId replica : replicas) {
      if (is_it(replica)) return upstreams_[replica].get();
    }
  }
  return nullptr;
}

bool Relay::is_replica(const Upstream& upstream) const {
  const PoolPlan& plan = *pools_[upstream.pool()]->plan;
  return std::ranges::any_of(plan.replicas, [&](const auto& replicas) {
    return std::ranges::find(replicas, upstream.number()) != replicas.end();
  });
}

/// The pool's keys may have other owners now.
void Relay::settle_sessions(cluster::PoolId id) {
  sessions_.for_each([id](Session& session) {
    if (session.pool == id && session.slots.in_flight() != 0) session.unsettled = true;
  });
}

}  // namespace quorate::relay
