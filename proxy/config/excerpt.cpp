#include "proxy/config/excerpt.h"

#include <algorithm>
#include <vector>

#include "consensus/base/text.h"
#include "proxy/config/nearest.h"
#include "proxy/config/utf8.h"

namespace quorate::config {
namespace {

constexpr std::string_view kMask = "********";
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
constexpr size_t kWidest = 120;  // code points of a line that are shown

// A code point as it is shown, and the code point of the line that it stands for.
struct Glyph {
  std::string text;
  uint32_t column = 0;  // from 1
};

std::vector<Glyph> glyphs_of(std::string_view line) {
  std::vector<Glyph> glyphs;
  uint32_t column = 0;
  while (!line.empty()) {
    const size_t length = std::max<size_t>(code_point_length(line), 1);
    glyphs.push_back({printable(line.substr(0, length)), ++column});
    line.remove_prefix(length);
  }
  return glyphs;
}

bool is_key_character(std::string_view glyph) {
  const char c = glyph[0];
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

bool looks_like_password(std::string_view key) {
  std::string lower;
  for (char c : key) lower += base::ascii_lower(c);
  return lower.find("pass") != std::string::npos || lower.find("secret") != std::string::npos ||
         lower.find("auth") != std::string::npos || edit_distance(lower, "password") <= 2;
}

size_t skip_blanks(const std::vector<Glyph>& glyphs, size_t at) {
  while (at < glyphs.size() && glyphs[at].text == " ") ++at;
  return at;
}

// The end of the value that begins at `at`: behind its closing quote, or before what ends a bare
// value. A quote that is never closed swallows the line.
size_t value_end(const std::vector<Glyph>& glyphs, size_t at) {
  const std::string& quote = glyphs[at].text;
  if (quote != "\"" && quote != "'") {
    while (at < glyphs.size() && glyphs[at].text != " " && glyphs[at].text != "," &&
           glyphs[at].text != "}") {
      ++at;
    }
    return at;
  }
  for (size_t i = at + 1; i < glyphs.size(); ++i) {
    if (glyphs[i].text == "\\" && quote == "\"") {
      ++i;
    } else if (glyphs[i].text == quote) {
      // An empty string, or the opening of a multi-line one: then the rest of the line is value.
      const bool triple = i == at + 1 && i + 1 < glyphs.size() && glyphs[i + 1].text == quote;
      return triple ? glyphs.size() : i + 1;
    }
  }
  return glyphs.size();
}

// "${env:NAME}" and "${file:/path}" say where a password is, not what it is.
bool is_reference(const std::vector<Glyph>& glyphs, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin + 1; i + 1 < end; ++i) text += glyphs[i].text;
  return (text.starts_with("${env:") || text.starts_with("${file:")) &&
         text.find('}') == text.size() - 1 && glyphs[end - 1].text == glyphs[begin].text;
}

// Replaces the value of every password on the line by a mask of fixed width.
std::vector<Glyph> masked(const std::vector<Glyph>& glyphs) {
  std::vector<Glyph> shown;
  std::string key;
  bool key_ended = false;
  for (size_t i = 0; i < glyphs.size();) {
    const std::string& text = glyphs[i].text;
    shown.push_back(glyphs[i++]);
    if (is_key_character(text)) {
      if (key_ended) key.clear();
      key_ended = false;
      key += text;
    } else if (text == "=" && looks_like_password(key)) {
      const size_t begin = skip_blanks(glyphs, i);
      while (i < begin) shown.push_back(glyphs[i++]);
      if (begin == glyphs.size()) break;
      const size_t end = value_end(glyphs, begin);
      const std::string& quote = glyphs[begin].text;
      const bool empty = end == begin + 2 && glyphs[begin + 1].text == quote;
      if (empty || quote == "#" || is_reference(glyphs, begin, end)) {
        while (i < end) shown.push_back(glyphs[i++]);
        key.clear();
        continue;
      }
      for (char c : kMask) shown.push_back({std::string(1, c), glyphs[begin].column});
      i = end;
      key.clear();
    } else {
      key_ended = true;
    }
  }
  return shown;
}

}  // namespace

Excerpt make_excerpt(std::string_view line, uint32_t column, uint32_t end_column) {
  const std::vector<Glyph> glyphs = masked(glyphs_of(line));
  const auto at_or_behind = [&](uint32_t wanted) {
    const auto found = std::find_if(glyphs.begin(), glyphs.end(),
                                    [&](const Glyph& glyph) { return glyph.column >= wanted; });
    return static_cast<size_t>(found - glyphs.begin());
  };
  const size_t caret = at_or_behind(column);
  size_t caret_end = std::max(at_or_behind(end_column), caret + 1);

  // A long line is cut to a window that shows a little of what stands before the caret.
  size_t from = 0;
  size_t to = glyphs.size();
  if (glyphs.size() > kWidest) {
    from = caret > kWidest / 3 ? std::min(caret - kWidest / 3, glyphs.size() - kWidest) : 0;
    to = std::min(from + kWidest, glyphs.size());
    caret_end = std::min(caret_end, std::max(to, caret + 1));
  }
  Excerpt excerpt;
  if (from > 0) excerpt.text += kEllipsis;
  for (size_t i = from; i < to; ++i) excerpt.text += glyphs[i].text;
  if (to < glyphs.size()) excerpt.text += kEllipsis;
  while (!excerpt.text.empty() && excerpt.text.back() == ' ') excerpt.text.pop_back();
  excerpt.caret = static_cast<uint32_t>(caret - from + (from > 0 ? 1 : 0));
  excerpt.caret_length = static_cast<uint32_t>(caret_end - caret);
  return excerpt;
}

}  // namespace quorate::config
