#include "backends/wire/memcached_text.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

using namespace quorate;
using namespace quorate::wire;

namespace {

const std::string kLongKey(251, 'k');
const std::string kLongestKey(250, 'k');

MemcachedStatus frame(std::string_view bytes, TextRequest& request, MemcachedLimits limits = {}) {
  return frame_text_request(bytes.data(), bytes.data() + bytes.size(), limits, request);
}

std::string canonical(const TextRequest& request) {
  std::string out;
  append_canonical(request, out);
  return out;
}

/// Frames `bytes` whole, and checks that no shorter prefix says anything else than "more".
TextRequest complete(std::string_view bytes) {
  CAPTURE(bytes);
  TextRequest request;
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    CAPTURE(cut);
    CHECK(frame(bytes.substr(0, cut), request) == MemcachedStatus::kIncomplete);
  }
  REQUIRE(frame(bytes, request) == MemcachedStatus::kComplete);
  CHECK(request.size == bytes.size());
  return request;
}

struct Refusal {
  std::string answer;
  bool closes = false;
  bool swallows = false;
  bool echoes = false;
  int64_t value_size = 0;
  bool operator==(const Refusal&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Refusal& refusal) {
  return out << '"' << refusal.answer << "\" closes " << refusal.closes << " swallows "
             << refusal.swallows << " echoes " << refusal.echoes << " value " << refusal.value_size;
}

Refusal refusal_of(std::string_view bytes, MemcachedLimits limits = {}) {
  CAPTURE(bytes);
  TextRequest request;
  REQUIRE(frame(bytes, request, limits) == MemcachedStatus::kAnswered);
  CHECK(!request.as_is);
  return Refusal{.answer = std::string(request.answer),
                 .closes = request.closes,
                 .swallows = request.swallows,
                 .echoes = request.echoes,
                 .value_size = request.swallows ? request.value_size : 0};
}

Refusal answered(std::string_view answer) { return Refusal{.answer = std::string(answer)}; }
Refusal closed(std::string_view answer) {
  return Refusal{.answer = std::string(answer), .closes = true};
}
Refusal dropped(std::string_view answer, int64_t size) {
  return Refusal{.answer = std::string(answer), .swallows = true, .value_size = size};
}
Refusal echoed(std::string_view answer, int64_t size) {
  Refusal refusal = dropped(answer, size);
  refusal.echoes = true;
  return refusal;
}

constexpr std::string_view kBadFormat = "CLIENT_ERROR bad command line format";

}  // namespace

TEST_CASE("a plain get passes as it is") {
  const TextRequest request = complete("get user:1\r\n");
  CHECK(request.verb == TextVerb::kGet);
  CHECK(request.as_is);
  REQUIRE(request.keys.size() == 1);
  CHECK(request.key() == "user:1");
  CHECK(canonical(request) == "get user:1\r\n");
}

TEST_CASE("every retrieval verb gives its keys and its time") {
  struct Case {
    std::string_view line;
    TextVerb verb;
    size_t keys;
    int32_t exptime;
  };
  const Case cases[] = {{"get a b c\r\n", TextVerb::kGet, 3, 0},
                        {"gets a\r\n", TextVerb::kGets, 1, 0},
                        {"gat 30 a b\r\n", TextVerb::kGat, 2, 30},
                        {"gats -1 a\r\n", TextVerb::kGats, 1, -1}};
  for (const Case& expected : cases) {
    const TextRequest request = complete(expected.line);
    CHECK(request.verb == expected.verb);
    CHECK(request.keys.size() == expected.keys);
    CHECK(request.as_is);
    CHECK(canonical(request) == expected.line);
    if (expected.exptime != 0) CHECK(request.exptime == expected.exptime);
  }
}

TEST_CASE("the longest key passes, one byte more is refused") {
  CHECK(complete("get " + kLongestKey + "\r\n").as_is);
  CHECK(refusal_of("get " + kLongKey + "\r\n") == answered(kBadFormat));
  CHECK(refusal_of("get a " + kLongKey + " b\r\n") == answered(kBadFormat));
  CHECK(refusal_of("gat 0 a " + kLongKey + " b\r\n") == answered(kBadFormat));
}

