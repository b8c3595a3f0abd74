// Sweep: one pass over slots of this worker, so that afterwards every member that answers has the
// newest state of every key of them (consistency.md §6.6, §6.9), and deletes can be forgotten.
//
//   kDraining    proposals from before the pass come to their end: what follows is above the floor
//   kScanning    each member tells its keys; a key is looked at once, and mended where it differs
//   kFloors      members that have all are told: up to the floor, blank means deleted
//   kForgetting  tombstones below the floor are dropped there
//
// The members' scans are of all slots, so one pass serves any number of them.
#pragma once

#include <deque>
#include <string>
#include <unordered_set>
#include <vector>

#include "consensus/base/time.h"
#include "proxy/replicate/operation.h"

namespace quorate::replicate {

/// Of one slot, while this worker owns it.
struct SlotSweep {
  bool is_in_pass = false;
  bool was_swept = false;       ///< under its term, by a majority
  bool has_moved = false;       ///< kJoint: the new members have all of it
  bool has_tombstones = false;  ///< met in this pass
  PlaceMask lacking = 0;        ///< places that are not known to have all; in a pass: so far
  PlaceMask missed = 0;         ///< places that something was not brought to since the pass began
  PlaceMask floored = 0;        ///< places that have acknowledged `floor`
  base::Term term;              ///< of the pass
  base::Version floor;          ///< the last version before the pass
};

struct Sweep {
  enum class Stage : uint8_t { kResting, kDraining, kScanning, kFloors, kForgetting };
  struct Scan {
    cluster::BackendSerial backend{};
    cluster::Nonce incarnation;
    std::string cursor = "0";
    bool is_asked = false;
    bool is_done = false;
    uint8_t failures = 0;
    base::Instant not_before{};
    bool has_failed() const { return failures >= limits::kScanFailures; }
  };
  struct Tombstone {
    uint16_t slot = 0;
    std::string key;
  };

  Stage stage = Stage::kResting;
  std::vector<uint16_t> slots;
  std::deque<Scan> scans;
  std::deque<std::string> found;         ///< keys to be looked at
  std::deque<std::string> purged;        ///< keys of questions that have not been carried out
  std::deque<Tombstone> tombstones;      ///< to be forgotten
  std::unordered_set<uint64_t> settled;  ///< hashes of keys and versions
  size_t next = 0;                       ///< slot (kFloors) or tombstone (kForgetting) at hand
  uint32_t under_way = 0;                ///< keys, also to be dropped; floors or tombstones
  bool is_partial = false;               ///< something could not be remembered: once more
  base::Instant began{};
  uint32_t pass = 0;  ///< its number: answers to another one are late
  base::Instant next_pass = base::kNever;
  base::Instant next_whole = base::kNever;  ///< of all slots, not only of urgent ones
  base::Instant rests_until{};              ///< no pass of all slots begins before
  base::Instant at = base::kNever;          ///< when there is something to do
  base::Instant filled{};                   ///< when `budget` was counted
  double budget = 0;                        ///< keys that may be looked at now
  base::Duration pause{};                   ///< after a pass that left urgent slots
  base::Duration long_pause{};              ///< after one that left a member without something
  int64_t next_expiry_ms = 0;               ///< the first expiry met; 0: none
};

}  // namespace quorate::replicate
