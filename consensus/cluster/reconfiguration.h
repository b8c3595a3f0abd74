// Reconfiguration: which slots of replicated pools are not where they belong, which of them are to
// move next, and how far that is. What follows from the map alone, so whoever leads next goes on
// where the last leader was.
//
//   kStable, elsewhere ── BeginMove, proposed here ──► kJoint ── EndMove, its owner's wish ──►
//   there
//                                                        └────── EndMove back, proposed here:
//                                                                too few of the new members are
//                                                                left
//
// Does not know whether a slot's keys have been copied: its owner does, and wishes for EndMove
// (proxy/replicate). Not thread-safe; pure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "consensus/cluster/cluster_change.h"

namespace quorate::cluster {

/// Slots of a pool, by what is to happen to them. The sum is kSlots.
struct SlotCounts {
  uint32_t in_place = 0;
  uint32_t moving = 0;   ///< kJoint
  uint32_t waiting = 0;  ///< may begin to move
  uint32_t held = 0;     ///< to move to a backend that is not admitted, or to more than there are
  uint32_t frozen = 0;   ///< a majority of its members has lost its memory: nothing can be copied

  uint32_t left() const { return moving + waiting + held + frozen; }
  bool operator==(const SlotCounts&) const = default;
};

/// What a backend has of its pool's slots.
struct BackendSlots {
  uint32_t held = 0;      ///< it is a member, and not only of where a slot moves to
  uint32_t arriving = 0;  ///< kJoint, it is new there
  uint32_t wanted = 0;    ///< where it belongs

  bool operator==(const BackendSlots&) const = default;
};

struct PoolMotion {
  SlotCounts slots;
  /// Slots whose keys cannot be written now: without an owner, or without a majority that is there.
  uint32_t unserved = 0;
  std::map<BackendSerial, BackendSlots> backends;
};

/// How many slots of a pool are kJoint at once, at most. More are fewer scans of the backends, and
/// more writes that take one more server.
inline constexpr uint32_t kMovingSlots = 512;

class Reconfiguration {
 public:
  /// Whether a backend is there to be copied to.
  using Answers = std::function<bool(BackendSerial)>;

  /// How things stand. REQUIRES: `pool` is of `map` and replicated.
  PoolMotion motion_of(const ClusterMap& map, const Pool& pool);

  /// What the leader is to propose for this pool now: one BeginMove or EndMove, or nothing. Slots
  /// of one owner move together, as one scan of a backend serves them all; the next ones begin when
  /// half of `moving_slots` has arrived. REQUIRES: as above; moving_slots > 0.
  std::vector<Change> next(const ClusterMap& map, const Pool& pool, uint32_t moving_slots,
                           const Answers& answers);

 private:
  enum class Fate : uint8_t { kInPlace, kMoving, kWaiting, kHeld, kFrozen };
  /// All that places follow from.
  struct Ring {
    PlacementRules rules;
    uint32_t replicas = 0;
    std::vector<BackendRules> backends;

    bool operator==(const Ring&) const = default;
  };
  struct Known {
    Ring ring;
    std::vector<std::vector<BackendSerial>> places;
  };

  const std::vector<std::vector<BackendSerial>>& places_of(const ClusterMap& map, const Pool& pool);
  static Fate fate_of(const ClusterMap& map, const Pool& pool, const SlotRun& run,
                      const std::vector<BackendSerial>& wanted, const Answers& answers);

  std::map<PoolSerial, Known> known_;
};

/// Whether every slot that belongs to `backend` has moved there. For the moment at which it becomes
/// ready; places all slots. REQUIRES: its pool is replicated.
bool holds_its_slots(const ClusterMap& map, const Backend& backend);

}  // namespace quorate::cluster
