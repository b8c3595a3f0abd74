#include "backends/link/upstream.h"

#include <algorithm>

namespace quorate::link {

Link& Upstream::main_link(Flavor flavor, uint32_t place) {
  auto& main = links_of(flavor).main;
  const uint32_t index = place_of(place);
  if (main.size() <= index) [[unlikely]]
    main.resize(index + 1);
  auto& link = main[index];
  if (link == nullptr) [[unlikely]]
    link = std::make_unique<Link>(number_, flavor, LinkKind::kMain);
  return *link;
}

Link* Upstream::take(LinkKind kind, Flavor flavor, base::Instant now) {
  Lendable& lendable = links_of(flavor).of(kind);
  // The one used last is the warmest; one that failed just now is left alone for its pause.
  const auto usable =
      std::find_if(lendable.free.rbegin(), lendable.free.rend(), [now](const Link* link) {
        return link->state() != LinkState::kClosed || link->not_before() <= now;
      });
  if (usable != lendable.free.rend()) {
    Link* link = *usable;
    lendable.free.erase(std::next(usable).base());
    return link;
  }
  if (!lendable.free.empty() || lendable.links.size() >= most(kind)) return nullptr;
  lendable.links.push_back(std::make_unique<Link>(number_, flavor, kind));
  return lendable.links.back().get();
}

void Upstream::give_back(Link& link) {
  link.owner = {};
  links_of(link.flavor()).of(link.kind()).free.push_back(&link);
}

bool Upstream::has_free(LinkKind kind, Flavor flavor) const {
  const Lendable& lendable = links_of(flavor).of(kind);
  return !lendable.free.empty() || lendable.links.size() < most(kind);
}

void Upstream::retire(Link& link) {
  link.retire();
  for (auto& place : links_of(link.flavor()).main) {
    if (place.get() == &link) {
      retiring_.push_back(std::move(place));
      set(kRetiring, true);
      return;
    }
  }
}

void Upstream::forget_closed() {
  std::erase_if(retiring_, [](const auto& link) {
    return link->state() == LinkState::kClosed && link->io == nullptr && !link->listed;
  });
  set(kRetiring, !retiring_.empty());
}

void Upstream::on_failure(Link& link, base::Instant now, base::Random& random) {
  ++counters.failures_in_a_row;
  set(kDown, counters.connected == 0);
  // Half of the pause is certain, half is jitter, so that workers and proxies do not return
  // together.
  const int64_t half = std::max<int64_t>(backoff_.count() / 2, 1);
  retry_at_ = now + base::Duration{half + random.between(0, half)};
  link.set_not_before(retry_at_);
  backoff_ = std::min(backoff_ * 2, rules_.backoff_max);
  databases_.clear();
}

void Upstream::on_ready() {
  set(kDown, false);
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
