#include "backends/wire/memcached_text.h"

#include <algorithm>
#include <cstring>

#include "backends/wire/memcached_framing.h"
#include "backends/wire/memcached_line.h"

namespace quorate::wire {

namespace {

constexpr std::string_view kBadFormat = "CLIENT_ERROR bad command line format";
constexpr std::string_view kBadExptime = "CLIENT_ERROR invalid exptime argument";
// memcached closes without a word; a client is told why.
constexpr std::string_view kLineTooLong = "CLIENT_ERROR line too long";

struct Name {
  TextVerb verb;
  std::string_view word;
};

constexpr std::array kNames = {
    Name{TextVerb::kGet, "get"},
    Name{TextVerb::kSet, "set"},
    Name{TextVerb::kGets, "gets"},
    Name{TextVerb::kDelete, "delete"},
    Name{TextVerb::kIncr, "incr"},
    Name{TextVerb::kDecr, "decr"},
    Name{TextVerb::kAdd, "add"},
    Name{TextVerb::kCas, "cas"},
    Name{TextVerb::kTouch, "touch"},
    Name{TextVerb::kGat, "gat"},
    Name{TextVerb::kGats, "gats"},
    Name{TextVerb::kReplace, "replace"},
    Name{TextVerb::kAppend, "append"},
    Name{TextVerb::kPrepend, "prepend"},
    Name{TextVerb::kVersion, "version"},
    Name{TextVerb::kStats, "stats"},
    Name{TextVerb::kFlushAll, "flush_all"},
    Name{TextVerb::kVerbosity, "verbosity"},
    Name{TextVerb::kQuit, "quit"},
    Name{TextVerb::kShutdown, "shutdown"},
    Name{TextVerb::kMetaGet, "mg"},
    Name{TextVerb::kMetaSet, "ms"},
    Name{TextVerb::kMetaDelete, "md"},
    Name{TextVerb::kMetaArithmetic, "ma"},
    Name{TextVerb::kMetaNoop, "mn"},
    Name{TextVerb::kMetaDebug, "me"},
    Name{TextVerb::kGet, "bget"},  // the server still knows it, as another word for "get"
};

constexpr std::array<std::string_view, 7> kAdminNames = {
    "slabs", "lru", "lru_crawler", "watch", "cache_memlimit", "extstore", "refresh_certs"};

TextVerb rare_verb_named(std::string_view word) {
  for (const Name& name : kNames) {
    if (word == name.word) return name.verb;
  }
  const bool admin = std::find(kAdminNames.begin(), kAdminNames.end(), word) != kAdminNames.end();
  return admin ? TextVerb::kAdmin : TextVerb::kUnknown;
}

TextVerb meta_verb_named(std::string_view word) {
  if (word[0] != 'm') return TextVerb::kUnknown;
  switch (word[1]) {
    case 'g': return TextVerb::kMetaGet;
    case 's': return TextVerb::kMetaSet;
    case 'd': return TextVerb::kMetaDelete;
    case 'a': return TextVerb::kMetaArithmetic;
    case 'n': return TextVerb::kMetaNoop;
    case 'e': return TextVerb::kMetaDebug;
    default: return TextVerb::kUnknown;
  }
}

TextVerb verb_named(std::string_view word) {
  const char* p = word.data();
  switch (word.size()) {
    case 2: return meta_verb_named(word);
    case 3:
      if (are(p, "get")) return TextVerb::kGet;
      if (are(p, "set")) return TextVerb::kSet;
      if (are(p, "add")) return TextVerb::kAdd;
      if (are(p, "cas")) return TextVerb::kCas;
      if (are(p, "gat")) return TextVerb::kGat;
      break;
    case 4:
      if (are(p, "gets")) return TextVerb::kGets;
      if (are(p, "incr")) return TextVerb::kIncr;
      if (are(p, "decr")) return TextVerb::kDecr;
      if (are(p, "gats")) return TextVerb::kGats;
      break;
    case 5:
      if (are(p, "touch")) return TextVerb::kTouch;
      break;
    case 6:
      if (are(p, "delete")) return TextVerb::kDelete;
      if (are(p, "append")) return TextVerb::kAppend;
      break;
    default: break;
  }
  return rare_verb_named(word);
}

std::string_view name_of(TextVerb verb) {
  for (const Name& name : kNames) {
    if (verb == name.verb) return name.word;
  }
  return {};
}

void reset(TextRequest& request) {
  request.as_is = false;
  request.noreply = request.quiet = request.key_is_base64 = request.has_exptime = false;
  request.swallows = request.echoes = request.closes = false;
  request.answer = {};
  request.keys.clear();
  request.words.clear();
  request.opaque = {};
  request.size = request.line_size = 0;
  request.value_size = 0;
}

MemcachedStatus line_too_long(TextRequest& request) {
  request.size = limits::kMemcachedLineBytes + 1;
  return close_with(request, kLineTooLong);
}

// --- retrievals ---

/// What the server says to a retrieval without a key: "gat 0" is an empty question.
std::string_view answer_without_keys(TextVerb verb) {
  return verb == TextVerb::kGat || verb == TextVerb::kGats ? "END" : "ERROR";
}

bool takes_exptime(TextVerb verb) { return verb == TextVerb::kGat || verb == TextVerb::kGats; }

/// The unfinished word at `from` can only be a key that is too long (a CR may still be the line's).
bool is_hopeless(const char* from, const char* end) {
  return static_cast<size_t>(end - from) > limits::kMemcachedKeyBytes + 1;
}

MemcachedStatus frame_unfinished_retrieval(const char* begin, const char* end,
                                           const LineReader& line, TextRequest& request) {
  if (static_cast<size_t>(end - begin) < limits::kReadBytes) return MemcachedStatus::kIncomplete;
  const char* rest = line.word_begin();
  if (is_hopeless(rest, end) && *rest != '\0') {  // (a NUL ends the line: its newline is to come)
    if (request.answer.empty()) request.answer = kBadFormat;
    rest = end;
  }
  request.as_is = false;
  request.size = static_cast<size_t>(rest - begin);
  return MemcachedStatus::kLarge;
}

/// Takes the first word behind "gat", and the one behind that.
Word read_retrieval_exptime(std::string_view& word, LineReader& line, bool& plain,
                            TextRequest& request) {
  int64_t exptime = 0;
  if (!read_signed(word, exptime, plain)) request.answer = kBadExptime;
  request.exptime = static_cast<int32_t>(exptime);
  plain &= request.exptime == exptime;
  const Word kind = line.next(word);
  if (kind == Word::kLineEnd && request.answer.empty()) {
    request.answer = answer_without_keys(request.verb);
  }
  return kind;
}

MemcachedStatus frame_retrieval(const char* begin, const char* end, LineReader& line,
                                TextRequest& request) {
  bool plain = true;
  std::string_view word;
  Word kind = line.next(word);
  if (takes_exptime(request.verb)) {
    if (kind == Word::kIncomplete) {
      const bool too_long = static_cast<size_t>(end - begin) > limits::kMemcachedLineBytes;
      return too_long ? line_too_long(request) : MemcachedStatus::kIncomplete;
    }
    if (kind == Word::kWord) kind = read_retrieval_exptime(word, line, plain, request);
  }
  for (; kind == Word::kWord; kind = line.next(word)) {
    if (word.size() > limits::kMemcachedKeyBytes) [[unlikely]] {
      if (request.answer.empty()) request.answer = kBadFormat;
    }
    request.keys.push_back(word);
  }
  if (kind == Word::kIncomplete) [[unlikely]]
    return frame_unfinished_retrieval(begin, end, line, request);
  request.size = request.line_size = static_cast<size_t>(line.line_end() - begin);
  if (request.keys.empty() && request.answer.empty()) request.answer = "ERROR";
  if (!request.answer.empty()) [[unlikely]]
    return MemcachedStatus::kAnswered;
  // (a server that reads less of a longer "gat" at once hangs up on it)
  const bool short_enough =
      !takes_exptime(request.verb) || request.size <= limits::kMemcachedLineBytes;
  request.as_is = plain && line.plain() && short_enough;
  return MemcachedStatus::kComplete;
}

// --- storage ---

/// Something that strtol would take for a number.
bool looks_numeric(std::string_view word) {
  int64_t value = 0;
  bool plain = true;
  return read_signed(word, value, plain);
}

/// A storage line with too few or too many words. Its data block, if there is one, must not run as
/// commands: the server says ERROR and lets it.
MemcachedStatus refuse_word_count(const LineReader& line, size_t needed, TextRequest& request) {
  // An empty key, or one that holds spaces or NUL, moves the words: which one is the length?
  const bool shifted = line.has_gap() || line.has_nul() || request.words.size() > needed;
  if (shifted) return close_with(request, "ERROR");
  if (request.words.size() < 4) return answer_with(request, "ERROR");  // no length: no data
  bool plain = true;
  if (!read_value_size(request.words[3], request, plain)) return close_with(request, "ERROR");
  request.echoes = true;
  return swallow_with(request, "ERROR");
}

MemcachedStatus frame_storage(const char* begin, const char* end, const MemcachedLimits& limits,
                              const LineReader& line, TextRequest& request) {
  const std::vector<std::string_view>& words = request.words;
  const size_t needed = request.verb == TextVerb::kCas ? 5 : 4;
  const bool has_option = words.size() == needed + 1;
  if (words.size() != needed && !has_option) [[unlikely]] {
    return refuse_word_count(line, needed, request);
  }
  request.noreply = words.back() == "noreply";
  bool plain = line.plain() && !has_option;
  int64_t exptime = 0;
  uint64_t flags = 0;
  bool valid = words[0].size() <= limits::kMemcachedKeyBytes;
  valid &= read_unsigned(words[1], flags, plain);
  valid &= read_signed(words[2], exptime, plain);
  const bool has_size = read_value_size(words[3], request, plain);
  if (request.verb == TextVerb::kCas) valid &= read_unsigned(words[4], request.number, plain);
  // A key that holds a space moves the words by one: the server would take the length for its
  // ignored last word, and another word for the length. An empty key moves them the other way, and
  // then something is wrong with them.
  const bool shifted = (has_option && !request.noreply && looks_numeric(words.back())) ||
                       (!valid && (line.has_gap() || line.has_nul()));
  if (!has_size || shifted) [[unlikely]]
    return close_with(request, loud(request, kBadFormat));
  if (!valid) [[unlikely]] {
    request.echoes = !request.noreply;
    return swallow_with(request, loud(request, kBadFormat));
  }
  request.flags = static_cast<uint32_t>(flags);
  request.exptime = static_cast<int32_t>(exptime);
  request.as_is = plain && request.flags == flags && request.exptime == exptime;
  request.keys.push_back(words[0]);
  return frame_value(begin, end, limits, request);
}

// --- one line, no data ---

MemcachedStatus frame_delete(TextRequest& request) {
  const std::vector<std::string_view>& words = request.words;
  if (words.empty() || words.size() > 3) return answer_with(request, "ERROR");
  if (words.size() > 1) {
    const bool zero = words[1] == "0";
    request.noreply = words.back() == "noreply";
    const bool valid = words.size() == 2 ? zero || request.noreply : zero && request.noreply;
    if (!valid) {
      return answer_with(request, loud(request,
                                       "CLIENT_ERROR bad command line format.  "
                                       "Usage: delete <key> [noreply]"));
    }
    request.as_is = false;
  }
  if (words[0].size() > limits::kMemcachedKeyBytes) {
    return answer_with(request, loud(request, kBadFormat));
  }
  request.keys.push_back(words[0]);
  return MemcachedStatus::kComplete;
}

/// incr, decr, touch: a key and a number.
MemcachedStatus frame_key_and_number(TextRequest& request) {
  const std::vector<std::string_view>& words = request.words;
  if (words.size() != 2 && words.size() != 3) return answer_with(request, "ERROR");
  request.noreply = words.back() == "noreply";
  bool plain = words.size() == 2;
  if (words[0].size() > limits::kMemcachedKeyBytes) {
    return answer_with(request, loud(request, kBadFormat));
  }
  if (request.verb == TextVerb::kTouch) {
    int64_t exptime = 0;
    if (!read_signed(words[1], exptime, plain)) {
      return answer_with(request, loud(request, kBadExptime));
    }
    request.exptime = static_cast<int32_t>(exptime);
    plain &= request.exptime == exptime;
  } else if (!read_unsigned(words[1], request.number, plain)) {
    return answer_with(request, loud(request, "CLIENT_ERROR invalid numeric delta argument"));
  }
  request.as_is &= plain;
  request.keys.push_back(words[0]);
  return MemcachedStatus::kComplete;
}

MemcachedStatus frame_flush_all(TextRequest& request) {
  const std::vector<std::string_view>& words = request.words;
  if (words.size() > 2) return answer_with(request, "ERROR");
  request.noreply = !words.empty() && words.back() == "noreply";
  int64_t exptime = 0;
  if (words.size() != (request.noreply ? 1 : 0)) {
    bool plain = true;
    if (!read_signed(words[0], exptime, plain)) {
      return answer_with(request, loud(request, kBadExptime));
    }
    request.has_exptime = true;
    request.as_is &= plain && words.size() == 1;
  }
  request.exptime = static_cast<int32_t>(exptime);
  request.as_is &= !request.noreply && request.exptime == exptime;
  return MemcachedStatus::kComplete;
}

MemcachedStatus frame_verbosity(TextRequest& request) {
  const std::vector<std::string_view>& words = request.words;
  if (words.empty() || words.size() > 2) return answer_with(request, "ERROR");
  request.noreply = words.back() == "noreply";
  bool plain = words.size() == 1;
  if (!read_unsigned(words[0], request.number, plain)) {
    return answer_with(request, loud(request, kBadFormat));
  }
  const uint64_t level = static_cast<uint32_t>(request.number);
  request.as_is &= plain && level == request.number;
  request.number = level;
  return MemcachedStatus::kComplete;
}

MemcachedStatus frame_stats(TextRequest& request) {
  if (request.words.empty()) return MemcachedStatus::kComplete;
  const std::string_view topic = request.words[0];
  // These two list one STAT without an END: whoever waits for it on a shared connection waits for
  // ever.
  if (topic == "sizes_enable" || topic == "sizes_disable") return answer_with(request, "ERROR");
  // Lists raw keys, and a key that came in base64 or by the binary protocol may hold a line end.
  if (topic == "cachedump") {
    return answer_with(request, "CLIENT_ERROR stats cachedump not allowed");
  }
  return MemcachedStatus::kComplete;
}

MemcachedStatus frame_admin(std::string_view verb, TextRequest& request) {
  const bool listens =
      verb != "lru_crawler" &&
      (verb != "slabs" || (!request.words.empty() && request.words[0] == "automove"));
  // The last one counts, and what is passed on must not end with another.
  while (listens && !request.words.empty() && request.words.back() == "noreply") {
    request.noreply = true;
    request.words.pop_back();
  }
  request.as_is &= !request.noreply;
  request.words.insert(request.words.begin(), verb);
  return MemcachedStatus::kComplete;
}

MemcachedStatus frame_line(const char* begin, const char* end, const MemcachedLimits& limits,
                           const LineReader& line, std::string_view verb, TextRequest& request) {
  request.as_is = line.plain();
  switch (request.verb) {
    case TextVerb::kSet:
    case TextVerb::kAdd:
    case TextVerb::kReplace:
    case TextVerb::kAppend:
    case TextVerb::kPrepend:
    case TextVerb::kCas: return frame_storage(begin, end, limits, line, request);
    case TextVerb::kIncr:
    case TextVerb::kDecr:
    case TextVerb::kTouch: return frame_key_and_number(request);
    case TextVerb::kDelete: return frame_delete(request);
    case TextVerb::kMetaGet:
    case TextVerb::kMetaDelete:
    case TextVerb::kMetaArithmetic: return frame_meta(request);
    case TextVerb::kMetaSet: return frame_meta_set(begin, end, limits, line, request);
    case TextVerb::kMetaDebug: return frame_meta_debug(request);
    case TextVerb::kFlushAll: return frame_flush_all(request);
    case TextVerb::kVerbosity: return frame_verbosity(request);
    case TextVerb::kStats: return frame_stats(request);
    case TextVerb::kAdmin: return frame_admin(verb, request);
    case TextVerb::kUnknown: {
      const std::string_view last = request.words.empty() ? verb : request.words.back();
      // The server hangs up on a browser, unless the first letter already told it what to expect.
      const bool known_letter = std::string_view("acdgist").find(verb[0]) != verb.npos ||
                                (verb[0] == 'm' && verb.size() == 2);
      if (last.starts_with("HTTP/") && !known_letter) return close_with(request, {});
      return answer_with(request, "ERROR");
    }
    default:  // version, quit, shutdown, mn: whatever follows
      request.as_is &= request.words.empty();
      return MemcachedStatus::kComplete;
  }
}

}  // namespace

MemcachedStatus frame_value(const char* begin, const char* end, const MemcachedLimits& limits,
                            TextRequest& request) {
  const int64_t value_size = request.value_size;
  if (value_size > limits.value) [[unlikely]] {
    return swallow_with(request, loud(request, "SERVER_ERROR object too large for cache"));
  }
  if (request.line_size + static_cast<size_t>(value_size) + 2 > limits::kReadBytes) {
    return MemcachedStatus::kLarge;
  }
  const char* tail = begin + request.line_size + value_size;
  const int64_t at_tail = end - tail;  // negative: the value itself is not here yet
  if ((at_tail > 0 && tail[0] != '\r') || (at_tail > 1 && tail[1] != '\n')) [[unlikely]] {
    // The server would look for a command behind these two bytes.
    return close_with(request, loud(request, "CLIENT_ERROR bad data chunk"));
  }
  if (at_tail < 2) return MemcachedStatus::kIncomplete;
  request.size = request.line_size + static_cast<size_t>(value_size) + 2;
  return MemcachedStatus::kComplete;
}

namespace {

/// "get <key>" in its plain form, what most traffic is. False: look closer.
inline bool frame_plain_get(const char* begin, const char* end, TextRequest& request) {
  if (end - begin < 8 || !are(begin, "get ")) return false;
  const char* key = begin + 4;
  const char* stop = find_blank(begin, key, end);
  const size_t size = static_cast<size_t>(stop - key);
  if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n') return false;
  if (size - 1 >= limits::kMemcachedKeyBytes) return false;  // (none at all, too)
  request.verb = TextVerb::kGet;
  request.as_is = true;
  request.keys.emplace_back(key, size);
  request.size = request.line_size = size + 6;
  return true;
}

/// "set <key> <flags> <exptime> <bytes>" in its plain form. False: look closer.
inline bool frame_plain_set_line(const char* begin, const char* end, TextRequest& request) {
  if (end - begin < 8 || !are(begin, "set ")) return false;
  const char* key = begin + 4;
  const char* p = find_blank(begin, key, end);
  const size_t size = static_cast<size_t>(p - key);
  uint64_t numbers[3];
  for (uint64_t& number : numbers) {
    if (p == end || *p != ' ') return false;
    const char* digits = ++p;
    if (!read_digits(p, end, number) || number > INT32_MAX - 2) return false;
    if (*digits == '0' && p - digits > 1) return false;
  }
  if (end - p < 2 || p[0] != '\r' || p[1] != '\n') return false;
  if (size - 1 >= limits::kMemcachedKeyBytes) return false;
  request.verb = TextVerb::kSet;
  request.as_is = true;
  request.keys.emplace_back(key, size);
  request.flags = static_cast<uint32_t>(numbers[0]);
  request.exptime = static_cast<int32_t>(numbers[1]);
  request.value_size = static_cast<int64_t>(numbers[2]);
  request.size = request.line_size = static_cast<size_t>(p + 2 - begin);
  return true;
}

}  // namespace

MemcachedStatus frame_text_request(const char* begin, const char* end,
                                   const MemcachedLimits& limits, TextRequest& request) {
  reset(request);
  if (frame_plain_get(begin, end, request)) return MemcachedStatus::kComplete;
  if (frame_plain_set_line(begin, end, request)) return frame_value(begin, end, limits, request);
  LineReader line(begin, end);
  std::string_view verb;
  Word kind = line.next(verb);
  bool is_cut = false;  // words beyond the last that counts are not passed on
  if (kind == Word::kWord) [[likely]] {
    request.verb = verb_named(verb);
    if (is_retrieval(request.verb)) {
      const MemcachedStatus status = frame_retrieval(begin, end, line, request);
      if (verb.front() == 'b') request.as_is = false;  // bget
      return status;
    }
    std::string_view word;
    while ((kind = line.next(word)) == Word::kWord) {
      is_cut = request.words.size() == limits::kMemcachedTokens - 2;
      if (!is_cut) request.words.push_back(word);
    }
  }
  const char* parsed = kind == Word::kLineEnd ? line.line_end() - 1 : end;
  if (static_cast<size_t>(parsed - begin) > limits::kMemcachedLineBytes) [[unlikely]] {
    return line_too_long(request);
  }
  if (kind == Word::kIncomplete) return MemcachedStatus::kIncomplete;
  request.size = request.line_size = static_cast<size_t>(line.line_end() - begin);
  if (verb.size() < 2) [[unlikely]]
    return answer_with(request, "ERROR");
  const MemcachedStatus status = frame_line(begin, end, limits, line, verb, request);
  request.as_is = request.as_is && !is_cut;
  return status;
}

std::string_view admin_refusal(const TextRequest& request) {
  if (request.verb == TextVerb::kShutdown) return "ERROR: shutdown not enabled";
  const std::string_view verb = request.words.front();
  if (verb == "watch") return "CLIENT_ERROR watch commands not allowed";
  if (verb == "lru_crawler") return "CLIENT_ERROR lru crawler disabled";
  if (verb == "refresh_certs") return "Error TLS not enabled";
  const bool reassigns = request.words.size() > 1 && request.words[1] == "reassign";
  if (verb == "slabs" && reassigns) return "CLIENT_ERROR slab reassignment disabled";
  return "ERROR";
}

// --- what a backend gets ---

void append_retrieval(const TextRequest& request, std::string& out) {
  out += name_of(request.verb);
  if (takes_exptime(request.verb)) {
    out += ' ';
    append_number(out, int64_t{request.exptime});
  }
}

namespace {

void append_words(std::string& out, const std::vector<std::string_view>& words) {
  for (const std::string_view word : words) (out += ' ') += word;
}

void append_classic(const TextRequest& request, std::string& out) {
  out += name_of(request.verb);
  switch (request.verb) {
    case TextVerb::kSet:
    case TextVerb::kAdd:
    case TextVerb::kReplace:
    case TextVerb::kAppend:
    case TextVerb::kPrepend:
    case TextVerb::kCas:
      (out += ' ') += request.key();
      append_number(out += ' ', uint64_t{request.flags});
      append_number(out += ' ', int64_t{request.exptime});
      append_number(out += ' ', request.value_size);
      if (request.verb == TextVerb::kCas) append_number(out += ' ', request.number);
      break;
    case TextVerb::kIncr:
    case TextVerb::kDecr:
      (out += ' ') += request.key();
      append_number(out += ' ', request.number);
      break;
    case TextVerb::kTouch:
      (out += ' ') += request.key();
      append_number(out += ' ', int64_t{request.exptime});
      break;
    case TextVerb::kDelete: (out += ' ') += request.key(); break;
    case TextVerb::kFlushAll:
      if (request.has_exptime) append_number(out += ' ', int64_t{request.exptime});
      break;
    case TextVerb::kVerbosity: append_number(out += ' ', request.number); break;
    case TextVerb::kStats: append_words(out, request.words); break;
    default: break;  // version, quit, shutdown: nothing else counts
  }
}

}  // namespace

void append_canonical(const TextRequest& request, std::string& out) {
  if (is_retrieval(request.verb)) {
    append_retrieval(request, out);
    append_words(out, request.keys);
  } else if (is_meta(request.verb)) {
    append_canonical_meta(name_of(request.verb), request, out);
  } else if (request.verb == TextVerb::kAdmin) {
    for (const std::string_view word : request.words) {
      (out += word.data() == request.words[0].data() ? "" : " ") += word;
    }
  } else {
    append_classic(request, out);
  }
  out += "\r\n";
}

// --- what is too large to be held ---

TextDataScanner::Progress TextDataScanner::feed(const char* begin, const char* end) {
  Progress progress;
  const int64_t part = std::min<int64_t>(left_, end - begin);
  progress.value = static_cast<size_t>(std::clamp<int64_t>(left_ - 2, 0, part));
  progress.consumed = progress.value;
  left_ -= static_cast<int64_t>(progress.value);
  while (left_ > 0 && left_ <= 2 && begin + progress.consumed < end) {
    if (begin[progress.consumed] != (left_ == 2 ? '\r' : '\n')) {
      progress.broken = true;
      return progress;
    }
    ++progress.consumed;
    --left_;
  }
  progress.done = left_ == 0;
  return progress;
}

TextKeyScanner::TextKeyScanner(const TextRequest& request)
    : answer_(request.answer),
      answer_without_keys_(answer_without_keys(request.verb)),
      found_(!request.keys.empty()),
      skips_(!request.answer.empty()) {}

TextKeyScanner::Progress TextKeyScanner::skip_to_line_end(const char* begin, const char* p,
                                                          const char* end) {
  skips_ = true;
  Progress progress;
  const void* newline = std::memchr(p, '\n', static_cast<size_t>(end - p));
  progress.done = newline != nullptr;
  const char* stop = progress.done ? static_cast<const char*>(newline) + 1 : end;
  progress.consumed = static_cast<size_t>(stop - begin);
  if (progress.done) progress.answer = answer_.empty() && !found_ ? answer_without_keys_ : answer_;
  return progress;
}

TextKeyScanner::Progress TextKeyScanner::feed(const char* begin, const char* end,
                                              std::vector<std::string_view>& keys) {
  const char* p = begin;
  while (!skips_) {
    while (p < end && *p == ' ') ++p;
    LineReader line(p, end);
    std::string_view key;
    switch (line.next(key)) {
      case Word::kWord:
        if (key.size() > limits::kMemcachedKeyBytes) {
          answer_ = kBadFormat;
          skips_ = true;
          break;
        }
        keys.push_back(key);
        found_ = true;
        p = key.data() + key.size();
        break;
      case Word::kLineEnd: return skip_to_line_end(begin, line.line_end() - 1, end);
      case Word::kIncomplete: {
        const bool ends = p < end && *p == '\0';  // the line is over, its newline is to come
        if (!ends && !is_hopeless(p, end)) {
          return Progress{.consumed = static_cast<size_t>(p - begin), .done = false, .answer = {}};
        }
        if (!ends) answer_ = kBadFormat;
        skips_ = true;
        break;
      }
    }
  }
  return skip_to_line_end(begin, p, end);
}

}  // namespace quorate::wire
