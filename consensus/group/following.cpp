// The connection to a voter, and the map that comes over it.
//
//   kNone ──next_try──► kConnecting ──on_connected──► kOpen: Subscribe; Pieces, Changes, Beats
//     ▲                    │ on_lost, or too slow       │ on_lost, silence, Goodbye, no leader
//     there └────────────────────┴────────────────────────────┘ the next voter; a pause once all
//     were tried
#include <algorithm>

#include "consensus/cluster/cluster_codec.h"
#include "consensus/group/follower_state.h"
#include "consensus/group/mutation.h"

namespace quorate::group {

/// Whose session has a time of its own, or who has none, need not be heard as often.
Duration Follower::State::interval() const {
  const bool often = process_.wants_session && process_.session_ttl_ms == 0;
  return options_.follow_interval * (often ? 1 : 5);
}

/// The map's voters, then those that it began with; each once.
std::vector<std::string> Follower::State::known_voters() const {
  std::vector<std::string> known;
  const auto add = [&](const std::string& address) {
    if (!address.empty() && std::ranges::find(known, address) == known.end()) {
      known.push_back(address);
    }
  };
  for (const auto& [id, member] : map_.members) {
    if (member.role == cluster::MemberRole::kVoter) add(member.address);
  }
  for (const std::string& address : voters_) add(address);
  return known;
}

void Follower::State::connect() {
  const std::vector<std::string> known = known_voters();
  if (known.empty()) {
    next_try_ = now_ + options_.reconnect_backoff_max;
    return;
  }
  // After the one tried last; the first time any, so that voters share the observers.
  const auto last = std::ranges::find(known, voter_);
  const size_t next = last == known.end() ? random_.below(known.size())
                                          : static_cast<size_t>(last - known.begin()) + 1;
  voter_ = known[next % known.size()];
  ++tries_;
  link_ = Link::kConnecting;
  heard_ = now_;
  output_.connect = voter_;
}

/// What was under way is gone.
void Follower::State::lose() {
  link_ = Link::kNone;
  output_.connect.reset();
  output_.send.clear();
  snapshot_.clear();
  messages_ = 0;
  term_ = 0;
  leader_.reset();
  check_whether_behind();
  const size_t voters = std::max<size_t>(known_voters().size(), 1);
  if (tries_ < voters) {
    next_try_ = now_;
  } else {
    const size_t rounds = std::min<size_t>(tries_ / voters - 1, 16);
    const Duration pause =
        std::min(options_.reconnect_backoff * (1 << rounds), options_.reconnect_backoff_max);
    // Not all observers of a voter that has died at the same moment.
    next_try_ = now_ + pause / 2 + Duration(random_.between(0, pause.count() / 2));
  }
  std::vector<uint64_t> sent;
  for (const auto& [number, pending] : pending_) {
    if (pending.sent) sent.push_back(number);
  }
  for (const uint64_t number : sent) finish(number, Unknown{});
}

void Follower::State::leave(const std::string& why) {
  note(EventKind::kFollowing, "leaves " + voter_ + ": " + why);
  lose();
  output_.disconnect = true;
}

void Follower::State::on_connected(Instant now) {
  now_ = now;
  if (link_ != Link::kConnecting) return;
  link_ = Link::kOpen;
  heard_anything_ = false;
  heard_ = led_ = now;
  next_confirm_ = now + interval();
  Subscribe subscribe{.name = process_.name, .interval = interval()};
  if (has_map_) {
    subscribe.cluster = map_.cluster;
    subscribe.generation = map_.generation;
    subscribe.index = map_.index;
  }
  send(subscribe);
  confirm();  // so that the session is heard of at once
  send_waiting();
}

void Follower::State::on_lost(Instant now) {
  now_ = now;
  if (link_ == Link::kNone) return;
  if (link_ == Link::kOpen) note(EventKind::kFollowing, "has lost " + voter_);
  lose();
}

bool Follower::State::on_message(std::string_view bytes, Instant now) {
  now_ = now;
  if (link_ != Link::kOpen) return true;
  auto message = decode_voter_message(bytes);
  if (!message) {
    note(EventKind::kProtocol, voter_ + " sent what cannot be");
    leave("it sent what cannot be");
    return false;
  }
  if (!std::exchange(heard_anything_, true)) note(EventKind::kFollowing, "follows " + voter_);
  heard_ = now;
  std::visit([this](auto&& one) { handle(std::forward<decltype(one)>(one)); }, std::move(*message));
  check_whether_behind();
  want_session();
  return true;
}

// ---- The map.

void Follower::State::handle(Piece message) {
  ++messages_;
  if (message.offset == 0) snapshot_.clear();
  if (message.offset != snapshot_.size()) return leave("a piece of a snapshot is missing");
  if (message.size > options_.raft.max_snapshot_bytes) return leave("its snapshot is too large");
  snapshot_ += message.data;
  if (snapshot_.size() == message.size) take_map(std::exchange(snapshot_, {}));
  if (link_ == Link::kOpen) confirm();
}

void Follower::State::take_map(const std::string& bytes) {
  auto decoded = cluster::decode_map(bytes);
  if (!decoded) {
    if (decoded.error() == cluster::DecodeError::kUnknownVersion) upgrade_needed_ = true;
    if (upgrade_needed_) {
      note(EventKind::kUpgradeNeeded, "the map of " + voter_ + " is of a newer program");
    }
    return leave("its map cannot be read");
  }
  cluster::ClusterMap& map = decoded.value();
  const bool other = has_map_ && map_.cluster && map.cluster != map_.cluster;
  // Within a generation time goes one way; a voter may be behind.
  const bool older = has_map_ && (map.generation < map_.generation ||
                                  (map.generation == map_.generation && map.index < map_.index));
  if (other) return leave("its map is of another cluster");
  if (older) return leave("its map is older than the one that is known");
  map_ = std::move(map);
  has_map_ = true;
  watch_map();
}

void Follower::State::handle(const Changes& message) {
  ++messages_;
  const bool gap = !has_map_ || message.previous != map_.index;
  if (gap && !mutated(Mutation::kFollowerSkipsGaps)) return leave("changes are missing");
  for (const FeedEntry& entry : message.entries) {
    if (entry.index > map_.index && !apply(entry)) return;
  }
  map_.index = std::max(map_.index, message.last);
  watch_map();
  confirm();
}

/// False: it cannot be applied, and everything stays as it is.
bool Follower::State::apply(const FeedEntry& entry) {
  if (const auto* configuration = std::get_if<raft::Configuration>(&entry.data)) {
    cluster::apply(map_, entry.index, *configuration);
    return true;
  }
  const auto change = cluster::decode_change(std::get<std::string>(entry.data));
  if (change) {
    const std::string text = cluster::describe(map_, change.value());
    if (cluster::apply(map_, entry.index, change.value()) &&
        !std::holds_alternative<cluster::RenewLease>(change.value())) {
      note(EventKind::kApplied, text);
    }
    return true;
  }
  watch_map();
  upgrade_needed_ = true;
  note(EventKind::kUpgradeNeeded, "change " + std::to_string(entry.index) + " is not known here (" +
                                      cluster::to_string(change.error()) +
                                      "): this proxy serves on with the map before it");
  leave("it takes a newer program");
  return false;
}

void Follower::State::watch_map() {
  map_changed_ = true;
  voters_index_ = std::max(voters_index_, map_.index);
  const cluster::Session* own = map_.find_session(process_.nonce);
  const SessionId before = std::exchange(session_, own == nullptr ? SessionId{} : own->id);
  if (session_ == before) return;
  note(EventKind::kSession, session_ == SessionId{}
                                ? "session " + std::to_string(number(before)) + " has ended"
                                : "session " + std::to_string(number(session_)) + " has begun");
}

void Follower::State::handle(const Beat& message) {
  voters_index_ = message.index;
  term_ = message.term;
  leader_ = message.leader;
  if (leader_) led_ = now_;
  if (!leader_ && now_ - led_ >= options_.leaderless_timeout) leave("it knows no leader");
}

void Follower::State::handle(const Goodbye& message) { leave(to_string(message.reason)); }

void Follower::State::confirm() {
  send(Confirm{messages_, map_.index, session_});
  next_confirm_ = now_ + interval();
}

void Follower::State::check_whether_behind() {
  const bool hears = link_ == Link::kOpen && heard_anything_ &&
                     now_ <= led_ + interval() * options_.follow_patience;
  if (hears && has_map_ && !upgrade_needed_ && map_.index >= voters_index_) {
    tries_ = 0;
    behind_since_ = base::kNever;
  } else if (behind_since_ == base::kNever) {
    behind_since_ = now_;
  }
}

}  // namespace quorate::group
