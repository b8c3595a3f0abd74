#include "consensus/group/detector.h"

#include <algorithm>

namespace quorate::group {
namespace {

Duration milliseconds(uint32_t count) { return std::chrono::milliseconds(count); }

}  // namespace

void Detector::follow(const cluster::ClusterMap& map, Instant now) {
  next_ = now;  // to be found anew
  std::erase_if(watches_, [&](const auto& entry) {
    const auto backend = map.backends.find(entry.first);
    const bool stays = backend != map.backends.end() &&
                       backend->second.state != cluster::BackendState::kRemoved &&
                       backend->second.rules.address == entry.second.address;
    if (!stays && entry.second.probe != 0) under_way_.erase(entry.second.probe);
    return !stays;
  });
  for (const auto& [serial, backend] : map.backends) {
    if (backend.state == cluster::BackendState::kRemoved) continue;
    const auto [place, is_new] = watches_.try_emplace(serial);
    Watch& watch = place->second;
    watch.rules = map.pools.at(backend.pool).rules.detection;
    if (!is_new) continue;
    watch.address = backend.rules.address;
    // Not all at once, and no two voters at the same moment.
    const auto spread = static_cast<uint64_t>(milliseconds(watch.rules.interval_ms).count());
    watch.next = now + Duration(static_cast<int64_t>(random_.below(spread + 1)));
    watch.ordered = now - milliseconds(watch.rules.interval_ms);
  }
}

void Detector::rest() {
  watches_.clear();
  under_way_.clear();
}

void Detector::order(BackendSerial serial, Watch& watch, Instant now) {
  watch.probe = ++last_probe_;
  watch.ordered = now;
  watch.deadline = now + milliseconds(watch.rules.deadline_ms);
  watch.next = now + milliseconds(watch.rules.interval_ms);
  under_way_[watch.probe] = serial;
  orders_.push_back({watch.probe, serial, watch.deadline});
}

void Detector::on_result(const ProbeResult& result, Instant now) {
  const auto found = under_way_.find(result.probe);
  if (found == under_way_.end()) return;  // it came after its deadline, or is of no interest
  Watch& watch = watches_.at(found->second);
  under_way_.erase(found);
  finish(watch, result, now);
  next_ = std::min(next_, watch.next);
}

void Detector::finish(Watch& watch, const ProbeResult& result, Instant now) {
  watch.probe = 0;
  watch.probed = true;
  watch.seen = now;
  watch.next = std::max(watch.next, now);
  if (result.answered) {
    watch.failures = 0;
    watch.answers = std::min(watch.answers, UINT32_MAX - 1) + 1;
    watch.latency = result.latency;
    watch.failure.clear();
    watch.run_id = result.run_id.substr(0, cluster::kMaxNameBytes);
    if (watch.answers == watch.rules.readmit_count) {
      news_.push_back(watch.address + " answers steadily");
    }
    return;
  }
  watch.answers = 0;
  watch.failures = std::min(watch.failures, UINT32_MAX - 1) + 1;
  watch.failure = result.failure;
  if (watch.failures == watch.rules.count) {
    news_.push_back(watch.address + " fails: " + watch.failure);
  }
}

void Detector::on_traffic(BackendSerial backend, Instant now) {
  const auto found = watches_.find(backend);
  if (found == watches_.end()) return;
  Watch& watch = found->second;
  const Instant soonest = watch.ordered + milliseconds(watch.rules.interval_ms) / 4;
  watch.next = std::min(watch.next, std::max(now, soonest));
  if (watch.probe == 0) next_ = std::min(next_, watch.next);
}

void Detector::on_time(Instant now) {
  if (now < next_) return;
  next_ = base::kNever;
  for (auto& [serial, watch] : watches_) {
    if (watch.probe != 0 && now >= watch.deadline) {
      under_way_.erase(watch.probe);
      finish(watch, {.answered = false, .failure = "no answer in time"}, now);
    }
    if (watch.probe == 0 && now >= watch.next) order(serial, watch, now);
    next_ = std::min(next_, watch.probe != 0 ? watch.deadline : watch.next);
  }
}

std::vector<Sight> Detector::sights(Instant now) const {
  std::vector<Sight> sights;
  for (const auto& [serial, watch] : watches_) {
    if (!watch.probed) continue;
    sights.push_back({serial, watch.failures, watch.answers, now - watch.seen, watch.run_id});
  }
  return sights;
}

std::vector<BackendStatus> Detector::status() const {
  std::vector<BackendStatus> all;
  for (const auto& [serial, watch] : watches_) {
    all.push_back({.backend = serial,
                   .probed = watch.probed,
                   .answers = watch.answers > 0,
                   .failures = watch.failures,
                   .answers_in_a_row = watch.answers,
                   .latency = watch.latency,
                   .failure = watch.failure});
  }
  return all;
}

}  // namespace quorate::group
