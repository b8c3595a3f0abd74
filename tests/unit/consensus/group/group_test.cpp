// A voter alone, its observers over a wire that is a queue, and what must end it.
#include "consensus/group/group.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "consensus/cluster/cluster_codec.h"
#include "consensus/group/follower.h"
#include "consensus/group/messages.h"

namespace quorate::group {
namespace {

using namespace std::chrono_literals;

constexpr MemberId kSelf{1};
constexpr ConnectionId kLine{7};

raft::Durable founded() {
  raft::Configuration alone;
  alone.voters = {kSelf};
  alone.addresses = {{kSelf, "one:1"}};
  const raft::Persist order = raft::founding(alone);
  return {*order.hard_state, nullptr, order.entries};
}

/// A group of one, whose disk is quick; what it publishes, ends and probes is kept.
class Alone {
 public:
  explicit Alone(const raft::Durable& disk = founded(), Options options = {})
      : group(kSelf, Self{.name = "one", .address = "one:1", .nonce = {1, 1}}, options, disk, 1,
              now) {
    settle();
  }

  void settle() {
    for (bool more = true; more;) {
      if (now >= group.next_deadline()) group.on_time(now);
      Output output = group.take_output();
      fatal = output.fatal;
      if (fatal) return;
      more = output.more || output.persist.has_value();
      if (output.persist) {
        if (output.persist->hard_state) durable.hard_state = *output.persist->hard_state;
        for (const auto& entry : output.persist->entries) durable.entries.push_back(entry);
        group.on_persisted(output.persist->sequence, now);
      }
      for (auto& end : output.ended) ended.push_back(std::move(end));
      for (auto& order : output.probes) probes.push_back(order);
      for (auto& envelope : output.to_observers) to_observer.push_back(*envelope.bytes);
      for (auto& event : output.events) events.push_back(std::move(event));
    }
    group.check_invariants();
  }
  void pass(Duration time) {
    const Instant end = now + time;
    while (group.next_deadline() <= end) {
      now = std::max(now, group.next_deadline());
      group.on_time(now);
      settle();
    }
    now = end;
  }
  Outcome ask(Request request) {
    group.request(RequestId{++last}, std::move(request), now);
    settle();
    REQUIRE(ended.size() == 1);
    const RequestEnd end = ended.front();
    ended.clear();
    CHECK(end.id == RequestId{last});
    return end.outcome;
  }
  void define_pool() {
    const Outcome outcome = ask(cluster::DefinePool{
        .rules = {.name = "cache", .min_up = 1},
        .backends = {{.name = "a", .address = "a:1"}, {.name = "b", .address = "b:1"}}});
    REQUIRE(std::holds_alternative<Done>(outcome));
  }
  /// For so long, `a` fails and `b` answers, each as it is asked.
  void probe(Duration time, bool a_answers, bool b_answers) {
    const Instant end = now + time;
    while (now < end) {
      pass(10ms);
      for (const ProbeOrder& order : std::exchange(probes, {})) {
        const bool answers = order.backend == BackendSerial{1} ? a_answers : b_answers;
        group.on_probe({.probe = order.probe, .answered = answers, .latency = 1ms}, now);
      }
      settle();
    }
  }
  cluster::BackendState state(uint32_t serial) const {
    return group.map().backends.at(BackendSerial{serial}).state;
  }

