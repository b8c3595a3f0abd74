#include "backends/wire/glob.h"

#include <doctest/doctest.h>

#include <string>

using quorate::wire::matches_glob;

TEST_CASE("a pattern without special characters is itself") {
  CHECK(matches_glob("", ""));
  CHECK(matches_glob("news", "news"));
  CHECK_FALSE(matches_glob("news", "new"));
  CHECK_FALSE(matches_glob("new", "news"));
  CHECK_FALSE(matches_glob("News", "news"));
  CHECK_FALSE(matches_glob("", "x"));
}

TEST_CASE("* is anything, ? is one byte") {
  CHECK(matches_glob("*", ""));
  CHECK(matches_glob("**", "abc"));
  CHECK(matches_glob("a*c", "abbbc"));
  CHECK(matches_glob("a*b*c", "aXbXbXc"));
  CHECK_FALSE(matches_glob("a*c", "abbbd"));
  CHECK(matches_glob("h?llo", "hello"));
  CHECK_FALSE(matches_glob("h?llo", "hllo"));
  CHECK_FALSE(matches_glob("?", ""));
  CHECK(matches_glob("*a", std::string("\0\xff"
                                       "a",
                                       3)));
}

TEST_CASE("a class is a byte of a set, of a range, or of neither") {
  CHECK(matches_glob("h[ae]llo", "hallo"));
  CHECK_FALSE(matches_glob("h[ae]llo", "hillo"));
  CHECK(matches_glob("h[a-c]llo", "hbllo"));
  CHECK(matches_glob("h[c-a]llo", "hbllo"));
  CHECK(matches_glob("h[^e]llo", "hallo"));
  CHECK_FALSE(matches_glob("h[^e]llo", "hello"));
  CHECK(matches_glob("[\\]]", "]"));
  CHECK(matches_glob("[\xf0-\xff]", "\xfe"));
  CHECK_FALSE(matches_glob("[]", "a"));
  CHECK(matches_glob("[^]", "a"));
  CHECK(matches_glob("[ab", "b"));
  CHECK_FALSE(matches_glob("[ab", "bc"));
}

TEST_CASE("a backslash takes the next byte as it is, and the last one is itself") {
  CHECK(matches_glob("a\\*", "a*"));
  CHECK_FALSE(matches_glob("a\\*", "ab"));
  CHECK(matches_glob("a\\", "a\\"));
}

TEST_CASE("many stars over a long text take no exponential time") {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  CHECK_FALSE(matches_glob(pattern + "b", std::string(5000, 'a')));
}
