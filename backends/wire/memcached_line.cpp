#include "backends/wire/memcached_line.h"

#include <charconv>
#include <cstring>

namespace quorate::wire {

namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Digits {
  bool found = false;
  bool overflow = false;
  bool negative = false;
  uint64_t magnitude = 0;
};

/// "[blanks][sign]digits", then the end or a blank and anything.
Digits read_any_digits(std::string_view word) {
  Digits digits;
  size_t at = 0;
  while (at < word.size() && is_space(word[at])) ++at;
  if (at < word.size() && (word[at] == '-' || word[at] == '+')) digits.negative = word[at++] == '-';
  for (; at < word.size() && is_digit(word[at]); ++at) {
    const uint64_t digit = static_cast<uint64_t>(word[at] - '0');
    digits.found = true;
    if (digits.magnitude > (UINT64_MAX - digit) / 10) digits.overflow = true;
    digits.magnitude = digits.magnitude * 10 + digit;
  }
  if (at < word.size() && !is_space(word[at])) digits.found = false;
  return digits;
}

template <class Integer>
void append_any(std::string& out, Integer value) {
  char digits[24];
  const auto [stop, error] = std::to_chars(digits, digits + sizeof(digits), value);
  out.append(digits, stop);
}

template <class Integer>
bool is_shortest(std::string_view word, Integer value) {
  char digits[24];
  const auto [stop, error] = std::to_chars(digits, digits + sizeof(digits), value);
  return word == std::string_view(digits, static_cast<size_t>(stop - digits));
}

}  // namespace

Word LineReader::end_line(const char* stop) {
  const char* line_end = stop + 1;
  if (*stop == '\r') {
    line_end = stop + 2;
  } else {
    plain_ = false;
  }
  if (*stop == '\0') {
    nul_ = true;
    line_end = static_cast<const char*>(std::memchr(stop, '\n', static_cast<size_t>(end_ - stop)));
    if (line_end == nullptr) return Word::kIncomplete;
    ++line_end;
  }
  if (stop != at_) plain_ = false;  // spaces at the end
  at_ = line_end;
  return Word::kLineEnd;
}

Word LineReader::next_unusual(std::string_view& word) {
  const char* start = at_;
  while (start < end_ && *start == ' ') ++start;
  word_begin_ = start;
  const char* stop = find_blank(begin_, start, end_);
  while (true) {
    if (stop == end_) return Word::kIncomplete;
    if (*stop == ' ' || *stop == '\n' || *stop == '\0') break;
    if (*stop == '\r') {
      if (stop + 1 == end_) return Word::kIncomplete;
      if (stop[1] == '\n') break;
    }
    plain_ = false;  // the server takes a control character for a part of the word
    stop = find_blank(begin_, stop + 1, end_);
  }
  if (start == stop) return end_line(stop);
  const bool gap = start - at_ != (at_ == begin_ ? 0 : 1);
  plain_ &= !gap;
  gaps_ |= gap;
  at_ = stop;
  word = std::string_view(start, static_cast<size_t>(stop - start));
  return Word::kWord;
}

bool read_unusual_signed(std::string_view word, int64_t& value, bool& plain) {
  const Digits digits = read_any_digits(word);
  const uint64_t most = static_cast<uint64_t>(INT64_MAX) + (digits.negative ? 1 : 0);
  if (!digits.found || digits.overflow || digits.magnitude > most) return false;
  value = static_cast<int64_t>(digits.negative ? 0 - digits.magnitude : digits.magnitude);
  if (!is_shortest(word, value)) plain = false;
  return true;
}

bool read_unusual_unsigned(std::string_view word, uint64_t& value, bool& plain) {
  const Digits digits = read_any_digits(word);
  if (!digits.found || digits.overflow) return false;
  value = digits.negative ? 0 - digits.magnitude : digits.magnitude;
  // The server looks for a '-' anywhere in the word, and only if the number has its top bit set.
  if (static_cast<int64_t>(value) < 0 && word.find('-') != std::string_view::npos) return false;
  if (!is_shortest(word, value)) plain = false;
  return true;
}

void append_number(std::string& out, int64_t value) { append_any(out, value); }
void append_number(std::string& out, uint64_t value) { append_any(out, value); }

}  // namespace quorate::wire
