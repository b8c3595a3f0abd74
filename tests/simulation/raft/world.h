// What everything in one simulated world shares: virtual time, one source of chance, the trace.
//
// One seed decides everything. Nothing here or in what uses it may depend on an address, on the
// order of an unordered container, on a clock, or on std::*_distribution: the trace of a seed is
// the same on every run and with every compiler.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/random.h"
#include "consensus/base/time.h"
#include "tests/simulation/raft/counts.h"

namespace quorate::simulation {

using base::Duration;
using base::Instant;

constexpr Duration ms(int64_t count) { return std::chrono::milliseconds(count); }
constexpr Duration us(int64_t count) { return std::chrono::microseconds(count); }

/// Hundreds of times more than a world needs.
inline constexpr uint64_t kMaxEvents = 3'000'000;

/// A rule was broken; ends the run.
struct Violation {
  std::string what;
};

class World {
 public:
  World(uint64_t seed, bool verbose) : random(seed), verbose_(verbose) {}

  base::Random random;
  Counts counts;

  Instant now() const { return now_; }
  /// REQUIRES: not in the past. Things at the same time happen in the order of the calls.
  void at(Instant when, std::function<void()> what) {
    events_.push({when, ++scheduled_, std::move(what)});
  }
  void after(Duration wait, std::function<void()> what) { at(now_ + wait, std::move(what)); }

  /// Runs until `end`, or until nothing is left to happen.
  void run_until(Instant end) {
    while (!events_.empty() && events_.top().when <= end) {
      // Moved out before it runs, as it may schedule more.
      Event event = std::move(const_cast<Event&>(events_.top()));
      events_.pop();
      now_ = event.when;
      if (++events_run_ > kMaxEvents) throw Violation{"too much happens: messages beget messages"};
      event.what();
    }
    now_ = end;
  }

  /// Mixes what happened into the trace; `text` makes a line of it for whoever reads along.
  template <class Text>
  void trace(uint64_t what, uint64_t where, uint64_t detail, Text text) {
    mix(static_cast<uint64_t>(now_.time_since_epoch().count()));
    mix(what);
    mix(where);
    mix(detail);
    if (verbose_) {
      const auto microseconds = now_.time_since_epoch().count() / 1000;
      std::printf("%9lld.%03lld ms  %s\n", static_cast<long long>(microseconds / 1000),
                  static_cast<long long>(microseconds % 1000), std::string(text()).c_str());
    }
  }
  uint64_t trace_hash() const { return trace_; }
  uint64_t events_run() const { return events_run_; }

  Duration between(Duration low, Duration high) {
    return Duration(random.between(low.count(), high.count()));
  }

 private:
  struct Event {
    Instant when;
    uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return when != other.when ? when > other.when : order > other.order;
    }
  };

  void mix(uint64_t value) {
    trace_ ^= value + 0x9E3779B97F4A7C15u + (trace_ << 6) + (trace_ >> 2);
    trace_ *= 0xBF58476D1CE4E5B9u;
    trace_ ^= trace_ >> 29;
  }

  Instant now_{};
  uint64_t scheduled_ = 0;
  uint64_t events_run_ = 0;
  std::priority_queue<Event> events_;
  uint64_t trace_ = 0;
  bool verbose_;
};

/// FNV-1a; for digests that are compared, not for chance.
constexpr uint64_t digest(std::string_view bytes, uint64_t before = 0xCBF29CE484222325u) {
  for (const char c : bytes) before = (before ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return before;
}
constexpr uint64_t digest(uint64_t value, uint64_t before) {
  for (int i = 0; i < 8; ++i, value >>= 8) before = (before ^ (value & 0xFF)) * 0x100000001B3u;
  return before;
}

}  // namespace quorate::simulation
