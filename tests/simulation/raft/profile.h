// What kind of world a seed makes. Each seed draws its own mixture ("swarm testing", Groce et al.,
// ISSTA 2012): a fault that is always there hides what happens without it.
#pragma once

#include <string>

#include "consensus/raft/options.h"
#include "tests/simulation/raft/world.h"

namespace quorate::simulation {

struct Profile {
  uint32_t voters = 3;
  uint32_t learners = 0;
  /// One member at a time is cut off, and nothing else goes wrong: nothing may be disturbed.
  bool calm = false;

  // The network. In parts per million of the messages.
  uint32_t drop = 0;
  uint32_t duplicate = 0;
  uint32_t spike = 0;    ///< of messages that take up to max_spike
  bool reorder = false;  ///< otherwise a link delivers in order, as a connection does
  Duration min_delay = us(50);
  Duration max_delay = ms(2);
  Duration max_spike = ms(300);

  // What the nemesis may do.
  bool partitions = false;
  bool crashes = false;
  bool disk_faults = false;
  bool slow_disks = false;
  bool pauses = false;
  bool clocks = false;
  bool membership = false;
  bool transfers = false;
  Duration fault_interval = ms(150);  ///< on average

  Duration disk_latency = ms(1);
  uint32_t clock_drift_ppm = 0;  ///< each clock is off by up to so much
  Duration proposal_interval = ms(5);
  Duration read_interval = ms(20);
  uint32_t max_command_bytes = 60;
  uint32_t snapshot_every = 0;  ///< entries; 0: never
  uint64_t segment_bytes = 1 << 20;
  Duration fault_time = ms(3000);

  raft::Options raft;
};

Profile draw_profile(base::Random& random);
std::string describe(const Profile& profile);

}  // namespace quorate::simulation
