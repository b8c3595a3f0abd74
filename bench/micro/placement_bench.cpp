// What placing a key costs: nanoseconds for each hash, each step of a lookup, and each
// distribution.
//
//   cmake --preset release -DQUORATE_BENCH=ON && cmake --build build && build/placement_bench
//
// Keys are many more than the branch predictor remembers, and the best of several rounds is
// printed: the machine's other work only ever adds. One lookup does not wait for the one before it,
// as in a proxy, where keys come from different clients; "each waits" is the other extreme.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/random.h"
#include "consensus/cluster/hash.h"
#include "consensus/cluster/placement.h"
#include "consensus/cluster/ring.h"

namespace {

using namespace quorate;
using cluster::Distribution;
using cluster::HashKind;

constexpr size_t kKeyLength = 20;
constexpr size_t kKeys = 1 << 16;
constexpr int kRounds = 15;

volatile uint64_t kept;  // so that no lookup is optimized away

template <class Each>
double best_nanoseconds(size_t count, Each each) {
  double best = std::numeric_limits<double>::max();
  for (int round = 0; round < kRounds; ++round) {
    uint64_t sum = 0;
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < count; ++i) sum += each(i);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    kept = sum;
    best = std::min(best, took.count() / static_cast<double>(count));
  }
  return best;
}

struct Keys {
  std::string bytes;
  std::string_view operator[](size_t i) const {
    return std::string_view(bytes).substr(i * kKeyLength, kKeyLength);
  }
};

Keys make_keys() {
  base::Random random(1);
  Keys keys;
  for (size_t i = 0; i < kKeys; ++i) {
    std::string key = "session:" + std::to_string(random.next());
    key.resize(kKeyLength, 'x');
    keys.bytes += key;
  }
  return keys;
}

std::vector<cluster::PlacementMember> make_members(size_t count) {
  std::vector<cluster::PlacementMember> members;
  for (size_t i = 0; i < count; ++i) {
    members.push_back({.name = "10.0.0." + std::to_string(i) + ":6379",
                       .weight = 1,
                       .on_ring = true,
                       .zone = ""});
  }
  return members;
}

void print_hashes(const Keys& keys) {
  std::printf("hash of a %zu-byte key, ns\n", kKeyLength);
  for (uint8_t i = 0; i < cluster::kHashKinds; ++i) {
    const auto kind = static_cast<HashKind>(i);
    const double cost =
        best_nanoseconds(kKeys, [&](size_t k) { return cluster::hash_of(kind, keys[k]); });
    std::printf("  %-14s %6.2f\n", std::string(cluster::name_of(kind)).c_str(), cost);
  }
}

void print_ring(size_t members) {
  base::Random random(2);
  std::vector<cluster::RingPoint> points;
  for (size_t i = 0; i < members * 160; ++i) {
    points.push_back({random.next(), static_cast<uint32_t>(i % members)});
  }
  std::ranges::sort(points, {}, &cluster::RingPoint::token);
  const cluster::Ring ring(points);
  std::vector<uint64_t> places(1 << 18);
  for (uint64_t& place : places) place = random.next();

  const double indexed =
      best_nanoseconds(places.size(), [&](size_t i) { return ring.owner(places[i]); });
  uint64_t before = 0;
  const double waiting = best_nanoseconds(
      places.size(), [&](size_t i) { return before = ring.owner(places[i] + (before >> 16)); });
  const double binary = best_nanoseconds(places.size(), [&](size_t i) {
    const auto at = std::ranges::lower_bound(points, places[i], {}, &cluster::RingPoint::token);
    return (at == points.end() ? points.begin() : at)->member;
  });
  std::printf("  %7zu %8zu %9.2f %11.2f %12.2f\n", members, points.size(), indexed, waiting,
              binary);
}

void print_owner(const Keys& keys, HashKind hash, Distribution distribution,
                 const std::string& tag) {
  std::printf("  %-20s %-9s %-4s", std::string(cluster::name_of(distribution)).c_str(),
              std::string(cluster::name_of(hash)).c_str(), tag.c_str());
  for (const size_t members : {3, 10, 100, 1000}) {
    const auto placement = cluster::Placement::build(
        {.hash = hash, .distribution = distribution, .hash_tag = tag}, make_members(members));
    base::Random random(3);
    std::printf(" %7.2f", best_nanoseconds(
                              kKeys, [&](size_t k) { return placement.owner(keys[k], random); }));
  }
  std::printf("\n");
}

}  // namespace

int main() {
  const Keys keys = make_keys();
  print_hashes(keys);

  std::printf("\nfrom a place to its owner, ns; 160 points for each member\n");
  std::printf("  members   points   indexed  each waits  lower_bound\n");
  for (const size_t members : {3, 10, 100, 1000}) print_ring(members);

  std::printf("\nfrom a %zu-byte key to its owner, ns, by members\n", kKeyLength);
  std::printf("  distribution         hash      tag        3      10     100    1000\n");
  print_owner(keys, HashKind::kXxh3, Distribution::kRing, "");
  print_owner(keys, HashKind::kXxh3, Distribution::kRing, "{}");
  print_owner(keys, HashKind::kFnv1a_64, Distribution::kKetama, "");
  print_owner(keys, HashKind::kFnv1a_64, Distribution::kModula, "");
  print_owner(keys, HashKind::kFnv1a_64, Distribution::kRandom, "");
  print_owner(keys, HashKind::kMd5, Distribution::kLibmemcachedKetama, "");
}
