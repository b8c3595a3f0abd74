#include "consensus/raft/quorum.h"

#include <doctest/doctest.h>

namespace quorate::raft {
namespace {

std::vector<MemberId> ids_of(uint32_t bits) {
  std::vector<MemberId> ids;
  for (uint64_t id = 0; id < 5; ++id) {
    if (((bits >> id) & 1) != 0) ids.push_back(MemberId{id});
  }
  return ids;
}

Configuration configuration_of(uint32_t voters, uint32_t old_voters) {
  Configuration c;
  c.voters = ids_of(voters);
  c.old_voters = ids_of(old_voters);
  return c;
}

bool in(uint32_t bits, MemberId id) { return ((bits >> number(id)) & 1) != 0; }

/// How many configurations of up to five members, joint or not, lack what `holds` asks.
template <class Holds>
size_t exceptions(Holds holds) {
  size_t count = 0;
  for (uint32_t voters = 1; voters < 32; ++voters) {
    for (uint32_t old_voters = 0; old_voters < 32; ++old_voters) {
      if (old_voters != voters && !holds(configuration_of(voters, old_voters))) ++count;
    }
  }
  return count;
}

bool quorum_of(const Configuration& c, uint32_t members) {
  return quorum_has(c, [&](MemberId id) { return in(members, id); });
}

TEST_CASE("a majority is more than half") {
  CHECK(majority(1) == 1);
  CHECK(majority(2) == 2);
  CHECK(majority(3) == 2);
  CHECK(majority(4) == 3);
  CHECK(majority(5) == 3);
}

TEST_CASE("two quorums of one configuration always share a voter") {
  CHECK(exceptions([](const Configuration& c) {
          for (uint32_t members = 0; members < 32; ++members) {
            if (quorum_of(c, members) && quorum_of(c, 31 & ~members)) return false;
          }
          return true;
        }) == 0);
}

TEST_CASE(
    "a quorum of a joint configuration shares a voter with every quorum of its old and its new") {
  CHECK(exceptions([](const Configuration& joint) {
          if (!joint.joint()) return true;
          Configuration old_one;
          Configuration new_one;
          old_one.voters = joint.old_voters;
          new_one.voters = joint.voters;
          for (uint32_t members = 0; members < 32; ++members) {
            if (!quorum_of(joint, members)) continue;
            if (quorum_of(old_one, 31 & ~members) || quorum_of(new_one, 31 & ~members))
              return false;
          }
          return true;
        }) == 0);
}

TEST_CASE("nobody is no quorum, and everybody is one") {
  CHECK(exceptions([](const Configuration& c) { return !quorum_of(c, 0) && quorum_of(c, 31); }) ==
        0);
  CHECK(!quorum_of(Configuration{}, 31));
}

TEST_CASE("the quorum index is the highest that a quorum has reached") {
  CHECK(exceptions([](const Configuration& c) {
          for (uint32_t heights = 0; heights < 243; ++heights) {  // five members, three heights
            const auto match = [heights](MemberId id) {
              uint32_t rest = heights;
              for (uint64_t i = 0; i < number(id); ++i) rest /= 3;
              return Index{rest % 3};
            };
            const auto has = [&](Index index) {
              return quorum_has(c, [&](MemberId id) { return match(id) >= index; });
            };
            const Index reached = quorum_index(c, match);
            if (!has(reached) || has(reached + 1)) return false;
          }
          return true;
        }) == 0);
}

TEST_CASE("an election is won by a quorum, and lost as soon as none can come together") {
  CHECK(exceptions([](const Configuration& c) {
          for (uint32_t answers = 0; answers < 243;
               ++answers) {  // none, granted or refused of each
            std::map<MemberId, bool> votes;
            uint32_t granted = 0;
            uint32_t refused = 0;
            uint32_t rest = answers;
            for (uint64_t id = 0; id < 5; ++id, rest /= 3) {
              if (rest % 3 == 0) continue;
              votes[MemberId{id}] = rest % 3 == 1;
              (rest % 3 == 1 ? granted : refused) |= 1u << id;
            }
            const Tally expected = quorum_of(c, granted)         ? Tally::kWon
                                   : quorum_of(c, 31 & ~refused) ? Tally::kPending
                                                                 : Tally::kLost;
            if (tally(c, votes) != expected) return false;
          }
          return true;
        }) == 0);
}

TEST_CASE("learners are not counted") {
  Configuration c = configuration_of(0b00111, 0);
  c.learners = {{MemberId{3}, false}, {MemberId{4}, true}};
  c.addresses = {{MemberId{0}, ""},
                 {MemberId{1}, ""},
                 {MemberId{2}, ""},
                 {MemberId{3}, ""},
                 {MemberId{4}, ""}};
  CHECK(!quorum_of(c, 0b11001));
  CHECK(quorum_index(c, [](MemberId id) { return number(id) >= 2 ? Index{7} : Index{3}; }) == 3);
}

}  // namespace
}  // namespace quorate::raft
