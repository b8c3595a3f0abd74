#include "consensus/group/state.h"

#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/cluster/cluster_codec.h"
#include "consensus/group/mutation.h"

namespace quorate::group {
namespace {

/// How long a member that has left is still connected to, so that it hears of it.
constexpr Duration kFarewell = std::chrono::seconds(2);

std::string plain(MemberId id) { return std::to_string(raft::number(id)); }

bool is_of_leader(const MemberMessage& message) {
  if (std::holds_alternative<Pulse>(message)) return true;
  const auto* from_raft = std::get_if<raft::Message>(&message);
  return from_raft != nullptr && (std::holds_alternative<raft::Heartbeat>(*from_raft) ||
                                  std::holds_alternative<raft::AppendEntries>(*from_raft) ||
                                  std::holds_alternative<raft::InstallSnapshot>(*from_raft));
}

}  // namespace

Group::State::State(MemberId self, Self process, const Options& options,
                    const raft::Durable& durable, uint64_t seed, Instant now)
    : self_(self),
      process_(std::move(process)),
      options_(options),
      random_(seed),
      raft_(self, options.raft, durable, random_.next(), now),
      now_(now),
      published_(std::make_shared<const cluster::ClusterMap>()),
      feed_(options),
      detector_(random_.next()),
      jury_(options),
      life_(random_.next()),
      last_life_term_(raft_.status().term) {
  settle();
}

void Group::State::advance(Instant now) {
  ASSERT(now >= now_);
  // It heard nobody while it was held up: that is no evidence against anybody.
  const Duration gap = now - now_;
  if (gap > 2 * options_.report_interval && !mutated(Mutation::kForgetPauses)) {
    jury_.forgive(gap);
    feed_.forgive(gap);
  }
  now_ = now;
}

// ---- Events.

bool Group::State::on_message(MemberId from, std::string_view bytes, Instant now) {
  advance(now);
  const auto message = decode_member_message(bytes);
  if (!message) {
    note(EventKind::kProtocol, "member " + plain(from) + " sent what cannot be");
    return false;
  }
  // A leader that was lost is one again when it speaks as one: it may have begun another life.
  const bool is_back = leader_ != from || is_of_leader(*message);
  if (is_back && unreachable_.erase(from) > 0 && leader_ == from) next_retry_ = now_;
  std::visit([&](const auto& one) { handle(from, one); }, *message);
  settle();
  return true;
}

void Group::State::handle(MemberId from, const raft::Message& message) {
  raft_.on_message(from, message, now_);
}

void Group::State::on_connection_lost(MemberId member, Instant now) {
  advance(now);
  raft_.on_connection_lost(member);
  unreachable_.insert(member);
  give_up_forwarded(member);
  settle();
}

void Group::State::on_observer_connected(ConnectionId connection, Instant now) {
  advance(now);
  feed_.on_connected(connection, now);
  settle();
}

bool Group::State::on_observer_message(ConnectionId connection, std::string_view bytes,
                                       Instant now) {
  advance(now);
  const auto message = decode_observer_message(bytes);
  bool fine = message.has_value();
  if (fine) {
    if (const auto* subscribe = std::get_if<Subscribe>(&*message)) {
      fine = feed_.subscribe(connection, *subscribe, map_, now);
    } else if (const auto* confirm = std::get_if<Confirm>(&*message)) {
      fine = feed_.confirm(connection, *confirm, now);
    } else if (const auto* propose = std::get_if<Propose>(&*message)) {
      fine = feed_.subscribed(connection) || feed_.is_gone(connection);
      if (feed_.subscribed(connection))
        start(OfObserver{connection, propose->request}, propose->what);
    } else {
      detector_.on_traffic(std::get<Traffic>(*message).backend, now);
    }
  }
  if (!fine) note(EventKind::kProtocol, "an observer sent what cannot be");
  settle();
  return fine;
}

void Group::State::on_observer_lost(ConnectionId connection, Instant now) {
  advance(now);
  feed_.on_lost(connection);
  settle();
}

void Group::State::on_persisted(uint64_t sequence, Instant now) {
  advance(now);
  raft_.on_persisted(sequence, now);
  settle();
}

void Group::State::on_probe(const ProbeResult& result, Instant now) {
  advance(now);
  detector_.on_result(result, now);
  settle();
}

void Group::State::on_traffic(BackendSerial backend, uint32_t failures_in_a_row, Instant now) {
  advance(now);
  if (failures_in_a_row > 0) detector_.on_traffic(backend, now);
  settle();
}

void Group::State::on_time(Instant now) {
  advance(now);
  if (now >= raft_.next_deadline()) raft_.on_time(now);
  detector_.on_time(now);
  expire_requests();
  settle();
}

void Group::State::request(RequestId id, Request what, Instant now) {
  advance(now);
  start(Local{id}, std::move(what));
  settle();
}

void Group::State::read(raft::ReadId id, Instant now) {
  advance(now);
  raft_.read(id, now);
  settle();
}

// ---- What follows.

void Group::State::settle() {
  watch_leader();
  watch_configuration();
  for (std::string& line : detector_.take_news()) {
    note(EventKind::kOpinion, std::move(line));
    report_wanted_ = deliberate_wanted_ = true;
  }
  detector_.on_time(now_);
  if (feed_.take_news()) report_wanted_ = true;
  if (leads_ && now_ >= next_pulse_) pulse();
  if (std::exchange(report_wanted_, false)) report();
  if (leads_ && (deliberate_wanted_ || now_ >= jury_.next_deadline())) deliberate();
  mind_own_affairs();
  feed_.pump(map_, {term_, leader_}, now_);
}

void Group::State::watch_leader() {
  const raft::Status status = raft_.status();
  const bool leads = status.role == raft::RoleName::kLeader;
  if (leads == leads_ && status.leader == leader_ && status.term == term_) return;
  const bool another = status.leader != leader_;
  const bool began = leads && (!leads_ || status.term != term_);
  leads_ = leads;
  leader_ = status.leader;
  term_ = status.term;
  if (another) {
    note(EventKind::kLeader,
         leader_ ? "member " + plain(*leader_) + " leads in term " + std::to_string(term_)
                 : "no leader is known");
  }
  if (began) begin_to_lead();
  if (!leader_) return;
  next_retry_ = now_;
  end_transfers();
}

/// Whom to be connected to follows from the latest configuration, committed or not.
void Group::State::watch_configuration() {
  const raft::Configuration& configuration = raft_.configuration();
  std::erase_if(leaving_, [&](const auto& one) {
    const bool over = now_ >= one.second.second || configuration.contains(one.first);
    peers_changed_ |= over;
    return over;
  });
  if (configuration == seen_configuration_) return;
  for (const auto& [id, address] : seen_configuration_.addresses) {
    if (!configuration.contains(id)) leaving_[id] = {address, now_ + kFarewell};
  }
  seen_configuration_ = configuration;
  peers_changed_ = true;
  std::erase_if(unreachable_, [&](MemberId id) { return !configuration.contains(id); });
  // Who does not vote does not judge either.
  is_voter() ? detector_.follow(map_, now_) : detector_.rest();
}

void Group::State::send(MemberId to, const MemberMessage& message) {
  to_members_.push_back({to, std::make_shared<const std::string>(encode(message))});
}

// ---- Out.

Output Group::State::take_output() {
  Output output;
  if (fatal_) {
    output.fatal = fatal_;
    return output;
  }
  raft::Output from_raft = raft_.take_output();
  take_committed(from_raft);
  if (fatal_) {
    output.fatal = fatal_;
    return output;
  }
  for (const raft::ProposalEnd& end : from_raft.ended) take_ended(end);
  output.persist = std::move(from_raft.persist);
  output.reads = std::move(from_raft.reads);
  for (raft::Envelope& envelope : from_raft.send) send(envelope.to, std::move(envelope.message));
  // What was applied may have consequences of its own; they are in the next output.
  const Index proposed_before = raft_.log().last_index();
  settle();
  maybe_take_snapshot();
  output.more = from_raft.more || raft_.log().last_index() != proposed_before;
  if (raft_.snapshot() != nullptr && raft_.snapshot()->head.index > snapshot_index_) {
    snapshot_index_ = raft_.snapshot()->head.index;
    output.more = true;
  }
  output.to_members = std::exchange(to_members_, {});
  output.to_observers = feed_.take_sent();
  output.close = feed_.take_closed();
  if (std::exchange(peers_changed_, false)) {
    output.peers.emplace(raft_.configuration().addresses);
    for (const auto& [id, left] : leaving_) output.peers->emplace(id, left.first);
    output.peers->erase(self_);
  }
  if (std::exchange(map_changed_, false)) {
    published_ = std::make_shared<const cluster::ClusterMap>(map_);
    output.map = published_;
  }
  output.ended = std::exchange(ended_, {});
  output.probes = detector_.take_orders();
  output.events = std::exchange(events_, {});
  return output;
}

Instant Group::State::next_deadline() const {
  Instant next = std::min(raft_.next_deadline(), detector_.next_deadline());
  next = std::min({next, feed_.next_deadline(), next_retry_, next_expiry_});
  if (leads_) next = std::min({next, next_pulse_, jury_.next_deadline()});
  for (const auto& [id, left] : leaving_) next = std::min(next, left.second);
  if (next_own_ > now_) next = std::min(next, next_own_);
  return next;
}

GroupStatus Group::State::status() const {
  return {.raft = raft_.status(),
          .session = session_,
          .observers = feed_.status(),
          .backends = detector_.status(),
          .sessions = leads_ ? jury_.sessions() : std::vector<SessionStatus>{},
          .leads = leads_,
          .removed = removed_};
}

void Group::State::check_invariants() const {
  raft_.check_invariants();
  cluster::check_invariants(map_);
  ASSERT(map_.index == raft_.status().applied);
  for (const auto& [index, id] : proposed_) ASSERT(pending_.contains(id));
}

// ---- The Group, which is all of this.

Group::Group(MemberId self, Self process, const Options& options, const raft::Durable& durable,
             uint64_t seed, Instant now)
    : state_(std::make_unique<State>(self, std::move(process), options, durable, seed, now)) {}
Group::~Group() = default;

std::optional<std::string> Group::problem_with(const raft::Durable& durable) {
  if (durable.snapshot == nullptr) return std::nullopt;
  const auto map = cluster::decode_map(durable.snapshot->state);
  if (map) return std::nullopt;
  return std::string("the snapshot cannot be read: ") + to_string(map.error());
}

bool Group::on_message(MemberId from, std::string_view bytes, Instant now) {
  return state_->on_message(from, bytes, now);
}
void Group::on_connection_lost(MemberId member, Instant now) {
  state_->on_connection_lost(member, now);
}
void Group::on_observer_connected(ConnectionId connection, Instant now) {
  state_->on_observer_connected(connection, now);
}
bool Group::on_observer_message(ConnectionId connection, std::string_view bytes, Instant now) {
  return state_->on_observer_message(connection, bytes, now);
}
void Group::on_observer_lost(ConnectionId connection, Instant now) {
  state_->on_observer_lost(connection, now);
}
void Group::on_persisted(uint64_t sequence, Instant now) { state_->on_persisted(sequence, now); }
void Group::on_probe(const ProbeResult& result, Instant now) { state_->on_probe(result, now); }
void Group::on_traffic(BackendSerial backend, uint32_t failures_in_a_row, Instant now) {
  state_->on_traffic(backend, failures_in_a_row, now);
}
void Group::on_time(Instant now) { state_->on_time(now); }
void Group::request(RequestId id, Request what, Instant now) {
  state_->request(id, std::move(what), now);
}
void Group::read(raft::ReadId id, Instant now) { state_->read(id, now); }
Output Group::take_output() { return state_->take_output(); }
Instant Group::next_deadline() const { return state_->next_deadline(); }
const cluster::ClusterMap& Group::map() const { return state_->map(); }
std::shared_ptr<const cluster::ClusterMap> Group::published() const { return state_->published(); }
std::optional<MemberId> Group::leader() const { return state_->leader(); }
SessionId Group::session() const { return state_->session(); }
const raft::Configuration& Group::configuration() const { return state_->configuration(); }
GroupStatus Group::status() const { return state_->status(); }
void Group::check_invariants() const { state_->check_invariants(); }

}  // namespace quorate::group
