#include "tests/simulation/replicate/profile.h"

#include <algorithm>

namespace quorate::replicate_simulation {

namespace {

class Draw {
 public:
  explicit Draw(base::Random& random) : random_(random) {}
  template <class... Values>
  int64_t one_of(Values... values) {
    const int64_t list[] = {values...};
    return list[random_.below(sizeof...(values))];
  }
  template <class... Values>
  uint32_t small(Values... values) {
    return static_cast<uint32_t>(one_of(values...));
  }

 private:
  base::Random& random_;
};

Profile swarm(base::Random& random) {
  Draw draw(random);
  Profile profile;
  profile.backends = random.below(5) == 0 ? 5 : 3;
  profile.spares = draw.small(0, 1, 1, 2);
  profile.proxies = static_cast<uint32_t>(random.between(2, 4));
  profile.clients = static_cast<uint32_t>(random.between(2, 5));
  profile.keys = draw.small(1, 1, 2, 4);
  profile.operations = static_cast<uint32_t>(random.between(8, 20));
  profile.depth = random.below(2) == 0 ? 1 : 3;
  profile.delay_us = draw.one_of(200, 1000, 5000, 30'000);
  profile.think_us = draw.one_of(100, 3000, 20'000, 100'000);
  profile.faults = random.below(4) == 0 ? 25 : static_cast<uint32_t>(random.below(9));
  profile.same_slot = random.below(2) == 0;
  profile.slow_ppm = draw.small(0, 0, 20'000, 150'000);
  profile.group_may_fail = random.below(3) == 0;
  profile.loses_memory = random.below(4) == 0;
  profile.strings = draw.small(100, 100, 0, 50);
  profile.reads = draw.small(10, 40, 70);
  profile.deletes = draw.small(0, 10, 40);
  profile.expiring = draw.small(0, 0, 10, 50);
  profile.fault_us = draw.one_of(30'000, 300'000, 900'000);
  profile.ends_deleted = random.below(2) == 0;
  return profile;
}

// A world in which everybody wants the same key, and all backends have it.
Profile one_key_on_three(base::Random& random) {
  Profile profile = swarm(random);
  profile.backends = 3;
  profile.spares = 0;
  profile.keys = 1;
  return profile;
}

Profile forgetting(base::Random& random) {
  Draw draw(random);
  Profile profile = swarm(random);
  profile.backends = 3;
  profile.keys = 1;
  profile.clients = static_cast<uint32_t>(random.between(3, 5));
  profile.operations = static_cast<uint32_t>(random.between(20, 40));
  profile.delay_us = draw.one_of(1000, 5000, 15'000);
  profile.think_us = draw.one_of(20'000, 60'000);
  profile.faults = static_cast<uint32_t>(random.between(8, 30));
  profile.cuts = draw.small(50, 80);
  profile.slow_ppm = draw.small(20'000, 150'000);
  profile.reads = draw.small(30, 50);
  profile.deletes = draw.small(50, 70);
  profile.sweep_pause_us = draw.one_of(20'000, 60'000);
  return profile;
}

Profile moves(base::Random& random) {
  Draw draw(random);
  Profile profile = swarm(random);
  profile.spares = draw.small(1, 2);
  profile.keys = draw.small(1, 2);
  profile.operations = static_cast<uint32_t>(random.between(15, 24));
  profile.delay_us = draw.one_of(1000, 5000, 15'000);
  profile.think_us = draw.one_of(20'000, 60'000);
  profile.faults = static_cast<uint32_t>(random.between(6, 20));
  profile.cuts = draw.small(0, 30);
  profile.moves = draw.small(20, 50);
  profile.loses_memory = random.below(2) == 0;
  profile.deletes = draw.small(10, 50);
  profile.sweep_pause_us = draw.one_of(20'000, 300'000);
  return profile;
}

Profile duels(base::Random& random) {
  Draw draw(random);
  Profile profile = one_key_on_three(random);
  profile.proxies = static_cast<uint32_t>(random.between(2, 3));
  profile.clients = static_cast<uint32_t>(random.between(3, 5));
  profile.operations = static_cast<uint32_t>(random.between(12, 20));
  profile.depth = 1;
  profile.delay_us = draw.one_of(1000, 5000);
  profile.think_us = draw.one_of(3000, 20'000);
  profile.faults = static_cast<uint32_t>(random.between(8, 30));
  profile.cuts = draw.small(0, 30);
  profile.duels = 60;
  profile.late_news = 60;
  profile.slow_ppm = draw.small(20'000, 150'000);
  profile.loses_memory = false;
  profile.reads = draw.small(10, 30);
  profile.deletes = draw.small(0, 30);
  profile.wrong_types = draw.small(2, 30);
  profile.sweep_pause_us = 1'000'000;
  return profile;
}

Profile expiry(base::Random& random) {
  Draw draw(random);
  Profile profile = one_key_on_three(random);
  profile.proxies = static_cast<uint32_t>(random.between(3, 4));
  profile.clients = static_cast<uint32_t>(random.between(3, 5));
  profile.operations = static_cast<uint32_t>(random.between(20, 40));
  profile.delay_us = draw.one_of(200, 1000);
  profile.think_us = draw.one_of(5000, 20'000);
  profile.faults = draw.small(0, 4);
  profile.strings = 100;
  profile.reads = 80;
  profile.deletes = 0;
  profile.expiring = 100;
  return profile;
}

Profile stranded(base::Random& random) {
  Draw draw(random);
  Profile profile = one_key_on_three(random);
  profile.proxies = 2;
  profile.clients = static_cast<uint32_t>(random.between(2, 4));
  profile.operations = static_cast<uint32_t>(random.between(20, 40));
  profile.depth = 1;
  profile.delay_us = draw.one_of(5000, 15'000, 30'000);
  profile.think_us = draw.one_of(20'000, 60'000);
  profile.faults = static_cast<uint32_t>(random.between(20, 50));
  profile.cuts = 95;
  profile.slow_ppm = draw.small(0, 20'000);
  profile.strings = 0;
  profile.reads = 10;
  profile.deletes = 10;
  profile.fault_us = draw.one_of(900'000, 1'500'000);
  profile.sweep_pause_us = 1'000'000;
  return profile;
}

Profile restarts(base::Random& random) {
  Draw draw(random);
  Profile profile = one_key_on_three(random);
  profile.proxies = static_cast<uint32_t>(random.between(2, 3));
  profile.clients = static_cast<uint32_t>(random.between(3, 5));
  profile.operations = static_cast<uint32_t>(random.between(30, 50));
  profile.delay_us = draw.one_of(200, 1000, 5000);
  profile.think_us = draw.one_of(20'000, 60'000);
  profile.faults = static_cast<uint32_t>(random.between(15, 40));
  profile.cuts = draw.small(40, 60);
  profile.restarts = 20;
  profile.loses_memory = true;
  profile.fault_us = draw.one_of(20'000, 60'000);
  return profile;
}

Profile draw_by(base::Random& random, Mix mix) {
  switch (mix) {
    case Mix::kForgetting: return forgetting(random);
    case Mix::kMoves: return moves(random);
    case Mix::kDuels: return duels(random);
    case Mix::kExpiry: return expiry(random);
    case Mix::kStranded: return stranded(random);
    case Mix::kRestarts: return restarts(random);
    default: return swarm(random);
  }
}

}  // namespace

std::optional<Mix> mix_named(std::string_view name) {
  const auto found = std::ranges::find(kMixNames, name);
  if (found == kMixNames.end()) return std::nullopt;
  return static_cast<Mix>(found - kMixNames.begin());
}

Profile draw_profile(base::Random& random, Mix mix) {
  if (mix == Mix::kAny) {
    const Mix list[] = {Mix::kSwarm, Mix::kSwarm,  Mix::kForgetting, Mix::kMoves,
                        Mix::kDuels, Mix::kExpiry, Mix::kStranded,   Mix::kRestarts};
    mix = list[random.below(std::size(list))];
  }
  Profile profile = draw_by(random, mix);
  profile.mix = mix;
  return profile;
}

std::string describe(const Profile& p) {
  const auto text = [](const char* name, int64_t value) {
    return std::string(name) + "=" + std::to_string(value) + " ";
  };
  return "mix=" + std::string(kMixNames[static_cast<size_t>(p.mix)]) + " " +
         text("backends", p.backends) + text("spares", p.spares) + text("proxies", p.proxies) +
         text("clients", p.clients) + text("keys", p.keys) + text("operations", p.operations) +
         text("depth", p.depth) + text("delay_us", p.delay_us) + text("think_us", p.think_us) +
         text("faults", p.faults) + text("cuts", p.cuts) + text("moves", p.moves) +
         text("duels", p.duels) + text("restarts", p.restarts) + text("slow_ppm", p.slow_ppm) +
         text("reads", p.reads) + text("deletes", p.deletes) + text("expiring", p.expiring);
}

}  // namespace quorate::replicate_simulation
