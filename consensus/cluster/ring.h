// Ring: points on a circle of 2^64 places, and which of them comes first at or after a place.
//
// The circle is cut into buckets, two to four for each point, by the top bits of the place; a
// bucket names the first point at or after its start. So a lookup is one step into the index and a
// scan of about one point, instead of a binary search that misses the branch predictor log2(n)
// times.
//
// Knows nothing of names, weights or hashes: Placement decides where points lie. Immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "consensus/base/assert.h"

namespace quorate::cluster {

struct RingPoint {
  uint64_t token;
  uint32_t member;  ///< the caller's index, of what owns the places up to here
};

class Ring {
 public:
  static constexpr size_t kMaxPoints = size_t{1} << 24;

  Ring() = default;
  /// REQUIRES: sorted by token; at most kMaxPoints. Of equal tokens the first one owns the place.
  explicit Ring(std::span<const RingPoint> points);

  bool empty() const { return tokens_.empty(); }
  /// How many points.
  size_t size() const { return empty() ? 0 : tokens_.size() - 1; }

  /// Of point `index`. REQUIRES: index < size().
  uint64_t token(size_t index) const { return tokens_[index]; }
  uint32_t member(size_t index) const { return members_[index]; }

  /// The first point at or after `position`; after the last one, the first. REQUIRES: !empty().
  size_t successor(uint64_t position) const {
    const size_t index = scan(position);
    return index == size() ? 0 : index;
  }

  /// member(successor(position)), without asking whether it wrapped. REQUIRES: !empty().
  uint32_t owner(uint64_t position) const { return members_[scan(position)]; }

 private:
  size_t scan(uint64_t position) const {
    ASSERT(!empty());
    size_t index = first_in_bucket_[position >> shift_];
    while (tokens_[index] < position) ++index;
    return index;
  }

  // One more than there are points: the last stands for the first point, one turn later. Its token
  // is the last place of all, so that every scan ends there without counting.
  std::vector<uint64_t> tokens_;
  std::vector<uint32_t> members_;
  std::vector<uint32_t> first_in_bucket_;
  int shift_ = 0;
};

}  // namespace quorate::cluster
