// The meta half of the text codec: flags, base64 keys, and which of it goes on to a backend.
#include <array>
#include <span>

#include "backends/wire/memcached_framing.h"

namespace quorate::wire {

namespace {

constexpr std::string_view kBadFormat = "CLIENT_ERROR bad command line format";
constexpr std::string_view kInvalidFlag = "CLIENT_ERROR invalid flag";
constexpr std::string_view kBadToken = "CLIENT_ERROR bad token in command line format";
// memcached has no such answer: it would send the key as it is, line end and all, and whoever reads
// the connection would take the rest for the next reply.
constexpr std::string_view kUnprintableKey =
    "CLIENT_ERROR a key that holds a line feed cannot be returned";

/// Words of a meta line, the verb included, before the server counts too many.
constexpr size_t kMostWords = limits::kMemcachedMetaFlags - 1;

// --- base64 ---

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNoDigit = 0x80;

constexpr std::array<uint8_t, 256> make_digit_values() {
  std::array<uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<uint8_t>(i);
  }
  values['='] = 0;
  return values;
}

constexpr std::array<uint8_t, 256> kDigitValues = make_digit_values();

void append_base64(std::string_view bytes, std::string& out) {
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = (group << 8) | (j < left ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += j <= left ? kDigits[(group >> (18 - 6 * j)) & 63] : '=';
    }
  }
}

/// Is `text` what append_base64() would write for `bytes`?
bool is_canonical_base64(std::string_view text, std::string_view bytes) {
  if (text.size() != (bytes.size() + 2) / 3 * 4) return false;
  const size_t padding = text.size() / 4 * 3 - bytes.size();
  for (size_t i = 0; i < text.size(); ++i) {
    const bool pads = i >= text.size() - padding;
    if (pads != (text[i] == '=')) return false;
    if (!pads && kDigitValues[static_cast<unsigned char>(text[i])] == kNoDigit) return false;
  }
  // The bits of the last digit that belong to no byte.
  if (padding == 0) return true;
  const uint8_t last = kDigitValues[static_cast<unsigned char>(text[text.size() - padding - 1])];
  return (last & (padding == 1 ? 3 : 15)) == 0;
}

// --- flags ---

enum class FlagKind : uint8_t {
  kInvalid,
  kForeign,  ///< a letter that 1.6.18 does not know and a later server may: its own to refuse
  kBare,     ///< only the letter counts
  kText,     ///< the letter and whatever follows
  kSigned,
  kUnsigned32,
  kUnsigned64,
  kMode,
};

constexpr FlagKind kind_of_letter(unsigned char letter) {
  switch (letter) {
    case 'b':
    case 'k':
    case 's':
    case 't':
    case 'c':
    case 'f':
    case 'v':
    case 'h':
    case 'l':
    case 'u':
    case 'q':
    case 'I': return FlagKind::kBare;
    case 'O':
    case 'P':
    case 'L': return FlagKind::kText;
    case 'N':
    case 'T':
    case 'R': return FlagKind::kSigned;
    case 'F': return FlagKind::kUnsigned32;
    case 'C':
    case 'J':
    case 'D': return FlagKind::kUnsigned64;
    case 'M': return FlagKind::kMode;
    default:
      return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')
                 ? FlagKind::kForeign
                 : FlagKind::kInvalid;
  }
}

constexpr std::array<FlagKind, 256> make_flag_kinds() {
  std::array<FlagKind, 256> kinds{};
  for (size_t i = 0; i < kinds.size(); ++i)
    kinds[i] = kind_of_letter(static_cast<unsigned char>(i));
  return kinds;
}

constexpr std::array<FlagKind, 256> kFlagKinds = make_flag_kinds();

inline FlagKind flag_kind(char letter) { return kFlagKinds[static_cast<unsigned char>(letter)]; }

struct Flags {
  std::string_view error;  // the server's text; empty: in order
  std::array<uint64_t, 2> seen{};
  bool foreign = false;
  char mode = 0;

  bool has(char letter) const {
    const auto bit = static_cast<unsigned char>(letter);
    return ((seen[bit >> 6] >> (bit & 63)) & 1) != 0;
  }
};

std::string_view decode_key(TextRequest& request) {
  const size_t size = decode_base64(request.words[0], request.decoded_key.data());
  request.key_is_base64 = true;
  request.keys.front() = {request.decoded_key.data(), size};
  request.as_is &= is_canonical_base64(request.words[0], request.key());
  return size == 0 ? "CLIENT_ERROR error decoding key" : std::string_view{};
}

