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
