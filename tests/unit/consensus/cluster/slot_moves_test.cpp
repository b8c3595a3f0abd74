#include <algorithm>
#include <map>
#include <set>

#include "consensus/cluster/cluster_codec.h"
#include "consensus/cluster/replica_table.h"
#include "consensus/cluster/slot_members.h"
#include "tests/unit/consensus/cluster/replicated_maps.h"

namespace quorate::cluster {
namespace {

/// All slots that are not where they belong, at most as many as move at once.
BeginMove next_move(const ClusterMap& map) {
  const Pool& pool = store(map);
  const auto places = places_of_slots(map, pool);
  BeginMove move{.pool = pool.serial, .slots = {}};
  for (uint16_t slot = 0; slot < kSlots && move.slots.size() < kMaxSlotsInMove; ++slot) {
    const SlotRun& run = run_of(pool, slot);
    const SlotMembers& members = pool.member_sets[run.members];
    const bool there = std::ranges::all_of(
        places[slot], [&](BackendSerial serial) { return members.contains(serial); });
    if (!there && run.phase == SlotPhase::kStable) {
      move.slots.push_back({slot, run.configuration, places[slot]});
    }
  }
  return move;
}

EndMove end_of(const BeginMove& move, bool back = false) {
  EndMove end{.pool = move.pool, .slots = {}, .back = back};
  for (const auto& slot : move.slots) end.slots.push_back({slot.slot, slot.configuration + 1});
  return end;
}

TEST_CASE("a new pool's slots begin where they belong, spread over its backends") {
  const ClusterMap map = map_of(5);
  std::map<BackendSerial, uint32_t> held;
  for (uint16_t slot = 0; slot < kSlots; ++slot) {
    const SlotMembers& members = store(map).member_sets[run_of(store(map), slot).members];
    CHECK(members.count == 3);
    for (const auto& place : members.all()) {
      ++held[place.backend];
      CHECK(place.joined == 1);
    }
  }
  CHECK(held.size() == 5);
  for (const auto& [backend, slots] : held) CHECK(slots > kSlots * 3 / 5 / 2);
  CHECK(next_move(map).slots.empty());
}

TEST_CASE("a backend that was there from the beginning is up as soon as it is admitted") {
  ClusterMap map;
  done(map, pool_of(3));
  CHECK(map.backends.at(named(map, "a")).state == BackendState::kJoining);
  admit(map, "a", 1);
  CHECK(map.backends.at(named(map, "a")).state == BackendState::kUp);
}

TEST_CASE("one that comes later is a member of nothing before slots move to it") {
  ClusterMap map = map_of(3);
  const BackendSerial d{static_cast<uint32_t>(
      done(map, AddBackend{store(map).serial, {.name = "d", .address = "d:1"}}).id)};
  const BeginMove too_early = next_move(map);
  REQUIRE(too_early.slots.size() == kMaxSlotsInMove);
  CHECK(refused(map, too_early) == RefusalKind::kConflict);
  admit(map, "d", 4);
  CHECK(map.backends.at(d).state == BackendState::kJoining);
  uint32_t rounds = 0;
  for (BeginMove move = next_move(map); !move.slots.empty(); move = next_move(map), ++rounds) {
    done(map, move);
    const uint16_t slot = move.slots.front().slot;
    const SlotRun joint = run_of(store(map), slot);
    CHECK(joint.phase == SlotPhase::kJoint);
    CHECK(joint.configuration == move.slots.front().configuration + 1);
    for (const auto& place : store(map).member_sets[joint.next].all()) {
      CHECK(place.joined == (place.backend == d ? joint.configuration : 1));
    }
    CHECK(refused(map, move) == RefusalKind::kConflict);  // a second time
    done(map, end_of(move));
    const SlotRun stable = run_of(store(map), slot);
    CHECK(stable.phase == SlotPhase::kStable);
    CHECK(stable.configuration == joint.configuration + 1);
    CHECK(store(map).member_sets[stable.members].contains(d));
  }
  CHECK(rounds > 1);
  CHECK(run_of(store(map), 0).configuration <= 3);
}

TEST_CASE("slots that go back have the members they had, under a newer configuration") {
  ClusterMap map = map_of(4);
  const BackendSerial a = named(map, "a");
  done(map, DrainBackend{a});
  const BeginMove move = next_move(map);
  REQUIRE(!move.slots.empty());
  const SlotRun before = run_of(store(map), move.slots.front().slot);
  const SlotMembers members = store(map).member_sets[before.members];
  done(map, move);
  done(map, end_of(move, true));
  const SlotRun after = run_of(store(map), move.slots.front().slot);
  CHECK(after.configuration == before.configuration + 2);
  CHECK(store(map).member_sets[after.members] == members);
}

TEST_CASE(
    "who drains is asked to go only if the others are enough, and goes when it holds nothing") {
  ClusterMap map = map_of(4);
  const BackendSerial a = named(map, "a");
  done(map, DrainBackend{a});
  CHECK(refused(map, DrainBackend{named(map, "b")}) == RefusalKind::kFloor);
  CHECK(refused(map, RemoveBackend{a}) == RefusalKind::kConflict);
  for (BeginMove move = next_move(map); !move.slots.empty(); move = next_move(map)) {
    done(map, move);
    CHECK(refused(map, RemoveBackend{a}) == RefusalKind::kConflict);
    done(map, end_of(move));
  }
  done(map, RemoveBackend{a});
}

TEST_CASE(
    "a backend that has lost its memory leaves its places empty until slots have moved to it") {
  ClusterMap map = map_of(3);
  const BackendSerial b = named(map, "b");
  done(map, NoteIdentity{b, "run-b", "run-b2"});
  for (const SlotMembers& members : store(map).member_sets) {
    CHECK(members.count == 3);
    CHECK(!members.contains(b));
    CHECK(members.contains(BackendSerial{}));
  }
  CHECK(refused(map, next_move(map)) == RefusalKind::kConflict);  // not admitted yet
  admit(map, "b", 9);
  CHECK(map.backends.at(b).state == BackendState::kJoining);
  for (BeginMove move = next_move(map); !move.slots.empty(); move = next_move(map)) {
    done(map, move);
    done(map, end_of(move));
  }
  for (const SlotMembers& members : store(map).member_sets) {
    CHECK(members.contains(b));
    CHECK(!members.contains(BackendSerial{}));
  }
}

TEST_CASE("one that loses its memory while slots move to it is no new member either") {
  ClusterMap map = map_of(4);
  done(map, DrainBackend{named(map, "a")});
  const BeginMove move = next_move(map);
  done(map, move);
  const BackendSerial d = named(map, "d");
  done(map, NoteIdentity{d, "run-d", "run-d2"});
  CHECK(!store(map).member_sets[run_of(store(map), move.slots.front().slot).next].contains(d));
}

TEST_CASE("a map with slots that move comes back from its bytes") {
  ClusterMap map = map_of(4);
  done(map, DrainBackend{named(map, "a")});
  done(map, next_move(map));
  const auto decoded = decode_map(encode(map));
  REQUIRE(decoded.ok());
  CHECK(decoded.value() == map);
  const BeginMove move = next_move(map);
  const auto change = decode_change(encode(Change(move)));
  REQUIRE(change.ok());
  CHECK(encode(change.value()) == encode(Change(move)));
}

TEST_CASE("after a recovery, configurations are above all that a lost majority gave away") {
  ClusterMap map = map_of(4);
  done(map, DrainBackend{named(map, "a")});
  const BeginMove move = next_move(map);
  done(map, move);
  const SlotRun before = run_of(store(map), move.slots.front().slot);
  done(map, Recover{.generation = 2,
                    .least_session = 100,
                    .raise_epochs_by = 10,
                    .raise_configurations_by = 1000});
  const SlotRun after = run_of(store(map), move.slots.front().slot);
  CHECK(after.configuration == before.configuration + 1000);
  CHECK(after.phase == SlotPhase::kJoint);
}

// ---- The table that workers read.

TEST_CASE("a table says of every slot what the map says") {
  ClusterMap map = map_of(5);
  done(map, DrainBackend{named(map, "a")});
  done(map, next_move(map));
  const auto table = ReplicaTable::build(map, store(map));
  std::set<BackendIndex> first_choices;
  for (uint16_t slot = 0; slot < kSlots; ++slot) {
    const SlotRun& run = run_of(store(map), slot);
    const SlotView& view = table->slot(slot);
    CHECK(view.configuration == run.configuration);
    CHECK(view.phase == run.phase);
    CHECK(view.owner == run.owner);
    CHECK(view.members.majority() == 2);
    for (const auto& place : view.members.all()) {
      CHECK(store(map).member_sets[run.members].contains(table->backends()[place.backend].serial));
    }
    CHECK(view.next.count == (run.phase == SlotPhase::kJoint ? 3 : 0));
    first_choices.insert(view.members.places[0].backend);
  }
  CHECK(first_choices.size() == 5);
  CHECK(table->find_backend(named(map, "c"))->address == "c:1");
  CHECK(table->find_backend(BackendSerial{99}) == nullptr);
}

TEST_CASE(
    "the first candidate of a slot is its recorded owner, and all coordinators are candidates") {
  const ClusterMap map = map_of(3);
  const auto table = ReplicaTable::build(map, store(map));
  std::vector<SessionId> candidates;
  for (uint16_t slot = 0; slot < kSlots; ++slot) {
    table->candidates(slot, candidates);
    CHECK(candidates.size() == 2);
    CHECK(candidates.front() == table->slot(slot).owner);
  }
}

TEST_CASE("an empty place is nobody, and keys fall on slots by their tag") {
  ClusterMap map;
  DefinePool pool = pool_of(3);
  pool.rules.placement.hash_tag = "{}";
  done(map, pool);
  for (const char* name : {"a", "b", "c"}) {
    done(map, NoteIdentity{named(map, name), "", std::string("run-") + name});
  }
  done(map, NoteIdentity{named(map, "b"), "run-b", "run-x"});
  const auto table = ReplicaTable::build(map, store(map));
  CHECK(std::ranges::count(table->slot(7).members.all(), kNobody, &Members::Place::backend) == 1);
  CHECK(table->slot_of("user:{12}:name") == table->slot_of("{12}"));
  CHECK(table->slot_of("user:{12}:name") == table->slot_of("12"));
  CHECK(table->slot_of("") < kSlots);
}

TEST_CASE("a table that says the same need not be told again") {
  ClusterMap map = map_of(3);
  const auto before = ReplicaTable::build(map, store(map));
  done(map, AddMember{"x", "x:1"});
  CHECK(before->says_the_same_as(*ReplicaTable::build(map, store(map))));
  done(map, RaiseSlotConfiguration{store(map).serial, 5, 1});
  CHECK(!before->says_the_same_as(*ReplicaTable::build(map, store(map))));
}

}  // namespace
}  // namespace quorate::cluster
