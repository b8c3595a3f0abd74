#include "proxy/relay/subscriber_counts.h"

#include "backends/wire/glob.h"
#include "consensus/base/assert.h"

namespace quorate::relay {

void SubscriberCounts::add(uint32_t pool, Kind kind, std::string_view topic, bool first) {
  const std::lock_guard lock(mutex_);
  Topics& topics = pools_[pool][static_cast<size_t>(kind)];
  auto found = topics.find(topic);
  if (found == topics.end()) found = topics.emplace(std::string(topic), Count{}).first;
  ++found->second.clients;
  if (first) {
    ++found->second.workers;
  } else {
    unseen_.fetch_add(1, std::memory_order_release);
  }
}

void SubscriberCounts::remove(uint32_t pool, Kind kind, std::string_view topic, bool last) {
  const std::lock_guard lock(mutex_);
  Topics& topics = pools_[pool][static_cast<size_t>(kind)];
  const auto found = topics.find(topic);
  ASSERT(found != topics.end());
  if (last) {
    --found->second.workers;
  } else {
    unseen_.fetch_sub(1, std::memory_order_release);
  }
  if (--found->second.clients == 0) topics.erase(found);
}

const SubscriberCounts::Topics* SubscriberCounts::find(uint32_t pool, Kind kind) const {
  const auto found = pools_.find(pool);
  return found != pools_.end() ? &found->second[static_cast<size_t>(kind)] : nullptr;
}

uint64_t SubscriberCounts::unseen_receivers(uint32_t pool, std::string_view channel,
                                            bool is_shard) const {
  const std::lock_guard lock(mutex_);
  uint64_t unseen = 0;
  const Topics* exact = find(pool, is_shard ? Kind::kShard : Kind::kChannel);
  if (exact == nullptr) return 0;
  const auto found = exact->find(channel);
  if (found != exact->end()) unseen += found->second.clients - found->second.workers;
  if (is_shard) return unseen;
  for (const auto& [pattern, count] : *find(pool, Kind::kPattern)) {
    if (count.clients == count.workers || !wire::matches_glob(pattern, channel)) continue;
    unseen += count.clients - count.workers;
  }
  return unseen;
}

std::vector<std::string> SubscriberCounts::names(uint32_t pool, Kind kind,
                                                 const std::string_view* pattern) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  const Topics* topics = find(pool, kind);
  if (topics == nullptr) return names;
  for (const auto& [name, count] : *topics) {
    if (pattern == nullptr || wire::matches_glob(*pattern, name)) names.push_back(name);
  }
  return names;
}

uint64_t SubscriberCounts::clients(uint32_t pool, Kind kind, std::string_view topic) const {
  const std::lock_guard lock(mutex_);
  const Topics* topics = find(pool, kind);
  if (topics == nullptr) return 0;
  const auto found = topics->find(topic);
  return found != topics->end() ? found->second.clients : 0;
}

uint64_t SubscriberCounts::topics(uint32_t pool, Kind kind) const {
  const std::lock_guard lock(mutex_);
  const Topics* topics = find(pool, kind);
  return topics != nullptr ? topics->size() : 0;
}

}  // namespace quorate::relay
