// What changes do to the map, and which are refused.
#include "consensus/cluster/cluster_change.h"

#include <set>

#include "tests/unit/consensus/cluster/maps.h"

namespace quorate::cluster {
namespace {

TEST_CASE("with keep, an ejected backend stays on the ring and refuses") {
  ClusterMap map = map_with_pool(OnEject::kKeep);
  const uint64_t before = pool_view(map).epoch;
  done(map, eject(map, "a"));
  const PoolView view = pool_view(map);
  CHECK(view.epoch > before);
  CHECK(seen(view, "a").member.on_ring);
  CHECK(seen(view, "a").refuses);
}

TEST_CASE("with rehash, an ejected backend leaves the ring, and comes back to its place") {
  ClusterMap map = map_with_pool(OnEject::kRehash);
  PoolView whole = pool_view(map);
  done(map, eject(map, "a"));
  CHECK_FALSE(seen(pool_view(map), "a").member.on_ring);
  CHECK_FALSE(seen(pool_view(map), "a").refuses);
  done(map, ready(map, "a"));
  PoolView again = pool_view(map);
  CHECK(again.epoch > whole.epoch);
  again.epoch = whole.epoch;
  CHECK(again == whole);
}

TEST_CASE("with spare, a stand-in takes exactly the place of the ejected one") {
  ClusterMap map = map_with_pool(OnEject::kSpare, "---", 1);
  done(map, eject(map, "a"));
  PoolView view = pool_view(map);
  CHECK(seen(view, "a").member.on_ring);
  CHECK(seen(view, "a").server == named(map, "d"));
  CHECK(seen(view, "a").address == "d:1");
  CHECK_FALSE(seen(view, "a").refuses);

  SUBCASE("a second one finds no spare, and is kept") {
    done(map, eject(map, "b"));
    CHECK(seen(pool_view(map), "b").refuses);
    SUBCASE("until the first is back") {
      done(map, ready(map, "a"));
      CHECK(seen(pool_view(map), "a").server == named(map, "a"));
      CHECK(seen(pool_view(map), "b").server == named(map, "d"));
    }
  }
  SUBCASE("a stand-in that fails leaves the place empty") {
    done(map, eject(map, "d"));
    CHECK(seen(pool_view(map), "a").refuses);
  }
}

TEST_CASE("nobody is ejected below the floor, but by an operator who insists") {
  ClusterMap map = map_with_pool(OnEject::kKeep, "---", 0, 2);
  done(map, eject(map, "a"));
  CHECK(refused(map, eject(map, "b")) == RefusalKind::kFloor);
  CHECK(refused(map, eject(map, "b", Cause::kOperator)) == RefusalKind::kFloor);
  CHECK(refused(map, DrainBackend{named(map, "b"), false}) == RefusalKind::kFloor);
  done(map, eject(map, "b", Cause::kOperatorForced));
}

TEST_CASE("a place that a spare takes counts for the floor") {
  ClusterMap map = map_with_pool(OnEject::kSpare, "--", 1, 2);
  done(map, eject(map, "a"));
  CHECK(refused(map, eject(map, "b")) == RefusalKind::kFloor);
  CHECK(refused(map, eject(map, "c")) == RefusalKind::kFloor);  // the spare itself
}

TEST_CASE("the last backend of a zone is not ejected by evidence") {
  ClusterMap map = map_with_pool(OnEject::kRehash, "xxy");
  CHECK(refused(map, eject(map, "c")) == RefusalKind::kZone);
  done(map, eject(map, "a"));
  CHECK(refused(map, eject(map, "b")) == RefusalKind::kZone);
  done(map, eject(map, "b", Cause::kOperator));
}

TEST_CASE("what an operator took out, evidence does not bring back") {
  ClusterMap map = map_with_pool(OnEject::kKeep);
  SUBCASE("ejected") { done(map, eject(map, "a", Cause::kOperator)); }
  SUBCASE("ejected by evidence first") {
    done(map, eject(map, "a"));
    done(map, eject(map, "a", Cause::kOperator));
  }
  SUBCASE("drained") { done(map, DrainBackend{named(map, "a"), false}); }
  CHECK(refused(map, ready(map, "a")) == RefusalKind::kConflict);
  done(map, ready(map, "a", Cause::kOperator));
}

TEST_CASE("flaps are counted until the backend was steady") {
  ClusterMap map = map_with_pool(OnEject::kKeep);
  for (uint32_t flaps = 1; flaps < 4; ++flaps) {
    done(map, eject(map, "a"));
    CHECK(map.backends.at(named(map, "a")).flaps == flaps);
    done(map, ready(map, "a"));
  }
  EjectBackend steady = eject(map, "a");
  steady.was_steady = true;
  done(map, steady);
  CHECK(map.backends.at(named(map, "a")).flaps == 1);
}

TEST_CASE("a backend joins, drains, is removed and forgotten; numbers and epochs only grow") {
  ClusterMap map = map_with_pool(OnEject::kKeep);
  const PoolSerial pool = map.pools.begin()->first;
  const BackendSerial d{
      static_cast<uint32_t>(done(map, AddBackend{pool, {.name = "d", .address = "d:1"}}).id)};
  CHECK_FALSE(seen(pool_view(map), "d").member.on_ring);
  CHECK(refused(map, AddBackend{pool, {.name = "d", .address = "e:1"}}) == RefusalKind::kConflict);
  done(map, ready(map, "d"));
  CHECK(seen(pool_view(map), "d").member.on_ring);
  CHECK(refused(map, RemoveBackend{d}) == RefusalKind::kConflict);
  done(map, DrainBackend{d, false});
  CHECK_FALSE(seen(pool_view(map), "d").member.on_ring);
  const uint64_t epoch = done(map, RemoveBackend{d}).epoch;
  CHECK(map.backends.at(d).state == BackendState::kRemoved);
  done(map, AddBackend{pool, {.name = "d", .address = "d:1"}});
  CHECK(named(map, "d") != d);
  CHECK_FALSE(map.backends.contains(d));
  CHECK(pool_view(map).epoch > epoch);
}

TEST_CASE("no two epochs are the same, not even of two pools, or of one that comes back") {
  ClusterMap map = map_with_pool(OnEject::kKeep);
  std::set<uint64_t> epochs = {map.pools.begin()->second.epoch};
  for (int i = 0; i < 3; ++i) {
    DefinePool pool{.rules = {.name = "other"}, .backends = {{.name = "x", .address = "x:1"}}};
    const Applied other = done(map, pool);
    CHECK(epochs.insert(other.epoch).second);
    CHECK(epochs.insert(done(map, eject(map, "a")).epoch).second);
    CHECK(epochs.insert(done(map, ready(map, "a")).epoch).second);
    done(map, RemovePool{PoolSerial{static_cast<uint32_t>(other.id)}});
  }
}

TEST_CASE("a pool is made as described: the same changes nothing, another moves what differs") {
  ClusterMap map = map_with_pool(OnEject::kRehash);
  DefinePool pool{.rules = map.pools.begin()->second.rules, .backends = {}};
  for (const auto& [serial, backend] : map.backends) pool.backends.push_back(backend.rules);
  const uint64_t epoch = pool_view(map).epoch;
  CHECK(done(map, pool).epoch == epoch);
  done(map, eject(map, "b"));
  pool.backends.erase(pool.backends.begin());
  pool.backends.push_back({.name = "n", .address = "n:1"});
  done(map, pool);
  CHECK(map.find_backend(map.pools.begin()->first, "a") == nullptr);
  CHECK(seen(pool_view(map), "b").state == BackendState::kEjected);
  CHECK(seen(pool_view(map), "n").state == BackendState::kJoining);
  pool.only_if_absent = true;
  CHECK(refused(map, pool) == RefusalKind::kConflict);
}

TEST_CASE("what cannot be is refused with its reason") {
  ClusterMap map = map_with_pool(OnEject::kKeep);
  DefinePool pool{.rules = {.name = "new"}, .backends = {{.name = "x", .address = "x:1"}}};
  const auto invalid = [&](auto change) {
    DefinePool wrong = pool;
    change(wrong);
    CHECK(refused(map, wrong) == RefusalKind::kInvalid);
  };
  invalid([](DefinePool& p) { p.rules.name = ""; });
  invalid([](DefinePool& p) { p.rules.name = "a b"; });
  invalid([](DefinePool& p) { p.rules.replicas = 3; });
  invalid([](DefinePool& p) { p.rules.consistency = Consistency::kQuorum; });
  invalid([](DefinePool& p) { p.rules.detection.count = 1; });
  invalid([](DefinePool& p) { p.rules.detection.interval_ms = 0; });
  invalid([](DefinePool& p) { p.rules.placement.hash_tag = "x"; });
  invalid([](DefinePool& p) { p.backends.push_back(p.backends.front()); });
  invalid([](DefinePool& p) { p.backends.front().weight = 0; });
  invalid([](DefinePool& p) { p.backends.front().name = std::string(256, 'x'); });
  invalid([](DefinePool& p) {
    p.rules.on_eject = OnEject::kRehash;
    p.rules.min_up = 0;
  });
  CHECK(refused(map, RemovePool{PoolSerial{77}}) == RefusalKind::kNotFound);
  CHECK(refused(map, EjectBackend{.backend = BackendSerial{77}}) == RefusalKind::kNotFound);
  EjectBackend unseen = eject(map, "a");
  unseen.witnesses.clear();
  CHECK(refused(map, unseen) == RefusalKind::kInvalid);
}

// ---- Sessions.

OpenSession session(uint64_t nonce, bool coordinator = false, MemberId member = {}) {
  return {.nonce = {nonce, 1},
          .member = member,
          .name = "proxy-" + std::to_string(nonce),
          .coordinator = coordinator};
}

TEST_CASE("a session's number is never given twice, however sessions come and go") {
  ClusterMap map;
  uint64_t last = 0;
  for (uint64_t nonce = 1; nonce < 20; ++nonce) {
    const uint64_t id = done(map, session(nonce)).id;
    CHECK(id > last);
    CHECK(done(map, session(nonce)).id == id);  // asked twice
    last = id;
    done(map, EndSession{SessionId{static_cast<uint32_t>(id)}, SessionEnd::kLost});
  }
}

TEST_CASE("an observer cannot have a voter's name") {
  ClusterMap map;
  done(map, AddMember{"one", "one:1"});
  OpenSession observer = session(1);
  observer.name = "one";
  CHECK(done(map, observer).id != 0);  // it may become a voter, and is none
  raft::Configuration configuration;
  configuration.voters = {MemberId{1}};
  apply(map, map.index + 1, configuration);
  observer.nonce = {2, 2};
  CHECK(validate(map, observer)->text == "member 1 is named \"one\"");
  CHECK(done(map, session(3, true, MemberId{1})).id != 0);
}

TEST_CASE("a member that starts again has one session, the new one") {
  ClusterMap map;
  done(map, AddMember{"one", "one:1"});
  const auto first = static_cast<uint32_t>(done(map, session(1, true, MemberId{1})).id);
  const auto second = static_cast<uint32_t>(done(map, session(2, true, MemberId{1})).id);
  CHECK_FALSE(map.sessions.contains(SessionId{first}));
  CHECK(map.sessions.contains(SessionId{second}));
}

TEST_CASE(
    "a lost coordinator's slots go to the others in the same entry, without a configuration") {
  ClusterMap map;
  const SessionId one{static_cast<uint32_t>(done(map, session(1, true)).id)};
  const SessionId two{static_cast<uint32_t>(done(map, session(2, true)).id)};
  const SessionId bystander{static_cast<uint32_t>(done(map, session(3)).id)};
  DefinePool pool{.rules = {.name = "store", .consistency = Consistency::kQuorum, .replicas = 3},
                  .backends = {}};
  const PoolSerial store{static_cast<uint32_t>(done(map, pool).id)};
  std::map<SessionId, uint32_t> owned;
  for (const SlotRun& run : map.pools.at(store).slots) owned[run.owner] += run.count;
  CHECK(owned.size() == 2);
  CHECK(owned[one] > kSlots / 4);
  CHECK(owned[two] > kSlots / 4);
  done(map, RaiseSlotConfiguration{store, 100, 50});
  CHECK(run_of(map.pools.at(store), 120).configuration == 2);
  CHECK(run_of(map.pools.at(store), 150).configuration == 1);
  done(map, EndSession{one, SessionEnd::kLost});
  for (const SlotRun& run : map.pools.at(store).slots) CHECK(run.owner == two);
  CHECK(run_of(map.pools.at(store), 120).configuration == 2);
  CHECK(refused(map, SetSlotOwner{store, 0, 10, bystander}) == RefusalKind::kInvalid);
  CHECK(refused(map, SetSlotOwner{store, 4090, 10, two}) == RefusalKind::kInvalid);
  done(map, EndSession{two, SessionEnd::kLeft});
  CHECK(map.pools.at(store).slots.front().owner == SessionId{});
  done(map, session(4, true));
  CHECK(map.pools.at(store).slots.front().owner != SessionId{});
}

TEST_CASE("another process behind a replicated backend's address has to be admitted again") {
  ClusterMap map;
  DefinePool pool{.rules = {.name = "store", .consistency = Consistency::kQuorum, .replicas = 3},
                  .backends = {{.name = "a", .address = "a:1"}}};
  done(map, pool);
  const BackendSerial a = named(map, "a");
  CHECK(refused(map, ready(map, "a", Cause::kOperator)) == RefusalKind::kConflict);
  done(map, AdmitBackend{a, {}, {1, 1}});
  CHECK(refused(map, AdmitBackend{a, {}, {2, 2}}) == RefusalKind::kConflict);
  done(map, NoteIdentity{a, "", "run-1"});
  CHECK(map.backends.at(a).state == BackendState::kUp);
  CHECK(refused(map, NoteIdentity{a, "", "run-2"}) == RefusalKind::kConflict);
  done(map, NoteIdentity{a, "run-1", "run-2"});
  CHECK(map.backends.at(a).state == BackendState::kJoining);
  CHECK_FALSE(map.backends.at(a).incarnation);
}

TEST_CASE("a backend that has thrown keys away has to be admitted again, empty") {
  ClusterMap map;
  DefinePool pool{.rules = {.name = "store", .consistency = Consistency::kQuorum, .replicas = 3},
                  .backends = {{.name = "a", .address = "a:1"},
                               {.name = "b", .address = "b:1"},
                               {.name = "c", .address = "c:1"}}};
  done(map, pool);
  for (const char* name : {"a", "b", "c"}) done(map, AdmitBackend{named(map, name), {}, {1, 1}});
  const BackendSerial a = named(map, "a");
  CHECK(refused(map, DismissBackend{a, {2, 2}}) == RefusalKind::kConflict);
  const uint64_t epoch = map.epoch;
  done(map, DismissBackend{a, {1, 1}});
  CHECK(map.epoch > epoch);
  CHECK(map.backends.at(a).state == BackendState::kJoining);
  CHECK_FALSE(map.backends.at(a).incarnation);
  const Pool& store = map.pools.begin()->second;
  CHECK(std::ranges::none_of(store.member_sets,
                             [&](const SlotMembers& members) { return members.contains(a); }));
  CHECK(refused(map, DismissBackend{a, {1, 1}}) == RefusalKind::kConflict);
  done(map, AdmitBackend{a, {}, {3, 3}});
  CHECK(map.backends.at(a).state == BackendState::kJoining);  // it is filled before it counts
}

TEST_CASE("a lease ends with its holder") {
  ClusterMap map;
  const SessionId holder{static_cast<uint32_t>(done(map, session(1)).id)};
  const TakeLease take{.nonce = {5, 5}, .holder = holder, .ttl_ms = 1000, .what = "drill"};
  const uint64_t id = done(map, take).id;
  CHECK(done(map, take).id == id);
  done(map, RenewLease{LeaseId{id}});
  done(map, EndSession{holder, SessionEnd::kLost});
  CHECK(map.leases.empty());
  CHECK(refused(map, RenewLease{LeaseId{id}}) == RefusalKind::kNotFound);
}

// ---- Members.

TEST_CASE("roles follow the committed configuration") {
  ClusterMap map;
  raft::Configuration c;
  c.voters = {MemberId{1}, MemberId{2}};
  c.learners = {{MemberId{3}, false}};
  c.addresses = {{MemberId{1}, "a"}, {MemberId{2}, "b"}, {MemberId{3}, "c"}};
  apply(map, 1, c);
  CHECK(map.members.at(MemberId{1}).role == MemberRole::kVoter);
  CHECK(map.members.at(MemberId{3}).role == MemberRole::kLearner);
  CHECK(done(map, AddMember{"four", "d"}).id == 4);
  CHECK(refused(map, RemoveMember{MemberId{1}}) == RefusalKind::kConflict);
  c.voters = {MemberId{1}};
  c.addresses.erase(MemberId{2});
  apply(map, map.index + 1, c);
  CHECK(map.members.at(MemberId{2}).role == MemberRole::kObserver);
  done(map, RemoveMember{MemberId{2}});
}

TEST_CASE(
    "after a recovery by force, all numbers are above what the lost majority may have given") {
  ClusterMap map = map_with_pool(OnEject::kKeep);
  const uint64_t epoch = pool_view(map).epoch;
  done(map, Recover{.generation = 2, .least_session = 1000, .raise_epochs_by = 500});
  CHECK(pool_view(map).epoch > epoch + 500);
  CHECK(done(map, session(1)).id == 1000);
  CHECK(refused(map, Recover{.generation = 2}) == RefusalKind::kConflict);
}

}  // namespace
}  // namespace quorate::cluster
