// Owners that have been deposed and do not know it, and proposals whose end is unknown.
#include <doctest/doctest.h>

#include "tests/unit/proxy/replicate/scene.h"

namespace quorate::test {
namespace {

using namespace std::chrono_literals;

bool has_succeeded(const std::string& end) { return end.starts_with("ok "); }

TEST_CASE("replicate: what an owner had sent before it was deposed changes nothing any more") {
  Scene scene;
  REQUIRE(scene.call(0, {"set", "{k}", "x"}) == "ok +OK");
  for (uint32_t i = 0; i < 3; ++i) scene.hold(0, i);
  const uint64_t late = scene.submit(0, {"set", "{k}", "late"});
  scene.give_to(1);
  scene.tell(1);
  REQUIRE(scene.call(1, {"set", "{k}", "y", "nx"}) == "ok _");  // 1 knows the state now
  scene.flow(0, 1);
  scene.flow(0, 2);
  CHECK_FALSE(has_succeeded(scene.end_of(late)));
  CHECK(scene.call(1, {"append", "{k}", "y"}) == "ok :2");
}

TEST_CASE("replicate: an owner that was deposed does not answer from what it remembers") {
  Scene scene;
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  scene.give_to(1);
  scene.tell(1);
  REQUIRE(scene.call(1, {"del", "{k}"}) == "ok :1");
  const uint64_t id = scene.submit(0, {"set", "{k}", "w", "nx"});
  scene.pass(100ms);
  CHECK(scene.end_of(id) == "ok +OK");
}

TEST_CASE("replicate: an error of the command is told by a majority, not by one that lags") {
  Scene scene;
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  scene.hold(1, 0);
  scene.give_to(1);
  scene.tell(1);
  REQUIRE(scene.call(1, {"del", "{k}"}) == "ok :1");
  REQUIRE(scene.call(1, {"rpush", "{k}", "a"}) == "ok :1");
  const uint64_t id = scene.submit(0, {"rpush", "{k}", "b"});
  scene.pass(100ms);
  CHECK(scene.end_of(id) == "ok :2");
}

TEST_CASE("replicate: an owner that gives a proposal up raises its term") {
  Scene scene(1);
  REQUIRE(scene.call(0, {"del", "{k}a"}) == "ok :0");
  for (uint32_t i = 0; i < 3; ++i) scene.hold(0, i);
  const uint64_t lost = scene.submit(0, {"rpush", "{k}a", "x"});
  scene.cut(0, 0, Fate::kExecuted);
  scene.cut(0, 1);
  scene.cut(0, 2);
  scene.flow(0, 1);
  scene.flow(0, 2);
  // A later counter: what was lost can never be accepted there any more.
  REQUIRE(scene.call(0, {"set", "{k}b", "y"}) == "ok +OK");
  const base::Term before = scene.backend(1).floor_of(scene.slot());
  scene.pass(1s);
  CHECK(scene.end_of(lost).starts_with("unknown "));
  CHECK(scene.counters(0).self_bumps > 0);
  CHECK(scene.backend(1).floor_of(scene.slot()) > before);
  CHECK(has_succeeded(scene.call(0, {"rpush", "{k}a", "z"})));
}

TEST_CASE("replicate: what one member runs, no other one runs by the same version") {
  Scene scene(1);
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  for (uint32_t i = 1; i < 3; ++i) scene.cut(0, i);
  REQUIRE(scene.call(0, {"set", "{k}b", "v"}).empty());  // so the others are avoided
  for (uint32_t i = 1; i < 3; ++i) scene.flow(0, i);
  for (uint32_t i = 1; i < 3; ++i) scene.hold(0, i);
  const uint64_t id = scene.submit_script(0, "{k}");
  REQUIRE(scene.backend(0).value_of("{k}").find("run 1") != std::string::npos);
  for (uint32_t i = 1; i < 3; ++i) scene.cut(0, i);  // with its state
  for (uint32_t i = 1; i < 3; ++i) scene.flow(0, i);
  scene.pass(100ms);
  CHECK(scene.end_of(id) == "ok :1");
  CHECK(scene.backend(1).value_of("{k}") == scene.backend(0).value_of("{k}"));
  CHECK(scene.backend(2).value_of("{k}") == scene.backend(0).value_of("{k}"));
}

TEST_CASE("replicate: what outran a command is told its state, not the command again") {
  Scene scene(1);
  REQUIRE(scene.call(0, {"del", "{k}a"}) == "ok :0");
  scene.cut(0, 2);
  scene.hold(0, 1);
  const uint64_t id = scene.submit(0, {"rpush", "{k}a", "x"});
  REQUIRE(scene.backend(0).metas().contains("{k}a"));
  scene.cut(0, 1);
  scene.flow(0, 1);
  // A later counter: 1 accepts this version of the first key never any more.
  REQUIRE(scene.call(0, {"set", "{k}b", "y"}) == "ok +OK");
  scene.pass(100ms);
  CHECK(scene.counters(0).old_sequence > 0);
  CHECK(scene.end_of(id) == "ok :1");
  CHECK(scene.call(0, {"llen", "{k}a"}) == "ok :1");
}

TEST_CASE("replicate: an owner does not build on what an older one can still change") {
  Scene scene;
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  for (uint32_t i = 1; i < 3; ++i) scene.hold(0, i);
  const uint64_t old = scene.submit(0, {"append", "{k}", "x"});  // 0 has it
  scene.hold(1, 2);
  scene.give_to(1);
  scene.tell(1);  // 0 and 1 have its term
  scene.cut(1, 2);
  scene.flow(1, 2);
  scene.hold(1, 0);
  scene.hold_answers(1, 1);
  const uint64_t id = scene.submit(1, {"append", "{k}", "y"});  // 2 has been read
  scene.hold(1, 2);
  scene.flow(0, 2);
  CHECK_FALSE(has_succeeded(scene.end_of(old)));
  for (uint32_t i = 0; i < 3; ++i) scene.flow(1, i);
  CHECK(scene.end_of(id) == "ok :2");
  CHECK(scene.call(1, {"get", "{k}"}) == "ok $2 vy");
}

TEST_CASE("replicate: a forward hops once") {
  Scene scene(3);
  scene.give_to(1);
  scene.tell(2);
  const uint64_t id = scene.submit(2, {"set", "{k}", "v"});
  CHECK(scene.counters(2).forwards == 1);
  CHECK(scene.counters(1).forwards == 0);  // it believes that 0 has the slot
  scene.tell(1);
  scene.pass(100ms);
  CHECK(scene.end_of(id) == "ok +OK");
}

TEST_CASE("replicate: a member without its memory does not count") {
  Scene scene(1);
  scene.cut(0, 2);
  REQUIRE(scene.call(0, {"set", "{k}", "v"}) == "ok +OK");
  scene.lose_memory(1);
  scene.flow(0, 2);
  scene.cut(0, 0);
  const uint64_t id = scene.submit(0, {"get", "{k}"});
  scene.pass(500ms);
  CHECK(scene.end_of(id).starts_with("failed -CLUSTERDOWN"));
  scene.flow(0, 0);
  scene.pass(500ms);
  CHECK(scene.call(0, {"get", "{k}"}) == "ok $1 v");
}

}  // namespace
}  // namespace quorate::test
