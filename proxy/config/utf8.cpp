#include "proxy/config/utf8.h"

#include <algorithm>

namespace quorate::config {

std::string printable(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string shown;
  while (!text.empty()) {
    const size_t length = code_point_length(text);
    const uint32_t point = code_point(text);
    if (text[0] == '\t') {
      shown += ' ';
    } else if (length == 0 || point < 0x20 || (point >= 0x7F && point < 0xA0)) {
      shown += kReplacement;
    } else {
      shown += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return shown;
}

}  // namespace quorate::config
