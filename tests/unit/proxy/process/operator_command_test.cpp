#include "proxy/process/operator_command.h"

#include <doctest/doctest.h>

#include "consensus/cluster/cluster_change.h"

namespace quorate::process {
namespace {

cluster::ClusterMap two_pools() {
  cluster::ClusterMap map;
  REQUIRE(cluster::apply(map, 1, cluster::Change(cluster::FoundCluster{{1, 1}})).ok());
  for (const char* name : {"p", "q"}) {
    cluster::DefinePool pool;
    pool.rules.name = name;
    pool.rules.on_eject = cluster::OnEject::kRehash;
    for (const char* backend : {"a", "b", "c"}) {
      pool.backends.push_back({.name = backend, .address = std::string(name) + ":1", .zone = {}});
    }
    REQUIRE(cluster::apply(map, map.index + 1, cluster::Change(pool)).ok());
  }
  REQUIRE(cluster::apply(map, map.index + 1, cluster::Change(cluster::AddMember{"m", "10.0.0.1:1"}))
              .ok());
  return map;
}

std::string refusal(const std::string& json) {
  const auto command = parse_operator_command(json, two_pools());
  return command.ok() ? "" : command.error();
}

template <class T>
const T& change_of(const OperatorCommand& command, size_t step = 0) {
  return std::get<T>(std::get<cluster::Change>(command.steps.at(step)));
}

}  // namespace

TEST_CASE("a backend is named by its name in a pool, or by what only it has") {
  const auto map = two_pools();
  const auto command =
      parse_operator_command(R"({"do":"backend eject","pool":"q","name":"b"})", map);
  REQUIRE(command.ok());
  CHECK(change_of<cluster::EjectBackend>(command.value()).backend ==
        map.find_backend(map.find_pool("q")->serial, "b")->serial);
  CHECK(change_of<cluster::EjectBackend>(command.value()).cause == cluster::Cause::kOperator);
  CHECK(refusal(R"({"do":"backend eject","name":"b"})").find("2 backends") != std::string::npos);
  CHECK(refusal(R"({"do":"backend eject","name":"z"})") == "there is no backend \"z\"");
  CHECK(refusal(R"({"do":"backend eject","pool":"z","name":"b"})") == "there is no pool \"z\"");
}

TEST_CASE("a plan says which share of the keys moves") {
  const auto command = parse_operator_command(
      R"({"do":"backend drain","pool":"p","name":"a","dry_run":true})", two_pools());
  REQUIRE(command.ok());
  CHECK(command.value().dry_run);
  REQUIRE(command.value().consequences.size() == 1);
  CHECK(command.value().consequences[0].starts_with("moves 3"));
  CHECK(command.value().consequences[0].ends_with("of pool p"));
}

TEST_CASE("a pool's rules are changed by name, and what is not named stays") {
  const auto map = two_pools();
  const auto command = parse_operator_command(
      R"({"do":"pool set","pool":"q","probe_interval_ms":50,"min_up":2,"on_eject":"keep"})", map);
  REQUIRE(command.ok());
  CHECK(command.value().text ==
        "pool q: probe_interval_ms 50 instead of 200, min_up 2 instead of 1, on_eject keep "
        "instead of rehash");
  cluster::PoolRules wanted = map.find_pool("q")->rules;
  wanted.detection.interval_ms = 50;
  wanted.min_up = 2;
  wanted.on_eject = cluster::OnEject::kKeep;
  const auto& change = change_of<cluster::DefinePool>(command.value());
  CHECK(change.rules == wanted);
  CHECK(change.backends.size() == 3);

  const auto nothing = parse_operator_command(R"({"do":"pool set","pool":"q","min_up":1})", map);
  REQUIRE(nothing.ok());
  CHECK(nothing.value().steps.empty());
  CHECK(refusal(R"({"do":"pool set","min_up":2})").starts_with("which pool?"));
  CHECK(refusal(R"({"do":"pool set","pool":"q","probe_failures":1})").find("2..100") !=
        std::string::npos);
  CHECK(refusal(R"({"do":"pool set","pool":"q","on_eject":"drop"})").find("\"rehash\"") !=
        std::string::npos);
}

TEST_CASE("commands about members and pools need a cluster, those about backends do not") {
  CHECK(needs_cluster(R"({"do":"member add","name":"x"})"));
  CHECK(needs_cluster(R"({"do":"pool set"})"));
  CHECK(!needs_cluster(R"({"do":"backend eject"})"));
  CHECK(!needs_cluster("[]"));
}

TEST_CASE("what is up is drained before it is removed") {
  const auto command =
      parse_operator_command(R"({"do":"backend remove","pool":"p","name":"a"})", two_pools());
  REQUIRE(command.ok());
  REQUIRE(command.value().steps.size() == 2);
  CHECK(change_of<cluster::DrainBackend>(command.value(), 0).backend ==
        change_of<cluster::RemoveBackend>(command.value(), 1).backend);
}

TEST_CASE("a new backend has the name that its ring gives it, unless it is told another") {
  const auto plain = parse_operator_command(
      R"({"do":"backend add","pool":"p","address":"10.0.0.7:6379","weight":3})", two_pools());
  REQUIRE(plain.ok());
  CHECK(change_of<cluster::AddBackend>(plain.value()).rules.name == "10.0.0.7:6379");
  CHECK(change_of<cluster::AddBackend>(plain.value()).rules.weight == 3);
  CHECK(refusal(R"({"do":"backend add","address":"10.0.0.7:6379"})").starts_with("which pool?"));
  CHECK(!refusal(R"({"do":"backend add","pool":"p","address":"10.0.0.7"})").empty());
  CHECK(!refusal(R"({"do":"backend add","pool":"p","address":"h:1","name":"a"})").empty());
}

TEST_CASE("a member that is not in the group any more is only forgotten") {
  const auto command = parse_operator_command(R"({"do":"member remove","name":"m"})", two_pools());
  REQUIRE(command.ok());
  REQUIRE(command.value().steps.size() == 1);
  CHECK(change_of<cluster::RemoveMember>(command.value()).member == raft::MemberId{1});
}

/// A pool "s" that keeps three replicas on a, b, c and d, all admitted.
cluster::ClusterMap replicated_pool() {
  cluster::ClusterMap map;
  const auto apply = [&map](const cluster::Change& change) {
    const auto result = cluster::apply(map, map.index + 1, change);
    REQUIRE(result.ok());
    return result.value().id;
  };
  apply(cluster::FoundCluster{{1, 1}});
  cluster::DefinePool pool;
  pool.rules.name = "s";
  pool.rules.consistency = cluster::Consistency::kQuorum;
  pool.rules.replicas = 3;
  for (const char* backend : {"a", "b", "c", "d"}) {
    pool.backends.push_back({.name = backend, .address = std::string(backend) + ":1", .zone = {}});
  }
  apply(pool);
  for (const auto& [serial, backend] : cluster::ClusterMap(map).backends) {
    apply(cluster::AdmitBackend{serial, {}, {1, cluster::number(serial)}});
  }
  return map;
}

TEST_CASE("what holds replicas is drained, and removed when it holds nothing") {
  auto map = replicated_pool();
  auto command = parse_operator_command(R"({"do":"backend remove","name":"a"})", map);
  REQUIRE(command.ok());
  REQUIRE(command.value().steps.size() == 1);
  const auto drain = change_of<cluster::DrainBackend>(command.value());
  CHECK(command.value().moves_slots_of == "s");
  const std::string then = command.value().then;
  CHECK(command.value().consequences.back().starts_with("copies "));
  // Asked again on the way, it is only waited for.
  REQUIRE(cluster::apply(map, map.index + 1, cluster::Change(drain)).ok());
  command = parse_operator_command(then, map);
  REQUIRE(command.ok());
  CHECK(command.value().steps.empty());
  CHECK(command.value().moves_slots_of == "s");
  CHECK(command.value().then == then);
}

TEST_CASE("one that is replaced goes as the other comes, which is what it was") {
  const auto map = replicated_pool();
  const auto command = parse_operator_command(
      R"({"do":"backend replace","name":"a","address":"10.0.0.9:6379"})", map);
  REQUIRE(command.ok());
  const auto& rules = change_of<cluster::AddBackend>(command.value()).rules;
  CHECK(rules.address == "10.0.0.9:6379");
  CHECK(rules.weight == 1);
  CHECK(change_of<cluster::DrainBackend>(command.value(), 1).backend ==
        map.find_backend(map.find_pool("s")->serial, "a")->serial);
  CHECK(command.value().moves_slots_of == "s");
  CHECK(command.value().then.find("backend remove") != std::string::npos);
}

TEST_CASE("weights and replicas of a pool that is there") {
  const auto map = replicated_pool();
  auto command = parse_operator_command(R"({"do":"backend weight","name":"b","weight":3})", map);
  REQUIRE(command.ok());
  CHECK(command.value().text == "weigh s/b 3 instead of 1");
  CHECK(change_of<cluster::DefinePool>(command.value()).backends[1].weight == 3);
  CHECK(command.value().moves_slots_of == "s");
  command = parse_operator_command(R"({"do":"pool replicas","pool":"s","replicas":5})", map);
  REQUIRE_FALSE(command.ok());
  CHECK(command.error().find("4 backends for 5 replicas") != std::string::npos);
  CHECK_FALSE(
      parse_operator_command(R"({"do":"pool replicas","pool":"s","replicas":2})", map).ok());
}

TEST_CASE("what is not understood is refused") {
  for (const char* json :
       {"", "7", "[]", "{}", R"({"do":"backend"})", R"({"do":"backend dance","name":"a"})",
        R"({"do":"member dance","name":"m"})", R"({"do":7})", R"({"do":"member remove"})"}) {
    INFO(json);
    CHECK(!refusal(json).empty());
  }
}

}  // namespace quorate::process
