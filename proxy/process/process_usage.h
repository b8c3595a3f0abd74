// What the process uses, as the kernel tells it. Control thread.
#pragma once

#include "proxy/control/metrics.h"

namespace quorate::process {

control::ProcessUsage read_process_usage();

/// Raises the limit of open files to what is allowed. Returns the limit then in effect.
uint64_t raise_descriptor_limit();

}  // namespace quorate::process
