#include "backends/wire/memcached_line.h"

#include <charconv>

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
Digits read_digits(std::string_view word) {
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

/// Up to 18 digits and nothing else, by far the most common.
inline bool read_short(std::string_view word, uint64_t& value, bool& plain) {
  if (word.empty() || word.size() > 18) return false;
  uint64_t number = 0;
  for (const char c : word) {
    const unsigned digit = static_cast<unsigned>(c - '0');
    if (digit > 9) return false;
    number = number * 10 + digit;
  }
  if (word[0] == '0' && word.size() > 1) plain = false;
  value = number;
  return true;
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

bool read_signed(std::string_view word, int64_t& value, bool& plain) {
  uint64_t number = 0;
  if (read_short(word, number, plain)) {
    value = static_cast<int64_t>(number);
    return true;
  }
  const Digits digits = read_digits(word);
  const uint64_t most = static_cast<uint64_t>(INT64_MAX) + (digits.negative ? 1 : 0);
  if (!digits.found || digits.overflow || digits.magnitude > most) return false;
  value = static_cast<int64_t>(digits.negative ? 0 - digits.magnitude : digits.magnitude);
  if (!is_shortest(word, value)) plain = false;
  return true;
}

bool read_unsigned(std::string_view word, uint64_t& value, bool& plain) {
  if (read_short(word, value, plain)) return true;
  const Digits digits = read_digits(word);
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
