#include "backends/wire/memcached_binary.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace quorate;
using namespace quorate::wire;
using Opcode = BinaryOpcode;
using Status = BinaryStatusCode;

namespace {

struct Packet {
  unsigned char magic = kBinaryRequestMagic;
  uint8_t opcode = 0;
  std::string extras;
  std::string key;
  std::string value;
  uint16_t reserved = 0;  // status of a reply
  uint8_t datatype = 0;
  int64_t body_size = -1;  // -1: what it is

  std::string bytes() const {
    std::string out;
    const auto put = [&out](uint64_t number, int size) {
      for (int i = size - 1; i >= 0; --i) out += static_cast<char>(number >> (8 * i));
    };
    put(magic, 1);
    put(opcode, 1);
    put(key.size(), 2);
    put(extras.size(), 1);
    put(datatype, 1);
    put(reserved, 2);
    const size_t real = extras.size() + key.size() + value.size();
    put(body_size < 0 ? real : static_cast<uint64_t>(body_size), 4);
    put(0xDEADBEEF, 4);
    put(77, 8);
    return out + extras + key + value;
  }
};

Packet request_of(Opcode opcode, std::string extras = {}, std::string key = {},
                  std::string value = {}) {
  Packet packet;
  packet.opcode = static_cast<uint8_t>(opcode);
  packet.extras = std::move(extras);
  packet.key = std::move(key);
  packet.value = std::move(value);
  return packet;
}

Packet reply_of(Opcode opcode, Status status, std::string key = {}, std::string value = {}) {
  Packet packet = request_of(opcode, {}, std::move(key), std::move(value));
  packet.magic = kBinaryReplyMagic;
  packet.reserved = static_cast<uint16_t>(status);
  return packet;
}

MemcachedStatus frame(std::string_view bytes, BinaryRequest& request, MemcachedLimits limits = {}) {
  return frame_binary_request(bytes.data(), bytes.data() + bytes.size(), limits, request);
}

const std::string kNumbers8(8, '\1');
const std::string kNumbers20(20, '\1');
const std::string kNumbers4(4, '\1');

struct Form {
  Opcode opcode;
  Opcode loud;
  std::string extras;
  std::string key;
  std::string value;
};

/// Every command in its shortest valid frame.
const std::vector<Form>& forms() {
  static const std::vector<Form> all = {
      {Opcode::kGet, Opcode::kGet, "", "k", ""},
      {Opcode::kGetQ, Opcode::kGet, "", "k", ""},
      {Opcode::kGetK, Opcode::kGetK, "", "k", ""},
      {Opcode::kGetKQ, Opcode::kGetK, "", "k", ""},
      {Opcode::kSet, Opcode::kSet, kNumbers8, "k", "v"},
      {Opcode::kSetQ, Opcode::kSet, kNumbers8, "k", ""},
      {Opcode::kAdd, Opcode::kAdd, kNumbers8, "k", "v"},
      {Opcode::kAddQ, Opcode::kAdd, kNumbers8, "k", "v"},
      {Opcode::kReplace, Opcode::kReplace, kNumbers8, "k", "v"},
      {Opcode::kReplaceQ, Opcode::kReplace, kNumbers8, "k", "v"},
      {Opcode::kDelete, Opcode::kDelete, "", "k", ""},
      {Opcode::kDeleteQ, Opcode::kDelete, "", "k", ""},
      {Opcode::kIncrement, Opcode::kIncrement, kNumbers20, "k", ""},
      {Opcode::kIncrementQ, Opcode::kIncrement, kNumbers20, "k", ""},
      {Opcode::kDecrement, Opcode::kDecrement, kNumbers20, "k", ""},
      {Opcode::kDecrementQ, Opcode::kDecrement, kNumbers20, "k", ""},
      {Opcode::kQuit, Opcode::kQuit, "", "", ""},
      {Opcode::kQuitQ, Opcode::kQuit, "", "", ""},
      {Opcode::kFlush, Opcode::kFlush, "", "", ""},
      {Opcode::kFlushQ, Opcode::kFlush, kNumbers4, "", ""},
      {Opcode::kNoop, Opcode::kNoop, "", "", ""},
      {Opcode::kVersion, Opcode::kVersion, "", "", ""},
      {Opcode::kAppend, Opcode::kAppend, "", "k", "v"},
      {Opcode::kAppendQ, Opcode::kAppend, "", "k", "v"},
      {Opcode::kPrepend, Opcode::kPrepend, "", "k", ""},
      {Opcode::kPrependQ, Opcode::kPrepend, "", "k", "v"},
      {Opcode::kStat, Opcode::kStat, "", "", ""},
      {Opcode::kStat, Opcode::kStat, "", "items", ""},
      {Opcode::kTouch, Opcode::kTouch, kNumbers4, "k", ""},
      {Opcode::kGat, Opcode::kGat, kNumbers4, "k", ""},
      {Opcode::kGatQ, Opcode::kGat, kNumbers4, "k", ""},
      {Opcode::kGatK, Opcode::kGatK, kNumbers4, "k", ""},
      {Opcode::kGatKQ, Opcode::kGatK, kNumbers4, "k", ""},
      {Opcode::kSaslList, Opcode::kSaslList, "", "", ""},
      {Opcode::kSaslAuth, Opcode::kSaslAuth, "", "PLAIN", "secret"},
      {Opcode::kSaslStep, Opcode::kSaslStep, "", "PLAIN", ""},
  };
  return all;
}

}  // namespace

