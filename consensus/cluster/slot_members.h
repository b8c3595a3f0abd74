// Which backends are to keep each slot, by the pool's rules alone; and who is to own it.
//
// Where a slot belongs follows from the ring: the backends met from the slot's own place on, zones
// apart first. Where it is now is in the map; what moves it from here to there is a
// reconfiguration. Pure; for the control path.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "consensus/cluster/cluster_map.h"

namespace quorate::cluster {

/// Of a key: the upper 12 bits of its hash. So a slot is an arc of the circle of hashes.
constexpr uint16_t slot_of_hash(uint64_t hash) { return static_cast<uint16_t>(hash >> 52); }
/// Where a slot's search for members begins.
constexpr uint64_t position_of_slot(uint16_t slot) { return uint64_t{slot} << 52; }

/// For each slot the backends that it belongs to, ascending by serial: those that are not spare, on
/// their way out or gone. Fewer than there are replicas if there are not as many.
std::vector<std::vector<BackendSerial>> places_of_slots(const ClusterMap& map, const Pool& pool);

/// Candidates of a slot are ordered by rendezvous hashing over the coordinators' names, so that a
/// proxy that comes back comes back to its place: the highest score first.
uint64_t candidate_score(std::string_view name, uint16_t slot);

}  // namespace quorate::cluster
