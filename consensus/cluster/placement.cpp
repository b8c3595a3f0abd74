#include "consensus/cluster/placement.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "consensus/base/assert.h"
#include "consensus/base/little_endian.h"
#include "consensus/cluster/hash_tag.h"
#include "consensus/cluster/ketama.h"

namespace quorate::cluster {
namespace {

constexpr std::array<std::string_view, kDistributions> kNames = {"ring", "ketama", "modula",
                                                                 "random", "libmemcached-ketama"};

using Members = std::span<const PlacementMember>;

/// Twemproxy's: a server without a key to hash is the one at hash 0.
bool hashes_nothing_to_zero(Distribution distribution) {
  return distribution == Distribution::kKetama || distribution == Distribution::kModula;
}

std::vector<uint32_t> on_ring(Members members) {
  std::vector<uint32_t> chosen;
  for (uint32_t i = 0; i < members.size(); ++i) {
    if (members[i].on_ring) chosen.push_back(i);
  }
  return chosen;
}

/// Twemproxy orders its servers by name, short ones first.
std::vector<uint32_t> in_twemproxy_order(Members members) {
  std::vector<uint32_t> order = on_ring(members);
  std::ranges::sort(order, [members](uint32_t a, uint32_t b) {
    const std::string& left = members[a].name;
    const std::string& right = members[b].name;
    return left.size() != right.size() ? left.size() < right.size() : left < right;
  });
  return order;
}

/// A member's points: XXH3 of its name and of the number of the point in four bytes. They depend on
/// nothing else, so whoever comes or goes moves only the keys it takes or leaves.
std::vector<RingPoint> virtual_nodes(Members members, uint32_t points_per_weight) {
  std::vector<RingPoint> points;
  std::string hashed;
  for (const uint32_t member : on_ring(members)) {
    hashed.assign(members[member].name).append(sizeof(uint32_t), '\0');
    char* number = hashed.data() + members[member].name.size();
    for (uint32_t i = 0; i < points_per_weight * members[member].weight; ++i) {
      base::store_u32(number, i);
      points.push_back({.token = hash_of(HashKind::kXxh3, hashed), .member = member});
    }
  }
  // Where two points coincide the smaller name owns the place, in whatever order they were listed.
  std::ranges::sort(points, [members](const RingPoint& a, const RingPoint& b) {
    return a.token != b.token ? a.token < b.token : members[a.member].name < members[b.member].name;
  });
  return points;
}

std::vector<RingPoint> ketama(Members members, const std::vector<uint32_t>& order) {
  std::vector<KetamaServer> servers;
  servers.reserve(order.size());
  for (const uint32_t member : order) {
    servers.push_back({members[member].name, members[member].weight, member});
  }
  return ketama_points(servers);
}

std::vector<uint32_t> number_zones(Members members) {
  std::unordered_map<std::string_view, uint32_t> numbers;
  std::vector<uint32_t> zones;
  for (const PlacementMember& member : members) {
    zones.push_back(
        numbers.try_emplace(member.zone, static_cast<uint32_t>(numbers.size())).first->second);
  }
  return zones;
}

uint32_t count_members(std::span<const RingPoint> points) {
  std::unordered_set<uint32_t> members;
  for (const RingPoint& point : points) members.insert(point.member);
  return static_cast<uint32_t>(members.size());
}

std::string quoted(std::string_view name) { return '"' + std::string(name) + '"'; }

std::optional<std::string> problem_with(const PlacementRules& rules,
                                        const PlacementMember& member) {
  if (member.name.empty()) return "a member has no name";
  const uint32_t limit = max_weight(rules.distribution);
  if (member.weight < 1 || member.weight > limit) {
    return "the weight of " + quoted(member.name) + " is not in 1.." + std::to_string(limit);
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(Distribution distribution) {
  return kNames[static_cast<size_t>(distribution)];
}

std::optional<Distribution> distribution_named(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Distribution>(i);
  }
  return std::nullopt;
}

std::optional<std::string> problem_with(const PlacementRules& rules, Members members) {
  if (!rules.hash_tag.empty() && rules.hash_tag.size() != 2) {
    return "a hash tag is two characters, or none";
  }
  const bool ring = rules.distribution == Distribution::kRing;
  if (ring && (rules.points < 1 || rules.points > kMaxPointsPerWeight)) {
    return "the number of points is not in 1.." + std::to_string(kMaxPointsPerWeight);
  }
  std::unordered_set<std::string_view> names;
  uint64_t total_weight = 0;
  for (const PlacementMember& member : members) {
    if (auto problem = problem_with(rules, member)) return problem;
    if (!names.insert(member.name).second) return "two members are named " + quoted(member.name);
    total_weight += member.weight;
  }
  if (ring && total_weight * rules.points > Ring::kMaxPoints) {
    return "the weights times " + std::to_string(rules.points) + " points make more than " +
           std::to_string(Ring::kMaxPoints) + " points";
  }
  if (total_weight > std::numeric_limits<uint32_t>::max()) return "the weights add up to over 2^32";
  return std::nullopt;
}

uint16_t redis_cluster_slot(std::string_view key) {
  // The low 16 bits of twemproxy's crc16, which is not cut, are CRC16 (XMODEM).
  const uint64_t crc = hash_of(HashKind::kCrc16, hashed_part(key, '{', '}'));
  return static_cast<uint16_t>(crc % kRedisClusterSlots);
}

Placement Placement::of_redis_cluster(std::span<const uint32_t> owners) {
  ASSERT(owners.size() == kRedisClusterSlots);
  Placement placement;
  placement.rules_ = {HashKind::kCrc16, Distribution::kModula, "{}", 1};
  placement.position_shift_ = 32;
  for (const uint32_t owner : owners) placement.slots_.add(owner, 1);
  return placement;
}

Placement Placement::build(const PlacementRules& rules, Members members) {
  ASSERT(!problem_with(rules, members).has_value());
  Placement placement;
  placement.rules_ = rules;
  placement.position_shift_ = position_of(rules.hash, 1) == 1 ? 0 : 32;
  placement.zones_ = number_zones(members);

  std::vector<RingPoint> points;
  switch (rules.distribution) {
    case Distribution::kRing: points = virtual_nodes(members, rules.points); break;
    case Distribution::kKetama: points = ketama(members, in_twemproxy_order(members)); break;
    case Distribution::kLibmemcachedKetama: points = ketama(members, on_ring(members)); break;
    case Distribution::kModula:
      for (const uint32_t i : in_twemproxy_order(members))
        placement.slots_.add(i, members[i].weight);
      break;
    case Distribution::kRandom:
      for (const uint32_t i : in_twemproxy_order(members)) placement.slots_.add(i, 1);
      break;
  }
  placement.members_on_circle_ = count_members(points);
  placement.ring_ = Ring(points);
  return placement;
}

inline std::string_view Placement::part_to_hash(std::string_view key) const {
  if (rules_.hash_tag.empty()) return key;
  return hashed_part(key, rules_.hash_tag[0], rules_.hash_tag[1]);
}

[[gnu::always_inline]] inline uint64_t Placement::key_hash(std::string_view key) const {
  if (key.empty() && hashes_nothing_to_zero(rules_.distribution)) [[unlikely]]
    return 0;
  return hash_of(rules_.hash, part_to_hash(key));
}

uint64_t Placement::position(std::string_view key) const {
  return key_hash(key) << position_shift_;
}

uint32_t Placement::owner(std::string_view key, base::Random& random) const {
  if (!ring_.empty()) [[likely]]
    return ring_.owner(key_hash(key) << position_shift_);
  ASSERT(!slots_.empty());
  if (rules_.distribution == Distribution::kRandom) {
    return slots_.owner(static_cast<uint32_t>(random.below(slots_.count())));
  }
  return slots_.owner(slots_.slot(key_hash(key)));
}

Explanation Placement::explain(std::string_view key) const {
  Explanation told{.hashed = part_to_hash(key), .hash = key_hash(key), .token = {}, .member = {}};
  if (!ring_.empty()) {
    const size_t point = ring_.successor(told.hash << position_shift_);
    const bool narrow = rules_.distribution != Distribution::kRing;
    told.token = narrow ? ketama_token(ring_.token(point)) : ring_.token(point);
    told.member = ring_.member(point);
  } else if (rules_.distribution == Distribution::kModula && !slots_.empty()) {
    told.token = slots_.slot(told.hash);
    told.member = slots_.owner(slots_.slot(told.hash));
  }
  return told;
}

std::vector<uint32_t> Placement::preference_list(uint64_t position, size_t count) const {
  ASSERT(has_successors());
  struct Met {
    uint32_t member;
    uint32_t before;  // members of its zone that were met before it
  };
  std::vector<Met> met;
  std::vector<bool> seen(zones_.size(), false);
  std::vector<uint32_t> met_in_zone(zones_.size(), 0);
  size_t zones_met = 0;

  for (size_t point = ring_.successor(position);
       zones_met < count && met.size() < members_on_circle_;
       point = point + 1 < ring_.size() ? point + 1 : 0) {
    const uint32_t member = ring_.member(point);
    if (seen[member]) continue;
    seen[member] = true;
    const uint32_t before = met_in_zone[zones_[member]]++;
    if (before == 0) ++zones_met;
    met.push_back({member, before});
  }

  std::ranges::stable_sort(met, {}, &Met::before);
  met.resize(std::min(met.size(), count));
  std::vector<uint32_t> members;
  members.reserve(met.size());
  for (const Met& each : met) members.push_back(each.member);
  return members;
}

}  // namespace quorate::cluster
