// Ketama's points as twemproxy and libmemcached place them (the two agree; they differ in the names
// they hash and in whose point wins where two coincide, which the caller's order decides).
//
// Part of a share is lost to rounding in single precision, and is lost here too: at 25, 47, 50, 55,
// 61, 71, 94, 100 … servers of equal weight each has 156 points and not 160.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "consensus/cluster/ring.h"

namespace quorate::cluster {

struct KetamaServer {
  std::string_view name;
  uint32_t weight;
  uint32_t member;
};

/// How many points a server has; possibly none, when its share is below 1/40 of an equal one.
uint32_t ketama_point_count(uint32_t weight, uint32_t total_weight, uint32_t servers);

/// The points of all `servers`, sorted; where two coincide, first that of the earlier server.
/// Servers that are off the ring are left out by the caller: the others' points then grow in
/// number. REQUIRES: weights > 0, their sum below 2^32.
std::vector<RingPoint> ketama_points(std::span<const KetamaServer> servers);

/// The tokens are of 32 bits: each owns the whole range of places that a 64-bit hash can have
/// there.
constexpr uint64_t ketama_place(uint32_t token) { return uint64_t{token} << 32 | UINT32_MAX; }
constexpr uint32_t ketama_token(uint64_t place) { return static_cast<uint32_t>(place >> 32); }

}  // namespace quorate::cluster
