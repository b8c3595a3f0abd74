// Time as an argument. There is deliberately no now() here: whoever decides is told the time, so
// that the same decisions replay under the simulator. Only */io/ reads a clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace quorate::base {

using Duration = std::chrono::nanoseconds;

struct MonotonicTime {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicTime>;
  static constexpr bool is_steady = true;
};

/// A point of monotonic time; only differences mean anything.
using Instant = MonotonicTime::time_point;

/// "No deadline": later than every deadline.
inline constexpr Instant kNever = Instant::max();

/// Wall-clock time since the Unix epoch, for what clients ask about (TIME); decides nothing.
using WallTime = std::chrono::microseconds;

}  // namespace quorate::base
