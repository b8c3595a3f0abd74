#include "proxy/member/alone.h"

#include <doctest/doctest.h>

#include "proxy/control/seed.h"
#include "tests/unit/proxy/config/world.h"

namespace quorate::member {
namespace {

using config::testing::settings_of;

std::vector<cluster::DefinePool> seeds_of(const std::string& backends) {
  const auto settings = settings_of(
      "[pool.p]\nprotocol = \"redis\"\nlisten = \"127.0.0.1:7000\"\n"
      "on_eject = \"rehash\"\nbackends = [" +
      backends + "]\n");
  std::vector<cluster::DefinePool> seeds;
  for (const auto& pool : settings.pools) {
    seeds.push_back(control::seed_of(pool, settings.cluster));
  }
  return seeds;
}

struct World {
  int published = 0;
  Alone alone{
      {1, 1},
      {.on_map = [this](const auto&) { ++published; }, .on_probe_order = {}, .on_stopped = {}}};

  std::optional<group::Outcome> ask(const cluster::Change& change) {
    std::optional<group::Outcome> got;
    alone.request(change, [&](const group::Outcome& outcome) { got = outcome; });
    return got;
  }
  const cluster::Backend* find(std::string_view name) const {
    return alone.map()->find_backend(alone.map()->find_pool("p")->serial, name);
  }
};

}  // namespace

TEST_CASE("a group of one has its pools at once, and everybody is up") {
  World world;
  world.alone.define(seeds_of(R"("127.0.0.1:1", "127.0.0.1:2")"));
  REQUIRE(world.find("127.0.0.1:1") != nullptr);
  CHECK(world.find("127.0.0.1:2")->state == cluster::BackendState::kUp);
  CHECK(world.alone.standing().in_touch);
  CHECK(static_cast<bool>(world.alone.map()->cluster));
}

TEST_CASE("a group of one decides at once, and publishes only what was changed") {
  World world;
  world.alone.define(seeds_of(R"("127.0.0.1:1", "127.0.0.1:2")"));
  const int before = world.published;
  const auto serial = world.find("127.0.0.1:1")->serial;
  const auto done = world.ask(cluster::DrainBackend{serial, false});
  REQUIRE(std::holds_alternative<group::Done>(*done));
  CHECK(std::get<group::Done>(*done).epoch == world.alone.map()->find_pool("p")->epoch);
  CHECK(world.published == before + 1);
  // The last one stays: min_up is 1.
  const auto refused = world.ask(cluster::DrainBackend{world.find("127.0.0.1:2")->serial, false});
  CHECK(std::holds_alternative<group::Refused>(*refused));
  CHECK(world.published == before + 1);
}

TEST_CASE("members are nothing that a group of one could change") {
  World world;
  std::optional<group::Outcome> got;
  world.alone.request(raft::Change{raft::Promote{raft::MemberId{1}}},
                      [&](const group::Outcome& outcome) { got = outcome; });
  REQUIRE(got.has_value());
  CHECK(std::holds_alternative<group::Refused>(*got));
}

TEST_CASE("a reload begins a changed pool anew, with a higher epoch, in the file's order") {
  World world;
  world.alone.define(seeds_of(R"("127.0.0.1:1", "127.0.0.1:2")"));
  world.ask(cluster::DrainBackend{world.find("127.0.0.1:1")->serial, false});
  const auto epoch = world.alone.map()->find_pool("p")->epoch;
  // The same file: what the operator did stays.
  world.alone.define(seeds_of(R"("127.0.0.1:1", "127.0.0.1:2")"));
  CHECK(world.find("127.0.0.1:1")->state == cluster::BackendState::kDraining);
  // Another one: the file says who is there.
  world.alone.define(seeds_of(R"("127.0.0.1:3", "127.0.0.1:1")"));
  CHECK(world.find("127.0.0.1:1")->state == cluster::BackendState::kUp);
  CHECK(world.find("127.0.0.1:2") == nullptr);
  CHECK(world.find("127.0.0.1:3")->serial < world.find("127.0.0.1:1")->serial);
  CHECK(world.alone.map()->find_pool("p")->epoch > epoch);
  // A pool that is gone from the file is gone.
  world.alone.define({});
  CHECK(world.alone.map()->pools.empty());
}

}  // namespace quorate::member
