#include "consensus/raft/codec.h"

#include <doctest/doctest.h>

#include "consensus/raft/crc32c.h"

namespace quorate::raft {
namespace {

Configuration group() {
  Configuration c;
  c.voters = {MemberId{1}, MemberId{2}};
  c.old_voters = {MemberId{1}};
  c.learners = {{MemberId{3}, true}, {MemberId{4}, false}};
  c.addresses = {
      {MemberId{1}, "one:1"}, {MemberId{2}, ""}, {MemberId{3}, "three:3"}, {MemberId{4}, "four:4"}};
  return c;
}

EntryRef entry(Index index, Term term, EntryData data) {
  return std::make_shared<const Entry>(Entry{term, index, std::move(data)});
}

std::vector<Message> one_of_each() {
  return {
      PreVote{3, 4, 5, 2},
      PreVoteResponse{3, 4, true},
      RequestVote{4, 5, 2, true},
      RequestVoteResponse{4, true},
      AppendEntries{
          4, 5, 2, 4, {entry(6, 3, Noop{}), entry(7, 4, Command{"set x"}), entry(8, 4, group())}},
      AppendEntries{4, 5, 2, 4, {}},
      AppendEntriesResponse{4, 8},
      AppendEntriesRefused{4, 5, 3, 1},
      Heartbeat{4, 5, 17},
      HeartbeatResponse{4, 17},
      InstallSnapshot{4, {9, 3, 100, 0xABCDEF}, group(), 10, std::string("p\0q", 3)},
      InstallSnapshotResponse{4, 9, 13, true},
      TimeoutNow{4},
      ReadIndex{4, UINT64_MAX},
      ReadIndexResponse{4, UINT64_MAX, 6},
      ReadIndexResponse{4, 7, std::nullopt},
      StaleTerm{4}};
}

std::string bytes_of(const Message& message) {
  std::string bytes;
  encode(message, bytes);
  return bytes;
}

TEST_CASE("every message comes back as it was") {
  const std::vector<Message> messages = one_of_each();
  CHECK(std::variant_size_v<Message> == 15);
  for (const Message& message : messages) {
    const auto decoded = decode_message(bytes_of(message));
    REQUIRE(decoded.ok());
    CHECK(decoded.value().index() == message.index());
    CHECK(bytes_of(decoded.value()) == bytes_of(message));
  }
  const auto decoded = decode_message(bytes_of(messages[4]));
  const auto& append = std::get<AppendEntries>(decoded.value());
  REQUIRE(append.entries.size() == 3);
  CHECK(*append.entries[1] == Entry{4, 7, Command{"set x"}});
  CHECK(*append.entries[2] == Entry{4, 8, group()});
}

TEST_CASE("a message that is cut short, or goes on for too long, is refused") {
  for (const Message& message : one_of_each()) {
    const std::string bytes = bytes_of(message);
    for (size_t size = 0; size < bytes.size(); ++size) {
      // A command may end anywhere, but what counts its bytes notices.
      REQUIRE(!decode_message(bytes.substr(0, size)).ok());
    }
    REQUIRE(!decode_message(bytes + 'x').ok());
  }
}

TEST_CASE("a message with a flipped bit is refused, or is another message that is well-formed") {
  for (const Message& message : one_of_each()) {
    std::string bytes = bytes_of(message);
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      const auto decoded = decode_message(bytes);
      if (decoded) REQUIRE(bytes_of(decoded.value()) == bytes);
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    }
  }
}

TEST_CASE("entries whose terms fall, or are above the message's, are refused") {
  CHECK(!decode_message(bytes_of(AppendEntries{4, 5, 3, 0, {entry(6, 2, Noop{})}})).ok());
  CHECK(!decode_message(bytes_of(AppendEntries{4, 5, 3, 0, {entry(6, 5, Noop{})}})).ok());
  const AppendEntries falling{4, 5, 1, 0, {entry(6, 3, Noop{}), entry(7, 2, Noop{})}};
  CHECK(decode_message(bytes_of(falling)).error() == DecodeError::kMalformed);
}

TEST_CASE("an unknown kind is said to be one") {
  CHECK(decode_message(std::string(9, '\x7F')).error() == DecodeError::kUnknownKind);
  CHECK(decode_entry_data("\x7F").error() == DecodeError::kUnknownKind);
}

TEST_CASE("a configuration that cannot be is refused") {
  Configuration c = group();
  c.voters = {MemberId{2}, MemberId{1}};
  std::string bytes;
  encode(c, bytes);
  CHECK(decode_configuration(bytes).error() == DecodeError::kMalformed);
}

TEST_CASE("CRC-32C gives the values of RFC 3720, however the bytes are cut") {
  CHECK(crc32c("123456789") == 0xE3069283u);
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43u);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  CHECK(crc32c(rising) == 0x46DD794Eu);
  for (size_t cut = 0; cut <= rising.size(); ++cut) {
    const std::string_view all = rising;
    CHECK(crc32c(all.substr(cut), crc32c(all.substr(0, cut))) == 0x46DD794Eu);
  }
}

}  // namespace
}  // namespace quorate::raft
