#include "proxy/config/unparsable.h"

#include "consensus/base/assert.h"
#include "proxy/config/utf8.h"

namespace quorate::config {
namespace {

constexpr size_t kMostDots = 100;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// True for what can stand between two dots of a key.
bool in_key(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '"' || c == '\'' || c == ' ' || c == '\t';
}

}  // namespace

std::optional<SyntaxError> find_unparsable(std::string_view text) {
  uint32_t line = 1;
  uint32_t column = 1;
  size_t dots = 0;
  bool escaping = false;  // behind a backslash that is not itself escaped, and perhaps blanks
  bool folding = false;   // the same, and the line has ended
  for (size_t at = 0; at < text.size();) {
    const Place here{line, column, line, column + 1};
    const size_t length = code_point_length(text.substr(at));
    const char c = text[at];
    if (length == 0) return SyntaxError{here, "syntax: this is not UTF-8"};
    if (length > 1 && folding) {
      return SyntaxError{here, "syntax: only ASCII can follow a backslash at the end of a line"};
    }
    if (c == '.' && ++dots > kMostDots) {
      return SyntaxError{here, "syntax: a key with too many dots"};
    }
    if (c != '.' && !in_key(c)) dots = 0;
    folding = is_blank(c) && (folding || (escaping && c == '\n'));
    escaping = c == '\\' ? !escaping : escaping && is_blank(c);
    ++column;
    if (c == '\n') {
      ++line;
      column = 1;
    }
    at += length;
  }
  return std::nullopt;
}

std::string ascii_image(std::string_view text) {
  std::string image;
  image.reserve(text.size());
  while (!text.empty()) {
    const size_t length = code_point_length(text);
    ASSERT(length > 0);
    image += length == 1 ? text[0] : '?';
    text.remove_prefix(length);
  }
  return image;
}

}  // namespace quorate::config
