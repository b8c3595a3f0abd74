// Slots: `hash modulo the sum of the weights`, as in twemproxy's modula: each member has as many
// slots as it weighs, side by side, in the order of the members.
//
// Keeps where each member's slots end, not a table of all: weights may be in the thousands.
// Immutable.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "consensus/base/assert.h"

namespace quorate::cluster {

class Slots {
 public:
  /// Adds a member behind the others. REQUIRES: weight > 0; the sum stays below 2^32.
  void add(uint32_t member, uint32_t weight) {
    ASSERT(weight > 0 && weight <= UINT32_MAX - count());
    ends_.push_back(count() + weight);
    members_.push_back(member);
  }

  bool empty() const { return ends_.empty(); }
  /// How many slots.
  uint32_t count() const { return empty() ? 0 : ends_.back(); }

  /// REQUIRES: !empty().
  uint32_t slot(uint64_t hash) const {
    const uint32_t slots = count();
    ASSERT(slots > 0);
    // Half the division's time for the hashes of 32 bits, which twemproxy's all are.
    if (hash <= UINT32_MAX) return static_cast<uint32_t>(hash) % slots;
    return static_cast<uint32_t>(hash % slots);
  }

  /// REQUIRES: slot < count().
  uint32_t owner(uint32_t slot) const {
    if (ends_.size() == count()) return members_[slot];  // everyone weighs 1
    return members_[static_cast<size_t>(std::ranges::upper_bound(ends_, slot) - ends_.begin())];
  }

 private:
  std::vector<uint32_t> ends_;  // of member i: one behind its last slot
  std::vector<uint32_t> members_;
};

}  // namespace quorate::cluster