TEST_CASE("what memcached accepts and a stricter reader may not is re-encoded") {
  struct Case {
    std::string_view line;
    std::string_view canonical;
  };
  const Case cases[] = {
      {"get a\n", "get a\r\n"},
      {"  get a\r\n", "get a\r\n"},
      {"get  a   b \r\n", "get a b\r\n"},
      {std::string_view("get a\0b c\r\n", 11), "get a\r\n"},
      {"get a\r\r\n", "get a\r\r\n"},
      {"get a\tb\r\n", "get a\tb\r\n"},
      {"bget a\r\n", "get a\r\n"},
      {"gat +5 a\r\n", "gat 5 a\r\n"},
      {"gat 007 a\r\n", "gat 7 a\r\n"},
      {"gat \v4294967296 a\r\n", "gat 0 a\r\n"},
      {"incr a 01\r\n", "incr a 1\r\n"},
      {"incr a 1 foo\r\n", "incr a 1\r\n"},
      {"touch a 5\tfoo\r\n", "touch a 5\r\n"},
      {"delete a 0\r\n", "delete a\r\n"},
      {"flush_all 0 foo\r\n", "flush_all 0\r\n"},
      {"verbosity 1 2\r\n", "verbosity 1\r\n"},
      {"stats   items\r\n", "stats items\r\n"},
      {"version\n", "version\r\n"},
  };
  for (const Case& expected : cases) {
    const TextRequest request = complete(expected.line);
    CHECK(!request.as_is);
    CHECK(canonical(request) == expected.canonical);
  }
}

TEST_CASE("a storage command carries its numbers and its data block") {
  const TextRequest request = complete("set k 5 -1 3\r\nabc\r\n");
  CHECK(request.verb == TextVerb::kSet);
  CHECK(request.as_is);
  CHECK(request.key() == "k");
  CHECK(request.flags == 5);
  CHECK(request.exptime == -1);
  CHECK(request.value_size == 3);
  CHECK(request.line_size == 14);
  CHECK(canonical(request) == "set k 5 -1 3\r\n");
}

TEST_CASE("every storage verb is framed, also with an empty value") {
  for (const std::string verb : {"set", "add", "replace", "append", "prepend"}) {
    CHECK(complete(verb + " k 0 0 0\r\n\r\n").as_is);
    const std::string bytes = verb + " k 1 2 2 noreply\r\nhi\r\n";
    const TextRequest request = complete(bytes);
    CHECK(request.noreply);
    CHECK(!request.as_is);
    CHECK(canonical(request) == verb + " k 1 2 2\r\n");
  }
  const TextRequest request = complete("cas k 1 2 2 18446744073709551615 noreply\r\nhi\r\n");
  CHECK(request.number == UINT64_MAX);
  CHECK(canonical(request) == "cas k 1 2 2 18446744073709551615\r\n");
}

TEST_CASE("odd but valid storage lines are understood as memcached understands them") {
  struct Case {
    std::string line;
    std::string_view canonical;
  };
  const Case cases[] = {
      {"set k 4294967296 0 1\r\n", "set k 0 0 1\r\n"},
      {"set k -0 0 1\r\n", "set k 0 0 1\r\n"},
      {"set k 0 99999999999 1\r\n", "set k 0 1215752191 1\r\n"},
      {"set k 0 0 1\tx\r\n", "set k 0 0 1\r\n"},
      {"set k 0 0 +1\r\n", "set k 0 0 1\r\n"},
      {"set k 0 0 1 foo\r\n", "set k 0 0 1\r\n"},
      {"set k 0 0 1\n", "set k 0 0 1\r\n"},
  };
  for (const Case& expected : cases) {
    const std::string bytes = expected.line + "x\r\n";
    const TextRequest request = complete(bytes);
    CHECK(!request.as_is);
    CHECK(!request.noreply);
    CHECK(canonical(request) == expected.canonical);
  }
}

