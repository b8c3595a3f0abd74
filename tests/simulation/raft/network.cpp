#include "tests/simulation/raft/network.h"

namespace quorate::simulation {

void Network::send(MemberId from, MemberId to, std::string bytes) {
  if (is_cut(from, to)) return world_.counts.add(Count::kCutMessages);
  if (world_.random.chance_ppm(profile_.drop)) return world_.counts.add(Count::kDropped);
  const bool twice = world_.random.chance_ppm(profile_.duplicate);
  if (twice) {
    world_.counts.add(Count::kDuplicated);
    send_once({from, to}, bytes);
  }
  send_once({from, to}, bytes);
}

Duration Network::draw_delay() {
  if (!world_.random.chance_ppm(profile_.spike)) {
    return world_.between(profile_.min_delay, profile_.max_delay);
  }
  world_.counts.add(Count::kDelayed);
  return world_.between(profile_.max_delay, profile_.max_spike);
}

void Network::send_once(Link link, const std::string& bytes) {
  Instant arrival = world_.now() + draw_delay();
  Instant& last = last_arrival_[link];
  if (!profile_.reorder) arrival = std::max(arrival, last);
  if (arrival < last) world_.counts.add(Count::kReordered);
  last = std::max(last, arrival);
  world_.at(arrival, [this, link, bytes] {
    if (is_cut(link.first, link.second)) return world_.counts.add(Count::kCutMessages);
    deliver_(link.first, link.second, bytes);
  });
}

void Network::heal_for_good() {
  heal();
  profile_.drop = profile_.duplicate = profile_.spike = 0;
  profile_.max_delay = ms(2);
}

}  // namespace quorate::simulation
