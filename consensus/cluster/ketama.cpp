#include "consensus/cluster/ketama.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "consensus/cluster/md5.h"

namespace quorate::cluster {
namespace {

constexpr uint32_t kPointsPerServer = 160;
constexpr uint32_t kPointsPerHash = 4;  // the words of one MD5

}  // namespace

uint32_t ketama_point_count(uint32_t weight, uint32_t total_weight, uint32_t servers) {
  // Single precision, in this order: it decides the count. (What the originals add before they
  // round down, 1e-10, is too little to change a float that is near a whole number.)
  const float share = static_cast<float>(weight) / static_cast<float>(total_weight);
  const float hashes =
      share * float{kPointsPerServer} / float{kPointsPerHash} * static_cast<float>(servers);
  return static_cast<uint32_t>(std::floor(hashes)) * kPointsPerHash;
}

std::vector<RingPoint> ketama_points(std::span<const KetamaServer> servers) {
  uint32_t total_weight = 0;
  for (const KetamaServer& server : servers) total_weight += server.weight;

  std::vector<RingPoint> points;
  points.reserve(servers.size() * kPointsPerServer);
  std::string hashed;
  for (const KetamaServer& server : servers) {
    const uint32_t count =
        ketama_point_count(server.weight, total_weight, static_cast<uint32_t>(servers.size()));
    for (uint32_t i = 0; i < count / kPointsPerHash; ++i) {
      hashed.assign(server.name).append("-").append(std::to_string(i));
      for (const uint32_t token : md5(hashed)) {
        points.push_back({.token = ketama_place(token), .member = server.member});
      }
    }
  }
  std::ranges::stable_sort(points, {}, &RingPoint::token);
  return points;
}

}  // namespace quorate::cluster