TEST_CASE("the one-line commands take their options") {
  CHECK(complete("delete k\r\n").as_is);
  CHECK(complete("delete k noreply\r\n").noreply);
  CHECK(complete("delete k 0 noreply\r\n").noreply);
  CHECK(complete("incr k 18446744073709551615\r\n").number == UINT64_MAX);
  CHECK(complete("decr k 1 noreply\r\n").noreply);
  CHECK(canonical(complete("decr k 1 noreply\r\n")) == "decr k 1\r\n");
  CHECK(complete("touch k -5\r\n").exptime == -5);
  CHECK(canonical(complete("touch k 10 noreply\r\n")) == "touch k 10\r\n");
  CHECK(complete("flush_all\r\n").as_is);
  CHECK(complete("flush_all noreply\r\n").noreply);
  CHECK(canonical(complete("flush_all 10 noreply\r\n")) == "flush_all 10\r\n");
  CHECK(complete("verbosity 1 noreply\r\n").noreply);
  CHECK(complete("version foo bar\r\n").verb == TextVerb::kVersion);
  CHECK(complete("quit now\r\n").verb == TextVerb::kQuit);
  CHECK(complete("shutdown graceful\r\n").verb == TextVerb::kShutdown);
  CHECK(complete("mn\r\n").verb == TextVerb::kMetaNoop);
}

TEST_CASE("stats passes all its words, but for the lists nobody could read") {
  const TextRequest request = complete("stats detail dump\r\n");
  REQUIRE(request.words.size() == 2);
  CHECK(request.words[1] == "dump");
  CHECK(complete("stats\r\n").as_is);
  CHECK(refusal_of("stats sizes_enable\r\n") == answered("ERROR"));
  CHECK(refusal_of("stats sizes_disable\r\n") == answered("ERROR"));
  CHECK(refusal_of("stats cachedump 1 0\r\n") ==
        answered("CLIENT_ERROR stats cachedump not allowed"));
}

TEST_CASE("an administrator's commands are recognized") {
  struct Case {
    std::string_view line;
    std::string_view refusal;
  };
  const Case cases[] = {
      {"shutdown\r\n", "ERROR: shutdown not enabled"},
      {"watch fetchers\r\n", "CLIENT_ERROR watch commands not allowed"},
      {"lru_crawler metadump all\r\n", "CLIENT_ERROR lru crawler disabled"},
      {"slabs reassign 1 2\r\n", "CLIENT_ERROR slab reassignment disabled"},
      {"cache_memlimit 64\r\n", "ERROR"},
      {"refresh_certs\r\n", "Error TLS not enabled"},
  };
  for (const Case& expected : cases) {
    const TextRequest request = complete(expected.line);
    CHECK(admin_refusal(request) == expected.refusal);
    CHECK(canonical(request) == expected.line);
  }
  CHECK(complete("cache_memlimit 64 noreply\r\n").noreply);
  CHECK(canonical(complete("lru mode flat noreply\r\n")) == "lru mode flat\r\n");
  CHECK(canonical(complete("slabs automove 1 noreply noreply\r\n")) == "slabs automove 1\r\n");
}

