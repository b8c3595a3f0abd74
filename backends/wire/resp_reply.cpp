#include "backends/wire/resp_reply.h"

#include <algorithm>
#include <cstring>

namespace quorate::wire {

namespace {

// More elements than any server sends; keeps the sum of nested counts far from overflow.
constexpr int64_t kMostElements = int64_t{1} << 40;

/// Reads "<digits>" or "-1" in [p, end) where end is at the CR. False: not a length.
inline bool read_length(const char* p, const char* end, int64_t& value) {
  if (end - p == 2 && p[0] == '-' && p[1] == '1') {
    value = -1;
    return true;
  }
  if (p == end || end - p > 15) return false;
  int64_t number = 0;
  for (; p < end; ++p) {
    const unsigned digit = static_cast<unsigned>(*p - '0');
    if (digit > 9) return false;
    number = number * 10 + digit;
  }
  value = number;
  return true;
}

}  // namespace

ReplyScanner::Progress ReplyScanner::feed(const char* begin, const char* end) {
  Progress progress;
  const auto broken = [&progress] {
    progress.broken = true;
    return progress;
  };
  const char* p = begin;
  while (true) {
    if (bulk_left_ > 0) {
      const int64_t part = std::min<int64_t>(bulk_left_, end - p);
      // The bulk's CR LF is checked where it arrives, even byte by byte.
      if (bulk_left_ - part < 2 && part > 0) {
        if (bulk_left_ - part == 0 && p[part - 1] != '\n') return broken();
        const int64_t cr = bulk_left_ - 2;
        if (cr >= 0 && cr < part && p[cr] != '\r') return broken();
      }
      p += part;
      bulk_left_ -= part;
      progress.consumed = static_cast<size_t>(p - begin);
      if (bulk_left_ > 0) return progress;
      if (--elements_left_ == 0) {
        progress.done = true;
        return progress;
      }
    }

    while (p != end) {
      const size_t plain = whole_plain_reply(p, end);
      if (plain == 0) break;
      p += plain;
      if (--elements_left_ == 0) {
        progress.consumed = static_cast<size_t>(p - begin);
        progress.done = true;
        return progress;
      }
    }
    progress.consumed = static_cast<size_t>(p - begin);

    const char* line_end;
    // A line is short but for errors and statuses: look at the first bytes by hand.
    const size_t available = static_cast<size_t>(end - p);
    if (available == 0) return progress;
    {
      const size_t window = std::min<size_t>(available, 8);
      size_t at = 0;
      while (at < window && p[at] != '\r') ++at;
      if (at < window) {
        line_end = p + at;
      } else {
        line_end = static_cast<const char*>(
            std::memchr(p + window, '\r', std::min(available, limits::kReadBytes) - window));
      }
    }
    if (line_end == nullptr || line_end + 1 >= end) {
      if (available >= limits::kReadBytes) return broken();
      return progress;
    }
    if (line_end[1] != '\n') return broken();

    const char* next = line_end + 2;
    int64_t length = 0;
    switch (*p) {
      case '+':
      case '-':
      case ':':
      case '_':
      case '#':
      case ',':
      case '(': --elements_left_; break;
      case '$':
      case '!':
      case '=':
        if (!read_length(p + 1, line_end, length)) return broken();
        if (length < 0) {
          --elements_left_;
        } else {
          bulk_left_ = length + 2;
        }
        break;
      case '*':
      case '~':
      case '>':
        if (!read_length(p + 1, line_end, length) || length > kMostElements) return broken();
        elements_left_ += std::max<int64_t>(length, 0) - 1;
        break;
      case '%':
        if (!read_length(p + 1, line_end, length) || length > kMostElements) return broken();
        elements_left_ += std::max<int64_t>(length, 0) * 2 - 1;
        break;
      case '|':  // attributes: pairs, and then the element they describe
        if (!read_length(p + 1, line_end, length) || length > kMostElements) return broken();
        elements_left_ += std::max<int64_t>(length, 0) * 2;
        break;
      default: return broken();
    }
    if (elements_left_ > kMostElements) return broken();
    p = next;
    progress.consumed = static_cast<size_t>(p - begin);
    if (elements_left_ == 0) {
      progress.done = true;
      return progress;
    }
  }
}

}  // namespace quorate::wire
