// Serving plans for tests: pools of backends called A, B, C …, placed so that keys a, b, c … (or
// tags {a}, {b} …) belong to them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/relay/serving_plan.h"

namespace quorate::simulation {

struct BackendSpec {
  char letter = 'A';
  bool ejected = false;
  bool on_ring = true;
  std::string user{};
  std::string password{};
  uint16_t database = 0;
};

/// Settings as the configuration has them by default.
relay::PoolPlan default_settings(cluster::Protocol protocol);

/// One pool. A backend's id is its letter's place in the alphabet; those that are left out are
/// gone. With one, two, three or four of them in a row from A on, key "a" is A's, "b" is B's …
std::shared_ptr<const relay::ServingPlan> make_plan(const relay::PoolPlan& settings,
                                                    const std::vector<BackendSpec>& backends);

}  // namespace quorate::simulation
