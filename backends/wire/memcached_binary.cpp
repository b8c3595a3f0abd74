#include "backends/wire/memcached_binary.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace quorate::wire {

namespace {

using Opcode = BinaryOpcode;
using Status = BinaryStatusCode;

// Fields of a header, by their offset.
constexpr size_t kOpcodeAt = 1;
constexpr size_t kKeySizeAt = 2;
constexpr size_t kExtrasSizeAt = 4;
constexpr size_t kDatatypeAt = 5;
constexpr size_t kStatusAt = 6;  // of a request: the virtual bucket
constexpr size_t kBodySizeAt = 8;
constexpr size_t kOpaqueAt = 12;
constexpr size_t kCasAt = 16;

template <class Integer>
Integer to_big_endian(Integer value) {
  if constexpr (std::endian::native == std::endian::little) {
    if constexpr (sizeof(Integer) == 2) value = __builtin_bswap16(value);
    if constexpr (sizeof(Integer) == 4) value = __builtin_bswap32(value);
    if constexpr (sizeof(Integer) == 8) value = __builtin_bswap64(value);
  }
  return value;
}

template <class Integer>
Integer load(const char* from) {
  Integer value;
  std::memcpy(&value, from, sizeof(value));
  return to_big_endian(value);
}

template <class Integer>
void store(char* to, Integer value) {
  value = to_big_endian(value);
  std::memcpy(to, &value, sizeof(value));
}

uint32_t load_opaque(const char* header) {
  uint32_t opaque;
  std::memcpy(&opaque, header + kOpaqueAt, sizeof(opaque));
  return opaque;
}

Opcode loud_form(Opcode opcode) {
  switch (opcode) {
    case Opcode::kGetQ: return Opcode::kGet;
    case Opcode::kGetKQ: return Opcode::kGetK;
    case Opcode::kSetQ: return Opcode::kSet;
    case Opcode::kAddQ: return Opcode::kAdd;
    case Opcode::kReplaceQ: return Opcode::kReplace;
    case Opcode::kDeleteQ: return Opcode::kDelete;
    case Opcode::kIncrementQ: return Opcode::kIncrement;
    case Opcode::kDecrementQ: return Opcode::kDecrement;
    case Opcode::kQuitQ: return Opcode::kQuit;
    case Opcode::kFlushQ: return Opcode::kFlush;
    case Opcode::kAppendQ: return Opcode::kAppend;
    case Opcode::kPrependQ: return Opcode::kPrepend;
    case Opcode::kGatQ: return Opcode::kGat;
    case Opcode::kGatKQ: return Opcode::kGatK;
    default: return opcode;
  }
}

/// What a command's frame must look like.
enum class Shape : uint8_t {
  kUnknown,
  kBare,            ///< a header alone
  kKey,             ///< a key alone
  kOptionalKey,     ///< a key, or a header alone
  kKeyAndExtras,    ///< 4 bytes of extras and a key (20 bytes for arithmetic)
  kStorage,         ///< 8 bytes of extras, a key, a value
  kKeyAndValue,     ///< a key and a value
  kOptionalExtras,  ///< 4 bytes of extras, or a header alone
};

Shape shape_of(Opcode loud) {
  switch (loud) {
    case Opcode::kQuit:
    case Opcode::kNoop:
    case Opcode::kVersion:
    case Opcode::kSaslList: return Shape::kBare;
    case Opcode::kGet:
    case Opcode::kGetK:
    case Opcode::kDelete: return Shape::kKey;
    case Opcode::kStat: return Shape::kOptionalKey;
    case Opcode::kIncrement:
    case Opcode::kDecrement:
    case Opcode::kTouch:
    case Opcode::kGat:
    case Opcode::kGatK: return Shape::kKeyAndExtras;
    case Opcode::kSet:
    case Opcode::kAdd:
    case Opcode::kReplace: return Shape::kStorage;
    case Opcode::kAppend:
    case Opcode::kPrepend:
    case Opcode::kSaslAuth:
    case Opcode::kSaslStep: return Shape::kKeyAndValue;
    case Opcode::kFlush: return Shape::kOptionalExtras;
    default: return Shape::kUnknown;
  }
}

bool has_shape(Opcode loud, Shape shape, size_t extras, size_t key, int64_t value) {
  const bool arithmetic = loud == Opcode::kIncrement || loud == Opcode::kDecrement;
  switch (shape) {
    case Shape::kBare: return extras == 0 && key == 0 && value == 0;
    case Shape::kKey: return extras == 0 && key > 0 && value == 0;
    // The server takes bytes behind these keys (kKeyAndExtras too) for the next command.
    case Shape::kOptionalKey: return extras == 0 && value == 0;
    case Shape::kKeyAndExtras: return extras == (arithmetic ? 20 : 4) && key > 0 && value == 0;
    case Shape::kStorage: return extras == 8 && key > 0;
    case Shape::kKeyAndValue: return extras == 0 && key > 0;
    case Shape::kOptionalExtras: return (extras == 0 || extras == 4) && key == 0 && value == 0;
    case Shape::kUnknown: return false;
  }
  return false;
}

MemcachedStatus answer_with(BinaryRequest& request, Status status) {
  request.answer = status;
  return MemcachedStatus::kAnswered;
}

MemcachedStatus close_with(BinaryRequest& request, Status status) {
  request.closes = true;
  return answer_with(request, status);
}

/// These two list one STAT and no end of the list: whoever waits for it waits for ever.
bool is_endless_topic(std::string_view topic) {
  return topic.starts_with("sizes_enable") || topic.starts_with("sizes_disable");
}

/// The header is read and its lengths are in order. What is left is what the command says.
MemcachedStatus frame_body(const char* begin, const char* end, const MemcachedLimits& limits,
                           size_t extras_size, BinaryRequest& request) {
  const size_t available = static_cast<size_t>(end - begin);
  if (available < request.value_offset) return MemcachedStatus::kIncomplete;
  const char* extras = begin + kBinaryHeaderBytes;
  request.extras = {extras, extras_size};
  request.key = {extras + extras_size, request.value_offset - kBinaryHeaderBytes - extras_size};
  request.size = request.value_offset;
  if (request.value_size > limits.value) {
    request.swallow = request.value_size;
    return answer_with(request, Status::kTooLarge);
  }
  if (request.loud == Opcode::kStat && is_endless_topic(request.key)) {
    return answer_with(request, Status::kNotFound);
  }
  const size_t frame_size = request.value_offset + static_cast<size_t>(request.value_size);
  if (frame_size > limits::kReadBytes) return MemcachedStatus::kLarge;
  if (available < frame_size) return MemcachedStatus::kIncomplete;
  request.size = frame_size;
  return MemcachedStatus::kComplete;
}

}  // namespace

