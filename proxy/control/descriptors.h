// How many file descriptors a configuration can come to need. Pure.
#pragma once

#include <cstdint>

#include "proxy/config/settings.h"

namespace quorate::control {

struct DescriptorNeed {
  uint64_t clients = 0;  ///< max_clients of all pools
  uint64_t lent = 0;     ///< pinned connections: a client has one at most
  uint64_t others = 0;   ///< all that is there without any client

  uint64_t all() const { return clients + lent + others; }
};

DescriptorNeed descriptors_needed(const config::Settings& settings, uint32_t workers);

}  // namespace quorate::control
