#include "backends/wire/resp_request.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

using namespace quorate;
using namespace quorate::wire;

namespace {

using Arguments = std::vector<std::string>;

RequestStatus frame(std::string_view bytes, Request& request, RequestLimits limits = {}) {
  return frame_request(bytes.data(), bytes.data() + bytes.size(), limits, request);
}

Arguments arguments_of(const Request& request) {
  return {request.arguments.begin(), request.arguments.end()};
}

/// Frames `bytes` whole, and checks that no shorter prefix says anything else than "more".
void check_complete(std::string_view bytes, const Arguments& expected, bool is_inline) {
  CAPTURE(bytes);
  Request request;
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    CAPTURE(cut);
    CHECK(frame(bytes.substr(0, cut), request) == RequestStatus::kIncomplete);
  }
  for (const std::string& more : {std::string(bytes), std::string(bytes) + "PING\r\n"}) {
    REQUIRE(frame(more, request) == RequestStatus::kComplete);
    CHECK(request.size == bytes.size());
    CHECK(request.is_inline == is_inline);
    CHECK(arguments_of(request) == expected);
  }
}

std::string error_of(std::string_view bytes, RequestLimits limits = {}) {
  CAPTURE(bytes);
  Request request;
  REQUIRE(frame(bytes, request, limits) == RequestStatus::kError);
  return std::string(request.error);
}

std::string array_of(const Arguments& arguments) {
  std::string bytes = "*" + std::to_string(arguments.size()) + "\r\n";
  for (const std::string& argument : arguments) {
    bytes += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
  }
  return bytes;
}

}  // namespace

TEST_CASE("an array is framed in place, however it is cut") {
  check_complete("*1\r\n$4\r\nPING\r\n", {"PING"}, false);
  const std::string binary("\0\r\n$*", 5);
  for (const Arguments& arguments :
       {Arguments{"GET", "k"}, Arguments{"SET", "k", ""}, Arguments{"ECHO", binary},
        Arguments{"SET", "k", std::string(100, 'v')}, Arguments(123, "a")}) {
    check_complete(array_of(arguments), arguments, false);
  }
}

TEST_CASE("an array of nothing says nothing") {
  for (const std::string_view bytes : {"*0\r\n", "*-1\r\n", "*-5\r\n", "\r\n", "\n", "  \t\r\n"}) {
    Request request;
    REQUIRE(frame(bytes, request) == RequestStatus::kNothing);
    CHECK(request.size == bytes.size());
  }
}

TEST_CASE("an inline command is split as redis-server splits it") {
  const struct {
    std::string_view line;
    Arguments arguments;
  } cases[] = {
      {"PING\r\n", {"PING"}},
      {"PING\n", {"PING"}},
      {"PING\r\r\n", {"PING"}},
      {" \v PING \t\r\n", {"PING"}},
      {"SET  k\tv\r\n", {"SET", "k", "v"}},
      {"ECHO a\rb\r\n", {"ECHO", "a", "b"}},
      {"ECHO a\vb\fc\r\n", {"ECHO", "a\vb\fc"}},
      {"PING\v\r\n", {"PING\v"}},
      {"ECHO \"\"\r\n", {"ECHO", ""}},
      {"ECHO ''\r\n", {"ECHO", ""}},
      {"ECHO \"a b\" 'c d'\r\n", {"ECHO", "a b", "c d"}},
      {"ECHO \"a\\x41\\n\\r\\t\\b\\a\\\\\\\"\\z\"\r\n", {"ECHO", "aA\n\r\t\b\a\\\"z"}},
      {"ECHO 'a\\'b\\n'\r\n", {"ECHO", "a'b\\n"}},
      {"ECHO \"\\x4\" \"\\xzz\" \"\\xFf\"\r\n", {"ECHO", "x4", "xzz", "\xFF"}},
      {"ECHO a\"b c\"\r\n", {"ECHO", "ab c"}},
      {"ECHO a'b c'\r\n", {"ECHO", "ab c"}},
      {"ECHO a\\b \\x41\r\n", {"ECHO", "a\\b", "\\x41"}},
      {"ECHO \"a\"\v'b'\r\n", {"ECHO", "a", "b"}},
      {"ECHO 'a\rb'\r\n", {"ECHO", "a\rb"}},
      {"ECHO \xff\r\n", {"ECHO", "\xff"}},
      {"$4\r\n", {"$4"}},
  };
  for (const auto& expected : cases) check_complete(expected.line, expected.arguments, true);
}

TEST_CASE("quotes that do not close are refused in the server's words") {
  for (const std::string_view line : {"ECHO \"a\r\n", "ECHO 'a\r\n", "ECHO \"a\"b\r\n",
                                      "ECHO 'a'b\r\n", "ECHO \"abc\\\r\n", "ECHO \"abc\\\"\r\n"}) {
    CHECK(error_of(line) == "unbalanced quotes in request");
  }
}

TEST_CASE("behind a NUL the server never finds the end of an inline command") {
  const std::string line("PING\0\r\nPING\r\n", 13);
  Request request;
  CHECK(frame(line, request) == RequestStatus::kIncomplete);
  CHECK(error_of(line + std::string(limits::kInlineBytes, 'x')) == "too big inline request");
  const std::string desync = std::string(1, '\0') + std::string(limits::kInlineBytes - 1, 'A');
  CHECK(error_of(desync) == "too big inline request");
}

