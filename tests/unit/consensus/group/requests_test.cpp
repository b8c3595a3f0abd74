// What a voter that does not lead does with a request: where it goes, and what is known of its end.
#include <doctest/doctest.h>

#include <algorithm>

#include "consensus/group/group.h"
#include "consensus/group/messages.h"

namespace quorate::group {
namespace {

using namespace std::chrono_literals;

constexpr MemberId kSelf{1};
constexpr MemberId kLeader{2};
constexpr MemberId kOther{3};

raft::Durable founded() {
  raft::Configuration three;
  three.voters = {kSelf, kLeader, kOther};
  three.addresses = {{kSelf, "one:1"}, {kLeader, "two:1"}, {kOther, "three:1"}};
  const raft::Persist order = raft::founding(three);
  return {*order.hard_state, nullptr, order.entries};
}

/// A voter of three; the two others are whoever the test speaks for.
class Voter {
 public:
  Voter() : group_(kSelf, Self{.name = "one", .address = "one:1"}, {}, founded(), 1, now_) {}

  void hear(MemberId from, raft::Term term) {
    REQUIRE(
        group_.on_message(from, encode(MemberMessage(raft::Message(raft::Heartbeat{term}))), now_));
    settle();
  }
  void hear_vote(MemberId from, raft::Term term) {
    const raft::Message question = raft::PreVote{.term = term, .next_term = term + 1};
    REQUIRE(group_.on_message(from, encode(MemberMessage(question)), now_));
    settle();
  }
  void hear_forward(MemberId from, raft::Term term, uint64_t request) {
    const Forward forward{term, 77, request, cluster::AddMember{"four", "four:1"}};
    REQUIRE(group_.on_message(from, encode(MemberMessage(forward)), now_));
    settle();
  }
  void lose(MemberId member) {
    group_.on_connection_lost(member, now_);
    settle();
  }
  void ask() {
    group_.request(RequestId{7}, cluster::AddMember{"four", "four:1"}, now_);
    settle();
  }
  void pass(Duration time) {
    now_ += time;
    group_.on_time(now_);
    settle();
  }

  /// To whom it has forwarded, one for each time.
  std::vector<MemberId> forwarded;
  std::vector<Outcome> ended;
  std::vector<Outcome> answered;  ///< what others have forwarded to it

 private:
  void settle() {
    for (bool more = true; more;) {
      Output output = group_.take_output();
      more = output.more;
      for (const MemberEnvelope& one : output.to_members) {
        const auto message = decode_member_message(*one.bytes);
        REQUIRE(message.has_value());
        if (std::holds_alternative<Forward>(*message)) forwarded.push_back(one.to);
        const auto* end = std::get_if<ForwardEnd>(&*message);
        if (end != nullptr) answered.push_back(end->outcome);
      }
      for (RequestEnd& end : output.ended) ended.push_back(std::move(end.outcome));
      if (output.persist) group_.on_persisted(output.persist->sequence, now_);
    }
    group_.check_invariants();
  }

  Instant now_{};
  Group group_;
};

TEST_CASE("a request goes to the leader, and is unknown if the connection is lost meanwhile") {
  Voter voter;
  voter.hear(kLeader, 5);
  voter.ask();
  CHECK(voter.forwarded == std::vector{kLeader});
  CHECK(voter.ended.empty());
  voter.lose(kLeader);
  REQUIRE(voter.ended.size() == 1);
  CHECK(std::holds_alternative<Unknown>(voter.ended.front()));
}

TEST_CASE("a request waits while the leader cannot be reached, and goes to it when it is heard") {
  Voter voter;
  voter.hear(kLeader, 5);
  voter.lose(kLeader);
  voter.ask();
  voter.pass(50ms);
  CHECK(voter.forwarded.empty());
  CHECK(voter.ended.empty());
  voter.hear(kLeader, 5);
  voter.pass(1ms);
  CHECK(voter.forwarded == std::vector{kLeader});
}

TEST_CASE("a request that waited for a leader that died goes to the next one") {
  Voter voter;
  voter.hear(kLeader, 5);
  voter.lose(kLeader);
  voter.ask();
  voter.hear(kOther, 6);
  voter.pass(1ms);
  CHECK(voter.forwarded == std::vector{kOther});
  CHECK(voter.ended.empty());
}

TEST_CASE("a request that was never sent is refused in the end, not unknown") {
  Voter voter;
  voter.hear(kLeader, 5);
  voter.lose(kLeader);
  voter.ask();
  voter.pass(6s);
  REQUIRE(voter.ended.size() == 1);
  const auto* refused = std::get_if<Refused>(&voter.ended.front());
  REQUIRE(refused != nullptr);
  CHECK(refused->reason == Refused::Reason::kNoLeader);
  CHECK(voter.forwarded.empty());
}

TEST_CASE("a leader that was lost is forwarded to when it speaks as one again, not before") {
  Voter voter;
  voter.hear(kLeader, 5);
  voter.lose(kLeader);
  voter.ask();
  voter.hear_vote(kLeader, 5);  // it has begun another life
  voter.pass(1ms);
  CHECK(voter.forwarded.empty());
}

TEST_CASE("what it may have done in an earlier life is unknown; what it cannot have is refused") {
  Voter voter;  // its disk says that it was in term 1
  voter.hear(kLeader, 5);
  voter.hear_forward(kOther, 1, 1);
  REQUIRE(voter.answered.size() == 1);
  CHECK(std::holds_alternative<Unknown>(voter.answered.back()));
  voter.hear_forward(kOther, 5, 2);
  REQUIRE(voter.answered.size() == 2);
  const auto* refused = std::get_if<Refused>(&voter.answered.back());
  REQUIRE(refused != nullptr);
  CHECK(refused->reason == Refused::Reason::kNoLeader);
}

}  // namespace
}  // namespace quorate::group