TEST_CASE("every command is framed, however its bytes are cut") {
  for (const Form& form : forms()) {
    CAPTURE(static_cast<int>(form.opcode));
    const std::string bytes = request_of(form.opcode, form.extras, form.key, form.value).bytes();
    BinaryRequest request;
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      CHECK(frame(std::string_view(bytes).substr(0, cut), request) == MemcachedStatus::kIncomplete);
    }
    for (const std::string& whole : {bytes, bytes + "\x80 more"}) {
      REQUIRE(frame(whole, request) == MemcachedStatus::kComplete);
      CHECK(request.size == bytes.size());
      CHECK(request.opcode == form.opcode);
      CHECK(request.loud == form.loud);
      CHECK(request.quiet == (form.loud != form.opcode));
      CHECK(request.as_is == !request.quiet);
      CHECK(request.extras == form.extras);
      CHECK(request.key == form.key);
      CHECK(request.value_size == static_cast<int64_t>(form.value.size()));
      CHECK(whole.substr(request.value_offset, form.value.size()) == form.value);
      CHECK(request.cas == 77);
      std::string loud;
      append_loud(request, loud);
      CHECK(loud + form.value == request_of(form.loud, form.extras, form.key, form.value).bytes());
    }
  }
}

TEST_CASE("fields that mean nothing do not reach a backend") {
  Packet packet = request_of(Opcode::kGet, "", "k");
  packet.datatype = 3;
  packet.reserved = 12;
  const std::string bytes = packet.bytes();
  BinaryRequest request;
  REQUIRE(frame(bytes, request) == MemcachedStatus::kComplete);
  CHECK(!request.as_is);
  std::string loud;
  append_loud(request, loud);
  CHECK(loud == request_of(Opcode::kGet, "", "k").bytes());
}

TEST_CASE("a frame of the wrong shape costs the connection, as at the server") {
  for (const Form& form : forms()) {
    CAPTURE(static_cast<int>(form.opcode));
    const std::string long_key(251, 'k');
    const Packet wrong[] = {
        request_of(form.opcode, form.extras + "xy", form.key, form.value),
        request_of(form.opcode, form.extras, long_key, form.value),
    };
    for (const Packet& packet : wrong) {
      BinaryRequest request;
      const std::string bytes = packet.bytes();
      REQUIRE(frame(bytes, request) == MemcachedStatus::kAnswered);
      CHECK(request.answer == Status::kInvalid);
      CHECK(request.closes);
    }
    const bool takes_value = form.loud == Opcode::kSet || form.loud == Opcode::kAdd ||
                             form.loud == Opcode::kReplace || form.loud == Opcode::kAppend ||
                             form.loud == Opcode::kPrepend || form.loud == Opcode::kSaslAuth ||
                             form.loud == Opcode::kSaslStep;
    if (takes_value) continue;
    // GAT, TOUCH and STAT too: the server would take these bytes for the next command.
    BinaryRequest request;
    const std::string bytes = request_of(form.opcode, form.extras, form.key, "value").bytes();
    REQUIRE(frame(bytes, request) == MemcachedStatus::kAnswered);
    CHECK(request.answer == Status::kInvalid);
    CHECK(request.closes);
  }
}

