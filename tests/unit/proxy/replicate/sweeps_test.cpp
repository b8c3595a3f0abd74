// What sweeps may conclude, and when: floors, tombstones, slots that move.
#include <doctest/doctest.h>

#include "tests/unit/proxy/replicate/scene.h"

namespace quorate::test {
namespace {

using namespace std::chrono_literals;
using Wish = replicate::Output::Wish::Kind;

TEST_CASE("replicate: what comes late does not bring back what was deleted and forgotten") {
  Scene scene(1);
  for (uint32_t i = 0; i < 3; ++i) scene.hold(0, i);
  const uint64_t id = scene.submit(0, {"set", "{k}", "v"});
  for (uint32_t i = 0; i < 3; ++i) scene.cut(0, i, Fate::kLate);
  for (uint32_t i = 0; i < 3; ++i) scene.flow(0, i);
  scene.pass(100ms);  // the identical message again
  REQUIRE(scene.end_of(id) == "ok +OK");
  REQUIRE(scene.call(0, {"del", "{k}"}) == "ok :1");
  scene.pass(10s);
  for (uint32_t i = 0; i < 3; ++i) REQUIRE(scene.backend(i).metas().empty());
  for (uint32_t i = 0; i < 3; ++i) scene.execute_late(i);
  CHECK(scene.call(0, {"get", "{k}"}) == "ok _");
}

TEST_CASE("replicate: a member that was not seen to have a key is not told the floor") {
  Scene scene(1);
  REQUIRE(scene.call(0, {"set", "{k}j", "x"}) == "ok +OK");
  REQUIRE(scene.call(0, {"del", "{k}j"}) == "ok :1");
  scene.cut(0, 2);
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  scene.flow(0, 2);
  scene.pass_until_sweeping(0);
  scene.hold(0, 2);  // it has told its keys; now it is asked for this one
  scene.pass(400ms);
  scene.flow(0, 2);
  scene.cut(0, 1);
  CHECK(scene.call(0, {"get", "{k}"}) == "ok $1 v");
}

TEST_CASE("replicate: a delete is not forgotten where no floor stands for it") {
  Scene scene(1);
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  scene.cut(0, 2);
  REQUIRE(scene.call(0, {"del", "{k}"}) == "ok :1");
  // Floors take memory, forgetting does not.
  for (uint32_t i = 0; i < 2; ++i) scene.backend(i).set_nack(acceptor::Nack::kOutOfMemory);
  scene.pass(1s);
  for (uint32_t i = 0; i < 2; ++i) scene.backend(i).set_nack(acceptor::Nack::kNone);
  scene.cut(0, 1);
  scene.flow(0, 2);
  CHECK(scene.call(0, {"get", "{k}"}) == "ok _");
}

TEST_CASE("replicate: a delete that a pass has brought to a member is forgotten by the next one") {
  Scene scene(1);
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  REQUIRE(scene.call(0, {"set", "{k}j", "x"}) == "ok +OK");
  scene.cut(0, 2);
  REQUIRE(scene.call(0, {"del", "{k}"}) == "ok :1");
  scene.pass(100s);  // passes find the member missing, and rest longer and longer
  scene.flow(0, 2);
  REQUIRE(scene.call(0, {"del", "{k}j"}) == "ok :1");
  scene.pass(5s);
  for (uint32_t i = 0; i < 3; ++i) CHECK(scene.backend(i).metas().empty());
}

TEST_CASE("replicate: a member that has an older state, unnoticed, gets the newest in a while") {
  Scene scene(1);
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  const AcceptorModel before = scene.backend(2);
  REQUIRE(scene.call(0, {"set", "{k}", "w"}) == "ok +OK");
  scene.pass(30s);
  REQUIRE_FALSE(scene.is_sweeping(0));
  scene.backend(2) = before;
  scene.pass(6min);
  CHECK(scene.backend(2).value_of("{k}") == scene.backend(0).value_of("{k}"));
}

TEST_CASE("replicate: a floor is above nothing that is under way") {
  Scene scene(1);
  REQUIRE(scene.call(0, {"set", "{k}j", "x"}) == "ok +OK");
  REQUIRE(scene.call(0, {"del", "{k}j"}) == "ok :1");
  scene.pass(10ms);
  for (uint32_t i = 0; i < 3; ++i) scene.backend(i).set_nack(acceptor::Nack::kOutOfMemory);
  const uint64_t id = scene.submit(0, {"set", "{k}", "v"});  // it is asked again after 20 ms
  scene.hold_answers(0, 2);
  scene.pass_until_sweeping(0);
  for (uint32_t i = 0; i < 2; ++i) scene.backend(i).set_nack(acceptor::Nack::kNone);
  scene.pass(15ms);
  REQUIRE(scene.end_of(id) == "ok +OK");
  scene.backend(2).set_nack(acceptor::Nack::kNone);
  scene.flow(0, 2);
  scene.pass(15ms);
  scene.cut(0, 1);
  CHECK(scene.call(0, {"get", "{k}"}) == "ok $1 v");
}

TEST_CASE("replicate: a slot has moved once a majority of its new members has its keys") {
  Scene scene(1, 5);
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  scene.begin_move({0, 3, 4});
  scene.tell(0);
  scene.pass(300ms);
  REQUIRE(scene.wishes(Wish::kEndMove) > 0);
  scene.end_move();
  scene.tell(0);
  scene.cut(0, 0);
  CHECK(scene.call(0, {"get", "{k}"}) == "ok $1 v");
}

TEST_CASE("replicate: a slot has not moved while its new members lack something") {
  Scene scene(1, 5);
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  scene.begin_move({0, 3, 4});
  scene.tell(0);
  scene.hold(0, 3);
  scene.cut(0, 4);
  scene.pass(2s);
  CHECK(scene.wishes(Wish::kEndMove) == 0);
}

TEST_CASE("replicate: a key is dropped at a former member, also if it took that long to refuse") {
  Scene scene(1, 4);
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  scene.begin_move({0, 1, 3});
  scene.tell(0);
  scene.pass(300ms);
  REQUIRE(scene.wishes(Wish::kEndMove) > 0);
  scene.hold(0, 2);
  scene.end_move();
  scene.tell(0);
  scene.pass_until_sweeping(0);
  scene.let_one(0, 2);  // it has told its keys, and is told to drop this one
  scene.pass(1s);
  REQUIRE(scene.backend(2).metas().contains("{k}"));
  scene.cut(0, 2);
  scene.flow(0, 2);
  scene.pass(20s);
  CHECK(scene.backend(2).metas().empty());
}

TEST_CASE("replicate: who has not heard of a move does not read at the old members") {
  Scene scene(2, 5);
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  scene.begin_move({0, 3, 4});
  scene.tell(0);
  scene.pass(300ms);
  scene.end_move();
  scene.tell(0);
  REQUIRE(scene.call(0, {"set", "{k}", "w"}) == "ok +OK");
  scene.cut(1, 0);
  CHECK(scene.call(1, {"get", "{k}"}) == "ok $1 w");
}

}  // namespace
}  // namespace quorate::test
