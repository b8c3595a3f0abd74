// How often each fault was made, each end told and each transition made. What never happened in a
// run of many seeds has not been tested, and fails it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace quorate::replicate_simulation {

enum class Count : uint8_t {
  // Faults.
  kCuts,
  kLateExecutions,
  kBackendPauses,
  kMemoryLost,
  kOldMemory,
  kPeerCuts,
  kLateForwards,
  kProxyKills,
  kProxyPauses,
  kHandOvers,
  kGroupDown,
  kConfigurations,
  kOutOfMemory,
  kMovesBegun,
  kReadmissions,
  // Ends.
  kAcknowledged,
  kFailed,
  kUnknown,
  // Transitions, as coordinators count them.
  kDirectReads,
  kInconclusive,
  kHedged,
  kForwards,
  kTakeovers,
  kEmergencies,
  kSelfBumps,
  kDepositions,
  kSettlements,
  kNeedState,
  kOldSequence,
  kTransfers,
  kExpiries,
  kLazyInstalls,
  kMovesEnded,
  kSweeps,
  kMended,
  kForgotten,
  kPurged,
  kEnd,
};

inline constexpr std::array<std::string_view, static_cast<size_t>(Count::kEnd)> kCountNames = {
    "cuts",         "late_executions", "backend_pauses", "memory_lost",  "old_memory",
    "peer_cuts",    "late_forwards",   "proxy_kills",    "proxy_pauses", "hand_overs",
    "group_down",   "configurations",  "out_of_memory",  "moves_begun",  "readmissions",
    "acknowledged", "failed",          "unknown",        "direct_reads", "inconclusive",
    "hedged",       "forwards",        "takeovers",      "emergencies",  "self_bumps",
    "depositions",  "settlements",     "need_state",     "old_sequence", "transfers",
    "expiries",     "lazy_installs",   "moves_ended",    "sweeps",       "mended",
    "forgotten",    "purged"};

struct Counts {
  std::array<uint64_t, static_cast<size_t>(Count::kEnd)> of{};

  uint64_t& operator[](Count count) { return of[static_cast<size_t>(count)]; }
  uint64_t operator[](Count count) const { return of[static_cast<size_t>(count)]; }
  void add(const Counts& other) {
    for (size_t i = 0; i < of.size(); ++i) of[i] += other.of[i];
  }
};

}  // namespace quorate::replicate_simulation
