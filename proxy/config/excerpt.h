// One line of a configuration file made fit to be shown beneath a message: passwords masked,
// control characters and broken UTF-8 replaced, cut around the place of interest when it is long.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace quorate::config {

struct Excerpt {
  std::string text;
  uint32_t caret = 0;         ///< code points of `text` before the caret
  uint32_t caret_length = 1;  ///< at least 1
};

/// `column` and `end_column` count code points of `line` from 1; the end is exclusive and may lie
/// behind the line's. What is assigned to a key that looks like a password is masked, whatever
/// state the rest of the line is in: a line that does not parse is shown too.
Excerpt make_excerpt(std::string_view line, uint32_t column, uint32_t end_column);

}  // namespace quorate::config
