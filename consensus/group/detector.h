// Detector: what one voter sees of the backends. It says when to probe which, and counts answers
// and failures in a row. What follows from that is the Jury's business, on the leader.
//
// A probe that is not answered by its deadline has failed, whoever may still be waiting for it. A
// backend at which traffic fails is probed at once, but at most four times as often as usual: a
// report of traffic is no evidence, it only makes evidence come sooner. Pure.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "consensus/base/random.h"
#include "consensus/group/group.h"
#include "consensus/group/messages.h"

namespace quorate::group {

class Detector {
 public:
  explicit Detector(uint64_t seed) : random_(seed) {}

  /// Whom to probe, and how often, from now on. What is known of those that stay is kept.
  void follow(const cluster::ClusterMap& map, Instant now);
  /// Probes nobody any more.
  void rest();

  void on_result(const ProbeResult& result, Instant now);
  void on_traffic(BackendSerial backend, Instant now);
  void on_time(Instant now);
  Instant next_deadline() const { return next_; }

  std::vector<ProbeOrder> take_orders() { return std::exchange(orders_, {}); }
  /// One line for each opinion that has changed: a backend seen to fail, or to be back. The leader
  /// should be told.
  std::vector<std::string> take_news() { return std::exchange(news_, {}); }

  /// Of those that were probed at least once.
  std::vector<Sight> sights(Instant now) const;
  std::vector<BackendStatus> status() const;

 private:
  struct Watch {
    cluster::DetectionRules rules;
    std::string address;
    Instant next{};      ///< when to probe
    Instant ordered{};   ///< the last one
    uint64_t probe = 0;  ///< under way; 0: none
    Instant deadline{};  ///< its
    bool probed = false;
    uint32_t failures = 0;
    uint32_t answers = 0;
    Instant seen{};  ///< the end of the last probe
    Duration latency{};
    std::string run_id;
    std::string failure;
  };

  void order(BackendSerial serial, Watch& watch, Instant now);
  void finish(Watch& watch, const ProbeResult& result, Instant now);

  base::Random random_;
  std::map<BackendSerial, Watch> watches_;
  std::map<uint64_t, BackendSerial> under_way_;
  uint64_t last_probe_ = 0;
  Instant next_ = base::kNever;  ///< nothing is to be done before
  std::vector<ProbeOrder> orders_;
  std::vector<std::string> news_;
};

}  // namespace quorate::group
