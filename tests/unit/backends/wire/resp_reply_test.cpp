#include "backends/wire/resp_reply.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace quorate;
using namespace quorate::wire;

namespace {

ReplyScanner::Progress feed(ReplyScanner& scanner, std::string_view bytes) {
  return scanner.feed(bytes.data(), bytes.data() + bytes.size());
}

/// Checks that the first reply in `bytes` ends at `size`, cut into three at every place.
void check_reply(std::string_view bytes, size_t size) {
  CAPTURE(bytes);
  for (size_t first = 0; first <= bytes.size(); ++first) {
    for (size_t second = first; second <= bytes.size(); ++second) {
      ReplyScanner scanner;
      size_t at = 0;
      bool done = false;
      for (const size_t to : {first, second, bytes.size()}) {
        if (done) break;
        const auto progress = feed(scanner, bytes.substr(at, to - at));
        REQUIRE(!progress.broken);
        at += progress.consumed;
        done = progress.done;
      }
      CHECK(done);
      CHECK(at == size);
    }
  }
}

}  // namespace

TEST_CASE("a RESP2 reply ends where the protocol says, however it is cut") {
  for (const std::string_view reply :
       {"+OK\r\n", "+\r\n", "-ERR unknown command\r\n", ":0\r\n", ":-10\r\n", "$5\r\nhello\r\n",
        "$0\r\n\r\n", "$-1\r\n", "$2\r\n\r\n\r\n", "*0\r\n", "*-1\r\n", "*1\r\n$-1\r\n",
        "*2\r\n$1\r\na\r\n:1\r\n", "*2\r\n*2\r\n:1\r\n*0\r\n*1\r\n+x\r\n",
        "*3\r\n*-1\r\n$3\r\n*1\r\r\n-E\r\n"}) {
    check_reply(reply, reply.size());
    check_reply(std::string(reply) + "+OK\r\n", reply.size());
  }
}

TEST_CASE("a RESP3 reply ends where the protocol says, attributes and all") {
  for (const std::string_view reply :
       {"_\r\n", "#t\r\n", ",3.14\r\n", ",inf\r\n", "(12345678901234567890\r\n",
        "!9\r\nERR wrong\r\n", "=7\r\ntxt:abc\r\n", "%0\r\n",
        "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n", "~2\r\n:1\r\n:2\r\n",
        ">3\r\n+message\r\n+c\r\n$1\r\nx\r\n", "|1\r\n+ttl\r\n:5\r\n$1\r\nv\r\n",
        "*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n", "|0\r\n:1\r\n",
        "|1\r\n|1\r\n+a\r\n+b\r\n+c\r\n+d\r\n:1\r\n"}) {
    check_reply(reply, reply.size());
    check_reply(std::string(reply) + "_\r\n", reply.size());
  }
}

TEST_CASE("nesting costs nothing, however deep") {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "*1\r\n";
  deep += ":1\r\n";
  ReplyScanner scanner;
  const auto progress = feed(scanner, deep);
  CHECK(progress.done);
  CHECK(progress.consumed == deep.size());
}

TEST_CASE("a large bulk streams") {
  ReplyScanner scanner;
  auto progress = feed(scanner, "*2\r\n$1000000\r\nab");
  CHECK(progress.consumed == 16);
  CHECK(scanner.bulk_left() == 1'000'000);
  const std::string piece(499'999, 'v');
  for (int i = 0; i < 2; ++i) CHECK(feed(scanner, piece).consumed == piece.size());
  CHECK(scanner.bulk_left() == 2);
  progress = feed(scanner, "\r\n:1\r\n");
  CHECK(progress.done);
  CHECK(progress.consumed == 6);
}

TEST_CASE("what is not RESP breaks the connection") {
  for (const std::string_view bytes :
       {"x\r\n", "\r\n", "+OK\rx", "+a\rb\r\n", "$x\r\n", "$\r\n", "$-2\r\n", "$+1\r\n",
        "$99999999999999999\r\n", "*x\r\n", "*-2\r\n", "*9999999999999999\r\n", "$1\r\nab\r\n",
        "$1\r\na\rx", "$1\r\na\nx", "*1\r\nfoo\r\n", "%-2\r\n", "HTTP/1.1 200 OK\r\n"}) {
    CAPTURE(bytes);
    ReplyScanner scanner;
    CHECK(feed(scanner, bytes).broken);
  }
  ReplyScanner scanner;
  CHECK(feed(scanner, "+" + std::string(limits::kReadBytes, 'x')).broken);
}

TEST_CASE("nested counts never overflow") {
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += "*1000000000000\r\n";
  ReplyScanner scanner;
  CHECK(feed(scanner, bytes).broken);
}

TEST_CASE("a scanner is used again after a reset") {
  const std::string_view bytes = "*1\r\n:1\r\n+OK\r\n";
  ReplyScanner scanner;
  const auto first = feed(scanner, bytes);
  REQUIRE(first.done);
  scanner.reset();
  const auto second = feed(scanner, bytes.substr(first.consumed));
  CHECK(second.done);
  CHECK(first.consumed + second.consumed == bytes.size());
}
