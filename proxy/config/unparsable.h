// What must not reach toml++ 3.3, although it is only text that somebody wrote into a file:
// - a key of thousands of dots: it becomes as many nested tables, and recursion over them ends at
//   the end of the stack;
// - a letter other than ASCII where the parser asks whether it is a blank: outside strings, and
//   behind a backslash that ends a line. That function reaches its own __builtin_unreachable();
// - broken UTF-8: refused there too, but up to 32 bytes from where it stands.
//
// Where strings end is the parser's business, so it is asked first about an image of the text that
// is ASCII all over; only what is in order there is then parsed as it is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/config/syntax.h"

namespace quorate::config {

/// The first broken UTF-8, endless key, or line-ending backslash with another letter behind it.
std::optional<SyntaxError> find_unparsable(std::string_view text);

/// The text with a "?" for every code point that is not ASCII: as such it can stand in strings and
/// comments only, too, and every place is the same. REQUIRES: valid UTF-8.
std::string ascii_image(std::string_view text);

}  // namespace quorate::config
