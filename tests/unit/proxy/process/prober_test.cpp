#include "proxy/process/prober.h"

#include <doctest/doctest.h>

#include <vector>

#include "tests/unit/proxy/cli/real_server.h"

namespace quorate::process {

using namespace std::chrono_literals;

TEST_CASE("a probe that is ordered anew is not answered by the one before it") {
  const cli::testing::TemporaryFolder folder;
  const cli::testing::RealServer redis = cli::testing::start_redis(folder, "redis", {});
  auto backend = std::make_shared<relay::BackendPlan>();
  backend->id = 7;
  backend->path = redis.socket();

  uv_loop_t loop;
  uv_loop_init(&loop);
  io::ReadBuffer buffer;
  std::vector<ProbeResult> results;
  Prober prober(&loop, buffer, 1, [&](const ProbeResult& result) { results.push_back(result); });
  prober.set_targets(
      {{.backend = backend, .protocol = cluster::Protocol::kRedis, .interval = {}, .timeout = {}}});
  const auto run_until = [&](size_t count) {
    while (results.size() < count) uv_run(&loop, UV_RUN_ONCE);
  };
  prober.ask(7, 1, 20s);
  run_until(1);
  CHECK(results[0].answered);
  CHECK(results[0].order == 1);

  redis.freeze();
  prober.ask(7, 2, 20s);
  uv_run(&loop, UV_RUN_NOWAIT);
  prober.ask(7, 3, 20s);
  REQUIRE(results.size() == 2);
  CHECK(!results[1].answered);
  CHECK(results[1].order == 2);
  redis.thaw();
  run_until(3);
  CHECK(results[2].answered);
  CHECK(results[2].order == 3);

  prober.close();
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&loop) == 0);
  CHECK(results.size() == 3);
}

TEST_CASE("from the second round on, a server is known by its process") {
  const cli::testing::TemporaryFolder folder;
  const cli::testing::RealServer redis = cli::testing::start_redis(folder, "redis", {});
  auto backend = std::make_shared<relay::BackendPlan>();
  backend->id = 7;
  backend->path = redis.socket();

  uv_loop_t loop;
  uv_loop_init(&loop);
  io::ReadBuffer buffer;
  std::vector<ProbeResult> results;
  Prober prober(&loop, buffer, 1, [&](const ProbeResult& result) { results.push_back(result); });
  prober.set_targets(
      {{.backend = backend, .protocol = cluster::Protocol::kRedis, .interval = {}, .timeout = {}}});
  for (uint64_t order = 1; order <= 3; ++order) {
    prober.ask(7, order, 20s);
    while (results.size() < order) uv_run(&loop, UV_RUN_ONCE);
    CHECK(results.back().answered);
  }
  CHECK(results[0].run_id.empty());
  CHECK(results[1].run_id.size() == 40);
  CHECK(results[2].run_id == results[1].run_id);

  prober.close();
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&loop) == 0);
}

}  // namespace quorate::process
