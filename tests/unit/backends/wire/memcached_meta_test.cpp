#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "backends/wire/memcached_text.h"

using namespace quorate;
using namespace quorate::wire;

namespace {

MemcachedStatus frame(std::string_view bytes, TextRequest& request) {
  return frame_text_request(bytes.data(), bytes.data() + bytes.size(), {}, request);
}

void check_canonical(std::string_view bytes, std::string_view line, bool as_is) {
  CAPTURE(bytes);
  TextRequest request;
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    CHECK(frame(bytes.substr(0, cut), request) == MemcachedStatus::kIncomplete);
  }
  REQUIRE(frame(bytes, request) == MemcachedStatus::kComplete);
  CHECK(request.size == bytes.size());
  CHECK(request.as_is == as_is);
  std::string out;
  append_canonical(request, out);
  CHECK(out == line);
}

std::string answer_to(std::string_view bytes) {
  CAPTURE(bytes);
  TextRequest request;
  REQUIRE(frame(bytes, request) == MemcachedStatus::kAnswered);
  return std::string(request.answer);
}

}  // namespace

TEST_CASE("plain meta commands pass as they are") {
  for (const std::string_view line :
       {"mg k\r\n", "mg k s v t f c k O123\r\n", "mg k N30 R10 T-1\r\n", "md k C5 I T0\r\n",
        "ma k N0 J13 D2 MI v\r\n", "ma k M+\r\n", "me k\r\n", "mn\r\n", "mg aw== b k v\r\n",
        "me aw== b\r\n"}) {
    check_canonical(line, line, true);
  }
  check_canonical("ms k 2 T30 F5 ME\r\nhi\r\n", "ms k 2 T30 F5 ME\r\n", true);
}

TEST_CASE("a flag that a later server may know passes") {
  check_canonical("mg k E5 v\r\n", "mg k E5 v\r\n", true);
  check_canonical("ms k 2 S2 E9\r\nhi\r\n", "ms k 2 S2 E9\r\n", true);
}

TEST_CASE("q never travels, and the rest of an odd line is written plainly") {
  check_canonical("mg k q v\r\n", "mg k v\r\n", false);
  check_canonical("mg k v quiet\r\n", "mg k v\r\n", false);
  check_canonical("mg  k  v\n", "mg k v\r\n", false);
  check_canonical("mg k kfoo vbar\r\n", "mg k k v\r\n", false);
  check_canonical("mg k T+5 N007\r\n", "mg k T5 N7\r\n", false);
  check_canonical("ms k 2 F4294967297 T4294967297\r\nhi\r\n", "ms k 2 F1 T1\r\n", false);
  check_canonical("mn foo q\r\n", "mn\r\n", false);
  check_canonical("me k foo\r\n", "me k\r\n", false);
}

TEST_CASE("quiet and opaque are seen") {
  TextRequest request;
  REQUIRE(frame("mg k Oabc q\r\n", request) == MemcachedStatus::kComplete);
  CHECK(request.quiet);
  CHECK(!request.noreply);
  CHECK(request.opaque == "abc");
}

TEST_CASE("a base64 key is placed by what it stands for") {
  TextRequest request;
  REQUIRE(frame("mg 44OG44K544OI b v\r\n", request) == MemcachedStatus::kComplete);
  CHECK(request.key_is_base64);
  CHECK(request.key() == "\xE3\x83\x86\xE3\x82\xB9\xE3\x83\x88");
  CHECK(request.as_is);
  REQUIRE(frame("me Zm9v b\r\n", request) == MemcachedStatus::kComplete);
  CHECK(request.key() == "foo");
}

TEST_CASE("base64 is read as leniently as memcached reads it, and written strictly") {
  check_canonical("mg Zm9v!!Zg== b\r\n", "mg Zm9vZg== b\r\n", false);
  check_canonical("mg Zg==Zg== b\r\n", "mg Zg== b\r\n", false);
  check_canonical("mg Zm9vZh== b\r\n", "mg Zm9vZg== b\r\n", false);
  check_canonical("mg A==A b\r\n", "mg AA== b\r\n", false);
  check_canonical("mg Zm8= b\r\n", "mg Zm8= b\r\n", true);
  for (const std::string_view key : {"Zm9", "!!!!", "A===", "====", "=A=="}) {
    CHECK(answer_to("mg " + std::string(key) + " b\r\n") == "CLIENT_ERROR error decoding key");
    CHECK(answer_to("me " + std::string(key) + " b\r\n") == "CLIENT_ERROR bad command line format");
  }
}

