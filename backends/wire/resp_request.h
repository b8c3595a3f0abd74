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
#include <string>
#include <string_view>
#include <vector>

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

/// What frame_request() found. Owned by the caller and used again for every command, so that the
/// views and the inline buffer cost no allocation once warm.
struct Request {
  std::vector<std::string_view> arguments;
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
RequestStatus frame_request(const char* begin, const char* end, const RequestLimits& limits,
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

}  // namespace quorate::wire
