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

TEST_CASE("what is not understood is refused") {
  for (const char* json :
       {"", "7", "[]", "{}", R"({"do":"backend"})", R"({"do":"backend dance","name":"a"})",
        R"({"do":"member dance","name":"m"})", R"({"do":7})", R"({"do":"member remove"})"}) {
    INFO(json);
    CHECK(!refusal(json).empty());
  }
}

}  // namespace quorate::process
