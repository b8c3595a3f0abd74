#include "consensus/cluster/ring.h"

#include <bit>
#include <limits>

namespace quorate::cluster {
namespace {

constexpr size_t kBucketsPerPoint = 2;

}  // namespace

Ring::Ring(std::span<const RingPoint> points) {
  if (points.empty()) return;
  ASSERT(points.size() <= kMaxPoints);

  tokens_.reserve(points.size() + 1);
  members_.reserve(points.size() + 1);
  for (const RingPoint& point : points) {
    ASSERT(tokens_.empty() || tokens_.back() <= point.token);
    tokens_.push_back(point.token);
    members_.push_back(point.member);
  }
  tokens_.push_back(std::numeric_limits<uint64_t>::max());
  members_.push_back(points.front().member);

  const size_t buckets = std::bit_ceil(points.size()) * kBucketsPerPoint;
  shift_ = 64 - std::countr_zero(buckets);
  first_in_bucket_.reserve(buckets);
  uint32_t first = 0;
  for (uint64_t bucket = 0; bucket < buckets; ++bucket) {
    while (first < points.size() && tokens_[first] < bucket << shift_) ++first;
    first_in_bucket_.push_back(first);
  }
}

}  // namespace quorate::cluster