std::string_view binary_status_text(BinaryStatusCode status) {
  switch (status) {
    case Status::kOk: return {};
    case Status::kNotFound: return "Not found";
    case Status::kExists: return "Data exists for key.";
    case Status::kTooLarge: return "Too large.";
    case Status::kInvalid: return "Invalid arguments";
    case Status::kNotStored: return "Not stored.";
    case Status::kNotNumeric: return "Non-numeric server-side value for incr or decr";
    case Status::kAuthError: return "Auth failure.";
    case Status::kAuthContinue: return {};
    case Status::kUnknownCommand: return "Unknown command";
    case Status::kOutOfMemory: return "Out of memory";
    case Status::kInternal: return "Internal error";
    case Status::kTemporary: return "Temporary failure";
  }
  return {};
}

MemcachedStatus frame_binary_request(const char* begin, const char* end,
                                     const MemcachedLimits& limits, BinaryRequest& request) {
  request = {};
  if (begin == end) return MemcachedStatus::kIncomplete;
  if (static_cast<unsigned char>(*begin) != kBinaryRequestMagic) {
    request.size = 1;
    return close_with(request, Status::kOk);  // as the server: without a word
  }
  if (static_cast<size_t>(end - begin) < kBinaryHeaderBytes) return MemcachedStatus::kIncomplete;

  const size_t key_size = load<uint16_t>(begin + kKeySizeAt);
  const size_t extras_size = static_cast<unsigned char>(begin[kExtrasSizeAt]);
  const uint32_t body_size = load<uint32_t>(begin + kBodySizeAt);
  request.opcode = static_cast<Opcode>(begin[kOpcodeAt]);
  request.loud = loud_form(request.opcode);
  request.quiet = request.loud != request.opcode;
  request.opaque = load_opaque(begin);
  request.cas = load<uint64_t>(begin + kCasAt);
  request.size = kBinaryHeaderBytes;
  request.as_is =
      !request.quiet && begin[kDatatypeAt] == 0 && load<uint16_t>(begin + kStatusAt) == 0;

  if (key_size + extras_size > body_size) return close_with(request, Status::kUnknownCommand);
  if (key_size > limits::kMemcachedKeyBytes) return close_with(request, Status::kInvalid);
  request.value_offset = kBinaryHeaderBytes + extras_size + key_size;
  request.value_size =
      static_cast<int64_t>(body_size) - static_cast<int64_t>(key_size + extras_size);
  const Shape shape = shape_of(request.loud);
  // The server counts in 32 bits with a sign: a longer body is not dropped by it, but run.
  if (body_size > INT32_MAX) return close_with(request, Status::kTooLarge);
  if (shape == Shape::kUnknown) {
    request.swallow = body_size;
    return answer_with(request, Status::kUnknownCommand);
  }
  if (!has_shape(request.loud, shape, extras_size, key_size, request.value_size)) {
    return close_with(request, Status::kInvalid);
  }
  return frame_body(begin, end, limits, extras_size, request);
}