TEST_CASE("errors carry memcached's own texts") {
  const struct {
    std::string line;
    std::string_view answer;
  } cases[] = {
      {"\r\n", "ERROR"},
      {" \n", "ERROR"},
      {"a\r\n", "ERROR"},
      {"foo bar\r\n", "ERROR"},
      {"GET a\r\n", "ERROR"},
      {"getx a HTTP/1.0\r\n", "ERROR"},
      {"get\r\n", "ERROR"},
      {"get \r\n", "ERROR"},
      {"gat\r\n", "ERROR"},
      {"gat 5\r\n", "END"},
      {"gat x k\r\n", "CLIENT_ERROR invalid exptime argument"},
      {"gat x\r\n", "CLIENT_ERROR invalid exptime argument"},
      {"set\r\n", "ERROR"},
      {"set k 0 0\r\n", "ERROR"},
      {"incr k\r\n", "ERROR"},
      {"incr k x\r\n", "CLIENT_ERROR invalid numeric delta argument"},
      {"incr k -1\r\n", "CLIENT_ERROR invalid numeric delta argument"},
      {"incr k 18446744073709551616\r\n", "CLIENT_ERROR invalid numeric delta argument"},
      {"incr k x noreply\r\n", ""},
      {"incr k noreply\r\n", ""},
      {"incr " + kLongKey + " 1\r\n", kBadFormat},
      {"decr k 1 2 3\r\n", "ERROR"},
      {"touch k x\r\n", "CLIENT_ERROR invalid exptime argument"},
      {"touch " + kLongKey + " 1 noreply\r\n", ""},
      {"delete\r\n", "ERROR"},
      {"delete k 5\r\n", "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]"},
      {"delete k 0 0\r\n", "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]"},
      {"delete k 5 noreply\r\n", ""},
      {"delete k 0 0 0\r\n", "ERROR"},
      {"delete " + kLongKey + "\r\n", kBadFormat},
      {"flush_all x\r\n", "CLIENT_ERROR invalid exptime argument"},
      {"flush_all noreply noreply\r\n", ""},
      {"flush_all 0 0 0\r\n", "ERROR"},
      {"verbosity\r\n", "ERROR"},
      {"verbosity x\r\n", kBadFormat},
      {"verbosity noreply\r\n", ""},
  };
  for (const auto& expected : cases) {
    CHECK(refusal_of(expected.line) == answered(expected.answer));
  }
}

TEST_CASE("a browser is hung up on") {
  CHECK(refusal_of("GET / HTTP/1.0\r\n") == closed(""));
  CHECK(refusal_of("PUT /a HTTP/1.1\r\n") == closed(""));
}

TEST_CASE("a refused storage command never lets its data run as commands") {
  SUBCASE("dropped, and each of its lines told ERROR, where the length is certain") {
    CHECK(refusal_of("set " + kLongKey + " 0 0 9\r\n") == echoed(kBadFormat, 9));
    CHECK(refusal_of("set k -1 0 9\r\n") == echoed(kBadFormat, 9));
    CHECK(refusal_of("set k 0 99999999999999999999 9\r\n") == echoed(kBadFormat, 9));
    CHECK(refusal_of("cas k 0 0 9 x\r\n") == echoed(kBadFormat, 9));
    CHECK(refusal_of("cas k 0 0 9 \r\n") == echoed("ERROR", 9));
    CHECK(refusal_of("ms " + kLongKey + " 9\r\n") == echoed(kBadFormat, 9));
  }
  SUBCASE("and in silence for noreply") {
    CHECK(refusal_of("set k -1 0 9 noreply\r\n") == dropped("", 9));
  }
  SUBCASE("closed on where it is not") {
    CHECK(refusal_of("set k 0 0 x\r\n") == closed(kBadFormat));
    CHECK(refusal_of("set k 0 0 -1\r\n") == closed(kBadFormat));
    CHECK(refusal_of("set k 0 0 4294967299\r\n") == closed(kBadFormat));
    CHECK(refusal_of("set k 0 0 2147483646\r\n") == closed(kBadFormat));
    CHECK(refusal_of("set k 0 0 noreply\r\n") == closed(""));
    CHECK(refusal_of("set k 0 0 1 noreply x\r\n") == closed("ERROR"));
    CHECK(refusal_of("cas k 0 0 x\r\n") == closed("ERROR"));
  }
  SUBCASE("closed on where a key with a blank, NUL or nothing in it moved the words") {
    CHECK(refusal_of("set  0 0 9\r\n") == closed("ERROR"));
    CHECK(refusal_of("set a b 0 0 9\r\n") == closed(kBadFormat));
    CHECK(refusal_of("set a 0 0 0 9\r\n") == closed(kBadFormat));
    CHECK(refusal_of("set a 0 0 0 9 noreply\r\n") == closed("ERROR"));
    CHECK(refusal_of("cas a 0 0 0 9 1\r\n") == closed(kBadFormat));
    CHECK(refusal_of("cas  0 0 9 77 noreply\r\n") == closed(""));
    CHECK(refusal_of(std::string_view("set a\0b 0 0 9\r\n", 15)) == closed("ERROR"));
    CHECK(refusal_of("ms  9\r\n") == closed(kBadFormat));
    CHECK(refusal_of("ms a 0 9\r\n") == closed("CLIENT_ERROR invalid flag"));
  }
}

