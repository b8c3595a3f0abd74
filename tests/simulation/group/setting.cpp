#include "tests/simulation/group/setting.h"

namespace quorate::group_simulation {
namespace {

bool percent(base::Random& random, uint64_t chance) { return random.below(100) < chance; }

uint32_t sometimes(base::Random& random, uint64_t most) {
  return percent(random, 50) ? 0 : static_cast<uint32_t>(random.below(most + 1));
}

void draw_faults(Setting& s, base::Random& random) {
  s.network.drop = sometimes(random, 100'000);
  s.network.duplicate = sometimes(random, 200'000);
  s.network.spike = sometimes(random, 50'000);
  s.network.max_spike = percent(random, 30) ? ms(3000) : ms(300);
  s.network.reorder = percent(random, 30);
  s.network.max_delay = percent(random, 60) ? ms(2) : ms(30);
  s.kills = percent(random, 60);
  s.pauses = percent(random, 40);
  s.partitions = percent(random, 50);
  s.line_cuts = percent(random, 40);
  s.backend_faults = percent(random, 90);
  s.backend_cuts = percent(random, 50);
  s.observer_kills = percent(random, 60);
  s.membership = percent(random, 40);
  s.transfers = percent(random, 30);
  s.fault_interval = percent(random, 50) ? ms(120) : ms(350);
  s.disk_latency = percent(random, 60) ? us(200) : ms(6);
  s.clock_ppm = static_cast<uint32_t>(random.below(20'000));
}

void draw_pool(Setting& s, base::Random& random) {
  s.backends = static_cast<uint32_t>(3 + random.below(4));
  s.on_eject = static_cast<cluster::OnEject>(random.below(3));
  s.spares = s.on_eject == cluster::OnEject::kSpare ? 1 + random.below(2) : random.below(2);
  s.min_up = static_cast<uint32_t>(1 + random.below(3));
  s.zones = percent(random, 50) ? 0 : static_cast<uint32_t>(1 + random.below(3));
  s.detection.count = percent(random, 70) ? 2 : 3;
  s.detection.backoff_ms = 400;
  s.detection.backoff_max_ms = 1500;
  s.detection.steady_ms = percent(random, 50) ? 1000 : 60'000;
}

}  // namespace

Setting draw_setting(base::Random& random) {
  Setting s;
  constexpr uint32_t kVoters[] = {1, 3, 3, 3, 3, 5, 5, 3};
  s.voters = kVoters[random.below(8)];
  s.observers = static_cast<uint32_t>(1 + random.below(5));
  draw_pool(s, random);
  s.options.snapshot_every = 5 + random.below(60);
  s.options.raft.trailing_entries = percent(random, 50) ? 0 : random.below(30);
  s.options.feed_entries = percent(random, 50) ? 4 : 200;
  s.options.feed_message_bytes = percent(random, 50) ? 300 : 64 << 10;
  s.options.feed_in_flight = percent(random, 50) ? 2 : 16;
  s.options.raft.proposal_timeout = ms(2000);
  s.options.request_timeout = ms(2500);
  s.calm = percent(random, 12);
  if (s.calm) {
    s.zones = 0;
    s.min_up = 1;
    s.fault_time = ms(9000);
  } else {
    draw_faults(s, random);
  }
  return s;
}

Setting crowd_setting(uint32_t observers) {
  Setting s;
  s.crowd = true;
  s.observers = observers;
  s.backends = 20;
  s.fault_time = ms(6000);
  return s;
}

std::string describe(const Setting& s) {
  std::string text = std::to_string(s.voters) + " voters, " + std::to_string(s.observers) +
                     " observers, " + std::to_string(s.backends) + " backends;";
  const auto flag = [&text](bool on, const char* name) {
    text += on ? std::string(" ") + name : "";
  };
  flag(s.calm, "calm");
  flag(s.crowd, "crowd");
  flag(s.network.drop > 0, "drop");
  flag(s.network.duplicate > 0, "duplicate");
  flag(s.network.spike > 0, "spikes");
  flag(s.network.reorder, "reorder");
  flag(s.kills, "kills");
  flag(s.pauses, "pauses");
  flag(s.partitions, "partitions");
  flag(s.line_cuts, "line-cuts");
  flag(s.backend_faults, "backend-faults");
  flag(s.backend_cuts, "backend-cuts");
  flag(s.observer_kills, "observer-kills");
  flag(s.membership, "membership");
  flag(s.transfers, "transfers");
  return text;
}

}  // namespace quorate::group_simulation
