// Durations ("50ms") and sizes ("64KiB") as text. One number and one unit, nothing else: no blanks,
// no fractions, no sums, so that what a file says can be read only one way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "consensus/base/result.h"
#include "consensus/base/time.h"

namespace quorate::config {

/// Units "us" "ms" "s" "m" "h". The error is a sentence for the operator, without the key's name.
base::Result<base::Duration, std::string> parse_duration(std::string_view text);

/// Bytes; units "B" "KiB" "MiB" "GiB". Errors as above.
base::Result<uint64_t, std::string> parse_size(std::string_view text);

/// In the largest unit that leaves a whole number: 500ms, 1m, 0s. REQUIRES: whole microseconds.
std::string duration_text(base::Duration duration);

/// The same for sizes: 64KiB, 512B, 0B.
std::string size_text(uint64_t bytes);

}  // namespace quorate::config
