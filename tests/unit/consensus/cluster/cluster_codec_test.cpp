// Changes and maps as bytes.
#include "consensus/cluster/cluster_codec.h"

#include "consensus/base/random.h"
#include "tests/unit/consensus/cluster/maps.h"

namespace quorate::cluster {
namespace {

ClusterMap full_map() {
  ClusterMap map = map_with_pool(OnEject::kSpare, "xxyy", 1);
  done(map, FoundCluster{{UINT64_MAX, 7}});
  done(map, AddMember{"one", "one:1"});
  done(map, OpenSession{.nonce = {UINT64_MAX, 1}, .member = MemberId{1}, .coordinator = true});
  done(map, TakeLease{.nonce = {4, 4}, .ttl_ms = 5, .what = std::string("a\0b", 3)});
  done(map,
       DefinePool{.rules = {.name = "store", .consistency = Consistency::kQuorum, .replicas = 3}});
  done(map, eject(map, "a"));
  done(map, RaiseSlotConfiguration{PoolSerial{2}, 5, 100});
  return map;
}

TEST_CASE("a map survives its bytes") {
  const ClusterMap map = full_map();
  const auto decoded = decode_map(encode(map));
  REQUIRE(decoded.ok());
  CHECK(decoded.value() == map);
}

TEST_CASE("every kind of change survives its bytes, and every cut of them is refused") {
  const BackendRules rules{.name = "b", .address = "b:1", .zone = "z", .weight = 3, .spare = true};
  const std::vector<Change> changes = {
      FoundCluster{{1, UINT64_MAX}},
      AddMember{"n", "a"},
      DescribeMember{MemberId{1}, "n", "a"},
      RemoveMember{MemberId{1}},
      OpenSession{{1, 2}, MemberId{3}, "n", "a", true, 9},
      EndSession{SessionId{3}, SessionEnd::kExpired},
      DefinePool{{.name = "p", .on_eject = OnEject::kSpare}, {rules, rules}, true},
      RemovePool{PoolSerial{1}},
      AddBackend{PoolSerial{1}, rules},
      EjectBackend{BackendSerial{1}, Cause::kOperator, true, {MemberId{1}, MemberId{2}}},
      ReadyBackend{BackendSerial{1}, Cause::kEvidence, {MemberId{1}}},
      DrainBackend{BackendSerial{1}, true},
      RemoveBackend{BackendSerial{1}},
      NoteIdentity{BackendSerial{1}, "x", "y"},
      AdmitBackend{BackendSerial{1}, {1, 2}, {3, 4}},
      SetSlotOwner{PoolSerial{1}, 2, 3, SessionId{4}},
      RaiseSlotConfiguration{PoolSerial{1}, 2, 3},
      TakeLease{{1, 2}, LeaseKind::kFault, SessionId{3}, 4, "w"},
      RenewLease{LeaseId{1}},
      EndLease{LeaseId{1}, true},
      Recover{2, 3, 4, 5},
      BeginMove{PoolSerial{1}, {{2, 3, {BackendSerial{4}, BackendSerial{5}}}}},
      EndMove{PoolSerial{1}, {{2, 3}, {4, 5}}, true},
      DismissBackend{BackendSerial{1}, {1, 2}}};
  CHECK(changes.size() == std::variant_size_v<Change>);
  for (const Change& change : changes) {
    const std::string bytes = encode(change);
    const auto decoded = decode_change(bytes);
    REQUIRE(decoded.ok());
    CHECK(decoded.value().index() == change.index());
    CHECK(encode(decoded.value()) == bytes);
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      CHECK_FALSE(decode_change(bytes.substr(0, cut)).ok());
    }
    CHECK_FALSE(decode_change(bytes + "x").ok());
  }
}

TEST_CASE("another version and another kind are named as such, not guessed") {
  std::string bytes = encode(Change{RemovePool{PoolSerial{1}}});
  bytes[0] = 2;
  CHECK(decode_change(bytes).error() == DecodeError::kUnknownVersion);
  bytes[0] = 1;
  bytes[2] = 99;
  CHECK(decode_change(bytes).error() == DecodeError::kUnknownKind);
  std::string map = encode(full_map());
  map[0] = 9;
  CHECK(decode_map(map).error() == DecodeError::kUnknownVersion);
}

TEST_CASE("a damaged map is refused, or is another map that holds together") {
  const std::string bytes = encode(full_map());
  base::Random random(1);
  for (int i = 0; i < 30'000; ++i) {
    std::string damaged = bytes;
    damaged[random.below(damaged.size())] = static_cast<char>(random.next());
    const auto decoded = decode_map(damaged);
    if (decoded) check_invariants(decoded.value());
  }
}

}  // namespace
}  // namespace quorate::cluster
