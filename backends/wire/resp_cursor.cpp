#include "backends/wire/resp_cursor.h"

#include "backends/wire/resp_reply.h"
#include "consensus/base/text.h"

namespace quorate::wire {

bool RespCursor::read(RespElement& element) {
  const size_t line_end = rest_.find('\r');
  if (line_end == std::string_view::npos || line_end == 0 || line_end + 1 >= rest_.size() ||
      rest_[line_end + 1] != '\n') {
    return false;
  }
  element.type = rest_[0];
  element.text = rest_.substr(1, line_end - 1);
  element.count = 0;
  std::string_view behind = rest_.substr(line_end + 2);
  switch (element.type) {
    case '+':
    case '-':
    case ':':
    case '_':
    case '#':
    case ',':
    case '(': break;
    case '$':
    case '=':
    case '!': {
      const auto length = base::parse_integer<int64_t>(element.text);
      if (!length) return false;
      if (*length < 0) {
        element.type = '_';
        element.text = {};
        break;
      }
      const auto size = static_cast<size_t>(*length);
      if (behind.size() < 2 || behind.size() - 2 < size || behind.substr(size, 2) != "\r\n") {
        return false;
      }
      element.text = behind.substr(0, size);
      behind.remove_prefix(size + 2);
      break;
    }
    case '*':
    case '%':
    case '~':
    case '>': {
      const auto count = base::parse_integer<int64_t>(element.text);
      if (!count) return false;
      element.text = {};
      element.count = *count;
      if (*count < 0) {
        element.type = '_';
        element.count = 0;
      }
      break;
    }
    default: return false;
  }
  rest_ = behind;
  return true;
}

std::string_view RespCursor::skip() {
  ReplyScanner scanner;
  const auto progress = scanner.feed(rest_.data(), rest_.data() + rest_.size());
  if (!progress.done) return {};
  const std::string_view whole = rest_.substr(0, progress.consumed);
  rest_.remove_prefix(progress.consumed);
  return whole;
}

}  // namespace quorate::wire
