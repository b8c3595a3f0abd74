// The clock: the only place where the proxy reads one. Everything that decides gets it as an
// argument.
#pragma once

#include <uv.h>

#include <chrono>

#include "consensus/base/time.h"

namespace quorate::io {

inline base::Instant monotonic_now() {
  return base::Instant(base::Duration(static_cast<int64_t>(uv_hrtime())));
}

inline base::WallTime wall_now() {
  return std::chrono::duration_cast<base::WallTime>(
      std::chrono::system_clock::now().time_since_epoch());
}

}  // namespace quorate::io
