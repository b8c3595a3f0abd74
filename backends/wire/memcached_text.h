// memcached's text and meta protocols, the client's side: bytes -> requests, framed in place.
//
// Reads a line as memcached 1.6.18 does, quirks and texts included, and itself answers whatever the
// server would refuse: only well-formed requests reach a backend, each one draws exactly one reply,
// and `noreply` and `q` stay here. Where memcached would go on to execute the data block of a
// refused storage command, the block is dropped instead (or the connection closed, when nobody can
// tell where the block ends).
//
// Invariants: a request's views point into the caller's bytes or into the request; nothing is
// allocated once the request is warm; the outcome does not depend on how the bytes were cut.
// Knows no socket and no reply. Called by proxy/session and the fuzzers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backends/wire/memcached_status.h"

namespace quorate::wire {

enum class TextVerb : uint8_t {
  kGet,
  kGets,
  kGat,
  kGats,
  kSet,
  kAdd,
  kReplace,
  kAppend,
  kPrepend,
  kCas,
  kIncr,
  kDecr,
  kDelete,
  kTouch,
  kFlushAll,
  kVersion,
  kVerbosity,
  kStats,
  kQuit,
  kShutdown,
  kAdmin,  ///< slabs lru lru_crawler watch cache_memlimit extstore refresh_certs: one server's own
  kMetaGet,
  kMetaSet,
  kMetaDelete,
  kMetaArithmetic,
  kMetaNoop,
  kMetaDebug,
  kUnknown,
};

constexpr bool is_retrieval(TextVerb verb) { return verb <= TextVerb::kGats; }
constexpr bool is_storage(TextVerb verb) {
  return (verb >= TextVerb::kSet && verb <= TextVerb::kCas) || verb == TextVerb::kMetaSet;
}
constexpr bool is_meta(TextVerb verb) {
  return verb >= TextVerb::kMetaGet && verb <= TextVerb::kMetaDebug;
}

/// What frame_text_request() found. Owned by the caller and used again for every request.
struct TextRequest {
  TextVerb verb = TextVerb::kUnknown;
  bool as_is =
      false;  ///< the frame's bytes may go to a backend as they are; else append_canonical()
  bool noreply = false;  ///< the client wants no reply whatever happens
  bool quiet = false;    ///< meta `q`: no reply when it is the expected one
  bool key_is_base64 = false;
  bool has_exptime = false;  ///< flush_all only: `exptime` was given

  // kAnswered
  bool swallows = false;  ///< value_size + 2 bytes follow, to be dropped through a TextDataScanner
  bool echoes = false;  ///< each newline among the dropped bytes is answered "ERROR", as the server
                        ///< does, which takes them for commands
  bool closes = false;  ///< framing is lost: close behind the answer
  std::string_view answer;  ///< without CR LF; empty: none

  /// What places the request: every key of a retrieval, the one key of the others, base64 decoded.
  std::vector<std::string_view> keys;
  /// Every word behind the verb (at most 22, as the server counts); not filled by retrievals.
  std::vector<std::string_view> words;
  std::string_view opaque;  ///< meta `O`, without the letter

  size_t size = 0;         ///< kComplete: of the frame; kLarge, kAnswered: of what is parsed
  size_t line_size = 0;    ///< of the command line with its line end; the data block follows
  int64_t value_size = 0;  ///< of the data block, without its CR LF; storage commands only

  uint32_t flags = 0;
  int32_t exptime = 0;
  uint64_t number = 0;  ///< cas unique, delta of incr and decr, level of verbosity

  std::array<char, limits::kMemcachedKeyBytes> decoded_key;

  std::string_view key() const { return keys.front(); }
};

/// Frames one request at the start of [begin, end).
///
/// kLarge of a storage command: `size` is the line, the data block is the business of a
/// TextDataScanner. kLarge of a retrieval: `keys` are the complete ones so far and `size` the bytes
/// up to the next; the rest is the business of a TextKeyScanner (also when `answer` is set
/// already).
MemcachedStatus frame_text_request(const char* begin, const char* end,
                                   const MemcachedLimits& limits, TextRequest& request);

/// Appends the command line that a backend gets: one space between words, plain numbers, CR LF,
/// neither `noreply` nor `q`. The data block, if any, is the caller's to append, with its CR LF.
void append_canonical(const TextRequest& request, std::string& out);

/// Appends a retrieval's line up to its keys ("gat 30"), for whoever splits it over backends. A
/// "gat" line must stay within kMemcachedLineBytes: the server closes on a longer one.
void append_retrieval(const TextRequest& request, std::string& out);

/// The answer (without CR LF) to a kShutdown or kAdmin command that is not passed on: what the
/// server says where these are disabled.
std::string_view admin_refusal(const TextRequest& request);

/// Follows a data block, however it is cut. Where its bytes go is the caller's business, who
/// appends the CR LF of its own once `done`: a backend never sees the end of a block that is
/// broken.
class TextDataScanner {
 public:
  explicit TextDataScanner(int64_t value_size) : left_(value_size + 2) {}

  struct Progress {
    size_t consumed = 0;  ///< bytes of the block
    size_t value = 0;     ///< those of them (in front) that are data and not the CR LF
    bool done = false;
    bool broken = false;  ///< no CR LF where the length says: framing is lost
  };
  Progress feed(const char* begin, const char* end);

  /// Bytes still to come, CR LF included.
  int64_t left() const { return left_; }

 private:
  int64_t left_;
};

/// Goes on in the line of a retrieval that is too long to be held.
class TextKeyScanner {
 public:
  /// Begins behind the `size` bytes of a retrieval that was framed kLarge.
  explicit TextKeyScanner(const TextRequest& request);

  struct Progress {
    size_t consumed = 0;      ///< an unfinished key stays
    bool done = false;        ///< the line ends at `consumed`
    std::string_view answer;  ///< with `done`, if not empty: the reply to the whole line
  };
  /// Appends the keys that became complete; views into [begin, end).
  Progress feed(const char* begin, const char* end, std::vector<std::string_view>& keys);

 private:
  Progress skip_to_line_end(const char* begin, const char* p, const char* end);

  std::string_view answer_;
  std::string_view answer_without_keys_;
  bool found_;
  bool skips_;
};

/// Decodes base64 as the server does: characters that are not base64 are skipped, what follows the
/// padding is ignored. 0: not base64. REQUIRES: room for text.size() bytes.
size_t decode_base64(std::string_view text, char* out);

}  // namespace quorate::wire
