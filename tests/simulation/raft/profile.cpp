#include "tests/simulation/raft/profile.h"

namespace quorate::simulation {
namespace {

bool percent(base::Random& random, uint64_t chance) { return random.below(100) < chance; }

/// 0 in about half of the worlds, otherwise up to `most`.
uint32_t sometimes(base::Random& random, uint64_t most) {
  return percent(random, 50) ? 0 : static_cast<uint32_t>(random.below(most + 1));
}

void draw_limits(Profile& p, base::Random& random) {
  raft::Options& o = p.raft;
  o.max_message_bytes = percent(random, 50) ? 100 : 4096;
  o.max_in_flight = percent(random, 50) ? 2 : 32;
  o.max_uncommitted_bytes = percent(random, 20) ? 2000 : 1 << 20;
  o.max_apply_bytes = percent(random, 30) ? 100 : 1 << 20;
  o.max_pending_reads = percent(random, 20) ? 2 : 1000;
  o.snapshot_piece_bytes = percent(random, 50) ? 64 : 1000;
  o.trailing_entries = percent(random, 50) ? 0 : random.below(30);
  o.proposal_timeout = percent(random, 50) ? ms(1000) : ms(4000);
}

void draw_faults(Profile& p, base::Random& random) {
  p.drop = sometimes(random, 200'000);
  p.duplicate = sometimes(random, 200'000);
  p.spike = sometimes(random, 100'000);
  p.reorder = percent(random, 30);
  p.max_delay = percent(random, 50) ? ms(2) : ms(40);
  p.partitions = percent(random, 60);
  p.crashes = percent(random, 60);
  p.disk_faults = percent(random, 40);
  p.slow_disks = percent(random, 40);
  p.pauses = percent(random, 30);
  p.clocks = percent(random, 40);
  p.membership = percent(random, 50);
  p.transfers = percent(random, 40);
  p.fault_interval = percent(random, 50) ? ms(120) : ms(400);
  p.disk_latency = percent(random, 50) ? us(200) : ms(8);
}

}  // namespace

Profile draw_profile(base::Random& random) {
  Profile p;
  constexpr uint32_t kVoters[] = {1, 3, 3, 3, 3, 5, 5, 5};
  p.voters = kVoters[random.below(8)];
  p.learners = percent(random, 60) ? 0 : static_cast<uint32_t>(1 + random.below(2));
  p.clock_drift_ppm = static_cast<uint32_t>(random.below(30'000));
  p.proposal_interval = percent(random, 50) ? ms(4) : ms(30);
  p.max_command_bytes = percent(random, 80) ? 60 : 500;
  p.snapshot_every = percent(random, 25) ? 0 : static_cast<uint32_t>(5 + random.below(60));
  p.segment_bytes = percent(random, 50) ? 1000 : 8000;
  draw_limits(p, random);
  p.calm = percent(random, 8);
  if (p.calm) {
    p.voters = percent(random, 50) ? 3 : 5;
    // With little to replicate, a member that was cut off is as good a candidate as any other.
    if (percent(random, 50)) p.proposal_interval = ms(1000);
  } else {
    draw_faults(p, random);
  }
  return p;
}

std::string describe(const Profile& p) {
  std::string text =
      std::to_string(p.voters) + " voters, " + std::to_string(p.learners) + " learners;";
  const auto flag = [&text](bool on, const char* name) {
    text += on ? std::string(" ") + name : "";
  };
  flag(p.calm, "calm");
  flag(p.drop > 0, "drop");
  flag(p.duplicate > 0, "duplicate");
  flag(p.spike > 0, "spikes");
  flag(p.reorder, "reorder");
  flag(p.partitions, "partitions");
  flag(p.crashes, "crashes");
  flag(p.disk_faults, "disk-faults");
  flag(p.slow_disks, "slow-disks");
  flag(p.pauses, "pauses");
  flag(p.clocks, "clocks");
  flag(p.membership, "membership");
  flag(p.transfers, "transfers");
  flag(p.snapshot_every > 0, "snapshots");
  return text;
}

}  // namespace quorate::simulation