  Instant now{};
  raft::Durable durable = founded();
  Group group;
  uint64_t last = 0;
  std::optional<std::string> fatal;
  std::vector<RequestEnd> ended;
  std::vector<ProbeOrder> probes;
  std::vector<std::string> to_observer;
  std::vector<Event> events;
};

TEST_CASE("a group of one leads, has an id, a name and a session without time passing") {
  Alone alone;
  CHECK(alone.group.leader() == kSelf);
  CHECK(static_cast<bool>(alone.group.map().cluster));
  CHECK(alone.group.map().members.at(kSelf).name == "one");
  CHECK(alone.group.session() == SessionId{1});
  CHECK(alone.now == Instant{});
  CHECK(*alone.group.published() == alone.group.map());
}

TEST_CASE("a request that the map does not allow is refused with the reason") {
  Alone alone;
  const Outcome outcome = alone.ask(cluster::RemovePool{cluster::PoolSerial{3}});
  REQUIRE(std::holds_alternative<Refused>(outcome));
  CHECK(std::get<Refused>(outcome).reason == Refused::Reason::kInvalid);
  CHECK(std::get<Refused>(outcome).text == "there is no such pool");
}

TEST_CASE("a member that the map has not numbered cannot join") {
  Alone alone;
  const Outcome outcome = alone.ask(raft::Change{raft::AddLearner{MemberId{9}, "x:1", true}});
  CHECK(std::get<Refused>(outcome).reason == Refused::Reason::kInvalid);
  const Outcome added = alone.ask(cluster::AddMember{"two", "two:1"});
  CHECK(std::get<Done>(added).id == 2);
  CHECK(std::holds_alternative<Done>(
      alone.ask(raft::Change{raft::AddLearner{MemberId{2}, "two:1", false}})));
  CHECK(alone.group.map().members.at(MemberId{2}).role == cluster::MemberRole::kLearner);
}

TEST_CASE("a backend that fails twice is ejected within a second, and used again when it answers") {
  Alone alone;
  alone.define_pool();
  alone.probe(1s, true, true);
  CHECK(alone.state(1) == cluster::BackendState::kUp);
  alone.probe(700ms, false, true);
  CHECK(alone.state(1) == cluster::BackendState::kEjected);
  alone.probe(1s, true, true);
  CHECK(alone.state(1) == cluster::BackendState::kUp);
  CHECK(alone.group.map().backends.at(BackendSerial{1}).flaps == 1);
}

TEST_CASE("one failure ejects nobody") {
  Alone alone;
  alone.define_pool();
  alone.probe(1s, true, true);
  alone.probe(190ms, false, true);
  alone.probe(2s, true, true);
  CHECK(alone.group.map().backends.at(BackendSerial{1}).flaps == 0);
}

TEST_CASE("the last one up is not ejected, and that is said once") {
  Alone alone;
  alone.define_pool();
  alone.probe(5s, false, false);
  const bool a_up = alone.state(1) == cluster::BackendState::kUp;
  const bool b_up = alone.state(2) == cluster::BackendState::kUp;
  CHECK(a_up != b_up);
  CHECK(std::ranges::count(alone.events, EventKind::kHeld, &Event::kind) == 1);
}

TEST_CASE("who has lost its session opens another one; who has left does not") {
  Alone alone;
  REQUIRE(alone.group.map().sessions.size() == 1);
  const SessionId first = alone.group.map().sessions.begin()->first;
  alone.ask(cluster::EndSession{first, cluster::SessionEnd::kLost});
  alone.pass(1s);
  REQUIRE(alone.group.map().sessions.size() == 1);
  const SessionId second = alone.group.map().sessions.begin()->first;
  CHECK(second != first);
  alone.ask(cluster::EndSession{second, cluster::SessionEnd::kLeft});
  alone.pass(5s);
  CHECK(alone.group.map().sessions.empty());
}

TEST_CASE("a lease ends when its time is over, unless it is renewed") {
  Alone alone;
  const Outcome taken = alone.ask(cluster::TakeLease{.nonce = {3, 3}, .ttl_ms = 1000});
  const cluster::LeaseId id{std::get<Done>(taken).id};
  alone.pass(900ms);
  alone.ask(cluster::RenewLease{id});
  alone.pass(900ms);
  CHECK(alone.group.map().leases.contains(id));
  alone.pass(200ms);
  CHECK_FALSE(alone.group.map().leases.contains(id));
}

TEST_CASE("a committed change that this program does not know ends the member") {
  raft::Durable durable = founded();
  std::string newer = cluster::encode(cluster::Change{cluster::RemovePool{}});
  newer[0] = 2;
  durable.entries.push_back(
      std::make_shared<const raft::Entry>(raft::Entry{1, 2, raft::Command{newer}}));
  Alone alone(durable);
  REQUIRE(alone.fatal.has_value());
  CHECK(alone.fatal->find("it takes a newer one") != std::string::npos);
  CHECK(alone.group.take_output().fatal.has_value());
}

TEST_CASE("a snapshot of another version is a reason not to start") {
  raft::Durable durable = founded();
  CHECK_FALSE(Group::problem_with(durable).has_value());
  durable.snapshot = raft::make_snapshot(1, 1, {}, "\x09\x09");
  CHECK(Group::problem_with(durable).has_value());
}

TEST_CASE("a restarted member has the same map, and a new session") {
  Alone first;
  first.define_pool();
  Alone second(first.durable);
  CHECK(second.group.map().pools == first.group.map().pools);
  CHECK(second.group.map().cluster == first.group.map().cluster);
  CHECK(second.group.session() == first.group.session());  // the nonce is the same here
}

TEST_CASE("snapshots are taken as the log grows, and a member starts from one") {
  Options options;
  options.snapshot_every = 3;
  options.raft.trailing_entries = 0;
  Alone alone(founded(), options);
  alone.define_pool();
  for (uint64_t i = 0; i < 10; ++i) {
    alone.ask(cluster::TakeLease{.nonce = {9, i + 1}, .ttl_ms = 60'000});
  }
  CHECK(alone.group.status().raft.snapshot >= 9);
}

TEST_CASE("bytes that cannot be are refused, of members and of observers") {
  Alone alone;
  alone.group.on_observer_connected(kLine, alone.now);
  CHECK_FALSE(alone.group.on_message(MemberId{2}, "", alone.now));
  CHECK_FALSE(alone.group.on_message(MemberId{2}, "\xff garbage", alone.now));
  CHECK_FALSE(alone.group.on_observer_message(kLine, "\x07", alone.now));
}

// ---- An observer.

class Pair {
 public:
  explicit Pair(Options options = {})
      : voter(founded(), options),
        follower(Self{.name = "side", .nonce = {2, 2}}, options, {"one:1"}, 1, voter.now) {}

  void settle() {
    for (bool more = true; more;) {
      more = false;
      voter.settle();
      for (const std::string& bytes : std::exchange(voter.to_observer, {})) {
        if (!linked) continue;
        CHECK(follower.on_message(bytes, voter.now));
        more = true;
      }
      FollowerOutput output = follower.take_output();
      if (output.disconnect) drop();
      if (output.connect && reachable) {
        line = ConnectionId{++lines};
        linked = true;
        voter.group.on_observer_connected(line, voter.now);
        follower.on_connected(voter.now);
        more = true;
      } else if (output.connect) {
        follower.on_lost(voter.now);
        more = true;
      }
      for (const Bytes& bytes : output.send) {
        if (linked) CHECK(voter.group.on_observer_message(line, *bytes, voter.now));
        more = true;
      }
      for (auto& end : output.ended) ended.push_back(std::move(end));
    }
  }
  void drop() {
    if (std::exchange(linked, false)) voter.group.on_observer_lost(line, voter.now);
  }
  void pass(Duration time) {
    const Instant end = voter.now + time;
    while (voter.now < end) {
      voter.pass(std::min<Duration>(5ms, end - voter.now));
      if (voter.now >= follower.next_deadline()) follower.on_time(voter.now);
      settle();
    }
  }

  Alone voter;
  Follower follower;
  ConnectionId line{};
  uint64_t lines = 0;
  bool linked = false;
  bool reachable = true;
  std::vector<RequestEnd> ended;
};

TEST_CASE("an observer is sent a snapshot, then each change, and has a session") {
  Pair pair;
  pair.voter.define_pool();
  pair.pass(50ms);
  CHECK(pair.follower.map() == pair.voter.group.map());
  CHECK(pair.follower.status(pair.voter.now).session == SessionId{2});
  pair.voter.ask(cluster::TakeLease{.nonce = {5, 5}, .ttl_ms = 60'000});
  pair.settle();
  CHECK(pair.follower.map() == pair.voter.group.map());
  CHECK(pair.follower.status(pair.voter.now).behind_since == base::kNever);
}

TEST_CASE("a snapshot in many pieces arrives whole") {
  Options options;
  options.feed_message_bytes = 64;
  options.feed_in_flight = 2;
  Pair pair(options);
  pair.voter.define_pool();
  pair.pass(50ms);
  CHECK(pair.follower.map() == pair.voter.group.map());
}

TEST_CASE("an observer forwards what it is asked, and is told the end") {
  Pair pair;
  pair.pass(50ms);
  pair.follower.request(RequestId{5}, cluster::AddMember{"x", "x:1"}, pair.voter.now);
  pair.settle();
  REQUIRE(pair.ended.size() == 1);
  CHECK(pair.ended.front().id == RequestId{5});
  CHECK(std::get<Done>(pair.ended.front().outcome).id == 2);
}

TEST_CASE("an observer that loses its voter serves on, knows since when, and catches up") {
  Pair pair;
  pair.pass(50ms);
  pair.reachable = false;
  pair.drop();
  pair.follower.on_lost(pair.voter.now);
  const Instant lost = pair.voter.now;
  pair.pass(300ms);
  pair.voter.define_pool();
  CHECK(pair.follower.map().pools.empty());
  CHECK(pair.follower.status(pair.voter.now).behind_since == lost);
  pair.reachable = true;
  pair.pass(2s);
  CHECK(pair.follower.map() == pair.voter.group.map());
  CHECK(pair.follower.status(pair.voter.now).behind_since == base::kNever);
}

TEST_CASE("a request under way when the connection is lost ends as unknown") {
  Pair pair;
  pair.pass(50ms);
  pair.follower.request(RequestId{5}, cluster::AddMember{"x", "x:1"}, pair.voter.now);
  (void)pair.follower.take_output();  // sent, and lost with the connection
  pair.reachable = false;
  pair.drop();
  pair.follower.on_lost(pair.voter.now);
  pair.settle();
  REQUIRE(pair.ended.size() == 1);
  CHECK(std::holds_alternative<Unknown>(pair.ended.front().outcome));
}

TEST_CASE("the session of a proxy that is not heard ends within a second") {
  Pair pair;
  pair.pass(500ms);
  CHECK(pair.voter.group.map().sessions.size() == 2);
  pair.drop();
  pair.voter.pass(950ms);
  CHECK(pair.voter.group.map().sessions.size() == 1);
}

TEST_CASE("a leader that was held up for long ends nobody's session for that") {
  Pair pair;
  pair.pass(500ms);
  pair.voter.now += 5s;
  pair.voter.group.on_time(pair.voter.now);
  pair.voter.settle();
  CHECK(pair.voter.group.map().sessions.size() == 2);
}

TEST_CASE("an observer of another cluster is turned away") {
  Pair one;
  one.pass(50ms);
  Options options;
  Alone other(founded(), options);
  other.group.on_observer_connected(kLine, other.now);
  const Subscribe foreign{.cluster = {123, 456}, .generation = 1, .index = 3};
  CHECK(other.group.on_observer_message(kLine, encode(ObserverMessage(foreign)), other.now));
  const Output output = other.group.take_output();
  CHECK(output.close == std::vector{kLine});
}

TEST_CASE("what an observer asks is no offence if it crosses the goodbye") {
  Alone alone;
  alone.group.on_observer_connected(kLine, alone.now);
  const Propose question{.request = 1, .what = cluster::AddMember{"x", "x:1"}};
  CHECK_FALSE(alone.group.on_observer_message(kLine, encode(ObserverMessage(question)), alone.now));
  const Subscribe foreign{.cluster = {123, 456}, .generation = 1, .index = 3};
  CHECK(alone.group.on_observer_message(kLine, encode(ObserverMessage(foreign)), alone.now));
  CHECK(alone.group.on_observer_message(kLine, encode(ObserverMessage(question)), alone.now));
  alone.settle();
  CHECK(alone.ended.empty());
  CHECK(alone.group.map().members.size() == 1);
}

TEST_CASE("an observer whose map is not known here is sent one that is not older than its own") {
  Alone alone;
  const auto map_sent_to = [&](ConnectionId line, Index index) {
    alone.to_observer.clear();
    alone.group.on_observer_connected(line, alone.now);
    const Subscribe unnamed{.generation = 1, .index = index};  // its map named no cluster yet
    REQUIRE(alone.group.on_observer_message(line, encode(ObserverMessage(unnamed)), alone.now));
    alone.settle();
    REQUIRE_FALSE(alone.to_observer.empty());
    const auto message = decode_voter_message(alone.to_observer.front());
    REQUIRE(message.has_value());
    const auto* piece = std::get_if<Piece>(&*message);
    REQUIRE(piece != nullptr);
    return cluster::decode_map(piece->data).value().index;
  };
  const Index before = map_sent_to(ConnectionId{8}, 1);
  REQUIRE(std::holds_alternative<Done>(alone.ask(cluster::AddMember{"two", "two:1"})));
  const Index now = alone.group.map().index;
  REQUIRE(now > before);
  CHECK(map_sent_to(ConnectionId{9}, now) == now);
}

TEST_CASE("an observer that is sent a change it does not know stays at the map before it") {
  Pair pair;
  pair.pass(50ms);
  const cluster::ClusterMap before = pair.follower.map();
  std::string newer = cluster::encode(cluster::Change{cluster::RemovePool{}});
  newer[0] = 2;
  const Changes changes{before.index, before.index + 1, {{before.index + 1, newer}}};
  CHECK(pair.follower.on_message(encode(VoterMessage(changes)), pair.voter.now));
  CHECK(pair.follower.map() == before);
  CHECK(pair.follower.status(pair.voter.now).upgrade_needed);
}

}  // namespace
}  // namespace quorate::group
