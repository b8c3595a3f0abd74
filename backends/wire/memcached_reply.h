// memcached's text and meta protocols, the server's side: where does a reply end, and what does it
// say?
//
// Replies pass through as they are, so framing is most of it: a reply is one line, a line and its
// data (VA), or a list of lines up to END (VALUE with data; STAT, ITEM, PREFIX). Which of them
// shows in the first line, so nobody needs to remember the request. The scanner goes on where it
// stopped, however bytes are cut, and allocates nothing.
//
// Strict where bytes would be lost otherwise (lengths, CR LF). Called by backends/link for every
// reply, by proxy/relay to join the replies of a split retrieval, and by the fuzzers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "backends/wire/memcached_text.h"

namespace quorate::wire {

enum class TextReplyKind : uint8_t {
  kValues,     ///< VALUE … END
  kEnd,        ///< END alone: a retrieval or a list without a hit
  kStats,      ///< STAT, ITEM or PREFIX … END
  kMetaValue,  ///< VA
  kMetaDone,   ///< HD (and OK, as older servers say)
  kMetaMiss,   ///< EN
  kMetaNotStored,
  kMetaExists,
  kMetaNotFound,
  kMetaNoop,
  kMetaDebug,
  kError,  ///< ERROR, CLIENT_ERROR …, SERVER_ERROR …
  kOther,  ///< STORED, NOT_FOUND, TOUCHED, a number, VERSION …
};

class TextReplyScanner {
 public:
  struct Progress {
    size_t consumed = 0;  ///< whole lines and (parts of) data; an unfinished line stays
    bool done = false;    ///< the reply ends at `consumed`
    bool broken = false;  ///< this is not memcached's protocol: the connection is lost
  };

  /// Goes on in the current reply; after `done`, reset() before the next.
  Progress feed(const char* begin, const char* end);

  void reset() { *this = TextReplyScanner{}; }

  /// Bytes that the current data block still needs, CR LF included. 0 between lines.
  int64_t data_left() const { return data_left_; }
  /// Of the reply's first line. REQUIRES: feed() consumed something since reset().
  TextReplyKind kind() const { return kind_; }

 private:
  enum class Step : uint8_t { kGoOn, kDone, kBroken };
  /// `line` ends with its CR.
  Step read_line(std::string_view line);
  /// Negative: the length was none.
  Step expect_data(int64_t size);
  bool read_plain_value_line(const char*& p, const char* end);
  /// Takes data from [p, end). False: its end is not where the length says.
  bool read_data(const char*& p, const char* end);

  TextReplyKind kind_ = TextReplyKind::kOther;
  bool first_ = true;
  int64_t data_left_ = 0;
};

/// What a reply's first line says. `line` may go on behind its line end.
TextReplyKind classify_text_reply(std::string_view line);

/// True if the client is not to see this reply, because it asked for quiet: `noreply` hides
/// everything, `q` what was hoped for (EN of mg, HD of the others and VA of ma).
///
/// memcached shows the HD or VA of a quiet `ma` that created its number; the reply does not tell,
/// so here it stays hidden.
bool hides_reply(const TextRequest& request, TextReplyKind kind);
/// The same for a request that asked for quiet and not for `noreply`.
bool hides_quiet_reply(TextVerb verb, TextReplyKind kind);

/// One hit in a retrieval's reply.
struct ValueBlock {
  std::string_view key;
  std::string_view bytes;  ///< the whole block: VALUE line, data, CR LF
};

/// Walks the hits of a complete kValues or kEnd reply, in their order.
class ValueCursor {
 public:
  /// REQUIRES: `reply` is what a TextReplyScanner took for one whole reply.
  explicit ValueCursor(std::string_view reply) : rest_(reply) {}

  /// False: no further hit. What is left is then the reply's end ("END", or an error).
  bool next(ValueBlock& block);
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

/// The backend could not be asked: the command was certainly not executed. With CR LF.
void append_text_unavailable(std::string_view address, std::string& out);
/// The backend was asked and did not answer: a write may have been executed. With CR LF.
void append_text_indeterminate(std::string_view address, std::string& out);

}  // namespace quorate::wire
