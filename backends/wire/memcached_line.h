// A memcached command line, word by word, and its numbers, read as memcached 1.6.18 reads them.
//
// The server cuts a line at the first NUL, ends it at LF (a CR in front goes too), and takes
// anything but a space for a part of a word. Its numbers are strtol's: blanks in front, a sign,
// anything behind a blank. All of this is understood, and noted as not plain, so that it is never
// passed on as it came. Internal to the memcached codecs of this folder.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace quorate::wire {

/// The first byte of [p, end) that is a space or a control character (<= 0x20); `end` if none is.
/// `begin` <= p is where readable bytes begin: the last eight are then read at once, too.
inline const char* find_blank(const char* begin, const char* p, const char* end) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t kHighs = 0x8080808080808080u;
  uint64_t word;
  while (end - p >= 8) {
    std::memcpy(&word, p, sizeof(word));
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    // Exact for the lowest byte that is found, which is the one that counts.
    const uint64_t found = (word - kOnes * 0x21) & ~word & kHighs;
    if (found != 0) return p + (std::countr_zero(found) >> 3);
    p += 8;
  }
  if (end - begin >= 8 && p < end) [[likely]] {
    std::memcpy(&word, end - 8, sizeof(word));
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    word >>= 8 * (8 - (end - p));  // the zeros that come in stand for the end
    const uint64_t found = (word - kOnes * 0x21) & ~word & kHighs;
    return p + (std::countr_zero(found) >> 3);
  }
  while (p<end&& static_cast<unsigned char>(*p)> ' ') ++p;
  return p;
}

/// Are the bytes at `p` this literal? REQUIRES: as many are there. A few loads and no call.
template <size_t kSize>
inline bool are(const char* p, const char (&literal)[kSize]) {
  return std::memcmp(p, literal, kSize - 1) == 0;
}

enum class Word : uint8_t {
  kWord,
  kLineEnd,
  kIncomplete,  ///< the line goes on behind the bytes that are here
};

class LineReader {
 public:
  LineReader(const char* begin, const char* end)
      : begin_(begin), at_(begin), end_(end), word_begin_(begin) {}

  [[gnu::always_inline]] Word next(std::string_view& word) {
    const char* start = at_;
    if (start != begin_) {  // then it stands at what ended the word before
      if (*start != ' ') {
        if (!ends_line(start)) return next_unusual(word);
        word_begin_ = start;
        at_ = start + 2;
        return Word::kLineEnd;
      }
      ++start;
    }
    const char* stop = find_blank(begin_, start, end_);
    if (start == stop || stop == end_ || (*stop != ' ' && !ends_line(stop))) [[unlikely]] {
      return next_unusual(word);
    }
    word_begin_ = start;
    at_ = stop;
    word = std::string_view(start, static_cast<size_t>(stop - start));
    return Word::kWord;
  }

  /// Behind the line end. REQUIRES: next() said kLineEnd.
  const char* line_end() const { return at_; }
  /// Where the word begins that next() looked at last: after kIncomplete, what must be kept.
  const char* word_begin() const { return word_begin_; }
  bool plain() const { return plain_; }
  /// There was an empty word: more than one space in front of a word.
  bool has_gap() const { return gaps_; }
  bool has_nul() const { return nul_; }

 private:
  bool ends_line(const char* at) const { return at + 1 < end_ && at[0] == '\r' && at[1] == '\n'; }
  /// Everything but a plain word: the line's end, too.
  Word next_unusual(std::string_view& word);
  Word end_line(const char* stop);

  const char* begin_;
  const char* at_;
  const char* end_;
  const char* word_begin_;
  bool plain_ = true;
  bool gaps_ = false;
  bool nul_ = false;
};

/// Reads digits, at least one and at most eighteen, from p on and moves it behind them.
inline bool read_digits(const char*& p, const char* end, uint64_t& value) {
  const char* stop = end - p > 18 ? p + 18 : end;
  const char* at = p;
  uint64_t number = 0;
  for (; at < stop; ++at) {
    const unsigned digit = static_cast<unsigned>(*at - '0');
    if (digit > 9) break;
    number = number * 10 + digit;
  }
  value = number;
  const bool found = at != p;
  p = at;
  return found;
}

bool read_unusual_signed(std::string_view word, int64_t& value, bool& plain);
bool read_unusual_unsigned(std::string_view word, uint64_t& value, bool& plain);

/// Up to eighteen digits and nothing else, by far the most common.
inline bool read_plain(std::string_view word, uint64_t& value) {
  const char* p = word.data();
  const char* end = p + word.size();
  return read_digits(p, end, value) && p == end && (word[0] != '0' || word.size() == 1);
}

/// Reads a number as strtol does, with at least one digit. False: not a number, or out of 64 bits.
/// Clears `plain` unless the word is the shortest way to write it.
inline bool read_signed(std::string_view word, int64_t& value, bool& plain) {
  uint64_t number = 0;
  if (!read_plain(word, number)) return read_unusual_signed(word, value, plain);
  value = static_cast<int64_t>(number);
  return true;
}
/// The same as strtoull, with memcached's rule that a negative number is none.
inline bool read_unsigned(std::string_view word, uint64_t& value, bool& plain) {
  return read_plain(word, value) || read_unusual_unsigned(word, value, plain);
}

void append_number(std::string& out, int64_t value);
void append_number(std::string& out, uint64_t value);

}  // namespace quorate::wire