/// Reads what follows the letter. Gives the error the server has for it.
std::string_view read_flag(std::string_view flag, FlagKind kind, TextRequest& request) {
  const std::string_view token = flag.substr(1);
  switch (kind) {
    case FlagKind::kSigned: {
      int64_t value = 0;
      if (!read_signed(token, value, request.as_is)) return kBadToken;
      request.as_is &= value == static_cast<int32_t>(value);
      return {};
    }
    case FlagKind::kUnsigned32:
    case FlagKind::kUnsigned64: {
      uint64_t value = 0;
      if (read_unsigned(token, value, request.as_is)) {
        request.as_is &= kind == FlagKind::kUnsigned64 || value <= UINT32_MAX;
        return {};
      }
      if (flag[0] == 'J') return "CLIENT_ERROR invalid numeric initial value";
      if (flag[0] == 'D') return "CLIENT_ERROR invalid numeric delta value";
      return flag[0] == 'C' ? kBadToken : std::string_view{kBadFormat};
    }
    case FlagKind::kMode:
      return token.size() == 1 ? std::string_view{} : "CLIENT_ERROR incorrect length for M token";
    case FlagKind::kBare: request.as_is &= token.empty(); return decode_key(request);  // b
    case FlagKind::kText:
      if (flag[0] == 'O') request.opaque = token;
      return {};
    default: return {};
  }
}

/// Goes through the flags as the server does: a repeated or unknown one ends it, of the other
/// errors the last one is told.
Flags read_flags(size_t first, TextRequest& request) {
  Flags flags;
  for (const std::string_view flag : std::span(request.words).subspan(first)) {
    const auto letter = static_cast<unsigned char>(flag[0]);
    if (letter >= 127 || flags.has(flag[0])) {
      flags.error = "CLIENT_ERROR duplicate flag";
      break;
    }
    flags.seen[letter >> 6] |= uint64_t{1} << (letter & 63);
    const FlagKind kind = flag_kind(flag[0]);
    if (kind == FlagKind::kBare && letter != 'b') {
      request.as_is &= flag.size() == 1;
      continue;
    }
    if (kind == FlagKind::kInvalid) {
      flags.error = kInvalidFlag;
      break;
    }
    flags.foreign |= kind == FlagKind::kForeign;
    const std::string_view error = read_flag(flag, kind, request);
    // An F that is no number is an error without a text of its own.
    if (!error.empty() && (letter != 'F' || flags.error.empty())) flags.error = error;
    if (kind == FlagKind::kMode && error.empty()) flags.mode = flag[1];
  }
  request.quiet = flags.has('q');
  request.as_is &= !request.quiet;
  return flags;
}

/// What is wrong with flags that are in order one by one; the server looks at it last.
std::string_view check_together(const TextRequest& request, const Flags& flags) {
  const auto is_none_of = [&flags](std::string_view modes) {
    return flags.mode != 0 && modes.find(flags.mode) == std::string_view::npos;
  };
  if (request.verb == TextVerb::kMetaSet && is_none_of("EAPRS")) {
    return "CLIENT_ERROR invalid mode for ms M token";
  }
  if (request.verb == TextVerb::kMetaArithmetic && is_none_of("ID+-")) {
    return "CLIENT_ERROR invalid mode for ma M token";
  }
  if (request.opaque.size() >= limits::kMemcachedOpaqueBytes) {
    return "CLIENT_ERROR opaque token too long";
  }
  return {};
}

/// Reads and checks all flags. Gives the server's error; empty: none.
std::string_view check_flags(size_t first, Flags& flags, TextRequest& request) {
  flags = read_flags(first, request);
  std::string_view error = flags.error;
  const bool one_text =
      request.verb == TextVerb::kMetaDelete || request.verb == TextVerb::kMetaArithmetic;
  const std::string_view rest = error.empty() ? check_together(request, flags) : std::string_view{};
  // A flag that is foreign to 1.6.18 is an error to it, and comes before these.
  if (flags.foreign && !(error.empty() && rest.empty())) error = kInvalidFlag;
  if (!error.empty() && one_text) return "CLIENT_ERROR invalid or duplicate flag";
  return error.empty() ? rest : error;
}

bool has_line_feed(std::string_view key) { return key.find('\n') != std::string_view::npos; }

/// A data block behind a refused line that the server itself would not drop.
MemcachedStatus refuse_meta_set(const LineReader& line, std::string_view answer,
                                TextRequest& request) {
  bool plain = true;
  if (request.words.size() < 2) {
    const bool shifted = line.has_gap() || line.has_nul();
    return shifted ? close_with(request, answer) : answer_with(request, answer);
  }
  if (!read_value_size(request.words[1], request, plain)) return close_with(request, answer);
  request.echoes = true;
  return swallow_with(request, answer);
}

}  // namespace

