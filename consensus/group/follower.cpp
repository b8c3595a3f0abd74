#include "consensus/group/follower.h"

#include <algorithm>
#include <utility>

#include "consensus/base/assert.h"
#include "consensus/group/follower_state.h"

namespace quorate::group {
namespace {

using Reason = Refused::Reason;

constexpr Duration kSessionRetryInterval = std::chrono::milliseconds(200);

}  // namespace

Follower::State::State(Self process, const Options& options, std::vector<std::string> voters,
                       uint64_t seed, Instant now)
    : process_(std::move(process)),
      options_(options),
      random_(seed),
      now_(now),
      voters_(std::move(voters)),
      next_try_(now),
      published_(std::make_shared<const cluster::ClusterMap>()),
      behind_since_(now) {}

// ---- Time.

void Follower::State::on_time(Instant now) {
  ASSERT(now >= now_);
  now_ = now;
  const Duration patience = interval() * options_.follow_patience;
  if (link_ == Link::kNone && now >= next_try_) connect();
  if (link_ == Link::kConnecting && now > heard_ + patience) leave("it does not answer");
  if (link_ == Link::kOpen && now > heard_ + patience) leave("it is silent");
  if (link_ == Link::kOpen && now >= next_confirm_) confirm();
  expire_requests();
  want_session();
  check_whether_behind();
}

Instant Follower::State::next_deadline() const {
  Instant next = base::kNever;
  if (link_ == Link::kNone) {
    next = next_try_;
  } else {
    next = heard_ + interval() * options_.follow_patience + Duration(1);
  }
  if (link_ == Link::kOpen) next = std::min(next, next_confirm_);
  for (const auto& [number, pending] : pending_) next = std::min(next, pending.deadline);
  return next;
}

void Follower::State::set_voters(std::vector<std::string> voters) { voters_ = std::move(voters); }

// ---- Requests.

void Follower::State::send(const ObserverMessage& message) {
  output_.send.push_back(std::make_shared<const std::string>(encode(message)));
}

void Follower::State::on_traffic(BackendSerial backend, uint32_t failures_in_a_row, Instant now) {
  now_ = now;
  if (link_ == Link::kOpen && failures_in_a_row > 0) send(Traffic{backend, failures_in_a_row});
}

void Follower::State::request(RequestId id, Request what, Instant now) {
  now_ = now;
  start(id, std::move(what));
}

void Follower::State::start(std::optional<RequestId> id, Request what) {
  const uint64_t number = ++last_request_;
  pending_.emplace(number, Pending{id, std::move(what), now_ + options_.request_timeout, false});
  if (pending_.size() > options_.max_requests) {
    return finish(number, Refused{Reason::kBusy, "too many requests are under way"});
  }
  send_waiting();
}

void Follower::State::send_waiting() {
  if (link_ != Link::kOpen) return;
  for (auto& [number, pending] : pending_) {
    if (std::exchange(pending.sent, true)) continue;
    send(Propose{number, pending.what});
  }
}

void Follower::State::handle(const ProposeEnd& message) {
  if (pending_.contains(message.request)) finish(message.request, message.outcome);
}

void Follower::State::finish(uint64_t number, Outcome outcome) {
  const auto found = pending_.find(number);
  const std::optional<RequestId> id = found->second.id;
  pending_.erase(found);
  if (id) {
    output_.ended.push_back({*id, std::move(outcome)});
    return;
  }
  session_asked_ = false;
  if (const auto* done = std::get_if<Done>(&outcome)) {
    session_index_ = done->index;
    session_refusal_.clear();
    return;
  }
  next_session_try_ = now_ + kSessionRetryInterval;
  const auto* refused = std::get_if<Refused>(&outcome);
  if (refused == nullptr || refused->reason != Reason::kInvalid) return;
  if (std::exchange(session_refusal_, refused->text) != refused->text) {
    note(EventKind::kSession, "no session: " + refused->text);
  }
}

void Follower::State::expire_requests() {
  std::vector<uint64_t> over;
  for (const auto& [number, pending] : pending_) {
    if (now_ >= pending.deadline) over.push_back(number);
  }
  for (const uint64_t number : over) {
    const bool sent = pending_.at(number).sent;
    finish(number,
           sent ? Outcome(Unknown{}) : Outcome(Refused{Reason::kNoLeader, "no voter is reached"}));
  }
}

void Follower::State::want_session() {
  const bool missing = process_.wants_session && process_.nonce && session_ == SessionId{};
  if (!missing || session_asked_ || link_ != Link::kOpen || !has_map_) return;
  if (map_.index < session_index_ || now_ < next_session_try_) return;
  session_asked_ = true;
  start(std::nullopt, cluster::OpenSession{.nonce = process_.nonce,
                                           .name = process_.name,
                                           .address = process_.address,
                                           .coordinator = process_.coordinator,
                                           .ttl_ms = process_.session_ttl_ms});
}

// ---- Out.

FollowerOutput Follower::State::take_output() {
  if (std::exchange(map_changed_, false)) {
    published_ = std::make_shared<const cluster::ClusterMap>(map_);
    output_.map = published_;
  }
  return std::exchange(output_, {});
}

FollowerStatus Follower::State::status(Instant now) const {
  FollowerStatus status;
  status.voter = voter_;
  status.connected = link_ == Link::kOpen && heard_anything_;
  status.has_map = has_map_;
  status.index = map_.index;
  status.term = term_;
  status.leader = leader_;
  status.voters_index = voters_index_;
  status.behind_since = behind_since_;
  const bool silent = now > heard_ + interval() * options_.follow_patience;
  if (silent && behind_since_ == base::kNever) status.behind_since = heard_;
  status.session = session_;
  status.upgrade_needed = upgrade_needed_;
  return status;
}

// ---- The Follower, which is all of this.

Follower::Follower(Self process, const Options& options, std::vector<std::string> voters,
                   uint64_t seed, Instant now)
    : state_(std::make_unique<State>(std::move(process), options, std::move(voters), seed, now)) {}
Follower::~Follower() = default;

void Follower::on_connected(Instant now) { state_->on_connected(now); }
void Follower::on_lost(Instant now) { state_->on_lost(now); }
bool Follower::on_message(std::string_view bytes, Instant now) {
  return state_->on_message(bytes, now);
}
void Follower::on_traffic(BackendSerial backend, uint32_t failures_in_a_row, Instant now) {
  state_->on_traffic(backend, failures_in_a_row, now);
}
void Follower::on_time(Instant now) { state_->on_time(now); }
void Follower::set_voters(std::vector<std::string> voters) {
  state_->set_voters(std::move(voters));
}
void Follower::request(RequestId id, Request what, Instant now) {
  state_->request(id, std::move(what), now);
}
FollowerOutput Follower::take_output() { return state_->take_output(); }
Instant Follower::next_deadline() const { return state_->next_deadline(); }
const cluster::ClusterMap& Follower::map() const { return state_->map(); }
std::shared_ptr<const cluster::ClusterMap> Follower::published() const {
  return state_->published();
}
FollowerStatus Follower::status(Instant now) const { return state_->status(now); }

}  // namespace quorate::group
