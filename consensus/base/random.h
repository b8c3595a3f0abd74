// Seeded randomness as an argument (xoshiro256**, Blackman and Vigna 2018; seeded by splitmix64).
// The same seed gives the same numbers on every compiler, which std::*_distribution does not.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "consensus/base/assert.h"

namespace quorate::base {

class Random {
 public:
  explicit Random(uint64_t seed) {
    for (auto& word : state_) {
      seed += 0x9E3779B97F4A7C15u;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
      word = z ^ (z >> 31);
    }
  }

  uint64_t next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// Uniform in [0, bound). REQUIRES: bound > 0.
  uint64_t below(uint64_t bound) {
    ASSERT(bound > 0);
    const uint64_t limit = bound * (UINT64_MAX / bound);
    uint64_t drawn = next();
    while (drawn >= limit) drawn = next();
    return drawn % bound;
  }

  /// Uniform in [low, high]. REQUIRES: low <= high.
  int64_t between(int64_t low, int64_t high) {
    ASSERT(low <= high);
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1));
  }

  /// True with the given probability, in parts per million.
  bool chance_ppm(uint32_t parts) { return below(1'000'000) < parts; }

 private:
  std::array<uint64_t, 4> state_{};
};

}  // namespace quorate::base