TEST_CASE("a data block that does not end where it should costs the connection") {
  CHECK(refusal_of("set k 0 0 3\r\nabcde\r\n") == closed("CLIENT_ERROR bad data chunk"));
  CHECK(refusal_of("set k 0 0 3\r\nabc\n") == closed("CLIENT_ERROR bad data chunk"));
  CHECK(refusal_of("set k 0 0 3\r\nabc\rX") == closed("CLIENT_ERROR bad data chunk"));
  CHECK(refusal_of("set k 0 0 3 noreply\r\nabcde\r\n") == closed(""));
  CHECK(refusal_of("ms k 3 q\r\nabcde\r\n") == closed("CLIENT_ERROR bad data chunk"));
}

TEST_CASE("a value above the limit is refused and dropped") {
  const MemcachedLimits limits{.value = 10};
  constexpr std::string_view kTooLarge = "SERVER_ERROR object too large for cache";
  CHECK(refusal_of("set k 0 0 11\r\n", limits) == dropped(kTooLarge, 11));
  CHECK(refusal_of("set k 0 0 11 noreply\r\n", limits) == dropped("", 11));
  CHECK(refusal_of("ms k 11 q\r\n", limits) == dropped(kTooLarge, 11));
  TextRequest request;
  CHECK(frame("set k 0 0 10\r\n0123456789\r\n", request, limits) == MemcachedStatus::kComplete);
}

TEST_CASE("a line ends within 2048 bytes, unless it asks for keys") {
  const std::string longest = "version " + std::string(2040, 'a');
  CHECK(complete(longest + "\n").verb == TextVerb::kVersion);
  CHECK(refusal_of(longest + "a\n") == closed("CLIENT_ERROR line too long"));
  CHECK(refusal_of(longest + "a") == closed("CLIENT_ERROR line too long"));
  CHECK(refusal_of(std::string(2049, ' ')) == closed("CLIENT_ERROR line too long"));
  std::string line = "gats 0";
  while (line.size() < 5000) line += " some-key";
  line += "\r\n";
  const TextRequest request = complete(line);
  CHECK(request.keys.size() > 500);
  CHECK(!request.as_is);  // a backend would hang up: it must be split
}

TEST_CASE("a value too large for a read streams behind its line") {
  const std::string line = "set k 0 0 65536\r\n";
  TextRequest request;
  for (size_t cut = 0; cut < line.size(); ++cut) {
    CHECK(frame(std::string_view(line).substr(0, cut), request) == MemcachedStatus::kIncomplete);
  }
  for (const std::string& bytes : {line, line + "abc"}) {
    REQUIRE(frame(bytes, request) == MemcachedStatus::kLarge);
    CHECK(request.size == line.size());
    CHECK(request.value_size == 65536);
    CHECK(request.key() == "k");
    CHECK(request.as_is);
  }
}

TEST_CASE("the data scanner finds the end of a block however it is cut") {
  const std::string block = "0123456789\r\n";
  for (size_t first = 0; first <= block.size(); ++first) {
    for (size_t second = first; second <= block.size(); ++second) {
      TextDataScanner scanner(10);
      std::string value;
      size_t at = 0;
      bool done = false;
      for (const size_t to : {first, second, block.size()}) {
        const std::string bytes = block.substr(at, to - at) + (to == block.size() ? "get" : "");
        const auto progress = scanner.feed(bytes.data(), bytes.data() + bytes.size());
        CHECK(!progress.broken);
        CHECK(progress.consumed == to - at);
        value.append(bytes, 0, progress.value);
        at = to;
        done = progress.done;
        if (to < block.size()) CHECK(!progress.done);
      }
      CHECK(done);
      CHECK(value == "0123456789");
      CHECK(scanner.left() == 0);
    }
  }
}

TEST_CASE("the data scanner notices a block without its end") {
  for (const std::string_view end : {"xx", "\nx", "\rx", "\r\r"}) {
    TextDataScanner scanner(3);
    const std::string block = "abc" + std::string(end);
    const auto progress = scanner.feed(block.data(), block.data() + block.size());
    CHECK(progress.broken);
    CHECK(!progress.done);
    CHECK(progress.value == 3);
  }
}

