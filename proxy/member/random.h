// Random numbers from the system, for what must not be guessed or repeated.
#pragma once

#include <cstdint>

#include "consensus/cluster/cluster_map.h"

namespace quorate::member {

uint64_t random_number();
cluster::Nonce random_nonce();

}  // namespace quorate::member
