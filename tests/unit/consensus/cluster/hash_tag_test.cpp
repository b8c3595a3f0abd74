#include "consensus/cluster/hash_tag.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace quorate::cluster {
namespace {

TEST_CASE("only what lies in the first tag is hashed") {
  CHECK(hashed_part("user:{1000}:name", '{', '}') == "1000");
  CHECK(hashed_part("{a}{b}", '{', '}') == "a");
  CHECK(hashed_part("x{{y}}z", '{', '}') == "{y");
}

TEST_CASE("the whole key is hashed when there is no tag, or nothing in it") {
  CHECK(hashed_part("plain", '{', '}') == "plain");
  CHECK(hashed_part("open{only", '{', '}') == "open{only");
  CHECK(hashed_part("}closed{first", '{', '}') == "}closed{first");
  CHECK(hashed_part("a{}b{c}", '{', '}') == "a{}b{c}");
  CHECK(hashed_part("", '{', '}') == "");
}

TEST_CASE("a tag may open and close with the same character") {
  CHECK(hashed_part("a$b$c", '$', '$') == "b");
  CHECK(hashed_part("a$$b$", '$', '$') == "a$$b$");
  CHECK(hashed_part("a$b", '$', '$') == "a$b");
}

/// The rule once more, byte by byte.
std::string_view by_the_letter(std::string_view key) {
  for (size_t open = 0; open < key.size(); ++open) {
    if (key[open] != '{') continue;
    for (size_t close = open + 1; close < key.size(); ++close) {
      if (key[close] != '}') continue;
      return close == open + 1 ? key : key.substr(open + 1, close - open - 1);
    }
    return key;
  }
  return key;
}

TEST_CASE("every key of up to eight bytes of \"a{}\" follows the rule") {
  std::string key;
  size_t total = 1;
  for (size_t length = 0; length <= 8; ++length, total *= 3) {
    for (size_t number = 0; number < total; ++number) {
      key.clear();
      for (size_t rest = number; key.size() < length; rest /= 3) key += "a{}"[rest % 3];
      CAPTURE(key);
      REQUIRE(hashed_part(key, '{', '}') == by_the_letter(key));
    }
  }
}

}  // namespace
}  // namespace quorate::cluster