size_t decode_base64(std::string_view text, char* out) {
  size_t digits = 0;
  for (const char c : text) digits += kDigitValues[static_cast<unsigned char>(c)] != kNoDigit;
  if (digits == 0 || digits % 4 != 0) return 0;
  size_t size = 0;
  size_t padding = 0;
  uint32_t group = 0;
  digits = 0;
  for (const char c : text) {
    const uint8_t value = kDigitValues[static_cast<unsigned char>(c)];
    if (value == kNoDigit) continue;
    if (c == '=') ++padding;
    group = (group << 6) | value;
    if (++digits % 4 != 0) continue;
    if (padding > 2) return 0;
    for (size_t i = 0; i < 3 - padding; ++i) {
      out[size++] = static_cast<char>((group >> (16 - 8 * i)) & 0xFF);
    }
    if (padding > 0) break;
    group = 0;
  }
  return size;
}

MemcachedStatus frame_meta(TextRequest& request) {
  const bool gets = request.verb == TextVerb::kMetaGet;
  if (request.words.empty()) return answer_with(request, "ERROR");
  if (request.words[0].size() > limits::kMemcachedKeyBytes) return answer_with(request, kBadFormat);
  if (request.words.size() + 1 > kMostWords) {
    return answer_with(request, gets ? "CLIENT_ERROR options flags are too long"
                                     : "CLIENT_ERROR options flags too long");
  }
  request.keys.push_back(request.words[0]);
  Flags flags;
  const std::string_view error = check_flags(1, flags, request);
  if (!error.empty()) return answer_with(request, error);
  if (gets && request.key_is_base64 && flags.has('k') && has_line_feed(request.key())) {
    return answer_with(request, kUnprintableKey);
  }
  return MemcachedStatus::kComplete;
}

MemcachedStatus frame_meta_set(const char* begin, const char* end, const MemcachedLimits& limits,
                               const LineReader& line, TextRequest& request) {
  const std::vector<std::string_view>& words = request.words;
  if (words.empty()) return refuse_meta_set(line, "ERROR", request);
  if (words[0].size() > limits::kMemcachedKeyBytes || words.size() < 2) {
    return refuse_meta_set(line, kBadFormat, request);
  }
  if (words.size() + 1 > kMostWords) {
    return refuse_meta_set(line, "CLIENT_ERROR options flags too long", request);
  }
  if (!read_value_size(words[1], request, request.as_is)) {
    return refuse_meta_set(line, kBadFormat, request);
  }
  request.keys.push_back(words[0]);
  Flags flags;
  const std::string_view error = check_flags(2, flags, request);
  if (!error.empty()) {
    // A key that holds a space moves the words by one: the length stands where a flag should.
    for (size_t i = 2; i < words.size(); ++i) {
      const unsigned digit = static_cast<unsigned>(words[i][0] - '0');
      if (digit <= 9) return close_with(request, error);
    }
    return swallow_with(request, error);
  }
  return frame_value(begin, end, limits, request);
}

MemcachedStatus frame_meta_debug(TextRequest& request) {
  const std::vector<std::string_view>& words = request.words;
  if (words.empty() || words[0].size() > limits::kMemcachedKeyBytes) {
    return answer_with(request, kBadFormat);
  }
  request.keys.push_back(words[0]);
  const bool decodes = words.size() > 1 && words[1] == "b";
  request.as_is &= words.size() == (decodes ? 2 : 1);
  if (!decodes) return MemcachedStatus::kComplete;
  if (!decode_key(request).empty()) return answer_with(request, kBadFormat);
  if (has_line_feed(request.key())) return answer_with(request, kUnprintableKey);
  return MemcachedStatus::kComplete;
}

void append_canonical_meta(std::string_view name, const TextRequest& request, std::string& out) {
  out += name;
  if (request.verb == TextVerb::kMetaNoop) return;
  out += ' ';
  if (request.key_is_base64) {
    append_base64(request.key(), out);
  } else {
    out += request.key();
  }
  if (request.verb == TextVerb::kMetaDebug) {
    if (request.key_is_base64) out += " b";
    return;
  }
  if (request.verb == TextVerb::kMetaSet) append_number(out += ' ', request.value_size);
  bool plain = true;
  for (size_t i = request.verb == TextVerb::kMetaSet ? 2 : 1; i < request.words.size(); ++i) {
    const std::string_view flag = request.words[i];
    if (flag[0] == 'q') continue;
    (out += ' ') += flag[0];
    switch (flag_kind(flag[0])) {
      case FlagKind::kSigned: {
        int64_t value = 0;
        if (read_signed(flag.substr(1), value, plain)) {
          append_number(out, int64_t{static_cast<int32_t>(value)});
        }
        break;
      }
      case FlagKind::kUnsigned32:
      case FlagKind::kUnsigned64: {
        uint64_t value = 0;
        if (read_unsigned(flag.substr(1), value, plain)) {
          append_number(out, flag[0] == 'F' ? uint64_t{static_cast<uint32_t>(value)} : value);
        }
        break;
      }
      case FlagKind::kBare: break;
      default: out += flag.substr(1); break;
    }
  }
}

}  // namespace quorate::wire
