// RESP2 and RESP3, the server's side: where does a reply end?
//
// Replies pass through quorate as they are, so framing is all it needs: a reply is an outstanding
// number of elements, and each element a line or a line and a bulk. No tree, no recursion, no
// allocation, however deep the nesting; the scanner goes on where it stopped, however bytes are
// cut.
//
// Strict where bytes would be lost otherwise (lengths, CR LF); does not check what a line says.
// Called by backends/link for every reply, and by the fuzzers against hiredis' reader.
#pragma once

#include <cstddef>
#include <cstdint>

#include "consensus/base/limits.h"

namespace quorate::wire {

/// The size of the reply at `begin` if it is one line (of a status, a number, nil) or one bulk, and
/// here whole: by far the most common. 0: it is another one, which a ReplyScanner looks at.
/// REQUIRES: begin < end.
[[gnu::always_inline]] inline size_t whole_plain_reply(const char* begin, const char* end) {
  constexpr ptrdiff_t kLongestLine = 24;
  const char* p = begin + 1;
  if (*begin == '$') [[likely]] {
    constexpr ptrdiff_t kMostDigits = 7;
    const char* stop = end - p < kMostDigits ? end : p + kMostDigits;
    ptrdiff_t length = 0;
    const char* digits = p;
    for (unsigned digit; p < stop && (digit = static_cast<unsigned>(*p - '0')) <= 9; ++p) {
      length = length * 10 + digit;
    }
    if (p == digits || end - p < length + 4) return 0;
    const char* behind = p + 2 + length;
    if (p[0] != '\r' || p[1] != '\n' || behind[0] != '\r' || behind[1] != '\n') return 0;
    return static_cast<size_t>(behind + 2 - begin);
  }
  if (*begin != '+' && *begin != ':') return 0;
  const char* stop = end - 1 - p < kLongestLine ? end - 1 : p + kLongestLine;
  while (p < stop && *p != '\r') ++p;
  if (p >= stop || p[1] != '\n') return 0;
  return static_cast<size_t>(p + 2 - begin);
}

class ReplyScanner {
 public:
  struct Progress {
    size_t consumed = 0;  ///< whole lines and (parts of) bulks; an unfinished line stays
    bool done = false;    ///< the reply ends at `consumed`
    bool broken = false;  ///< this is not RESP: the connection is lost
  };

  /// Goes on in the current reply; after `done`, reset() before the next.
  Progress feed(const char* begin, const char* end);

  void reset() {
    elements_left_ = 1;
    bulk_left_ = 0;
  }

  /// Bytes that the current bulk still needs, CR LF included. 0 between elements.
  int64_t bulk_left() const { return bulk_left_; }

 private:
  int64_t elements_left_ = 1;
  int64_t bulk_left_ = 0;
};

}  // namespace quorate::wire
