#include "consensus/raft/configuration.h"

#include <doctest/doctest.h>

namespace quorate::raft {
namespace {

constexpr MemberId kOne{1};
constexpr MemberId kTwo{2};
constexpr MemberId kThree{3};
constexpr MemberId kFour{4};

Configuration group() {
  Configuration c;
  c.voters = {kOne, kTwo};
  c.learners = {{kThree, false}};
  c.addresses = {{kOne, "a:1"}, {kTwo, "b:2"}, {kThree, "c:3"}};
  return c;
}

Configuration entered(const Configuration& from, const Change& change) {
  auto to = enter(from, change);
  REQUIRE(to.ok());
  CHECK(valid(to.value()));
  return std::move(to).value();
}

ChangeError refused(const Configuration& from, const Change& change) {
  const auto to = enter(from, change);
  REQUIRE(!to.ok());
  return to.error();
}

TEST_CASE("a change of learners is one step") {
  const Configuration with = entered(group(), {AddLearner{kFour, "d:4", true}});
  CHECK(!with.joint());
  CHECK(with.find_learner(kFour)->joining);
  CHECK(with.addresses.at(kFour) == "d:4");
  const Configuration without = entered(with, {Remove{kThree}});
  CHECK(!without.joint());
  CHECK(!without.contains(kThree));
}

TEST_CASE(
    "a change of voters goes through a joint configuration, in which those who leave still vote") {
  const Configuration joint = entered(group(), {Promote{kThree}, Remove{kTwo}});
  CHECK(joint.joint());
  CHECK(joint.voters == std::vector{kOne, kThree});
  CHECK(joint.old_voters == std::vector{kOne, kTwo});
  CHECK(joint.is_voter(kTwo));
  CHECK(joint.contains(kTwo));
  CHECK(joint.find_learner(kThree) == nullptr);

  const Configuration left = leave_joint(joint);
  CHECK(valid(left));
  CHECK(!left.joint());
  CHECK(!left.contains(kTwo));
  CHECK(left.addresses.at(kThree) == "c:3");
}

TEST_CASE("steps are taken one after the other, and all or none of them") {
  const Configuration to = entered(group(), {AddLearner{kFour, "d:4", false}, Promote{kFour}});
  CHECK(to.voters == std::vector{kOne, kTwo, kFour});
  CHECK(refused(group(), {Remove{kTwo}, Remove{kTwo}}) == ChangeError::kNotMember);
}

TEST_CASE("what makes no sense is refused, by its name") {
  CHECK(refused(group(), {}) == ChangeError::kEmpty);
  CHECK(refused(group(), {AddLearner{kFour, "", false}, Remove{kFour}}) == ChangeError::kEmpty);
  CHECK(refused(group(), {AddLearner{kOne, "x", false}}) == ChangeError::kAlreadyMember);
  CHECK(refused(group(), {AddLearner{kThree, "x", false}}) == ChangeError::kAlreadyMember);
  CHECK(refused(group(), {Promote{kOne}}) == ChangeError::kNotLearner);
  CHECK(refused(group(), {Promote{kFour}}) == ChangeError::kNotLearner);
  CHECK(refused(group(), {Remove{kFour}}) == ChangeError::kNotMember);
  CHECK(refused(group(), {Remove{kOne}, Remove{kTwo}}) == ChangeError::kNoVoter);
  const std::string long_address(kMaxAddressBytes + 1, 'x');
  CHECK(refused(group(), {AddLearner{kFour, long_address, false}}) == ChangeError::kBadAddress);
  const Configuration joint = entered(group(), {Promote{kThree}});
  CHECK(refused(joint, {Remove{kThree}}) == ChangeError::kJoint);
}

TEST_CASE("there are not more voters and members than the limits") {
  Configuration c = group();
  for (uint64_t id = 10; c.addresses.size() < kMaxMembers; ++id) {
    c = entered(c, {AddLearner{MemberId{id}, "", false}});
  }
  CHECK(refused(c, {AddLearner{MemberId{1000}, "", false}}) == ChangeError::kTooMany);
  Change change;
  for (uint64_t id = 10; id < 10 + kMaxVoters - 1; ++id) change.emplace_back(Promote{MemberId{id}});
  CHECK(refused(c, change) == ChangeError::kTooMany);
  change.pop_back();
  CHECK(entered(c, change).voters.size() == kMaxVoters);
}

TEST_CASE("a configuration that no change could have made is not valid") {
  const auto spoiled = [](auto spoil) {
    Configuration c = group();
    spoil(c);
    return valid(c);
  };
  CHECK(valid(group()));
  CHECK(valid(Configuration{}));
  CHECK(!spoiled([](Configuration& c) { c.voters = {kTwo, kOne}; }));
  CHECK(!spoiled([](Configuration& c) { c.voters = {kOne, kOne, kTwo}; }));
  CHECK(!spoiled([](Configuration& c) { c.voters = {}; }));
  CHECK(!spoiled([](Configuration& c) { c.old_voters = c.voters; }));
  CHECK(!spoiled([](Configuration& c) { c.learners.push_back({kOne, false}); }));
  CHECK(!spoiled([](Configuration& c) { c.learners = {}; }));
  CHECK(!spoiled([](Configuration& c) { c.addresses.erase(kTwo); }));
  CHECK(!spoiled([](Configuration& c) { c.addresses.emplace(kFour, "x"); }));
  CHECK(!spoiled([](Configuration& c) { c.addresses[kOne].assign(kMaxAddressBytes + 1, 'x'); }));
}

}  // namespace
}  // namespace quorate::raft
