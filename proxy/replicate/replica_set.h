// ReplicaSet: whom an operation on a slot asks, and when enough of them have answered.
//
// Made from the table once for each step of an operation, so that a step counts majorities of the
// configuration that it began with. In a joint phase a majority of the old members and one of the
// new ones are needed. A place without a member is not asked, and counts in its set.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "consensus/cluster/replica_table.h"
#include "proxy/replicate/mutation.h"

namespace quorate::replicate {

inline constexpr size_t kMaxPlaces = size_t{2} * cluster::kMaxReplicas;
/// One bit for each place of a ReplicaSet.
using PlaceMask = uint16_t;

struct ReplicaSet {
  struct Place {
    cluster::BackendSerial serial{};
    cluster::BackendIndex index = cluster::kNobody;  ///< in the table that it was made from
    cluster::Nonce incarnation;
    uint32_t joined = 0;
  };
  std::array<Place, kMaxPlaces> places;
  uint8_t count = 0;
  uint8_t needed = 0;       ///< of `members`
  uint8_t needed_next = 0;  ///< of `next`; 0: not a joint phase
  PlaceMask members = 0;
  PlaceMask next = 0;
  uint32_t configuration = 0;

  PlaceMask all() const { return static_cast<PlaceMask>((1u << count) - 1); }
  bool is_majority(PlaceMask mask) const {
    return std::popcount(static_cast<PlaceMask>(mask & members)) >= needed &&
           (needed_next == 0 || std::popcount(static_cast<PlaceMask>(mask & next)) >= needed_next);
  }

  void assign(const cluster::ReplicaTable& table, uint16_t slot) {
    const cluster::SlotView& view = table.slot(slot);
    count = needed = needed_next = 0;
    members = next = 0;
    configuration = view.configuration;
    add(table, view.members, members);
    needed = static_cast<uint8_t>(view.members.majority());
    if (view.phase == cluster::SlotPhase::kJoint && !mutated(Mutation::kSkipJoint)) {
      add(table, view.next, next);
      needed_next = static_cast<uint8_t>(view.next.majority());
    }
  }

 private:
  void add(const cluster::ReplicaTable& table, const cluster::Members& from, PlaceMask& mask) {
    for (const cluster::Members::Place& member : from.all()) {
      if (member.backend == cluster::kNobody) continue;
      const cluster::ReplicaBackend& backend = table.backends()[member.backend];
      if (!backend.admitted()) continue;
      uint8_t place = 0;
      while (place < count && places[place].index != member.backend) ++place;
      if (place == count) {
        places[count++] = {backend.serial, member.backend, backend.incarnation, member.joined};
      }
      mask = static_cast<PlaceMask>(mask | 1u << place);
    }
  }
};

}  // namespace quorate::replicate
