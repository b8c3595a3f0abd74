// How often each fault of this layer was made, and each transition seen. What never happened in a
// run of many seeds has not been tested, and fails it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace quorate::group_simulation {

enum class Count : uint8_t {
  // Faults.
  kKills,
  kRestarts,
  kLostOrders,
  kPauses,
  kPartitions,
  kLineCuts,
  kBackendKills,
  kBackendHangs,
  kBackendSlow,
  kBackendFlaps,
  kBackendReplaced,
  kBackendCuts,
  kObserverKills,
  kTransfersAsked,
  kMembershipAsked,
  kOneSlowAnswer,
  // Transitions: the map.
  kApplied,
  kRejected,
  kEpochs,
  kEjected,
  kEjectedAgain,
  kReadmitted,
  kStoodIn,
  kRehashed,
  kKept,
  kHeld,
  kIdentities,
  kSessionsOpened,
  kSessionsLost,
  kSessionsExpired,
  kLeasesExpired,
  kSlotsMoved,
  // Transitions: voters and observers.
  kLeaders,
  kSnapshotsRestored,
  kFeedSnapshots,
  kFeedChanges,
  kObserversMoved,
  kForwarded,
  kForwardedByObserver,
  kVotersAdded,
  kVotersRemoved,
  // What was told.
  kDone,
  kRefusedAsInvalid,
  kRefusedAsRejected,
  kRefusedWithoutLeader,
  kUnknown,
  kEnd,
};

constexpr std::array<std::string_view, static_cast<size_t>(Count::kEnd)> kCountNames = {
    "kills",
    "restarts",
    "lost_orders",
    "pauses",
    "partitions",
    "line_cuts",
    "backend_kills",
    "backend_hangs",
    "backend_slow",
    "backend_flaps",
    "backend_replaced",
    "backend_cuts",
    "observer_kills",
    "transfers_asked",
    "membership_asked",
    "one_slow_answer",
    "applied",
    "rejected",
    "epochs",
    "ejected",
    "ejected_again",
    "readmitted",
    "stood_in",
    "rehashed",
    "kept",
    "held",
    "identities",
    "sessions_opened",
    "sessions_lost",
    "sessions_expired",
    "leases_expired",
    "slots_moved",
    "leaders",
    "snapshots_restored",
    "feed_snapshots",
    "feed_changes",
    "observers_moved",
    "forwarded",
    "forwarded_by_observer",
    "voters_added",
    "voters_removed",
    "done",
    "refused_as_invalid",
    "refused_as_rejected",
    "refused_without_leader",
    "unknown"};

class Counts {
 public:
  void add(Count what, uint64_t times = 1) { counts_[static_cast<size_t>(what)] += times; }
  void add(const Counts& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  }
  uint64_t operator[](Count what) const { return counts_[static_cast<size_t>(what)]; }

 private:
  std::array<uint64_t, static_cast<size_t>(Count::kEnd)> counts_{};
};

}  // namespace quorate::group_simulation
