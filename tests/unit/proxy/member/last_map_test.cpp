#include "proxy/member/last_map.h"

#include <doctest/doctest.h>

#include <fstream>

#include "consensus/cluster/cluster_change.h"
#include "tests/unit/proxy/cli/real_server.h"

namespace quorate::member {
namespace {

cluster::ClusterMap map_of(std::initializer_list<std::string> pools) {
  cluster::ClusterMap map;
  REQUIRE(cluster::apply(map, 1, cluster::Change(cluster::FoundCluster{{1, 1}})).ok());
  for (const std::string& name : pools) {
    cluster::DefinePool pool;
    pool.rules.name = name;
    for (const char* backend : {"a", "b", "c"}) {
      pool.backends.push_back({.name = backend, .address = name + ":1", .zone = {}});
    }
    if (name == "replicated") {
      pool.rules.consistency = cluster::Consistency::kQuorum;
      pool.rules.replicas = 3;
    }
    REQUIRE(cluster::apply(map, map.index + 1, cluster::Change(pool)).ok());
  }
  return map;
}

/// A process's life: reads, keeps these maps, ends.
struct Life {
  uv_loop_t loop{};
  std::optional<LastMap> last;

  explicit Life(const std::string& folder) {
    uv_loop_init(&loop);
    last.emplace(&loop, folder);
  }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
  ~Life() {
    last->close();
    uv_run(&loop, UV_RUN_DEFAULT);
    last.reset();
    CHECK(uv_loop_close(&loop) == 0);
  }
};

}  // namespace

TEST_CASE("what was agreed last is read again, but for pools that keep replicas") {
  const cli::testing::TemporaryFolder folder;
  const std::string place = folder.path("data");
  const auto agreed = std::make_shared<cluster::ClusterMap>(map_of({"p", "replicated", "q"}));
  {
    Life first(place);
    CHECK(first.last->read() == nullptr);
    first.last->keep(std::make_shared<cluster::ClusterMap>(map_of({"p"})));
    first.last->keep(agreed);  // the last one counts
  }
  Life second(place);
  const auto read = second.last->read();
  REQUIRE(read != nullptr);
  CHECK(read->find_pool("p") != nullptr);
  CHECK(read->find_pool("q") != nullptr);
  CHECK(read->find_pool("replicated") == nullptr);
  CHECK(read->backends.size() == 6);
  CHECK(read->epoch == agreed->epoch);
  CHECK(!cluster::problem_with(*read));
}

TEST_CASE("a map is news if it is not older than what was read") {
  const cli::testing::TemporaryFolder folder;
  const cluster::ClusterMap agreed = map_of({"p", "q"});
  {
    Life first(folder.path("data"));
    CHECK(first.last->is_news(cluster::ClusterMap()));  // nothing was read
    first.last->keep(std::make_shared<cluster::ClusterMap>(agreed));
  }
  Life second(folder.path("data"));
  REQUIRE(second.last->read() != nullptr);
  CHECK(second.last->is_news(agreed));
  CHECK(!second.last->is_news(map_of({"p"})));
  CHECK(!second.last->is_news(cluster::ClusterMap()));
  cluster::ClusterMap recovered = map_of({});
  recovered.generation = 2;
  CHECK(second.last->is_news(recovered));
  cluster::ClusterMap other = map_of({});
  other.cluster = {2, 2};
  CHECK(second.last->is_news(other));
}

TEST_CASE("a damaged file is as if there were none") {
  const cli::testing::TemporaryFolder folder;
  const std::string file = last_map_file(map_of({"p"}));
  CHECK(parse_last_map(file).ok());
  for (size_t at = 0; at < file.size(); ++at) {
    std::string damaged = file;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    CHECK(!parse_last_map(damaged).ok());
    CHECK(!parse_last_map(file.substr(0, at)).ok());
  }
  Life life(folder.path("data"));
  std::ofstream(folder.path("data/last-map")) << file.substr(0, file.size() / 2);
  CHECK(life.last->read() == nullptr);
}

}  // namespace quorate::member
