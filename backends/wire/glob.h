// Glob: Redis' patterns (PSUBSCRIBE, PUBSUB CHANNELS, KEYS): * ? [a-z] [^abc] and \ before a
// character that is meant as it is. Bytes, case and all. An unclosed [ ends with the pattern.
#pragma once

#include <string_view>

namespace quorate::wire {

/// Takes at most |pattern| · |text| steps.
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace quorate::wire
