#include "backends/link/upstream.h"

#include <algorithm>

namespace quorate::link {

Link& Upstream::main_link(Flavor flavor, uint32_t place) {
  auto& main = links_of(flavor).main;
  const uint32_t index = rules_.connections == 1 ? 0 : place % rules_.connections;
  if (main.size() <= index) [[unlikely]]
    main.resize(index + 1);
  auto& link = main[index];
  if (link == nullptr) [[unlikely]]
    link = std::make_unique<Link>(number_, flavor, false);
  return *link;
}

Link* Upstream::take_side_link(Flavor flavor, base::Instant now) {
  auto& set = links_of(flavor);
  const auto usable = std::ranges::find_if(set.free_side, [now](const Link* link) {
    return link->state() != LinkState::kClosed || link->not_before() <= now;
  });
  if (usable != set.free_side.end()) {
    Link* link = *usable;
    set.free_side.erase(usable);
    return link;
  }
  if (!set.free_side.empty() || set.side.size() >= rules_.side_connections) return nullptr;
  set.side.push_back(std::make_unique<Link>(number_, flavor, true));
  return set.side.back().get();
}

void Upstream::give_back_side_link(Link& link) {
  link.owner = {};
  links_of(link.flavor()).free_side.push_back(&link);
}

void Upstream::retire(Link& link) {
  link.retire();
  for (auto& place : links_of(link.flavor()).main) {
    if (place.get() == &link) {
      retiring_.push_back(std::move(place));
      return;
    }
  }
}

void Upstream::forget_closed() {
  std::erase_if(retiring_, [](const auto& link) {
    return link->state() == LinkState::kClosed && link->io == nullptr && !link->listed;
  });
}

bool Upstream::has_free_side_link(Flavor flavor) const {
  const auto& set = links_of(flavor);
  return !set.free_side.empty() || set.side.size() < rules_.side_connections;
}

void Upstream::on_failure(Link& link, base::Instant now, base::Random& random) {
  ++counters.failures_in_a_row;
  down_ = counters.connected == 0;
  // Half of the pause is certain, half is jitter, so that workers and proxies do not return
  // together.
  const int64_t half = std::max<int64_t>(backoff_.count() / 2, 1);
  retry_at_ = now + base::Duration{half + random.between(0, half)};
  link.set_not_before(retry_at_);
  backoff_ = std::min(backoff_ * 2, rules_.backoff_max);
  databases_.clear();
}

void Upstream::on_ready() {
  down_ = false;
  on_answer();
  backoff_ = rules_.backoff;
}

bool Upstream::knows_database(uint16_t database) const {
  return database == 0 || std::ranges::find(databases_, database) != databases_.end();
}

void Upstream::learn_database(uint16_t database) {
  if (!knows_database(database)) databases_.push_back(database);
}

}  // namespace quorate::link
