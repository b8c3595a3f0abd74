// What a seed makes of the world: how many of whom, which faults, and the world itself (virtual
// time, chance, the trace), which is the one of the Raft simulation.
#pragma once

#include <string>

#include "consensus/group/options.h"
#include "tests/simulation/group/counts.h"
#include "tests/simulation/raft/network.h"
#include "tests/simulation/raft/world.h"

namespace quorate::group_simulation {

using base::Duration;
using base::Instant;
using raft::Index;
using raft::MemberId;
using simulation::digest;
using simulation::ms;
using simulation::us;
using simulation::Violation;

struct Setting {
  uint32_t voters = 3;
  uint32_t observers = 4;
  uint32_t backends = 5;
  /// One thing at a time, and nothing wrong with the network: what must be quick is timed.
  bool calm = false;
  /// Nothing but a few changes, and very many observers.
  bool crowd = false;

  simulation::Profile network;
  bool kills = false;
  bool pauses = false;
  bool partitions = false;
  bool line_cuts = false;
  bool backend_faults = true;
  bool backend_cuts = false;
  bool observer_kills = false;
  bool membership = false;
  bool transfers = false;
  Duration fault_interval = ms(150);
  Duration request_interval = ms(40);
  Duration fault_time = ms(6000);
  Duration disk_latency = us(300);
  uint32_t clock_ppm = 1000;

  cluster::DetectionRules detection;
  cluster::OnEject on_eject = cluster::OnEject::kKeep;
  uint32_t min_up = 1;
  uint32_t zones = 0;
  uint32_t spares = 0;
  group::Options options;
};

Setting draw_setting(base::Random& random);
Setting crowd_setting(uint32_t observers);
std::string describe(const Setting& setting);

/// The world of the Raft simulation, with this layer's counts beside the network's.
struct World : simulation::World {
  using simulation::World::World;
  Counts counted;
};

}  // namespace quorate::group_simulation
