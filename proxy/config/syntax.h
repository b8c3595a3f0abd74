// What an operator is told when a file is not TOML. The parser stops at the first such place and
// speaks of its own states ("expected digit, saw 'm', in a decimal integer"); here its words and
// the line are turned into what was most likely meant (`text needs quotes`).
#pragma once

#include <string>
#include <string_view>

#include "proxy/config/diagnostic.h"

namespace quorate::config {

struct SyntaxError {
  Place place;
  std::string message;
  /// The place is a key that is set a second time: under another name the rest can be read.
  bool repeats_key = false;
};

/// `description` and the place are toml++'s about `text`, or about its ASCII image; line and column
/// count from 1. REQUIRES: valid UTF-8 without a byte order mark.
SyntaxError explain_syntax_error(std::string_view text, uint32_t line, uint32_t column,
                                 std::string_view description);

}  // namespace quorate::config
