// RESP, the client's side: bytes -> commands, framed in place.
//
// A command is framed where it lies; its arguments are views into the same bytes. Framing is
// strict: lengths in canonical decimal, CR LF after every line and every bulk (redis-server skips
// the two bytes behind a bulk without looking; whoever relays them must look). So a framed array
// passes to a backend byte for byte. Inline commands are the exception: they are split and
// re-encoded.
//
// Does not know any command; knows no socket. Called by proxy/session and the fuzzers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "consensus/base/limits.h"

namespace quorate::wire {

enum class RequestStatus : uint8_t {
  kComplete,    ///< one command: `arguments`, `size`
  kNothing,     ///< `size` bytes that say nothing (an empty line, an array of no elements)
  kIncomplete,  ///< more bytes are needed; nothing is consumed
  kLarge,       ///< an array too large to wait for: `arguments` so far, see below
  kError,       ///< framing is lost: `error`; the connection must be closed
};

struct RequestLimits {
  int64_t count = limits::kMultibulkCount;
  int64_t bulk = static_cast<int64_t>(limits::kBulkBytes);
  bool authenticated = true;  ///< only chooses the error text
};

/// Of "expected '$', got 'X'", the one error text that is not constant.
inline constexpr size_t kUnexpectedBytes = 21;

/// The arguments of one command: views, in memory that is kept for the next one.
class ArgumentList {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const std::string_view& operator[](size_t index) const { return items_[index]; }
  const std::string_view& front() const { return items_[0]; }
  const std::string_view& back() const { return items_[size_ - 1]; }
  const std::string_view* begin() const { return items_.get(); }
  const std::string_view* end() const { return items_.get() + size_; }
  const std::string_view* data() const { return items_.get(); }

  void clear() { size_ = 0; }
  void add(const char* bytes, size_t count) {
    if (size_ == capacity_) [[unlikely]]
      grow();
    items_[size_++] = {bytes, count};
  }

 private:
  void grow();

  std::unique_ptr<std::string_view[]> items_;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

/// What frame_request() found. Owned by the caller and used again for every command, so that the
/// views and the inline buffer cost no allocation once warm.
struct Request {
  ArgumentList arguments;
  size_t size = 0;         ///< bytes of the whole frame
  bool is_inline = false;  ///< not an array: must be re-encoded (arguments point into `unquoted`)
  int64_t declared_count = 0;  ///< kLarge: arguments of the whole command
  std::string_view error;      ///< kError: the text behind "-ERR Protocol error: "
  std::string unquoted;        ///< inline: the arguments' bytes without quotes
  std::array<char, kUnexpectedBytes> unexpected;  ///< room for an error text

  std::string_view name() const { return arguments.front(); }
};

/// Frames one command at the start of [begin, end).
///
/// kLarge is given as soon as it is certain that the frame ends more than kReadBytes behind
/// `begin`. `arguments` are then the complete ones so far (perhaps none) and `size` the bytes up to
/// and with them; the rest is the business of a RequestScanner.
inline RequestStatus frame_request(const char* begin, const char* end, const RequestLimits& limits,
                                   Request& request);

/// Follows the bytes of one array that is too large to be held, however they are cut.
/// Where the bytes go (a backend, a buffer, nowhere) is the caller's business.
class RequestScanner {
 public:
  /// Begins behind the count line, with `count` arguments to come.
  RequestScanner(int64_t count, int64_t bulk_limit) : left_(count), bulk_limit_(bulk_limit) {}

  struct Progress {
    size_t consumed = 0;     ///< bytes that belong to the command; an unfinished length line stays
    bool done = false;       ///< the command ends at `consumed`
    std::string_view error;  ///< not empty: framing is lost; may point into the scanner
  };
  Progress feed(const char* begin, const char* end);

 private:
  int64_t left_;  // arguments whose length line is still to come
  int64_t bulk_limit_;
  std::array<char, kUnexpectedBytes> unexpected_;
  int64_t bulk_left_ = -1;  // bytes of the current argument with its CR LF; -1: between arguments
};

/// frame_request() for whatever may come.
RequestStatus frame_request_with_care(const char* begin, const char* end,
                                      const RequestLimits& limits, Request& request);

namespace frame_detail {

/// "<1 to 4 digits>\r\n" behind the mark at `p`, moved behind it. -1: it is another line.
/// REQUIRES: kShortLine readable bytes at `p`.
inline constexpr ptrdiff_t kShortLine = 7;
inline int64_t read_short_line(const char*& p) {
  int64_t number = static_cast<unsigned char>(p[1]) - '0';
  if (static_cast<uint64_t>(number) > 9) return -1;
  p += 2;
  if (*p != '\r') {
    if (number == 0) return -1;
    do {
      const int64_t digit = static_cast<unsigned char>(*p) - '0';
      if (static_cast<uint64_t>(digit) > 9 || number >= 1000) return -1;
      number = number * 10 + digit;
      ++p;
    } while (*p != '\r');
  }
  if (p[1] != '\n') return -1;
  p += 2;
  return number;
}

/// Frames a command that is here whole and has short lines only, by far the most common.
/// False: it is another one.
inline bool frame_plainly(const char* begin, const char* end, const RequestLimits& limits,
                          Request& request) {
  const char* p = begin;
  if (end - p < kShortLine || *p != '*') return false;
  int64_t left = read_short_line(p);
  if (left <= 0 || left > limits.count) return false;
  const int64_t bulk_limit = limits.bulk;
  do {
    if (end - p < kShortLine || *p != '$') return false;
    const int64_t length = read_short_line(p);
    if (static_cast<uint64_t>(length) > static_cast<uint64_t>(bulk_limit)) return false;
    const char* behind = p + length;
    if (end - behind < 2 || behind[0] != '\r' || behind[1] != '\n') return false;
    request.arguments.add(p, static_cast<size_t>(length));
    p = behind + 2;
  } while (--left != 0);
  request.size = static_cast<size_t>(p - begin);
  return true;
}

}  // namespace frame_detail

inline RequestStatus frame_request(const char* begin, const char* end, const RequestLimits& limits,
                                   Request& request) {
  request.arguments.clear();
  request.is_inline = false;
  if (frame_detail::frame_plainly(begin, end, limits, request)) [[likely]]
    return RequestStatus::kComplete;
  return frame_request_with_care(begin, end, limits, request);
}

}  // namespace quorate::wire
