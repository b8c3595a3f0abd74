#include "proxy/process/prober.h"

#include <doctest/doctest.h>

#include <optional>
#include <vector>

#include "tests/unit/proxy/cli/real_server.h"

namespace quorate::process {

using namespace std::chrono_literals;

namespace {

/// A prober and the one server that it asks when it is told to.
struct Scene {
  cli::testing::TemporaryFolder folder;
  cli::testing::RealServer redis = cli::testing::start_redis(folder, "redis", {});
  uv_loop_t loop{};
  io::ReadBuffer buffer;
  std::vector<ProbeResult> results;
  std::optional<Prober> prober;

  Scene() {
    auto backend = std::make_shared<relay::BackendPlan>();
    backend->id = 7;
    backend->path = redis.socket();
    uv_loop_init(&loop);
    prober.emplace(&loop, buffer, 1, [this](const ProbeResult& one) { results.push_back(one); });
    prober->set_targets({{.backend = backend,
                          .protocol = cluster::Protocol::kRedis,
                          .interval = {},
                          .timeout = {}}});
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;
  ~Scene() {
    prober->close();
    uv_run(&loop, UV_RUN_DEFAULT);
    prober.reset();
    CHECK(uv_loop_close(&loop) == 0);
  }

  void ask(uint64_t order) { prober->ask(7, order, 20s); }
  void run_until(size_t count) {
    while (results.size() < count) uv_run(&loop, UV_RUN_ONCE);
  }
};

}  // namespace

TEST_CASE("a probe that is ordered anew is not answered by the one before it") {
  Scene scene;
  scene.ask(1);
  scene.run_until(1);
  CHECK(scene.results[0].answered);
  CHECK(scene.results[0].order == 1);

  scene.redis.freeze();
  scene.ask(2);
  uv_run(&scene.loop, UV_RUN_NOWAIT);
  scene.ask(3);
  REQUIRE(scene.results.size() == 2);
  CHECK(!scene.results[1].answered);
  CHECK(scene.results[1].order == 2);
  scene.redis.thaw();
  scene.run_until(3);
  CHECK(scene.results[2].answered);
  CHECK(scene.results[2].order == 3);

  scene.prober->close();
  uv_run(&scene.loop, UV_RUN_DEFAULT);
  CHECK(scene.results.size() == 3);
}

TEST_CASE("from the second round on, a server is known by its process") {
  Scene scene;
  for (uint64_t order = 1; order <= 3; ++order) {
    scene.ask(order);
    scene.run_until(order);
    CHECK(scene.results.back().answered);
  }
  CHECK(scene.results[0].run_id.empty());
  CHECK(scene.results[1].run_id.size() == 40);
  CHECK(scene.results[2].run_id == scene.results[1].run_id);
}

}  // namespace quorate::process