TEST_CASE("an inline command fits a read, or is too big") {
  const std::string line = "ECHO " + std::string(limits::kReadBytes - 7, 'a') + "\r\n";
  Request request;
  REQUIRE(frame(line, request) == RequestStatus::kComplete);
  CHECK(request.arguments[1].size() == limits::kReadBytes - 7);
  CHECK(frame(std::string(limits::kReadBytes - 1, 'a'), request) == RequestStatus::kIncomplete);
  CHECK(error_of(std::string(limits::kReadBytes, 'a')) == "too big inline request");
}

TEST_CASE("protocol errors have the server's texts") {
  const struct {
    std::string_view bytes;
    std::string_view error;
  } cases[] = {
      {"*01\r\n", "invalid multibulk length"},
      {"*+1\r\n", "invalid multibulk length"},
      {"* 1\r\n", "invalid multibulk length"},
      {"*1 \r\n", "invalid multibulk length"},
      {"*\r\n", "invalid multibulk length"},
      {"*-0\r\n", "invalid multibulk length"},
      {"*x\r\n", "invalid multibulk length"},
      {"*2147483648\r\n", "invalid multibulk length"},
      {"*99999999999999999999999", "invalid multibulk length"},
      {"*1\rX", "invalid multibulk length"},  // the server skips the X
      {"*1\r\n$04\r\n", "invalid bulk length"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$\r\n", "invalid bulk length"},
      {"*1\r\n$536870913\r\n", "invalid bulk length"},
      {"*1\r\n$99999999999999999999999", "invalid bulk length"},
      {"*1\r\nfoo\r\n", "expected '$', got 'f'"},
      {"*1\r\n\r\n", "expected '$', got ' '"},
      {"*1\r\n\n", "expected '$', got ' '"},
      {"*1\r\n$4\r\nPINGxx", "expected CR LF behind a bulk"},  // nor does it look here
      {"*1\r\n$4\r\nPINGx", "expected CR LF behind a bulk"},
      {"*1\r\n$4\r\nPING\rx", "expected CR LF behind a bulk"},
  };
  for (const auto& expected : cases) CHECK(error_of(expected.bytes) == expected.error);
  CHECK(error_of(std::string_view("*1\r\n\0", 5)) == "expected '$', got ' '");
}

TEST_CASE("before AUTH less is allowed, and said differently") {
  const RequestLimits limits{.count = limits::kUnauthenticatedCount,
                             .bulk = limits::kUnauthenticatedBulk,
                             .authenticated = false};
  CHECK(error_of("*11\r\n", limits) == "unauthenticated multibulk length");
  CHECK(error_of("*1\r\n$16385\r\n", limits) == "unauthenticated bulk length");
  CHECK(error_of("*1\r\n$x\r\n", limits) == "invalid bulk length");
  Request request;
  CHECK(frame(array_of(Arguments(10, "a")), request, limits) == RequestStatus::kComplete);
}

TEST_CASE("a command is large as soon as it is certain not to fit") {
  Request request;
  CHECK(frame("*1\r\n$65522\r\n", request) == RequestStatus::kIncomplete);
  CHECK(frame("*1\r\n$65523\r\n", request) == RequestStatus::kLarge);
  CHECK(frame("*10921\r\n", request) == RequestStatus::kIncomplete);
  CHECK(frame("*10922\r\n", request) == RequestStatus::kLarge);
  CHECK(frame("*10922\r\n$3\r\nGE", request) == RequestStatus::kLarge);
  REQUIRE(frame("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$70000\r\nabc", request) == RequestStatus::kLarge);
  CHECK(arguments_of(request) == Arguments{"SET", "k"});
  CHECK(request.declared_count == 3);
  CHECK(request.size == 20);
}

namespace {

/// What of a large command's rest `scanner` takes when it comes in pieces of `step` bytes.
struct Followed {
  size_t consumed = 0;
  bool done = false;
  std::string error;
};

Followed follow(RequestScanner& scanner, std::string_view bytes, size_t step) {
  Followed followed;
  size_t have = 0;
  while (!followed.done && followed.error.empty() && have < bytes.size()) {
    have = std::min(bytes.size(), have + step);
    const auto progress = scanner.feed(bytes.data() + followed.consumed, bytes.data() + have);
    followed.consumed += progress.consumed;
    followed.done = progress.done;
    followed.error = progress.error;
  }
  return followed;
}

}  // namespace

TEST_CASE("a large command is followed to its end, however it is cut") {
  const Arguments arguments = {"a", "", std::string(300, 'v'), std::string("\r\n\0", 3), "z"};
  std::string rest = array_of(arguments);
  rest.erase(0, 4);  // the count line
  for (size_t step = 1; step <= rest.size() + 4; ++step) {
    RequestScanner scanner(5, 1000);
    const Followed followed = follow(scanner, rest + "*1\r\n", step);
    CHECK(followed.done);
    CHECK(followed.error.empty());
    CHECK(followed.consumed == rest.size());
  }
}

TEST_CASE("a large command's errors are the same as a small one's") {
  const struct {
    std::string_view rest;
    std::string_view error;
  } cases[] = {
      {"$1\r\na\r\nX", "expected '$', got 'X'"},
      {"$1\r\na\r\n\n", "expected '$', got ' '"},
      {"$1\r\naXX", "expected CR LF behind a bulk"},
      {"$1\r\na\rX", "expected CR LF behind a bulk"},
      {"$-1\r\n", "invalid bulk length"},
      {"$01\r\n", "invalid bulk length"},
      {"$1001\r\n", "invalid bulk length"},
  };
  for (const auto& expected : cases) {
    for (size_t step = 1; step <= expected.rest.size(); ++step) {
      CAPTURE(expected.rest);
      RequestScanner scanner(3, 1000);
      CHECK(follow(scanner, expected.rest, step).error == expected.error);
    }
  }
}
