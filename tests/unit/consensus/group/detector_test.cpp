// When a voter probes, and what it counts.
#include "consensus/group/detector.h"

#include "tests/unit/consensus/cluster/maps.h"

namespace quorate::group {
namespace {

using namespace std::chrono_literals;

struct Watcher {
  cluster::ClusterMap map = cluster::map_with_pool(cluster::OnEject::kKeep, "-");
  Detector detector{1};
  Instant now{1s};

  Watcher() { detector.follow(map, now); }
  /// Waits for the next order.
  ProbeOrder next() {
    while (true) {
      detector.on_time(now);
      const auto orders = detector.take_orders();
      if (!orders.empty()) return orders.front();
      REQUIRE(detector.next_deadline() != base::kNever);
      now = std::max(now, detector.next_deadline());
    }
  }
  void answer(const ProbeOrder& order, bool answered) {
    detector.on_result({.probe = order.probe, .answered = answered}, now);
  }
  Sight sight() const { return detector.sights(now).front(); }
};

TEST_CASE("probes are an interval apart, and each failure and each answer begins a new count") {
  Watcher watcher;
  ProbeOrder order = watcher.next();
  CHECK(watcher.now <= Instant{1s} + 200ms);
  for (uint32_t i = 1; i < 4; ++i) {
    watcher.answer(order, false);
    CHECK(watcher.sight().failures == i);
    const Instant before = watcher.now;
    order = watcher.next();
    CHECK(watcher.now == before + 200ms);
  }
  watcher.answer(order, true);
  CHECK(watcher.sight().failures == 0);
  CHECK(watcher.sight().answers == 1);
  CHECK(watcher.detector.take_news().size() == 1);
}

TEST_CASE("a probe without an answer fails at its deadline, and a late answer changes nothing") {
  Watcher watcher;
  const ProbeOrder order = watcher.next();
  watcher.now = order.deadline;
  watcher.detector.on_time(watcher.now);
  CHECK(watcher.sight().failures == 1);
  watcher.answer(order, true);
  CHECK(watcher.sight().failures == 1);
}

TEST_CASE("traffic that fails brings the next probe forward, but not again and again") {
  Watcher watcher;
  watcher.answer(watcher.next(), true);
  const Instant before = watcher.now;
  watcher.now += 20ms;
  watcher.detector.on_traffic(BackendSerial{1}, watcher.now);
  watcher.answer(watcher.next(), true);
  CHECK(watcher.now == before + 50ms);
  CHECK(watcher.sight().failures == 0);
}

TEST_CASE("a backend that is removed or moved is not probed as the one it was") {
  Watcher watcher;
  const ProbeOrder order = watcher.next();
  watcher.map.backends.at(BackendSerial{1}).rules.address = "elsewhere:1";
  watcher.detector.follow(watcher.map, watcher.now);
  watcher.answer(order, false);
  CHECK(watcher.detector.sights(watcher.now).empty());
}

}  // namespace
}  // namespace quorate::group
