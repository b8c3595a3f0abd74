// memcached's binary protocol, both sides: bytes -> requests and replies, framed in place.
//
// Checks a request's lengths as memcached 1.6.18 does and answers itself what the server would
// refuse, with its status and text. Where the server loses count (an unknown command with a body,
// bytes behind the key of GAT, TOUCH and STAT), the exact body is dropped, or the connection
// closed. A quiet request travels in its loud form, so that every request on a backend connection
// draws one reply; the reply is given the client's opcode again, or hidden as the server would
// have.
//
// Knows no socket. Called by proxy/session, backends/link, proxy/relay and the fuzzers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "backends/wire/memcached_status.h"

namespace quorate::wire {

inline constexpr size_t kBinaryHeaderBytes = 24;
inline constexpr unsigned char kBinaryRequestMagic = 0x80;
inline constexpr unsigned char kBinaryReplyMagic = 0x81;

enum class BinaryOpcode : uint8_t {
  kGet = 0x00,
  kSet = 0x01,
  kAdd = 0x02,
  kReplace = 0x03,
  kDelete = 0x04,
  kIncrement = 0x05,
  kDecrement = 0x06,
  kQuit = 0x07,
  kFlush = 0x08,
  kGetQ = 0x09,
  kNoop = 0x0A,
  kVersion = 0x0B,
  kGetK = 0x0C,
  kGetKQ = 0x0D,
  kAppend = 0x0E,
  kPrepend = 0x0F,
  kStat = 0x10,
  kSetQ = 0x11,
  kAddQ = 0x12,
  kReplaceQ = 0x13,
  kDeleteQ = 0x14,
  kIncrementQ = 0x15,
  kDecrementQ = 0x16,
  kQuitQ = 0x17,
  kFlushQ = 0x18,
  kAppendQ = 0x19,
  kPrependQ = 0x1A,
  kVerbosity = 0x1B,  ///< in the specification; 1.6.18 does not know it
  kTouch = 0x1C,
  kGat = 0x1D,
  kGatQ = 0x1E,
  kSaslList = 0x20,
  kSaslAuth = 0x21,
  kSaslStep = 0x22,
  kGatK = 0x23,
  kGatKQ = 0x24,
};

enum class BinaryStatusCode : uint16_t {
  kOk = 0x00,
  kNotFound = 0x01,
  kExists = 0x02,
  kTooLarge = 0x03,
  kInvalid = 0x04,
  kNotStored = 0x05,
  kNotNumeric = 0x06,
  kAuthError = 0x20,
  kAuthContinue = 0x21,
  kUnknownCommand = 0x81,
  kOutOfMemory = 0x82,
  kInternal = 0x84,
  kTemporary = 0x86,
};

/// The text that the server sends with an error.
std::string_view binary_status_text(BinaryStatusCode status);

/// What frame_binary_request() found. Views into the caller's bytes.
struct BinaryRequest {
  BinaryOpcode opcode{};  ///< as sent
  BinaryOpcode loud{};    ///< what a backend gets; equal to `opcode` unless `quiet`
  bool quiet = false;
  bool as_is = false;   ///< the frame's bytes may go to a backend as they are
  uint32_t opaque = 0;  ///< as in the frame, byte for byte: never turned around
  uint64_t cas = 0;
  std::string_view extras;
  std::string_view key;     ///< of STAT: its topic; of SASL: the mechanism
  size_t size = 0;          ///< kComplete: of the frame; kLarge, kAnswered: of what is parsed
  size_t value_offset = 0;  ///< where the value begins, behind header, extras and key
  int64_t value_size = 0;

  // kAnswered
  BinaryStatusCode answer{};  ///< kOk: none, the connection just closes
  int64_t swallow = 0;        ///< bytes behind `size` to be dropped
  bool closes = false;        ///< framing is lost: close behind the answer
};

/// Frames one request at the start of [begin, end).
///
/// kLarge: the frame does not fit kReadBytes. `size` bytes are parsed (header, extras and key),
/// `value_size` bytes follow and stream; nothing stands behind them.
MemcachedStatus frame_binary_request(const char* begin, const char* end,
                                     const MemcachedLimits& limits, BinaryRequest& request);

/// Appends header, extras and key as a backend gets them: the loud opcode, the fields without a
/// meaning cleared. The value, if any, is the caller's to append.
void append_loud(const BinaryRequest& request, std::string& out);

/// Appends a reply that carries no cas: an error with its text, or success (NOOP, VERSION, …).
void append_binary_reply(BinaryOpcode opcode, uint32_t opaque, BinaryStatusCode status,
                         std::string_view text, std::string& out);

/// Appends one packet of STAT's reply; the one that ends it has neither name nor value.
void append_binary_stat(uint32_t opaque, std::string_view name, std::string_view value,
                        std::string& out);

// A backend's failure. The codes are the specification's "temporary failure", worth a retry, for
// what certainly was not executed, and "internal error" for the rest. libmemcached raises an error
// for a write and connects anew (a get is a miss to it, whatever the code). Codes that it knows
// would lie to it (too large, not stored), or make it abort in an incr (out of memory,
// authentication).
void append_binary_unavailable(BinaryOpcode opcode, uint32_t opaque, std::string_view address,
                               std::string& out);
void append_binary_indeterminate(BinaryOpcode opcode, uint32_t opaque, std::string_view address,
                                 std::string& out);

// --- replies ---

struct BinaryReplyHeader {
  BinaryOpcode opcode{};
  BinaryStatusCode status{};
  uint8_t extras_size = 0;
  uint16_t key_size = 0;
  uint32_t body_size = 0;  ///< extras, key and value
  uint32_t opaque = 0;     ///< byte for byte
  uint64_t cas = 0;
};

/// REQUIRES: kBinaryHeaderBytes at `bytes`, taken by a BinaryReplyScanner.
BinaryReplyHeader read_binary_reply_header(const char* bytes);

/// Gives the reply that begins at `header` the opcode its client sent.
inline void set_reply_opcode(char* header, BinaryOpcode opcode) {
  header[1] = static_cast<char>(opcode);
}

/// True if the client is not to see this reply, because its opcode was a quiet one: the misses of
/// the GET family, the successes of the others.
bool hides_reply(BinaryOpcode opcode, BinaryStatusCode status);

class BinaryReplyScanner {
 public:
  struct Progress {
    size_t consumed = 0;  ///< whole headers and (parts of) bodies; an unfinished header stays
    bool done = false;    ///< the reply ends at `consumed`
    bool broken = false;  ///< this is not memcached's protocol: the connection is lost
  };

  /// Goes on in the current reply (STAT's has many packets); after `done`, reset() before the next.
  Progress feed(const char* begin, const char* end);

  void reset() { *this = BinaryReplyScanner{}; }

  /// Bytes that the current body still needs. 0 between packets.
  int64_t body_left() const { return body_left_; }

 private:
  int64_t body_left_ = 0;
  bool more_packets_ = false;
};

}  // namespace quorate::wire
