#include "backends/wire/memcached_reply.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

using namespace quorate;
using namespace quorate::wire;

namespace {

TextReplyScanner::Progress feed(TextReplyScanner& scanner, std::string_view bytes) {
  return scanner.feed(bytes.data(), bytes.data() + bytes.size());
}

/// Checks that the first reply in `bytes` ends at `size`, whole and cut into three at every place.
void check_reply(std::string_view bytes, size_t size, TextReplyKind kind) {
  CAPTURE(bytes);
  for (size_t first = 0; first <= bytes.size(); ++first) {
    for (size_t second = first; second <= bytes.size(); ++second) {
      TextReplyScanner scanner;
      size_t at = 0;
      bool done = false;
      for (const size_t to : {first, second, bytes.size()}) {
        if (done) break;
        const auto progress = feed(scanner, bytes.substr(at, to - at));
        REQUIRE(!progress.broken);
        at += progress.consumed;
        done = progress.done;
        REQUIRE(at <= to);
      }
      CHECK(done);
      CHECK(at == size);
      CHECK(scanner.kind() == kind);
    }
  }
}

bool is_broken(std::string_view bytes) {
  TextReplyScanner scanner;
  return feed(scanner, bytes).broken;
}

}  // namespace

TEST_CASE("a reply ends where the protocol says, however it is cut") {
  using Kind = TextReplyKind;
  const struct {
    std::string_view reply;
    Kind kind;
  } cases[] = {
      {"STORED\r\n", Kind::kOther},
      {"NOT_STORED\r\n", Kind::kOther},
      {"EXISTS\r\n", Kind::kOther},
      {"NOT_FOUND\r\n", Kind::kOther},
      {"DELETED\r\n", Kind::kOther},
      {"TOUCHED\r\n", Kind::kOther},
      {"RESET\r\n", Kind::kOther},
      {"VERSION 1.6.18\r\n", Kind::kOther},
      {"5\r\n", Kind::kOther},
      {"10\r\n", Kind::kOther},
      {"18446744073709551615\r\n", Kind::kOther},
      {"OK\r\n", Kind::kMetaDone},
      {"ERROR\r\n", Kind::kError},
      {"CLIENT_ERROR bad data chunk\r\n", Kind::kError},
      {"SERVER_ERROR out of memory storing object\r\n", Kind::kError},
      {"END\r\n", Kind::kEnd},
      {"VALUE k 0 1\r\nx\r\nEND\r\n", Kind::kValues},
      {"VALUE k 0 0\r\n\r\nEND\r\n", Kind::kValues},
      {"VALUE a\tb\r 4294967295 7 18446744073709551615\r\nEND\r\n\r\n\r\nVALUE b 1 "
       "1\r\n!\r\nEND\r\n",
       Kind::kValues},
      {"VALUE k 0 1\r\nx\r\nSERVER_ERROR out of memory writing get response\r\n", Kind::kValues},
      {"STAT pid 1\r\nSTAT version 1.6.18\r\nEND\r\n", Kind::kStats},
      {"ITEM k [1 b; 0 s]\r\nEND\r\n", Kind::kStats},
      {"PREFIX a get 1 hit 0 set 0 del 0\r\nEND\r\n", Kind::kStats},
      {"HD\r\n", Kind::kMetaDone},
      {"HD O1 kk c7\r\n", Kind::kMetaDone},
      {"VA 1\r\nx\r\n", Kind::kMetaValue},
      {"VA 5 s5 t-1\r\nEND\r\n\r\n", Kind::kMetaValue},
      {"VA 0 kab\r\n\r\n", Kind::kMetaValue},
      {"EN\r\n", Kind::kMetaMiss},
      {"EN kk O1\r\n", Kind::kMetaMiss},
      {"NS\r\n", Kind::kMetaNotStored},
      {"EX c0\r\n", Kind::kMetaExists},
      {"NF\r\n", Kind::kMetaNotFound},
      {"MN\r\n", Kind::kMetaNoop},
      {"ME k exp=-1 la=1 cas=19 fetch=no cls=1 size=61\r\n", Kind::kMetaDebug},
  };
  for (const auto& expected : cases) {
    check_reply(expected.reply, expected.reply.size(), expected.kind);
    const std::string more = std::string(expected.reply) + "STORED\r\n";
    check_reply(more, expected.reply.size(), expected.kind);
  }
}

