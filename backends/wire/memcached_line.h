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
inline const char* find_blank(const char* p, const char* end) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t kHighs = 0x8080808080808080u;
  while (end - p >= 8) {
    uint64_t word;
    std::memcpy(&word, p, sizeof(word));
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    // Exact for the lowest byte that is found, which is the one that counts.
    const uint64_t found = (word - kOnes * 0x21) & ~word & kHighs;
    if (found != 0) return p + (std::countr_zero(found) >> 3);
    p += 8;
  }
  while (p<end&& static_cast<unsigned char>(*p)> ' ') ++p;
  return p;
}

enum class Word : uint8_t {
  kWord,
  kLineEnd,
  kIncomplete,  ///< the line goes on behind the bytes that are here
};

class LineReader {
 public:
  LineReader(const char* begin, const char* end) : at_(begin), end_(end), word_begin_(begin) {}

  Word next(std::string_view& word) {
    const char* start = at_;
    while (start < end_ && *start == ' ') ++start;
    word_begin_ = start;
    const char* stop = find_blank(start, end_);
    while (true) {
      if (stop == end_) return Word::kIncomplete;
      if (*stop == ' ' || *stop == '\n' || *stop == '\0') break;
      if (*stop == '\r') {
        if (stop + 1 == end_) return Word::kIncomplete;
        if (stop[1] == '\n') break;
      }
      plain_ = false;  // the server takes a control character for a part of the word
      stop = find_blank(stop + 1, end_);
    }
    if (start == stop) [[unlikely]]
      return end_line(stop);
    // The first word has no space in front, every other one has one.
    const bool gap = start - at_ != (first_ ? 0 : 1);
    plain_ &= !gap;
    gaps_ |= gap;
    first_ = false;
    at_ = stop;
    word = std::string_view(start, static_cast<size_t>(stop - start));
    return Word::kWord;
  }

  /// Reads the rest of the line for its end alone.
  Word skip() {
    std::string_view word;
    while (true) {
      const Word kind = next(word);
      if (kind != Word::kWord) return kind;
    }
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
  Word end_line(const char* stop) {
    const char* line_end = stop + 1;
    if (*stop == '\r') {
      line_end = stop + 2;
    } else {
      plain_ = false;
    }
    if (*stop == '\0') {
      nul_ = true;
      line_end =
          static_cast<const char*>(std::memchr(stop, '\n', static_cast<size_t>(end_ - stop)));
      if (line_end == nullptr) return Word::kIncomplete;
      ++line_end;
    }
    if (stop != at_) plain_ = false;  // spaces at the end
    at_ = line_end;
    return Word::kLineEnd;
  }

  const char* at_;
  const char* end_;
  const char* word_begin_;
  bool first_ = true;
  bool plain_ = true;
  bool gaps_ = false;
  bool nul_ = false;
};

/// Reads a number as strtol does, with at least one digit. False: not a number, or out of 64 bits.
/// Clears `plain` unless the word is the shortest way to write it.
bool read_signed(std::string_view word, int64_t& value, bool& plain);
/// The same as strtoull, with memcached's rule that a negative number is none.
bool read_unsigned(std::string_view word, uint64_t& value, bool& plain);

void append_number(std::string& out, int64_t value);
void append_number(std::string& out, uint64_t value);

}  // namespace quorate::wire
