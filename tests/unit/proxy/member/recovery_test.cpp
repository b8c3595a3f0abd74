#include "proxy/member/recovery.h"

#include <doctest/doctest.h>

#include "consensus/cluster/cluster_change.h"
#include "consensus/cluster/cluster_codec.h"
#include "consensus/storage/storage.h"
#include "proxy/member/identity_file.h"
#include "tests/simulation/raft/simulated_disk.h"

namespace quorate::member {
namespace {

constexpr base::WallTime kNow{std::chrono::hours(24 * 365 * 57)};  // early in 2027

raft::Configuration three() {
  raft::Configuration configuration;
  for (uint64_t id = 1; id <= 3; ++id) {
    configuration.voters.push_back(raft::MemberId{id});
    configuration.addresses[raft::MemberId{id}] = "10.0.0." + std::to_string(id) + ":7400";
  }
  return configuration;
}

/// A member of three with a log of these changes, in term 5.
void fill(storage::Directory& disk, const std::vector<cluster::Change>& changes) {
  REQUIRE(write_identity(disk, {raft::MemberId{1}, {1, 1}, "a"}).ok());
  auto opened = storage::Storage::open(disk);
  REQUIRE(opened.ok());
  raft::Persist order = raft::founding(three());
  order.hard_state = raft::HardState{5, raft::MemberId{2}};
  for (const cluster::Change& change : changes) {
    order.entries.push_back(std::make_shared<const raft::Entry>(
        raft::Entry{5, order.entries.size() + 1, raft::Command{cluster::encode(change)}}));
  }
  REQUIRE(opened.value().storage->append(order).ok());
  REQUIRE(opened.value().storage->sync().ok());
}

std::vector<cluster::Change> story() {
  cluster::DefinePool pool;
  pool.rules.name = "p";
  pool.backends = {{.name = "x", .address = "h:1", .zone = {}}};
  return {cluster::FoundCluster{{1, 1}},
          cluster::DescribeMember{raft::MemberId{1}, "a", "10.0.0.1:7400"},
          cluster::DescribeMember{raft::MemberId{2}, "b", "10.0.0.2:7400"},
          cluster::OpenSession{{7, 7}, raft::MemberId{1}, "a", "10.0.0.1:7400", true, 0}, pool};
}

}  // namespace

TEST_CASE("without force it is only said what would be done") {
  simulation::SimulatedDisk disk(1);
  fill(disk, story());
  const auto report = recover(disk, "10.0.0.1:7400", kNow, false);
  REQUIRE(report.ok());
  CHECK(report.value().term == 5);
  CHECK(report.value().last_index == 6);
  CHECK(report.value().generation > 2);
  CHECK(report.value().kept == "a (1) at 10.0.0.1:7400");
  CHECK(report.value().removed.size() == 2);
  CHECK(report.value().pools.size() == 1);
  disk.restart();
  const auto opened = storage::Storage::open(disk);
  CHECK(opened.value().durable.snapshot == nullptr);
  CHECK(opened.value().durable.entries.size() == 6);
}

TEST_CASE("after recovery this member is the only voter, and every number is above all that was") {
  simulation::SimulatedDisk disk(1);
  fill(disk, story());
  REQUIRE(recover(disk, "10.0.0.9:7400", kNow, true).ok());
  disk.lose_power();
  const auto opened = storage::Storage::open(disk);
  REQUIRE(opened.ok());
  const raft::Durable& durable = opened.value().durable;
  CHECK(durable.hard_state.term == 6);
  CHECK(!durable.hard_state.vote);
  CHECK(durable.entries.empty());
  REQUIRE(durable.snapshot != nullptr);
  CHECK(durable.snapshot->head.index > 6);
  CHECK(durable.snapshot->configuration.voters == std::vector{raft::MemberId{1}});
  CHECK(durable.snapshot->configuration.addresses.at(raft::MemberId{1}) == "10.0.0.9:7400");

  const auto map = cluster::decode_map(durable.snapshot->state);
  REQUIRE(map.ok());
  CHECK(map.value().index == durable.snapshot->head.index);
  CHECK(map.value().generation > 2);
  CHECK(map.value().members.size() == 1);
  CHECK(map.value().next_member > 1000);
  CHECK(map.value().next_session > 1'000'000);
  CHECK(map.value().find_pool("p")->epoch > 1'000'000);
  CHECK(map.value().find_backend(map.value().find_pool("p")->serial, "x") != nullptr);
}

TEST_CASE("who recovers again, from an older disk, is above what the first one gave away") {
  const auto recovered = [](const std::vector<cluster::Change>& changes, base::WallTime when) {
    simulation::SimulatedDisk disk(1);
    fill(disk, changes);
    REQUIRE(recover(disk, "10.0.0.1:7400", when, true).ok());
    const auto opened = storage::Storage::open(disk);
    return cluster::decode_map(opened.value().durable.snapshot->state).value();
  };
  std::vector<cluster::Change> older = story();
  std::vector<cluster::Change> newer = story();
  for (uint64_t nonce = 8; nonce < 20; ++nonce) {
    newer.emplace_back(
        cluster::OpenSession{{nonce, nonce}, raft::MemberId{1}, "a", "10.0.0.1:7400", true, 0});
  }
  const cluster::ClusterMap first = recovered(newer, kNow);
  const cluster::ClusterMap second = recovered(older, kNow + std::chrono::minutes(2));
  CHECK(second.generation > first.generation);
  CHECK(second.next_session > first.next_session + 100);
  CHECK(second.epoch > first.epoch + 100);
  CHECK(second.next_member > first.next_member);
  CHECK(second.next_backend > first.next_backend);
}

TEST_CASE("a folder without a member, and one of a cluster that was never founded, are refused") {
  simulation::SimulatedDisk empty(1);
  CHECK(recover(empty, "h:1", kNow, true).error() == "there is no member in this folder");
  simulation::SimulatedDisk young(1);
  fill(young, {});
  CHECK(!recover(young, "h:1", kNow, true).ok());
}

}  // namespace quorate::member
