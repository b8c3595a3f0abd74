#include "proxy/control/plan_builder.h"

#include <doctest/doctest.h>

#include "consensus/cluster/cluster_change.h"
#include "proxy/control/seed.h"
#include "tests/unit/proxy/config/world.h"

namespace quorate::control {
namespace {

using cluster::Change;
using config::testing::settings_of;

constexpr const char* kFile = R"(
[pool.p]
protocol = "redis"
listen = "127.0.0.1:7000"
on_eject = "%"
backends = [
  { address = "127.0.0.1:1", name = "a", password = "one" },
  { address = "127.0.0.1:2", name = "b", password = "two" },
  { address = "127.0.0.1:3", name = "c", spare = true },
]
)";

config::Settings file(const std::string& on_eject) {
  std::string text = kFile;
  return settings_of(text.replace(text.find('%'), 1, on_eject));
}

cluster::ClusterMap map_of(const config::Settings& settings) {
  cluster::ClusterMap map;
  REQUIRE(cluster::apply(map, 1, Change(cluster::FoundCluster{{1, 1}})).ok());
  for (const auto& pool : settings.pools) {
    REQUIRE(cluster::apply(map, map.index + 1, Change(seed_of(pool, settings.cluster))).ok());
  }
  return map;
}

void change(cluster::ClusterMap& map, const Change& what) {
  const auto done = cluster::apply(map, map.index + 1, what);
  REQUIRE_MESSAGE(done.ok(), done.error().text);
}

cluster::BackendSerial serial_of(const cluster::ClusterMap& map, std::string_view name) {
  return map.find_backend(map.find_pool("p")->serial, name)->serial;
}

void eject(cluster::ClusterMap& map, std::string_view name) {
  change(map, cluster::EjectBackend{
                  serial_of(map, name), cluster::Cause::kEvidence, false, {raft::MemberId{1}}});
}

/// The backend that each of some keys goes to.
std::vector<std::string> owners(const relay::ServingPlan& plan) {
  std::vector<std::string> found;
  for (int i = 0; i < 200; ++i) {
    const auto member = plan.pools[0]->placement.explain("k" + std::to_string(i)).member;
    found.push_back(plan.backends[plan.pools[0]->members[*member]]->name);
  }
  return found;
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

TEST_CASE("a plan has the map's backends with the file's passwords, and the map's epoch") {
  const auto settings = file("spare");
  const auto map = map_of(settings);
  const auto plan = PlanBuilder().build(settings, map);
  REQUIRE(plan->backends.size() == 3);
  CHECK(plan->backends[0]->password == "one");
  CHECK(plan->backends[1]->password == "two");
  CHECK(plan->backends[1]->label == "127.0.0.1:2");
  CHECK(plan->backends[1]->port == 2);
  CHECK(plan->backends[1]->serial == serial_of(map, "b"));
  CHECK(plan->pools[0]->epoch == map.find_pool("p")->epoch);
  CHECK(plan->pools[0]->members.size() == 2);
  CHECK(!has(owners(*plan), "c"));
}

TEST_CASE("a server that a pool has twice has two labels, in a pool of its own only the address") {
  const auto settings = settings_of(R"(
[pool.p]
protocol = "redis"
listen = "127.0.0.1:7000"
backends = [
  "127.0.0.1:1",
  { address = "127.0.0.1:1", name = "one", db = 1 },
  { address = "127.0.0.1:1", name = "two", db = 2 },
  { address = "127.0.0.1:2", name = "b" },
]
[pool.q]
protocol = "redis"
listen = "127.0.0.1:7001"
backends = [{ address = "127.0.0.1:1", name = "c" }]
)");
  auto map = map_of(settings);
  const auto plan = PlanBuilder().build(settings, map);
  std::vector<std::string> labels;
  for (const auto& backend : plan->backends) labels.push_back(backend->label);
  CHECK(labels == std::vector<std::string>{"127.0.0.1:1", "127.0.0.1:1 (one)", "127.0.0.1:1 (two)",
                                           "127.0.0.1:2", "127.0.0.1:1"});
  change(map, cluster::DrainBackend{serial_of(map, "two"), true});
  change(map, cluster::RemoveBackend{serial_of(map, "two")});
  change(map, cluster::DrainBackend{serial_of(map, "127.0.0.1:1"), true});
  change(map, cluster::RemoveBackend{serial_of(map, "127.0.0.1:1")});
  CHECK(PlanBuilder().build(settings, map)->backends[0]->label == "127.0.0.1:1");
}

TEST_CASE("a backend keeps its id from plan to plan, whatever becomes of it") {
  const auto settings = file("rehash");
  auto map = map_of(settings);
  PlanBuilder builder;
  const auto before = builder.build(settings, map);
  eject(map, "a");
  const auto after = builder.build(settings, map);
  CHECK(after->epoch > before->epoch);
  CHECK(after->pools[0]->epoch > before->pools[0]->epoch);
  CHECK(after->pools[0]->members == before->pools[0]->members);
  CHECK(after->backends[0]->state == cluster::BackendState::kEjected);
  CHECK(has(owners(*before), "a"));
  CHECK(!has(owners(*after), "a"));
}

TEST_CASE("with keep, an ejected backend keeps its keys, and is marked") {
  const auto settings = file("keep");
  auto map = map_of(settings);
  PlanBuilder builder;
  const auto before = owners(*builder.build(settings, map));
  eject(map, "a");
  const auto plan = builder.build(settings, map);
  CHECK(owners(*plan) == before);
  CHECK(plan->backends[0]->state == cluster::BackendState::kEjected);
}

TEST_CASE("a spare answers for exactly the keys of the ejected one, and gives them back") {
  const auto settings = file("spare");
  auto map = map_of(settings);
  PlanBuilder builder;
  const auto before = owners(*builder.build(settings, map));
  eject(map, "a");
  auto after = owners(*builder.build(settings, map));
  for (size_t i = 0; i < before.size(); ++i)
    CHECK(after[i] == (before[i] == "a" ? "c" : before[i]));
  change(map, cluster::ReadyBackend{
                  serial_of(map, "a"), cluster::Cause::kEvidence, {raft::MemberId{1}}});
  CHECK(owners(*builder.build(settings, map)) == before);
}

TEST_CASE("a backend that only the map has takes the password of the file's first") {
  const auto settings = file("rehash");
  auto map = map_of(settings);
  change(map, cluster::AddBackend{map.find_pool("p")->serial,
                                  {.name = "d", .address = "127.0.0.1:4", .zone = {}}});
  const auto joining = PlanBuilder().build(settings, map);
  REQUIRE(joining->backends.size() == 4);
  CHECK(joining->backends[3]->password == "one");
  CHECK(!has(owners(*joining), "d"));
  change(map, cluster::ReadyBackend{serial_of(map, "d"), cluster::Cause::kOperator, {}});
  CHECK(has(owners(*PlanBuilder().build(settings, map)), "d"));
}

TEST_CASE("a pool that the map does not know has one backend, which nobody can reach") {
  const auto settings = file("keep");
  const auto plan = PlanBuilder().build(settings, cluster::ClusterMap());
  REQUIRE(plan->pools[0]->members.size() == 1);
  const auto& nobody = *plan->backends[plan->pools[0]->members[0]];
  CHECK(nobody.is_nobody());
  CHECK(nobody.state == cluster::BackendState::kEjected);
  CHECK(!plan->pools[0]->placement.empty());
}

TEST_CASE("a ring that operators have emptied is nobody's, too") {
  const auto settings = file("rehash");
  auto map = map_of(settings);
  for (const char* name : {"a", "b"})
    change(map, cluster::DrainBackend{serial_of(map, name), true});
  const auto plan = PlanBuilder().build(settings, map);
  CHECK(plan->backends[plan->pools[0]->members[0]]->is_nobody());
}

TEST_CASE("differences between the file and the map are said, and only they") {
  const auto settings = file("rehash");
  auto map = map_of(settings);
  CHECK(differences(settings, map).empty());
  change(map, cluster::AddBackend{map.find_pool("p")->serial,
                                  {.name = "d", .address = "127.0.0.1:4", .zone = {}}});
  change(map, cluster::DrainBackend{serial_of(map, "a"), true});
  change(map, cluster::RemoveBackend{serial_of(map, "a")});
  CHECK(differences(settings, map) ==
        std::vector<std::string>{"pool p: backend a is in the file only",
                                 "pool p: backend d is in the cluster only"});
  CHECK(differences(file("keep"), map).front() ==
        "pool p: its rules differ from the cluster's, which count");
  CHECK(differences(settings, cluster::ClusterMap()) ==
        std::vector<std::string>{"pool p: the cluster does not know it"});
}

}  // namespace quorate::control