namespace {

struct LongLine {
  std::vector<std::string> keys;
  std::string answer;
  bool done = false;
};

/// Frames a long retrieval that arrives in pieces of `step` bytes.
LongLine read_long_line(const std::string& bytes, size_t step) {
  LongLine result;
  TextRequest request;
  size_t have = std::min(bytes.size(), limits::kReadBytes);
  MemcachedStatus status = frame(std::string_view(bytes).substr(0, have), request);
  const auto keep = [&result](const std::vector<std::string_view>& keys) {
    for (const std::string_view key : keys) result.keys.emplace_back(key);
  };
  if (status == MemcachedStatus::kLarge) {
    keep(request.keys);
    TextKeyScanner scanner(request);
    size_t at = request.size;
    while (!result.done) {
      std::vector<std::string_view> keys;
      const auto progress = scanner.feed(bytes.data() + at, bytes.data() + have, keys);
      keep(keys);
      at += progress.consumed;
      result.done = progress.done;
      result.answer = progress.answer;
      CHECK(have - at <= limits::kMemcachedKeyBytes + 1);
      if (!progress.done) REQUIRE(have < bytes.size());
      have = std::min(bytes.size(), have + step);
    }
    CHECK(at == bytes.size());
  }
  return result;
}

}  // namespace

TEST_CASE("a retrieval of any length gives its keys in pieces") {
  std::string line = "get";
  std::vector<std::string> keys;
  while (line.size() < 70000) {
    keys.push_back("key:" + std::to_string(keys.size()));
    line += " " + keys.back();
  }
  for (const std::string_view end : {"\r\n", "\n", " \r\n"}) {
    for (const size_t step : {size_t{1}, size_t{7}, size_t{1000}, size_t{100000}}) {
      const LongLine read = read_long_line(line + std::string(end), step);
      CHECK(read.done);
      CHECK(read.answer.empty());
      CHECK(read.keys == keys);
    }
  }
}

TEST_CASE("a retrieval of any length is refused as a whole") {
  std::string many;
  while (many.size() < 66000) many += " some-key";
  const std::string blanks(70000, ' ');
  const std::string nul(1, '\0');
  const struct {
    std::string line;
    std::string_view answer;
  } cases[] = {
      {"get" + many + " " + kLongKey + " a\r\n", kBadFormat},
      {"get " + kLongKey + many + "\r\n", kBadFormat},
      {"get " + std::string(70000, 'k') + " a\r\n", kBadFormat},
      {"gat x" + many + "\r\n", "CLIENT_ERROR invalid exptime argument"},
      {"get" + blanks + "\r\n", "ERROR"},
      {"gat 0" + blanks + "\r\n", "END"},
      {"get" + many + " " + nul + " " + kLongKey + "\r\n", ""},  // NUL ends the line
      {"get" + many + " " + kLongestKey + "\r\n", ""},
  };
  for (const auto& expected : cases) {
    for (const size_t step : {size_t{1}, size_t{13}, size_t{100000}}) {
      CHECK(read_long_line(expected.line, step).answer == expected.answer);
    }
  }
}

TEST_CASE("the prefix of a split retrieval is its verb and its time") {
  std::string out;
  append_retrieval(complete("gats 30 a b\r\n"), out);
  CHECK(out == "gats 30");
}

TEST_CASE("a request is used again without a trace of the one before") {
  TextRequest request;
  REQUIRE(frame("ms YQ== 1 b q Oabc\r\nx\r\n", request) == MemcachedStatus::kComplete);
  REQUIRE(frame("set k 0 0 x noreply\r\n", request) == MemcachedStatus::kAnswered);
  REQUIRE(frame("gets a b\r\n", request) == MemcachedStatus::kComplete);
  CHECK(!request.quiet);
  CHECK(!request.noreply);
  CHECK(!request.key_is_base64);
  CHECK(!request.closes);
  CHECK(request.answer.empty());
  CHECK(request.opaque.empty());
  CHECK(request.keys.size() == 2);
  CHECK(request.as_is);
}
