#include "proxy/member/alone.h"

#include <algorithm>
#include <utility>

namespace quorate::member {

namespace {

bool same(const cluster::DefinePool& a, const cluster::DefinePool& b) {
  return a.rules == b.rules && a.backends == b.backends;
}

}  // namespace

Alone::Alone(cluster::Nonce cluster, Upcalls upcalls)
    : upcalls_(std::move(upcalls)), published_(std::make_shared<const cluster::ClusterMap>()) {
  decide(cluster::FoundCluster{cluster});
  publish();
}

void Alone::define(const std::vector<cluster::DefinePool>& seeds) {
  const auto unchanged = [](const std::vector<cluster::DefinePool>& list,
                            const cluster::DefinePool& seed) {
    return std::ranges::any_of(list, [&](const auto& other) { return same(seed, other); });
  };
  for (const cluster::DefinePool& old : seeds_) {
    if (unchanged(seeds, old)) continue;
    const cluster::Pool* pool = map_.find_pool(old.rules.name);
    if (pool != nullptr) decide(cluster::RemovePool{pool->serial});
  }
  for (const cluster::DefinePool& seed : seeds) {
    if (!unchanged(seeds_, seed)) decide(seed);
  }
  seeds_ = seeds;
  publish();
}

group::Outcome Alone::decide(const cluster::Change& change) {
  const auto applied = cluster::apply(map_, map_.index + 1, change);
  if (!applied) {
    return group::Refused{group::Refused::Reason::kInvalid, applied.error().text};
  }
  return group::Done{map_.index, applied.value().id, applied.value().epoch};
}

void Alone::publish() {
  published_ = std::make_shared<const cluster::ClusterMap>(map_);
  if (upcalls_.on_map) upcalls_.on_map(published_);
}

void Alone::request(group::Request request, Answer answer) {
  const auto* change = std::get_if<cluster::Change>(&request);
  if (change == nullptr) {
    return answer(group::Refused{group::Refused::Reason::kInvalid,
                                 "this proxy decides alone: its configuration has no [cluster]"});
  }
  const group::Outcome outcome = decide(*change);
  if (std::holds_alternative<group::Done>(outcome)) publish();
  answer(outcome);
}

void Alone::list_members(std::function<void(MemberTable)> answer) {
  answer({.term = 0, .rows = {{"-", 0, "-", "alone", map_.index, uint64_t{0}, 0.0}}});
}

Standing Alone::standing() const {
  Standing standing;
  standing.role = "alone";
  standing.applied = map_.index;
  standing.in_touch = true;
  standing.leads = true;
  return standing;
}

}  // namespace quorate::member
