// How diagnostics look. What they say: tests/conversation/config.

#include "proxy/config/diagnostic.h"

#include <doctest/doctest.h>

#include "proxy/config/excerpt.h"

namespace quorate::config {
namespace {

Diagnostic only(Findings& findings) {
  auto found = findings.take();
  REQUIRE(found.size() == 1);
  return found[0];
}

std::string excerpt(std::string_view line) { return make_excerpt(line, 1, 2).text; }

}  // namespace

TEST_CASE("a diagnostic is shown with its place, its line and a caret") {
  Findings findings("one\n  two = 2  \nthree", "dir/q.toml");
  findings.error({2, 3, 2, 6}, "is not one");
  CHECK(render(only(findings), Colour::kNever) ==
        "dir/q.toml:2:3: error: is not one\n"
        "    2 |   two = 2\n"
        "      |   ^~~\n");
}

TEST_CASE("a diagnostic of the whole file has no line") {
  Findings findings("one", "q.toml");
  findings.error({}, "no pool");
  CHECK(render(only(findings), Colour::kNever) == "q.toml: error: no pool\n");
}

TEST_CASE("colour paints the place, the severity, the message and the caret") {
  Findings findings("one", "q.toml");
  findings.warning({1, 1, 1, 4}, "odd");
  CHECK(render(only(findings), Colour::kAlways) ==
        "\x1B[1mq.toml:1:1:\x1B[0m \x1B[1;35mwarning:\x1B[0m \x1B[1modd\x1B[0m\n"
        "    1 | one\n"
        "      | \x1B[1;32m^~~\x1B[0m\n");
  findings.error({1, 1, 1, 2}, "bad");
  CHECK(render(only(findings), Colour::kAlways).find("\x1B[1;31merror:\x1B[0m") !=
        std::string::npos);
}

TEST_CASE("a line number of six digits moves the bar, not the caret") {
  const std::string text = std::string(123'455, '\n') + "abc";
  Findings findings(text, "q.toml");
  findings.error({123'456, 2, 123'456, 3}, "b");
  CHECK(render(only(findings), Colour::kNever) ==
        "q.toml:123456:2: error: b\n"
        "123456 | abc\n"
        "       |  ^\n");
}

TEST_CASE("diagnostics come in the order of the file, those of the whole file first") {
  Findings findings("a b\nc", "q.toml");
  findings.error({2, 1, 2, 2}, "third");
  findings.error({1, 3, 1, 4}, "second");
  findings.warning({1, 3, 1, 4}, "second too");
  findings.error({}, "first");
  const auto found = findings.take();
  REQUIRE(found.size() == 4);
  CHECK(found[0].message == "first");
  CHECK(found[1].message == "second");
  CHECK(found[2].message == "second too");
  CHECK(found[3].message == "third");
}

TEST_CASE("only errors count as errors") {
  Findings findings("a", "q.toml");
  CHECK(!findings.has_errors());
  findings.warning({1, 1, 1, 2}, "w");
  CHECK(!findings.has_errors());
  findings.error({1, 1, 1, 2}, "e");
  CHECK(findings.has_errors());
}

TEST_CASE("what spans lines is underlined to the end of its first") {
  Findings findings("a = [\n1]\n", "q.toml");
  findings.error({1, 5, 2, 3}, "list");
  CHECK(only(findings).caret_length == 1);
  findings.error({1, 1, 2, 3}, "all");
  CHECK(only(findings).caret_length == 5);
}

TEST_CASE("a place behind the line's end gets one caret") {
  Findings findings("ab\n", "q.toml");
  findings.error({1, 3, 1, 4}, "end");
  const Diagnostic end = only(findings);
  CHECK(end.caret == 2);
  CHECK(end.caret_length == 1);
  findings.error({2, 1, 2, 2}, "end of file");
  CHECK(only(findings).excerpt.empty());
}

TEST_CASE("nothing in a line can steer a terminal") {
  CHECK(excerpt("a\x1B[31mb") == "a\xEF\xBF\xBD[31mb");
  CHECK(excerpt("a\x7F\x01") == "a\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(excerpt("a\xC2\x9B"
                "b") ==
        "a\xEF\xBF\xBD"
        "b");  // CSI in one code point
  CHECK(excerpt("a\xFF\xC3") == "a\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(excerpt("\ta\tb") == " a b");
  CHECK(excerpt("caf\xC3\xA9") == "caf\xC3\xA9");
}

TEST_CASE("carriage returns and a byte order mark are not shown") {
  Findings findings(
      "\xEF\xBB\xBF"
      "a\r\nb\r\n",
      "q.toml");
  findings.error({1, 1, 1, 2}, "a");
  CHECK(only(findings).excerpt == "a");
  findings.error({2, 1, 2, 2}, "b");
  CHECK(only(findings).excerpt == "b");
}

TEST_CASE("passwords are masked, whatever surrounds them") {
  CHECK(excerpt("password = \"hunter2\"") == "password = ********");
  CHECK(excerpt("password=\"hunter2\" # old: x") == "password=******** # old: x");
  CHECK(excerpt("\"password\" = 'hunter2'") == "\"password\" = ********");
  CHECK(excerpt("PASSWORD = \"a\\\"b\", x = 1") == "PASSWORD = ********, x = 1");
  CHECK(excerpt("password = \"hunter2") == "password = ********");
  CHECK(excerpt("password = '''hunter2") == "password = ********");
  CHECK(excerpt("password = hunter2, x = 1") == "password = ********, x = 1");
  CHECK(excerpt("{ password = hunter2}") == "{ password = ********}");
  CHECK(excerpt("pool.a.password = \"x\"") == "pool.a.password = ********");
  CHECK(excerpt("passwrod = \"x\"") == "passwrod = ********");
  CHECK(excerpt("requirepass = \"x\"") == "requirepass = ********");
  CHECK(excerpt("client_secret = \"x\"") == "client_secret = ********");
  CHECK(excerpt("a = { password = \"x\" }, b = { password = \"y\" }") ==
        "a = { password = ******** }, b = { password = ******** }");
}

TEST_CASE("what is no password is not masked") {
  CHECK(excerpt("password = \"\"") == "password = \"\"");
  CHECK(excerpt("password =") == "password =");
  CHECK(excerpt("password = # none") == "password = # none");
  CHECK(excerpt("password = \"${env:PASSWORD}\"") == "password = \"${env:PASSWORD}\"");
  CHECK(excerpt("password = \"${file:/run/x}\"") == "password = \"${file:/run/x}\"");
  CHECK(excerpt("password = \"${env:A}b\"") == "password = ********");
  CHECK(excerpt("password = \"${env:A}${env:B}\"") == "password = ********");
  CHECK(excerpt("name = \"password\", x = 1") == "name = \"password\", x = 1");
  CHECK(excerpt("listen = \"127.0.0.1:6379\"") == "listen = \"127.0.0.1:6379\"");
}

TEST_CASE("the caret follows what a mask moved") {
  const std::string_view line = "{ password = \"x\", wieght = 2 }";
  const auto column = static_cast<uint32_t>(line.find("wieght") + 1);
  const Excerpt after = make_excerpt(line, column, column + 6);
  CHECK(after.text.substr(after.caret, after.caret_length) == "wieght");
  const auto value = static_cast<uint32_t>(line.find("\"x\"") + 1);
  const Excerpt on = make_excerpt(line, value, value + 3);
  CHECK(on.text.substr(on.caret, on.caret_length) == "********");
}

TEST_CASE("every place of a long line keeps its caret in the window") {
  std::string line;
  for (int i = 0; i < 60; ++i) line += "word" + std::to_string(100 + i) + " ";
  for (uint32_t column = 1; column + 6 < line.size(); column += 8) {
    const Excerpt shown = make_excerpt(line, column, column + 7);
    // The ellipsis before the window is one code point of three bytes.
    const bool cut = shown.text.starts_with("\xE2\x80\xA6");
    CHECK(shown.text.substr(shown.caret + (cut ? 2 : 0), shown.caret_length) ==
          line.substr(column - 1, 7));
    CHECK(shown.text.size() <= 130);
  }
}

}  // namespace quorate::config
