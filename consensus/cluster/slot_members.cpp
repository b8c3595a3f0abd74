#include "consensus/cluster/slot_members.h"

#include <algorithm>
#include <string>

#include "consensus/cluster/hash.h"
#include "consensus/cluster/placement.h"

namespace quorate::cluster {

std::vector<std::vector<BackendSerial>> places_of_slots(const ClusterMap& map, const Pool& pool) {
  std::vector<PlacementMember> members;
  std::vector<BackendSerial> serials;
  for (const auto& [serial, backend] : map.backends) {
    if (backend.pool != pool.serial || backend.rules.spare) continue;
    if (backend.state == BackendState::kDraining || backend.state == BackendState::kRemoved) {
      continue;
    }
    members.push_back({.name = backend.rules.name,
                       .weight = backend.rules.weight,
                       .on_ring = true,
                       .zone = backend.rules.zone});
    serials.push_back(serial);
  }
  std::vector<std::vector<BackendSerial>> places(kSlots);
  const Placement placement = Placement::build(pool.rules.placement, members);
  if (placement.empty()) return places;
  for (uint16_t slot = 0; slot < kSlots; ++slot) {
    for (const uint32_t member :
         placement.preference_list(position_of_slot(slot), pool.rules.replicas)) {
      places[slot].push_back(serials[member]);
    }
    std::ranges::sort(places[slot]);
  }
  return places;
}

uint64_t candidate_score(std::string_view name, uint16_t slot) {
  std::string key(name);
  key.push_back(static_cast<char>(slot & 0xFF));
  key.push_back(static_cast<char>(slot >> 8));
  return hash_of(HashKind::kXxh3, key);
}

}  // namespace quorate::cluster
