#include "consensus/cluster/reconfiguration.h"

#include <algorithm>

#include "consensus/cluster/slot_members.h"
#include "tests/unit/consensus/cluster/replicated_maps.h"

namespace quorate::cluster {
namespace {

bool everybody(BackendSerial) { return true; }

/// Of any test: it remembers nothing that a map does not say.
Reconfiguration reconfiguration;

std::vector<Change> next(const ClusterMap& map, uint32_t moving_slots = kMovingSlots,
                         const Reconfiguration::Answers& answers = everybody) {
  return reconfiguration.next(map, store(map), moving_slots, answers);
}

PoolMotion motion(const ClusterMap& map) { return reconfiguration.motion_of(map, store(map)); }

BackendSerial add(ClusterMap& map, const std::string& name, uint32_t weight = 1) {
  return BackendSerial{static_cast<uint32_t>(
      done(map,
           AddBackend{store(map).serial, {.name = name, .address = name + ":1", .weight = weight}})
          .id)};
}

/// Ends the moves of all slots that are kJoint, as their owners do.
uint32_t end_all(ClusterMap& map) {
  EndMove end{.pool = store(map).serial, .slots = {}};
  for (const SlotRun& run : store(map).slots) {
    if (run.phase != SlotPhase::kJoint) continue;
    for (uint32_t i = 0; i < run.count && end.slots.size() < kMaxSlotsInMove; ++i) {
      end.slots.push_back({static_cast<uint16_t>(run.first + i), run.configuration});
    }
  }
  if (!end.slots.empty()) done(map, end);
  return static_cast<uint32_t>(end.slots.size());
}

/// A leader and owners, until nothing is left; how many slots have moved.
uint32_t move_all(ClusterMap& map, uint32_t moving_slots = 3000) {
  uint32_t moved = 0;
  while (true) {
    const auto changes = next(map, moving_slots);
    for (const Change& change : changes) {
      moved += static_cast<uint32_t>(std::get<BeginMove>(change).slots.size());
      done(map, change);
    }
    if (end_all(map) == 0 && changes.empty()) return moved;
  }
}

DefinePool as_it_is(const ClusterMap& map) {
  DefinePool pool{.rules = store(map).rules, .backends = {}};
  for (const auto& [serial, backend] : map.backends) pool.backends.push_back(backend.rules);
  return pool;
}

TEST_CASE("where everything is in its place there is nothing to do") {
  const ClusterMap map = map_of(5);
  CHECK(next(map).empty());
  CHECK(motion(map).slots == SlotCounts{.in_place = kSlots});
  for (const auto& [serial, slots] : motion(map).backends) CHECK(slots.held == slots.wanted);
}

TEST_CASE("nothing moves to a backend that is not admitted, or does not answer") {
  ClusterMap map = map_of(3);
  const BackendSerial d = add(map, "d");
  CHECK(next(map).empty());
  CHECK(motion(map).slots.held == motion(map).backends.at(d).wanted);
  admit(map, "d", 4);
  CHECK(next(map, kMovingSlots, [d](BackendSerial one) { return one != d; }).empty());
  CHECK(next(map).size() == 1);
  CHECK(motion(map).slots.waiting == motion(map).backends.at(d).wanted);
}

TEST_CASE("a new backend gets its slots, a bounded number at once, and is ready when it has them") {
  ClusterMap map = map_of(3);
  const BackendSerial d = add(map, "d");
  admit(map, "d", 4);
  CHECK(refused(map, ready(map, "d")) == RefusalKind::kConflict);
  const uint32_t wanted = motion(map).backends.at(d).wanted;
  CHECK(move_all(map, 200) == wanted);
  CHECK(motion(map).slots == SlotCounts{.in_place = kSlots});
  CHECK(motion(map).backends.at(d) == BackendSlots{.held = wanted, .wanted = wanted});
  done(map, ready(map, "d"));
  CHECK(map.backends.at(d).state == BackendState::kUp);
}

TEST_CASE("it is not ready while a single slot of its own is on the way") {
  ClusterMap map = map_of(3);
  add(map, "d");
  admit(map, "d", 4);
  while (true) {
    const auto changes = next(map);
    if (changes.empty()) break;
    done(map, changes.front());
    CHECK(refused(map, ready(map, "d")) == RefusalKind::kConflict);
    end_all(map);
  }
  done(map, ready(map, "d"));
}

TEST_CASE("slots of one owner move together; the next ones when half have arrived") {
  ClusterMap map = map_of(3);
  add(map, "d");
  admit(map, "d", 4);
  std::vector<SessionId> owners;
  for (int round = 0; round < 2; ++round) {  // the half that is under way is no hindrance
    const auto changes = next(map, 512);
    REQUIRE(changes.size() == 1);
    const auto& begin = std::get<BeginMove>(changes.front());
    CHECK(begin.slots.size() == kMaxSlotsInMove);
    owners.push_back(run_of(store(map), begin.slots.front().slot).owner);
    for (const auto& slot : begin.slots) {
      CHECK(run_of(store(map), slot.slot).owner == owners.back());
    }
    done(map, begin);
  }
  CHECK(owners[0] != owners[1]);
  CHECK(next(map, 512).empty());
  CHECK(end_all(map) == kMaxSlotsInMove);
  CHECK(next(map, 512).size() == 1);
}

TEST_CASE("who drains gives all it has, and only once what takes its place is there") {
  ClusterMap map = map_of(3);
  const BackendSerial d = add(map, "d");
  const BackendSerial a = named(map, "a");
  done(map, DrainBackend{a});
  CHECK(next(map).empty());
  CHECK(motion(map).slots.held == kSlots);
  admit(map, "d", 4);
  CHECK(move_all(map) == kSlots);
  CHECK(motion(map).backends.at(a) == BackendSlots{});
  CHECK(motion(map).backends.at(d).held == kSlots);
  done(map, RemoveBackend{a});
}

TEST_CASE("a backend that lost its memory gets back every slot that it had") {
  ClusterMap map = map_of(5);
  const BackendSerial b = named(map, "b");
  const uint32_t had = motion(map).backends.at(b).held;
  done(map, NoteIdentity{b, "run-b", "run-b2"});
  CHECK(motion(map).backends.at(b) == BackendSlots{.wanted = had});
  CHECK(next(map).empty());
  admit(map, "b", 9);
  CHECK(move_all(map) == had);
  CHECK(motion(map).backends.at(b) == BackendSlots{.held = had, .wanted = had});
  done(map, ready(map, "b"));
}

TEST_CASE("slots whose majority is lost do not move: there is nothing to copy from") {
  ClusterMap map = map_of(3);
  for (const char* name : {"a", "b"}) {
    done(map, NoteIdentity{named(map, name), std::string("run-") + name, "another"});
    admit(map, name, 9);
  }
  CHECK(next(map).empty());
  CHECK(motion(map).slots == SlotCounts{.frozen = kSlots});
}

TEST_CASE("a slot that lost its majority on its way keeps no other slot from moving") {
  ClusterMap map = map_of(5);
  const BackendSerial b = named(map, "b");
  done(map, NoteIdentity{b, "run-b", "run-b2"});
  admit(map, "b", 9);
  done(map, next(map, 256).front());
  done(map, NoteIdentity{named(map, "a"), "run-a", "run-a2"});
  const SlotCounts slots = motion(map).slots;
  CHECK(slots.moving == 256);
  CHECK(slots.frozen > 0);
  CHECK(slots.waiting > 0);
  uint32_t begun = 0;
  for (int round = 0; round < 3; ++round) {
    for (const Change& change : next(map, 512)) {
      begun += static_cast<uint32_t>(std::get<BeginMove>(change).slots.size());
      done(map, change);
    }
  }
  CHECK(begun > 0);
  CHECK(begun <= 512);
}

TEST_CASE("slots go back if too few of their new members are left") {
  ClusterMap map = map_of(5);
  // Three of these belong to d and e, in part.
  done(map, DrainBackend{named(map, "a")});
  done(map, DrainBackend{named(map, "b")});
  const auto changes = next(map);
  REQUIRE(changes.size() == 1);
  done(map, changes.front());
  done(map, eject(map, "d", Cause::kOperatorForced));
  done(map, eject(map, "e", Cause::kOperatorForced));
  const auto back = next(map);
  REQUIRE(back.size() == 1);
  CHECK(std::get<EndMove>(back.front()).back);
  for (const auto& slot : std::get<EndMove>(back.front()).slots) {
    const SlotRun& run = run_of(store(map), slot.slot);
    const SlotMembers& members = store(map).member_sets[run.members];
    CHECK(members.contains(named(map, "c")) + members.contains(named(map, "a")) +
              members.contains(named(map, "b")) >=
          2);
  }
  done(map, back.front());
}

TEST_CASE("another weight moves slots, and nothing else") {
  ClusterMap map = map_of(4);
  const BackendSerial d = named(map, "d");
  const uint32_t before = motion(map).backends.at(d).held;
  DefinePool pool = as_it_is(map);
  pool.backends[3].weight = 3;
  done(map, pool);
  const uint32_t wanted = motion(map).backends.at(d).wanted;
  CHECK(wanted > before);
  CHECK(move_all(map) >= wanted - before);
  CHECK(motion(map).slots == SlotCounts{.in_place = kSlots});
  CHECK(map.backends.at(d).state == BackendState::kUp);
}

TEST_CASE("more replicas, and fewer again") {
  ClusterMap map = map_of(5);
  DefinePool pool = as_it_is(map);
  pool.rules.replicas = 5;
  done(map, pool);
  CHECK(motion(map).slots.waiting == kSlots);
  CHECK(move_all(map) == kSlots);
  for (const SlotMembers& members : store(map).member_sets) CHECK(members.count == 5);
  pool.rules.replicas = 3;
  done(map, pool);
  CHECK(move_all(map) == kSlots);
  for (const SlotMembers& members : store(map).member_sets) CHECK(members.count == 3);
}

TEST_CASE("not more replicas than there are backends") {
  ClusterMap map = map_of(4);
  DefinePool pool = as_it_is(map);
  pool.rules.replicas = 5;
  CHECK(refused(map, pool) == RefusalKind::kFloor);
}

}  // namespace
}  // namespace quorate::cluster