TEST_CASE("lengths that disagree cost the connection") {
  Packet packet = request_of(Opcode::kGet, "", "key");
  packet.body_size = 2;
  BinaryRequest request;
  const std::string bytes = packet.bytes();
  REQUIRE(frame(bytes, request) == MemcachedStatus::kAnswered);
  CHECK(request.answer == Status::kUnknownCommand);
  CHECK(request.closes);
}

TEST_CASE("a wrong magic closes without a word") {
  BinaryRequest request;
  REQUIRE(frame("get k\r\n", request) == MemcachedStatus::kAnswered);
  CHECK(request.answer == Status::kOk);
  CHECK(request.closes);
}

TEST_CASE("an unknown command is answered and its exact body dropped") {
  for (int opcode = 0; opcode < 256; ++opcode) {
    bool known = false;
    for (const Form& form : forms()) known |= static_cast<int>(form.opcode) == opcode;
    if (known) continue;
    BinaryRequest request;
    const std::string bytes =
        request_of(static_cast<Opcode>(opcode), "1234", "key", "value").bytes();
    REQUIRE(frame(bytes, request) == MemcachedStatus::kAnswered);
    CHECK(request.answer == Status::kUnknownCommand);
    CHECK(!request.closes);
    CHECK(request.size == kBinaryHeaderBytes);
    CHECK(request.swallow == 12);
  }
}

TEST_CASE("a statistic that has no end is not asked for") {
  BinaryRequest request;
  const std::string bytes = request_of(Opcode::kStat, "", "sizes_enable").bytes();
  REQUIRE(frame(bytes, request) == MemcachedStatus::kAnswered);
  CHECK(request.answer == Status::kNotFound);
  CHECK(request.size == bytes.size());
  CHECK(!request.closes);
}

TEST_CASE("a value above the limit is refused and dropped; its key is known") {
  BinaryRequest request;
  const std::string bytes = request_of(Opcode::kSetQ, kNumbers8, "key", "0123456789A").bytes();
  const MemcachedLimits limits{.value = 10};
  CHECK(frame(std::string_view(bytes).substr(0, 34), request, limits) ==
        MemcachedStatus::kIncomplete);
  REQUIRE(frame(bytes, request, limits) == MemcachedStatus::kAnswered);
  CHECK(request.answer == Status::kTooLarge);
  CHECK(request.key == "key");
  CHECK(request.size + static_cast<size_t>(request.swallow) == bytes.size());
  CHECK(!request.closes);

  Packet endless = request_of(Opcode::kSet, kNumbers8, "key");
  endless.body_size = 0x80000000;
  const std::string header = endless.bytes();
  REQUIRE(frame(header, request) == MemcachedStatus::kAnswered);
  CHECK(request.answer == Status::kTooLarge);
  CHECK(request.closes);
}

TEST_CASE("a value too large for a read streams behind its key") {
  Packet packet = request_of(Opcode::kSet, kNumbers8, "key");
  packet.body_size = 11 + 65536;
  const std::string head = packet.bytes();
  BinaryRequest request;
  for (size_t cut = 0; cut < head.size(); ++cut) {
    CHECK(frame(std::string_view(head).substr(0, cut), request) == MemcachedStatus::kIncomplete);
  }
  REQUIRE(frame(head, request) == MemcachedStatus::kLarge);
  CHECK(request.size == head.size());
  CHECK(request.value_size == 65536);
  CHECK(request.key == "key");
}