TEST_CASE("what is not memcached's protocol breaks the connection") {
  for (const std::string_view bytes : {"\r\n",
                                       "?\r\n",
                                       "stored\r\n",
                                       " 5\r\n",
                                       "STORED\n",
                                       "\n",
                                       "VALUE k 0\r\n",
                                       "VALUE k 0 x\r\n",
                                       "VALUE k 0 -1\r\n",
                                       "VALUE  0 5\r\n",
                                       "VALUE k 0 01\r\n",
                                       "VALUE k 0 2147483648\r\n",
                                       "VA\r\n",
                                       "VA \r\n",
                                       "VA x\r\n",
                                       "VA -1\r\n",
                                       "VALUE k 0 1\r\nxy\r\n",
                                       "VA 1\r\nx\n\n",
                                       "STAT a b\r\nVALUE k 0 1\r\n",
                                       "VALUE k 0 1\r\nx\r\nSTAT a b\r\n",
                                       "VALUE k 0 1\r\nx\r\nSTORED\r\n"}) {
    CAPTURE(bytes);
    CHECK(is_broken(bytes));
  }
  CHECK(is_broken(std::string(limits::kReadBytes, 'x')));
  CHECK(!is_broken(std::string(limits::kReadBytes - 1, 'x')));
}

TEST_CASE("a large value streams") {
  TextReplyScanner scanner;
  auto progress = feed(scanner, "VALUE k 0 1000000\r\n");
  CHECK(progress.consumed == 19);
  CHECK(!progress.done);
  CHECK(scanner.data_left() == 1000002);
  CHECK(scanner.kind() == TextReplyKind::kValues);
  const std::string piece(250000, 'v');
  for (int i = 0; i < 4; ++i) CHECK(feed(scanner, piece).consumed == piece.size());
  CHECK(scanner.data_left() == 2);
  progress = feed(scanner, "\r\nEND\r\n");
  CHECK(progress.done);
  CHECK(progress.consumed == 7);
}

TEST_CASE("a scanner is used again after a reset") {
  TextReplyScanner scanner;
  const std::string_view bytes = "VALUE k 0 1\r\nx\r\nEND\r\nEN\r\n";
  const auto first = feed(scanner, bytes);
  CHECK(first.done);
  scanner.reset();
  const auto second = feed(scanner, bytes.substr(first.consumed));
  CHECK(second.done);
  CHECK(first.consumed + second.consumed == bytes.size());
  CHECK(scanner.kind() == TextReplyKind::kMetaMiss);
}

TEST_CASE("the hits of a retrieval come out one by one") {
  const std::string_view reply = "VALUE a 0 3\r\nEND\r\nVALUE b 5 0 77\r\n\r\nEND\r\n";
  ValueCursor cursor(reply);
  ValueBlock block;
  REQUIRE(cursor.next(block));
  CHECK(block.key == "a");
  CHECK(block.bytes == "VALUE a 0 3\r\nEND\r\n");
  REQUIRE(cursor.next(block));
  CHECK(block.key == "b");
  CHECK(block.bytes == "VALUE b 5 0 77\r\n\r\n");
  CHECK(!cursor.next(block));
  CHECK(cursor.rest() == "END\r\n");
  ValueCursor nothing("END\r\n");
  CHECK(!nothing.next(block));
}

TEST_CASE("noreply hides everything, q what was hoped for") {
  using Kind = TextReplyKind;
  TextRequest request;
  request.verb = TextVerb::kSet;
  CHECK(!hides_reply(request, Kind::kOther));
  request.noreply = true;
  CHECK(hides_reply(request, Kind::kOther));
  CHECK(hides_reply(request, Kind::kError));

  const struct {
    TextVerb verb;
    std::vector<Kind> hidden;
  } cases[] = {
      {TextVerb::kMetaGet, {Kind::kMetaMiss}},
      {TextVerb::kMetaSet, {Kind::kMetaDone}},
      {TextVerb::kMetaDelete, {Kind::kMetaDone}},
      {TextVerb::kMetaArithmetic, {Kind::kMetaDone, Kind::kMetaValue}},
  };
  const std::vector<Kind> all = {Kind::kMetaValue,     Kind::kMetaDone,   Kind::kMetaMiss,
                                 Kind::kMetaNotStored, Kind::kMetaExists, Kind::kMetaNotFound,
                                 Kind::kError};
  for (const auto& expected : cases) {
    TextRequest meta;
    meta.verb = expected.verb;
    for (const Kind kind : all) CHECK(!hides_reply(meta, kind));
    meta.quiet = true;
    for (const Kind kind : all) {
      const bool hidden =
          std::find(expected.hidden.begin(), expected.hidden.end(), kind) != expected.hidden.end();
      CHECK(hides_reply(meta, kind) == hidden);
    }
  }
}

TEST_CASE("a backend's failure is told in one line") {
  std::string out;
  append_text_unavailable("10.0.0.1:11211", out);
  append_text_indeterminate("10.0.0.1:11211", out);
  CHECK(out ==
        "SERVER_ERROR backend 10.0.0.1:11211 unavailable\r\n"
        "SERVER_ERROR INDETERMINATE backend 10.0.0.1:11211: outcome unknown\r\n");
  TextReplyScanner scanner;
  CHECK(feed(scanner, out).done);
}