void append_loud(const BinaryRequest& request, std::string& out) {
  char header[kBinaryHeaderBytes] = {};
  const size_t body =
      request.value_offset - kBinaryHeaderBytes + static_cast<size_t>(request.value_size);
  header[0] = static_cast<char>(kBinaryRequestMagic);
  header[kOpcodeAt] = static_cast<char>(request.loud);
  header[kExtrasSizeAt] = static_cast<char>(request.extras.size());
  store(header + kKeySizeAt, static_cast<uint16_t>(request.key.size()));
  store(header + kBodySizeAt, static_cast<uint32_t>(body));
  std::memcpy(header + kOpaqueAt, &request.opaque, sizeof(request.opaque));
  store(header + kCasAt, request.cas);
  out.append(header, sizeof(header));
  (out += request.extras) += request.key;
}

void append_binary_reply(BinaryOpcode opcode, uint32_t opaque, BinaryStatusCode status,
                         std::string_view text, std::string& out) {
  char header[kBinaryHeaderBytes] = {};
  header[0] = static_cast<char>(kBinaryReplyMagic);
  header[kOpcodeAt] = static_cast<char>(opcode);
  store(header + kStatusAt, static_cast<uint16_t>(status));
  store(header + kBodySizeAt, static_cast<uint32_t>(text.size()));
  std::memcpy(header + kOpaqueAt, &opaque, sizeof(opaque));
  out.append(header, sizeof(header));
  out += text;
}

void append_binary_stat(uint32_t opaque, std::string_view name, std::string_view value,
                        std::string& out) {
  const size_t header = out.size();
  append_binary_reply(BinaryOpcode::kStat, opaque, Status::kOk, name, out);
  out += value;
  store(out.data() + header + kKeySizeAt, static_cast<uint16_t>(name.size()));
  store(out.data() + header + kBodySizeAt, static_cast<uint32_t>(name.size() + value.size()));
}

namespace {

/// As append_binary_reply(), with a text of three parts.
void append_backend_error(BinaryOpcode opcode, uint32_t opaque, BinaryStatusCode status,
                          std::string_view before, std::string_view address,
                          std::string_view behind, std::string& out) {
  const size_t header = out.size();
  append_binary_reply(opcode, opaque, status, {}, out);
  ((out += before) += address) += behind;
  const size_t text = out.size() - header - kBinaryHeaderBytes;
  store(out.data() + header + kBodySizeAt, static_cast<uint32_t>(text));
}

}  // namespace

void append_binary_unavailable(BinaryOpcode opcode, uint32_t opaque, std::string_view address,
                               std::string& out) {
  append_backend_error(opcode, opaque, Status::kTemporary, "backend ", address, " unavailable",
                       out);
}

void append_binary_indeterminate(BinaryOpcode opcode, uint32_t opaque, std::string_view address,
                                 std::string& out) {
  append_backend_error(opcode, opaque, Status::kInternal, "INDETERMINATE backend ", address,
                       ": outcome unknown", out);
}

BinaryReplyHeader read_binary_reply_header(const char* bytes) {
  BinaryReplyHeader header;
  header.opcode = static_cast<Opcode>(bytes[kOpcodeAt]);
  header.status = static_cast<Status>(load<uint16_t>(bytes + kStatusAt));
  header.extras_size = static_cast<uint8_t>(bytes[kExtrasSizeAt]);
  header.key_size = load<uint16_t>(bytes + kKeySizeAt);
  header.body_size = load<uint32_t>(bytes + kBodySizeAt);
  header.opaque = load_opaque(bytes);
  header.cas = load<uint64_t>(bytes + kCasAt);
  return header;
}

bool hides_reply(BinaryOpcode opcode, BinaryStatusCode status) {
  switch (opcode) {
    case Opcode::kGetQ:
    case Opcode::kGetKQ:
    case Opcode::kGatQ:
    case Opcode::kGatKQ: return status == Status::kNotFound;
    default: return loud_form(opcode) != opcode && status == Status::kOk;
  }
}

BinaryReplyScanner::Progress BinaryReplyScanner::feed(const char* begin, const char* end) {
  Progress progress;
  const char* p = begin;
  while (true) {
    const int64_t part = std::min<int64_t>(body_left_, end - p);
    p += part;
    body_left_ -= part;
    progress.consumed = static_cast<size_t>(p - begin);
    if (body_left_ > 0) return progress;
    if (part > 0 && !more_packets_) break;
    if (p == end) return progress;
    if (static_cast<unsigned char>(*p) != kBinaryReplyMagic) {
      progress.broken = true;
      return progress;
    }
    if (static_cast<size_t>(end - p) < kBinaryHeaderBytes) return progress;
    const BinaryReplyHeader header = read_binary_reply_header(p);
    if (size_t{header.key_size} + header.extras_size > header.body_size) {
      progress.broken = true;
      return progress;
    }
    p += kBinaryHeaderBytes;
    progress.consumed = static_cast<size_t>(p - begin);
    body_left_ = header.body_size;
    // A statistic has a name; the packet without one ends the list.
    more_packets_ =
        header.opcode == Opcode::kStat && header.status == Status::kOk && header.key_size > 0;
    if (body_left_ == 0 && !more_packets_) break;
  }
  progress.done = true;
  return progress;
}

}  // namespace quorate::wire