TEST_CASE("replies are answered with the client's opaque and opcode") {
  const std::string frame_bytes = request_of(Opcode::kGetQ, "", "k").bytes();
  BinaryRequest request;
  REQUIRE(frame(frame_bytes, request) == MemcachedStatus::kComplete);
  std::string out;
  append_binary_reply(request.opcode, request.opaque, Status::kInvalid,
                      binary_status_text(Status::kInvalid), out);
  BinaryReplyHeader header = read_binary_reply_header(out.data());
  CHECK(header.opcode == Opcode::kGetQ);
  CHECK(header.status == Status::kInvalid);
  CHECK(header.opaque == request.opaque);
  CHECK(out.substr(kBinaryHeaderBytes) == "Invalid arguments");
  CHECK(out.substr(12, 4) == "\xDE\xAD\xBE\xEF");
  set_reply_opcode(out.data(), Opcode::kSet);
  CHECK(read_binary_reply_header(out.data()).opcode == Opcode::kSet);

  out.clear();
  append_binary_unavailable(Opcode::kGet, request.opaque, "10.0.0.1:11211", out);
  header = read_binary_reply_header(out.data());
  CHECK(header.status == Status::kTemporary);
  CHECK(out.substr(kBinaryHeaderBytes) == "backend 10.0.0.1:11211 unavailable");
  CHECK(header.body_size == out.size() - kBinaryHeaderBytes);
  out.clear();
  append_binary_indeterminate(Opcode::kSet, request.opaque, "10.0.0.1:11211", out);
  header = read_binary_reply_header(out.data());
  CHECK(header.status == Status::kInternal);
  CHECK(out.substr(kBinaryHeaderBytes) == "INDETERMINATE backend 10.0.0.1:11211: outcome unknown");
}

TEST_CASE("quiet hides misses of the get family and successes of the others") {
  for (const Form& form : forms()) {
    CAPTURE(static_cast<int>(form.opcode));
    const bool quiet = form.loud != form.opcode;
    const bool reads = form.loud == Opcode::kGet || form.loud == Opcode::kGetK ||
                       form.loud == Opcode::kGat || form.loud == Opcode::kGatK;
    CHECK(hides_reply(form.opcode, Status::kOk) == (quiet && !reads));
    CHECK(hides_reply(form.opcode, Status::kNotFound) == (quiet && reads));
    CHECK(!hides_reply(form.opcode, Status::kInvalid));
    CHECK(!hides_reply(form.opcode, Status::kTemporary));
  }
}

TEST_CASE("a reply ends where its lengths say, STAT's with a packet without a name") {
  const std::string stat = reply_of(Opcode::kStat, Status::kOk, "pid", "1").bytes();
  const std::vector<std::string> replies = {
      reply_of(Opcode::kNoop, Status::kOk).bytes(),
      reply_of(Opcode::kGetK, Status::kOk, "key", "value").bytes(),
      reply_of(Opcode::kSet, Status::kExists, "", "Data exists for key.").bytes(),
      stat + stat + reply_of(Opcode::kStat, Status::kOk).bytes(),
      reply_of(Opcode::kStat, Status::kNotFound, "", "Not found").bytes(),
  };
  for (const std::string& reply : replies) {
    const std::string bytes = reply + "\x81 more";
    for (size_t first = 0; first <= bytes.size(); ++first) {
      for (size_t second = first; second <= bytes.size(); ++second) {
        BinaryReplyScanner scanner;
        size_t at = 0;
        bool done = false;
        for (const size_t to : {first, second, bytes.size()}) {
          if (done) break;
          const auto progress = scanner.feed(bytes.data() + at, bytes.data() + to);
          REQUIRE(!progress.broken);
          at += progress.consumed;
          done = progress.done;
        }
        CHECK(done);
        CHECK(at == reply.size());
      }
    }
  }
}

TEST_CASE("a reply that is none breaks the connection") {
  BinaryReplyScanner scanner;
  const std::string text = "ERROR\r\n";
  CHECK(scanner.feed(text.data(), text.data() + text.size()).broken);
  Packet packet = reply_of(Opcode::kGet, Status::kOk, "key");
  packet.body_size = 2;
  const std::string bytes = packet.bytes();
  scanner.reset();
  CHECK(scanner.feed(bytes.data(), bytes.data() + bytes.size()).broken);
}
