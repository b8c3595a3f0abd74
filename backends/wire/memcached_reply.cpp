#include "backends/wire/memcached_reply.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "consensus/base/assert.h"

namespace quorate::wire {

namespace {

/// The words of a reply line are parted by exactly one space. Takes one from the front of `line`.
std::string_view take_word(std::string_view& line) {
  const size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

/// Digits and nothing else. Negative: not a length.
int64_t read_length(std::string_view digits) {
  int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  const bool valid = error == std::errc{} && stop == end && value <= INT32_MAX;
  return valid && digits[0] != '-' ? value : -1;
}

bool is_error(std::string_view line) {
  return line.starts_with("SERVER_ERROR") || line.starts_with("CLIENT_ERROR") ||
         line.starts_with("ERROR");
}

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

}  // namespace

TextReplyKind classify_text_reply(std::string_view line) {
  if (line.size() > 2 && (line[2] == ' ' || line[2] == '\r')) {
    return classify_meta(line[0], line[1]);
  }
  if (line.starts_with("VALUE ")) return TextReplyKind::kValues;
  if (line.starts_with("END\r")) return TextReplyKind::kEnd;
  if (line.starts_with("STAT ") || line.starts_with("ITEM ") || line.starts_with("PREFIX ")) {
    return TextReplyKind::kStats;
  }
  return is_error(line) ? TextReplyKind::kError : TextReplyKind::kOther;
}

bool TextReplyScanner::expect_data(std::string_view length) {
  const int64_t size = length.empty() ? -1 : read_length(length);
  if (size < 0) return false;
  data_left_ = size + 2;
  return true;
}

/// A line of a list, its first one too.
TextReplyScanner::Step TextReplyScanner::read_list_line(std::string_view line) {
  if (line == "END\r" || is_error(line)) return Step::kDone;
  if (kind_ == TextReplyKind::kStats) {
    return classify_text_reply(line) == TextReplyKind::kStats ? Step::kGoOn : Step::kBroken;
  }
  line.remove_suffix(1);
  if (take_word(line) != "VALUE" || take_word(line).empty()) return Step::kBroken;
  take_word(line);  // the client's flags
  return expect_data(take_word(line)) ? Step::kGoOn : Step::kBroken;
}

/// `line` ends with its CR.
TextReplyScanner::Step TextReplyScanner::read_line(std::string_view line) {
  if (!first_) return read_list_line(line);
  first_ = false;
  kind_ = classify_text_reply(line);
  switch (kind_) {
    case TextReplyKind::kValues:
    case TextReplyKind::kStats: return read_list_line(line);
    case TextReplyKind::kMetaValue: {
      line.remove_suffix(1);
      take_word(line);
      return expect_data(take_word(line)) ? Step::kGoOn : Step::kBroken;
    }
    default: return Step::kDone;
  }
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
    p = newline + 1;
    progress.consumed = static_cast<size_t>(p - begin);
    progress.done = step == Step::kDone;
    progress.broken = step == Step::kBroken;
    if (step != Step::kGoOn) return progress;
  }
}

bool hides_reply(const TextRequest& request, TextReplyKind kind) {
  if (request.noreply) return true;
  if (!request.quiet) return false;
  switch (request.verb) {
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
  std::string_view line = rest_.substr(0, newline - 1);
  take_word(line);
  block.key = take_word(line);
  take_word(line);
  const int64_t length = read_length(take_word(line));
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
