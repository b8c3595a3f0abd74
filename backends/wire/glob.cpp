#include "backends/wire/glob.h"

#include <algorithm>
#include <cstddef>

namespace quorate::wire {

namespace {

/// The class that begins behind the [ at `at`: whether `c` is in it. `at` moves behind it.
bool in_class(std::string_view pattern, size_t& at, char c) {
  const auto byte = [](char one) { return static_cast<unsigned char>(one); };
  ++at;
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  bool found = false;
  for (; at < pattern.size() && pattern[at] != ']'; ++at) {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      found = found || pattern[++at] == c;
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      const auto [low, high] = std::minmax({byte(pattern[at]), byte(pattern[at + 2])});
      found = found || (low <= byte(c) && byte(c) <= high);
      at += 2;
    } else {
      found = found || pattern[at] == c;
    }
  }
  if (at < pattern.size()) ++at;
  return found != negated;
}

/// Whether the element of the pattern at `at`, which is no *, is `c`. `at` moves behind it.
bool matches_one(std::string_view pattern, size_t& at, char c) {
  switch (pattern[at]) {
    case '?': ++at; return true;
    case '[': return in_class(pattern, at, c);
    case '\\':
      if (at + 1 < pattern.size()) ++at;
      break;
    default: break;
  }
  return pattern[at++] == c;
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text) {
  size_t at = 0;
  size_t behind_star = std::string_view::npos;  // of the last * seen, and where its match ends
  size_t star_text = 0;
  size_t i = 0;
  while (i < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      behind_star = ++at;
      star_text = i;
      continue;
    }
    size_t next = at;
    if (at < pattern.size() && matches_one(pattern, next, text[i])) {
      at = next;
      ++i;
      continue;
    }
    if (behind_star == std::string_view::npos) return false;
    at = behind_star;
    i = ++star_text;
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

}  // namespace quorate::wire