TEST_CASE("every byte survives base64") {
  std::string text;
  for (int length = 1; length <= 186; ++length) {
    std::string key;
    for (int i = 0; i < length; ++i) key += static_cast<char>(i * 37 + length);
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text.clear();
    for (size_t i = 0; i < key.size(); i += 3) {
      uint32_t group = 0;
      for (size_t j = 0; j < 3; ++j) {
        group = group << 8 | (i + j < key.size() ? static_cast<uint8_t>(key[i + j]) : 0u);
      }
      for (size_t j = 0; j < 4; ++j) {
        text += i + j < key.size() + 1 ? kDigits[group >> (18 - 6 * j) & 63] : '=';
      }
    }
    const std::string bytes = "mg " + text + " b\r\n";
    TextRequest request;
    REQUIRE(frame(bytes, request) == MemcachedStatus::kComplete);
    CHECK(request.key() == key);
    CHECK(request.as_is);
    std::string line;
    append_canonical(request, line);
    CHECK(line == bytes);
  }
}

TEST_CASE("a key that would break the reply's framing is never asked back") {
  // "a\nb": memcached returns it raw when the item came by autovivification or in binary.
  const std::string_view refusal = "CLIENT_ERROR a key that holds a line feed cannot be returned";
  CHECK(answer_to("mg YQpi b k N30\r\n") == refusal);
  CHECK(answer_to("me YQpi b\r\n") == refusal);
  check_canonical("mg YQpi b v\r\n", "mg YQpi b v\r\n", true);
  check_canonical("md YQpi b k\r\n", "md YQpi b k\r\n", true);
}

TEST_CASE("meta errors carry memcached's own texts") {
  const std::string long_key(251, 'k');
  const std::string opaque(32, 'o');
  const std::string many = " a b c d e f g h i j k l m n o p q r";
  const struct {
    std::string line;
    std::string_view answer;
  } cases[] = {
      {"mg\r\n", "ERROR"},
      {"md\r\n", "ERROR"},
      {"ma\r\n", "ERROR"},
      {"me\r\n", "CLIENT_ERROR bad command line format"},
      {"mz k\r\n", "ERROR"},
      {"mg " + long_key + " q\r\n", "CLIENT_ERROR bad command line format"},
      {"mg k v v\r\n", "CLIENT_ERROR duplicate flag"},
      {"mg k \xff\r\n", "CLIENT_ERROR duplicate flag"},
      {"mg k 5\r\n", "CLIENT_ERROR invalid flag"},
      {"mg k Nx\r\n", "CLIENT_ERROR bad token in command line format"},
      {"mg k T\r\n", "CLIENT_ERROR bad token in command line format"},
      {"mg k Fx\r\n", "CLIENT_ERROR bad command line format"},
      {"mg k Tx Fx\r\n", "CLIENT_ERROR bad token in command line format"},
      {"mg k Fx Tx\r\n", "CLIENT_ERROR bad token in command line format"},
      {"mg k Tx Z\r\n", "CLIENT_ERROR invalid flag"},
      {"mg k Z Tx\r\n", "CLIENT_ERROR invalid flag"},
      {"mg k Cx\r\n", "CLIENT_ERROR bad token in command line format"},
      {"mg k M\r\n", "CLIENT_ERROR incorrect length for M token"},
      {"mg k Jx\r\n", "CLIENT_ERROR invalid numeric initial value"},
      {"mg k Dx\r\n", "CLIENT_ERROR invalid numeric delta value"},
      {"mg k O" + opaque + "\r\n", "CLIENT_ERROR opaque token too long"},
      {"mg k" + many + "\r\n", "CLIENT_ERROR options flags are too long"},
      {"md k" + many + "\r\n", "CLIENT_ERROR options flags too long"},
      {"md k 5\r\n", "CLIENT_ERROR invalid or duplicate flag"},
      {"md k q q\r\n", "CLIENT_ERROR invalid or duplicate flag"},
      {"ma k D-1\r\n", "CLIENT_ERROR invalid or duplicate flag"},
      {"ma k MZ\r\n", "CLIENT_ERROR invalid mode for ma M token"},
      {"ms\r\n", "ERROR"},
      {"ms k\r\n", "CLIENT_ERROR bad command line format"},
      {"ms k 2 MZ q\r\n", "CLIENT_ERROR invalid mode for ms M token"},
      {"ms k 2 q q\r\n", "CLIENT_ERROR duplicate flag"},
      {"ms k 2 O" + opaque + "\r\n", "CLIENT_ERROR opaque token too long"},
      {"ms k 2 O" + opaque + " MZ\r\n", "CLIENT_ERROR invalid mode for ms M token"},
  };
  for (const auto& expected : cases) CHECK(answer_to(expected.line) == expected.answer);
}

TEST_CASE("a refused ms drops its data block, as the server does where it has read the length") {
  TextRequest request;
  REQUIRE(frame("ms k 2 MZ\r\nab\r\n", request) == MemcachedStatus::kAnswered);
  CHECK(request.swallows);
  CHECK(!request.echoes);
  CHECK(request.value_size == 2);
  CHECK(request.size == 11);
  REQUIRE(frame("ms k -1 MZ\r\nab\r\n", request) == MemcachedStatus::kAnswered);
  CHECK(request.closes);
}
