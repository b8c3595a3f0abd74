// What framing says about the bytes of a memcached client, text and binary alike.
#pragma once

#include <cstdint>

#include "consensus/base/limits.h"

namespace quorate::wire {

enum class MemcachedStatus : uint8_t {
  kComplete,    ///< one request, data block included: `size` bytes
  kIncomplete,  ///< more bytes are needed; nothing is consumed
  kLarge,  ///< the frame does not fit kReadBytes: `size` bytes of it are parsed, the rest streams
  kAnswered,  ///< never reaches a backend: `answer` is the reply; see `swallows` and `closes`
};

struct MemcachedLimits {
  /// Bytes of one value. A larger one is refused as the server itself refuses it, its data dropped.
  int64_t value = 1024 * static_cast<int64_t>(limits::kMiB);
};

}  // namespace quorate::wire
