#include "backends/wire/resp_request.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "consensus/base/text.h"

namespace quorate::wire {

namespace {

// redis-server skips these two bytes without looking: it has no text for it.
constexpr std::string_view kNoLineEnd = "expected CR LF behind a bulk";

enum class Line : uint8_t { kOk, kIncomplete, kInvalid };

constexpr size_t kLongestNumber = 20;  // "-9223372036854775808"
constexpr size_t kShortestBulk = 6;    // "$0\r\n\r\n": what every missing argument takes at least

/// Reads "<decimal>\r\n" at `cursor` and moves it behind. Canonical numbers only.
Line read_number(const char*& cursor, const char* end, int64_t& value) {
  const char* p = cursor;
  const void* found = std::memchr(p, '\r', static_cast<size_t>(end - p));
  if (found == nullptr) {
    // What can no longer become a number need not wait for its end.
    return static_cast<size_t>(end - p) > kLongestNumber ? Line::kInvalid : Line::kIncomplete;
  }
  const char* line_end = static_cast<const char*>(found);
  if (static_cast<size_t>(line_end - p) > kLongestNumber) return Line::kInvalid;
  if (line_end + 1 == end) return Line::kIncomplete;
  const std::string_view digits(p, static_cast<size_t>(line_end - p));
  const auto parsed = base::parse_integer<int64_t>(digits);
  const bool canonical =
      parsed && (digits[0] != '0' || digits.size() == 1) && !digits.starts_with("-0");
  if (!canonical || line_end[1] != '\n') return Line::kInvalid;
  value = *parsed;
  cursor = line_end + 2;
  return Line::kOk;
}

RequestStatus fail(Request& request, std::string_view error) {
  request.error = error;
  return RequestStatus::kError;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = base::ascii_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The server skips all of these between arguments, and wants one behind a closing quote …
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
// … but only some of them end an argument.
bool ends_argument(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// "expected '$', got 'X'", without a line end in it.
constexpr std::string_view kUnexpected = "expected '$', got '.'";

std::string_view tell_unexpected(char got, std::array<char, kUnexpectedBytes>& text) {
  static_assert(kUnexpected.size() == kUnexpectedBytes);
  std::copy(kUnexpected.begin(), kUnexpected.end(), text.begin());
  text[kUnexpectedBytes - 2] = got == '\r' || got == '\n' || got == '\0' ? ' ' : got;
  return {text.data(), text.size()};
}

/// Appends one double-quoted argument; `p` stands behind the opening quote. False: unbalanced.
bool read_double_quoted(const char*& p, const char* end, std::string& out) {
  while (p < end) {
    if (*p == '"') {
      ++p;
      return p == end || is_space(*p);
    }
    if (*p == '\\' && end - p >= 4 && p[1] == 'x' && hex_value(p[2]) >= 0 && hex_value(p[3]) >= 0) {
      out.push_back(static_cast<char>(hex_value(p[2]) * 16 + hex_value(p[3])));
      p += 4;
    } else if (*p == '\\' && end - p >= 2) {
      constexpr std::string_view kEscapes = "nrtba";
      constexpr std::string_view kMeanings = "\n\r\t\b\a";
      const size_t at = kEscapes.find(p[1]);
      out.push_back(at == std::string_view::npos ? p[1] : kMeanings[at]);
      p += 2;
    } else {
      out.push_back(*p++);
    }
  }
  return false;
}

bool read_single_quoted(const char*& p, const char* end, std::string& out) {
  while (p < end) {
    if (*p == '\\' && end - p >= 2 && p[1] == '\'') {
      out.push_back('\'');
      p += 2;
    } else if (*p == '\'') {
      ++p;
      return p == end || is_space(*p);
    } else {
      out.push_back(*p++);
    }
  }
  return false;
}

/// Splits a line as redis-server does (quotes, \xHH). False: unbalanced quotes.
bool split_inline(const char* p, const char* end, Request& request) {
  std::string& bytes = request.unquoted;
  bytes.clear();
  bytes.reserve(static_cast<size_t>(end - p));  // never longer than the line: the views stay valid
  while (true) {
    while (p < end && is_space(*p)) ++p;
    if (p == end) return true;
    const size_t start = bytes.size();
    bool in_argument = true;
    while (in_argument && p < end) {
      if (*p == '"') {
        if (!read_double_quoted(++p, end, bytes)) return false;
        in_argument = false;
      } else if (*p == '\'') {
        if (!read_single_quoted(++p, end, bytes)) return false;
        in_argument = false;
      } else if (ends_argument(*p)) {
        in_argument = false;
      } else {
        bytes.push_back(*p++);
      }
    }
    request.arguments.add(bytes.data() + start, bytes.size() - start);
  }
}

RequestStatus frame_inline(const char* begin, const char* end, Request& request) {
  const size_t available = static_cast<size_t>(end - begin);
  const void* found = std::memchr(begin, '\n', available);
  const size_t seen =
      found == nullptr ? available : static_cast<size_t>(static_cast<const char*>(found) - begin);
  // The server looks for the line's end as in a C string: behind a NUL it never finds it.
  if (found == nullptr || std::memchr(begin, '\0', seen) != nullptr) {
    if (available >= limits::kInlineBytes) return fail(request, "too big inline request");
    return RequestStatus::kIncomplete;
  }
  const char* newline = static_cast<const char*>(found);
  const char* line_end = newline > begin && newline[-1] == '\r' ? newline - 1 : newline;
  request.is_inline = true;
  if (!split_inline(begin, line_end, request)) {
    return fail(request, "unbalanced quotes in request");
  }
  request.size = static_cast<size_t>(newline + 1 - begin);
  return request.arguments.empty() ? RequestStatus::kNothing : RequestStatus::kComplete;
}

/// Of an array's `count` arguments, `left` are missing behind `p`: too large to wait for?
RequestStatus wait_for_rest(const char* begin, const char* p, const char* end, int64_t count,
                            int64_t left, Request& request) {
  request.size = static_cast<size_t>(p - begin);
  request.declared_count = count;
  const bool large =
      request.size + static_cast<size_t>(left) * kShortestBulk > limits::kReadBytes ||
      static_cast<size_t>(end - begin) >= limits::kReadBytes;
  return large ? RequestStatus::kLarge : RequestStatus::kIncomplete;
}

}  // namespace

void ArgumentList::grow() {
  const uint32_t capacity = capacity_ == 0 ? 16 : capacity_ * 2;
  auto items = std::make_unique<std::string_view[]>(capacity);
  std::copy(begin(), end(), items.get());
  items_ = std::move(items);
  capacity_ = capacity;
}

RequestStatus frame_request_with_care(const char* begin, const char* end,
                                      const RequestLimits& limits, Request& request) {
  request.arguments.clear();
  request.is_inline = false;
  if (begin == end) return RequestStatus::kIncomplete;
  if (*begin != '*') return frame_inline(begin, end, request);

  const char* p = begin + 1;
  int64_t count = 0;
  switch (read_number(p, end, count)) {
    case Line::kOk: break;
    case Line::kIncomplete: return RequestStatus::kIncomplete;
    case Line::kInvalid: return fail(request, "invalid multibulk length");
  }
  if (count > limits.count) {
    return fail(request, limits.authenticated ? "invalid multibulk length"
                                              : "unauthenticated multibulk length");
  }
  if (count <= 0) {
    request.size = static_cast<size_t>(p - begin);
    return RequestStatus::kNothing;
  }

  for (int64_t left = count; left > 0; --left) {
    if (p == end) return wait_for_rest(begin, p, end, count, left, request);
    if (*p != '$') return fail(request, tell_unexpected(*p, request.unexpected));
    const char* body = p + 1;
    int64_t length = 0;
    switch (read_number(body, end, length)) {
      case Line::kOk: break;
      case Line::kIncomplete: return wait_for_rest(begin, p, end, count, left, request);
      case Line::kInvalid: length = -1; break;
    }
    if (length < 0 || length > limits.bulk) {
      return fail(request, limits.authenticated || length <= limits::kUnauthenticatedBulk
                               ? "invalid bulk length"
                               : "unauthenticated bulk length");
    }
    const int64_t behind = end - body - length;
    if (behind < 2) {
      if (behind == 1 && body[length] != '\r') return fail(request, kNoLineEnd);
      const size_t needed = static_cast<size_t>(body - begin + length + 2) +
                            static_cast<size_t>(left - 1) * kShortestBulk;
      request.size = static_cast<size_t>(p - begin);
      request.declared_count = count;
      return needed > limits::kReadBytes ? RequestStatus::kLarge : RequestStatus::kIncomplete;
    }
    if (body[length] != '\r' || body[length + 1] != '\n') {
      return fail(request, kNoLineEnd);
    }
    request.arguments.add(body, static_cast<size_t>(length));
    p = body + length + 2;
  }
  request.size = static_cast<size_t>(p - begin);
  return RequestStatus::kComplete;
}

RequestScanner::Progress RequestScanner::feed(const char* begin, const char* end) {
  Progress progress;
  const char* p = begin;
  while (true) {
    if (bulk_left_ > 0) {
      const int64_t part = std::min<int64_t>(bulk_left_, end - p);
      // The last two bytes are checked where they arrive, even one by one.
      for (int64_t behind = std::max<int64_t>(bulk_left_ - part, 0); behind < 2; ++behind) {
        const int64_t at = bulk_left_ - 1 - behind;
        if (at < 0 || at >= part) break;
        if (p[at] != (behind == 0 ? '\n' : '\r')) {
          progress.error = kNoLineEnd;
          return progress;
        }
      }
      p += part;
      bulk_left_ -= part;
      progress.consumed = static_cast<size_t>(p - begin);
      if (bulk_left_ > 0) return progress;
    }
    bulk_left_ = -1;
    if (left_ == 0) {
      progress.done = true;
      return progress;
    }
    if (p == end) return progress;
    if (*p != '$') {
      progress.error = tell_unexpected(*p, unexpected_);
      return progress;
    }
    const char* body = p + 1;
    int64_t length = 0;
    switch (read_number(body, end, length)) {
      case Line::kOk: break;
      case Line::kIncomplete: return progress;
      case Line::kInvalid: progress.error = "invalid bulk length"; return progress;
    }
    if (length < 0 || length > bulk_limit_) {
      progress.error = "invalid bulk length";
      return progress;
    }
    --left_;
    bulk_left_ = length + 2;
    p = body;
    progress.consumed = static_cast<size_t>(p - begin);
  }
}

}  // namespace quorate::wire
