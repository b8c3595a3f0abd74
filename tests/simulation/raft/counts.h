// How often each fault was made and each transition seen. A run of many seeds in which one of them
// never happened has not tested what it claims to, and fails.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace quorate::simulation {

enum class Count : uint8_t {
  // Faults: the network.
  kDropped,
  kDelayed,
  kDuplicated,
  kReordered,
  kPartitionSymmetric,
  kPartitionOneWay,
  kPartitionPartial,
  kCutMessages,
  kConnectionLost,
  // Faults: machines, disks and clocks.
  kPowerFailures,
  kKills,
  kPauses,
  kCrashInWrite,
  kCrashAtStart,
  kTornPages,
  kLostPages,
  kLostNames,
  kTornTails,
  kSlowDisks,
  kFailedSyncs,
  kFullDisks,
  kClockChanges,
  // Transitions: elections.
  kPreVotes,
  kElections,
  kLeaders,
  kStepDowns,
  kStickyRefusals,
  kCheckQuorum,
  kTransfersAsked,
  kTransfersDone,
  // Transitions: the log and the disk.
  kRefusedAppends,
  kTruncations,
  kSnapshotsTaken,
  kPieces,
  kSnapshotsInstalled,
  kTransfersResumed,
  kSegmentsBegun,
  kRestarts,
  kRecoveredEntries,
  // Transitions: membership.
  kLearnersAdded,
  kChangesAsked,
  kJointEntered,
  kJointLeft,
  kPromotedByLeader,
  kLeaderRemoved,
  kChangeUnderFire,
  kSnapshotUnderFire,
  // What clients saw.
  kCommitted,
  kLost,
  kUnknown,
  kRefused,
  kReadsAtLeader,
  kReadsElsewhere,
  kReadsFailed,
  kIsolations,
  kDeafLeaders,
  kEnd,
};

constexpr std::array<std::string_view, static_cast<size_t>(Count::kEnd)> kCountNames = {
    "dropped",
    "delayed",
    "duplicated",
    "reordered",
    "partition_symmetric",
    "partition_one_way",
    "partition_partial",
    "cut_messages",
    "connection_lost",
    "power_failures",
    "kills",
    "pauses",
    "crash_in_write",
    "crash_at_start",
    "torn_pages",
    "lost_pages",
    "lost_names",
    "torn_tails",
    "slow_disks",
    "failed_syncs",
    "full_disks",
    "clock_changes",
    "pre_votes",
    "elections",
    "leaders",
    "step_downs",
    "sticky_refusals",
    "check_quorum",
    "transfers_asked",
    "transfers_done",
    "refused_appends",
    "truncations",
    "snapshots_taken",
    "pieces",
    "snapshots_installed",
    "transfers_resumed",
    "segments_begun",
    "restarts",
    "recovered_entries",
    "learners_added",
    "changes_asked",
    "joint_entered",
    "joint_left",
    "promoted_by_leader",
    "leader_removed",
    "change_under_fire",
    "snapshot_under_fire",
    "committed",
    "lost",
    "unknown",
    "refused",
    "reads_at_leader",
    "reads_elsewhere",
    "reads_failed",
    "isolations",
    "deaf_leaders"};

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

}  // namespace quorate::simulation
