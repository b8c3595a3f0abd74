// What an observer does with what a voter sends that a voter of this program would not: the
// simulator's voters are honest.
#include "consensus/group/follower.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "consensus/cluster/cluster_change.h"
#include "consensus/cluster/cluster_codec.h"
#include "consensus/group/messages.h"

namespace quorate::group {
namespace {

using namespace std::chrono_literals;

cluster::ClusterMap founded() {
  cluster::ClusterMap map;
  REQUIRE(cluster::apply(map, 1, cluster::Change(cluster::FoundCluster{{1, 1}})).ok());
  REQUIRE(cluster::apply(map, 2, cluster::Change(cluster::AddMember{"a", "one:1"})).ok());
  return map;
}

/// An observer that follows the voter that the test speaks for.
class Following {
 public:
  Following() : follower_(Self{.name = "o", .nonce = {7, 7}}, {}, {"one:1"}, 1, now_) {
    follower_.on_time(now_);
    REQUIRE(follower_.take_output().connect == "one:1");
    follower_.on_connected(now_);
    const std::string map = cluster::encode(founded());
    hear(Piece{0, map.size(), map});
    REQUIRE(follower_.map().index == 2);
  }

  FollowerOutput hear(const VoterMessage& message) {
    CHECK(follower_.on_message(encode(message), now_));
    FollowerOutput output = follower_.take_output();
    for (const Bytes& bytes : output.send) {
      auto sent = decode_observer_message(*bytes);
      REQUIRE(sent);
      if (auto* request = std::get_if<Propose>(&*sent)) asked_.push_back(request->request);
    }
    return output;
  }
  void wait(Duration time) {
    now_ += time;
    hear(Beat{2, 1, MemberId{1}});
    follower_.on_time(now_);
    hear(Beat{2, 1, MemberId{1}});
  }
  const cluster::ClusterMap& map() const { return follower_.map(); }
  const std::vector<uint64_t>& asked() const { return asked_; }

 private:
  Instant now_{1h};
  Follower follower_;
  std::vector<uint64_t> asked_;
};

FeedEntry member(Index index, const std::string& name) {
  return {index, cluster::encode(cluster::Change(cluster::AddMember{name, name + ":1"}))};
}

}  // namespace

TEST_CASE("changes that follow on what is known are applied") {
  Following observer;
  CHECK(!observer.hear(Changes{2, 3, {member(3, "b")}}).disconnect);
  CHECK(observer.map().find_member("b") != nullptr);
  CHECK(observer.map().index == 3);
}

TEST_CASE("changes of which some before are missing are not taken, and their voter is left") {
  Following observer;
  const FollowerOutput output = observer.hear(Changes{3, 4, {member(4, "c")}});
  CHECK(output.disconnect);
  CHECK(observer.map().find_member("c") == nullptr);
  CHECK(observer.map().index == 2);
}

TEST_CASE("why it gets no session is said once, and it asks again") {
  Following observer;
  REQUIRE(observer.asked().size() == 1);
  size_t said = 0;
  for (int round = 0; round < 3; ++round) {
    const Refused refused{Refused::Reason::kInvalid, "member 1 is named \"o\""};
    for (const Event& event : observer.hear(ProposeEnd{observer.asked().back(), refused}).events) {
      said += event.text == "no session: member 1 is named \"o\"" ? 1 : 0;
    }
    observer.wait(250ms);
  }
  CHECK(said == 1);
  CHECK(observer.asked().size() == 4);
}

}  // namespace quorate::group
