#include "backends/wire/memcached_reply.h"

#include <algorithm>
#include <cstring>

#include "backends/wire/memcached_line.h"
#include "consensus/base/assert.h"

namespace quorate::wire {

namespace {

/// Moves `p` behind the word at `p` and the one space that follows. False: nothing follows.
bool skip_word(const char*& p, const char* end) {
  while (p < end && *p != ' ')
    p = find_blank(p, p + 1, end);  // (control characters are the word's)
  if (p == end) return false;
  ++p;
  return true;
}

/// A length at `p`, then the line's end or a space. Negative: none.
int64_t read_length(const char* p, const char* end) {
  const char* digits = p;
  uint64_t value = 0;
  if (!read_digits(p, end, value) || value > INT32_MAX) return -1;
  if (p != end && *p != ' ') return -1;
  return *digits == '0' && p - digits > 1 ? -1 : static_cast<int64_t>(value);
}

/// The length in "VALUE <key> <flags> <bytes>[ <cas>]". Negative: it is no such line.
int64_t read_value_line(std::string_view line, std::string_view& key) {
  const char* p = line.data() + 6;  // "VALUE "
  const char* end = line.data() + line.size();
  const char* begin = p;
  if (!skip_word(p, end) || p - begin < 2) return -1;
  key = {begin, static_cast<size_t>(p - 1 - begin)};
  if (!skip_word(p, end)) return -1;
  return read_length(p, end);
}

/// Two letters and no more, the way meta replies begin.
TextReplyKind classify_meta(char first, char second) {
  switch (first << 8 | second) {
    case 'V' << 8 | 'A': return TextReplyKind::kMetaValue;
    case 'H' << 8 | 'D':
    case 'O' << 8 | 'K': return TextReplyKind::kMetaDone;
    case 'E' << 8 | 'N': return TextReplyKind::kMetaMiss;
    case 'N' << 8 | 'S': return TextReplyKind::kMetaNotStored;
    case 'E' << 8 | 'X': return TextReplyKind::kMetaExists;
    case 'N' << 8 | 'F': return TextReplyKind::kMetaNotFound;
    case 'M' << 8 | 'N': return TextReplyKind::kMetaNoop;
    case 'M' << 8 | 'E': return TextReplyKind::kMetaDebug;
    default: return TextReplyKind::kOther;
  }
}

/// All that a server says begins with a word in capitals or a number.
bool begins_as_reply(std::string_view line) {
  return (line[0] >= 'A' && line[0] <= 'Z') || (line[0] >= '0' && line[0] <= '9');
}

template <size_t kSize>
bool begins(std::string_view line, const char (&beginning)[kSize]) {
  return line.size() >= kSize - 1 && are(line.data(), beginning);
}

}  // namespace

TextReplyKind classify_text_reply(std::string_view line) {
  if (line.size() < 3) return TextReplyKind::kOther;
  if (line[2] == ' ' || line[2] == '\r') return classify_meta(line[0], line[1]);
  switch (line[0]) {
    case 'V':
      if (begins(line, "VALUE ")) return TextReplyKind::kValues;
      break;
    case 'E':
      if (begins(line, "END\r")) return TextReplyKind::kEnd;
      if (begins(line, "ERROR")) return TextReplyKind::kError;
      break;
    case 'S':
      if (begins(line, "STAT ")) return TextReplyKind::kStats;
      if (begins(line, "SERVER_ERROR")) return TextReplyKind::kError;
      break;
    case 'C':
      if (begins(line, "CLIENT_ERROR")) return TextReplyKind::kError;
      break;
    case 'I':
      if (begins(line, "ITEM ")) return TextReplyKind::kStats;
      break;
    case 'P':
      if (begins(line, "PREFIX ")) return TextReplyKind::kStats;
      break;
    default: break;
  }
  return TextReplyKind::kOther;
}

TextReplyScanner::Step TextReplyScanner::expect_data(int64_t size) {
  data_left_ = size + 2;
  return size < 0 ? Step::kBroken : Step::kGoOn;
}

TextReplyScanner::Step TextReplyScanner::read_line(std::string_view line) {
  const TextReplyKind kind = classify_text_reply(line);
  if (first_) kind_ = kind;
  if (kind == TextReplyKind::kEnd || kind == TextReplyKind::kError) return Step::kDone;
  if (kind != kind_) return Step::kBroken;  // in a list only more of the same may follow
  line.remove_suffix(1);
  std::string_view key;
  switch (kind) {
    case TextReplyKind::kValues: return expect_data(read_value_line(line, key));
    case TextReplyKind::kStats: return Step::kGoOn;
    case TextReplyKind::kMetaValue:
      return expect_data(line.size() < 4 ? -1
                                         : read_length(line.data() + 3, line.data() + line.size()));
    case TextReplyKind::kOther: return begins_as_reply(line) ? Step::kDone : Step::kBroken;
    default: return Step::kDone;
  }
}

/// "VALUE <key> <flags> <bytes>[ <cas>]", all of it here and nothing odd: read without looking for
/// the line's end first. False: look closer.
bool TextReplyScanner::read_plain_value_line(const char*& p, const char* end) {
  if (end - p < 8 || !are(p, "VALUE ")) return false;
  const char* key = p + 6;
  const char* at = find_blank(p, key, end);
  if (at == key || end - at < 4 || *at != ' ') return false;
  uint64_t ignored = 0;
  uint64_t size = 0;
  if (!read_digits(++at, end, ignored) || at == end || *at != ' ') return false;
  const char* digits = ++at;
  if (!read_digits(at, end, size) || size > INT32_MAX) return false;
  if (*digits == '0' && at - digits > 1) return false;
  if (at < end && *at == ' ' && !read_digits(++at, end, ignored)) return false;
  if (end - at < 2 || !are(at, "\r\n")) return false;
  p = at + 2;
  data_left_ = static_cast<int64_t>(size) + 2;
  return true;
}

bool TextReplyScanner::read_data(const char*& p, const char* end) {
  const int64_t part = std::min<int64_t>(std::max<int64_t>(data_left_ - 2, 0), end - p);
  p += part;
  data_left_ -= part;
  while (data_left_ > 0 && data_left_ <= 2 && p < end) {
    if (*p != (data_left_ == 2 ? '\r' : '\n')) return false;
    ++p;
    --data_left_;
  }
  return true;
}

TextReplyScanner::Progress TextReplyScanner::feed(const char* begin, const char* end) {
  Progress progress;
  const char* p = begin;
  while (true) {
    if (data_left_ > 0) {
      progress.broken = !read_data(p, end);
      progress.consumed = static_cast<size_t>(p - begin);
      if (progress.broken || data_left_ > 0) return progress;
      if (kind_ == TextReplyKind::kMetaValue) {
        progress.done = true;
        return progress;
      }
    }
    const bool lists_values = first_ || kind_ == TextReplyKind::kValues;
    if (lists_values && read_plain_value_line(p, end)) {
      first_ = false;
      kind_ = TextReplyKind::kValues;
      continue;
    }
    const size_t available = std::min(static_cast<size_t>(end - p), limits::kReadBytes);
    const void* found = available == 0 ? nullptr : std::memchr(p, '\n', available);
    if (found == nullptr) {
      progress.broken = available == limits::kReadBytes;
      return progress;
    }
    const char* newline = static_cast<const char*>(found);
    if (newline < p + 2 || newline[-1] != '\r') {  // (no reply has an empty line)
      progress.broken = true;
      return progress;
    }
    const Step step = read_line(std::string_view(p, static_cast<size_t>(newline - p)));
    first_ = false;
    p = newline + 1;
    progress.consumed = static_cast<size_t>(p - begin);
    progress.done = step == Step::kDone;
    progress.broken = step == Step::kBroken;
    if (step != Step::kGoOn) return progress;
  }
}

bool hides_reply(const TextRequest& request, TextReplyKind kind) {
  return request.noreply || (request.quiet && hides_quiet_reply(request.verb, kind));
}

bool hides_quiet_reply(TextVerb verb, TextReplyKind kind) {
  switch (verb) {
    case TextVerb::kMetaGet: return kind == TextReplyKind::kMetaMiss;
    case TextVerb::kMetaSet:
    case TextVerb::kMetaDelete: return kind == TextReplyKind::kMetaDone;
    case TextVerb::kMetaArithmetic:
      return kind == TextReplyKind::kMetaDone || kind == TextReplyKind::kMetaValue;
    default: return false;
  }
}

bool ValueCursor::next(ValueBlock& block) {
  if (!rest_.starts_with("VALUE ")) return false;
  const size_t newline = rest_.find('\n');
  ASSERT(newline != std::string_view::npos);
  const int64_t length = read_value_line(rest_.substr(0, newline - 1), block.key);
  ASSERT(length >= 0 && newline + 1 + static_cast<size_t>(length) + 2 <= rest_.size());
  const size_t size = newline + 1 + static_cast<size_t>(length) + 2;
  block.bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

void append_text_unavailable(std::string_view address, std::string& out) {
  ((out += "SERVER_ERROR backend ") += address) += " unavailable\r\n";
}

void append_text_indeterminate(std::string_view address, std::string& out) {
  ((out += "SERVER_ERROR INDETERMINATE backend ") += address) += ": outcome unknown\r\n";
}

}  // namespace quorate::wire
