#include "backends/redis/waiting_command.h"

#include <doctest/doctest.h>

namespace quorate::redis {
namespace {

using wire::RedisCommand;
using Words = std::vector<std::string_view>;

}  // namespace

TEST_CASE("reading streams waits if BLOCK stands before STREAMS, whatever a stream is called") {
  CHECK(waits(RedisCommand::kXread, Words{"XREAD", "block", "0", "STREAMS", "k", "$"}));
  CHECK(waits(RedisCommand::kXreadgroup, Words{"XREADGROUP", "GROUP", "g", "BLOCK", "COUNT", "1",
                                               "BLOCK", "5", "STREAMS", "k", ">"}));
  CHECK(!waits(RedisCommand::kXread, Words{"XREAD", "STREAMS", "BLOCK", "0"}));
  CHECK(!waits(RedisCommand::kXreadgroup,
               Words{"XREADGROUP", "GROUP", "BLOCK", "BLOCK", "STREAMS", "k", ">"}));
  CHECK(waits(RedisCommand::kBlpop, Words{"BLPOP", "k", "0"}));
  CHECK(!waits(RedisCommand::kLpop, Words{"LPOP", "k"}));
}

TEST_CASE("of several streams each is read alone, with its own ID, and does not wait") {
  const Words words{"XREAD", "COUNT", "2", "BLOCK", "0", "STREAMS", "a", "b", "1-1", "$"};
  CHECK(for_key(RedisCommand::kXread, words, "a") ==
        Words{"XREAD", "COUNT", "2", "STREAMS", "a", "1-1"});
  CHECK(for_key(RedisCommand::kXread, words, "b") ==
        Words{"XREAD", "COUNT", "2", "STREAMS", "b", "$"});
  CHECK(without_waiting(RedisCommand::kXread, words) ==
        Words{"XREAD", "COUNT", "2", "STREAMS", "a", "b", "1-1", "$"});
  CHECK(is_unbalanced(RedisCommand::kXread, Words{"XREAD", "BLOCK", "0", "STREAMS", "a"}));
  CHECK(!is_unbalanced(RedisCommand::kXread, Words{"XREAD", "BLOCK", "0", "a", "0"}));
}

TEST_CASE("the last ID of a stream is found in what XINFO told") {
  CHECK(last_id_in("%2\r\n$6\r\nlength\r\n:1\r\n$17\r\nlast-generated-id\r\n$4\r\n12-3\r\n") ==
        "12-3");
  CHECK(last_id_in("-ERR no such key\r\n") == "0-0");
  CHECK(last_id_in("_\r\n") == "0-0");
  CHECK(!last_id_in("-TRYAGAIN no majority\r\n"));
  CHECK(!last_id_in("%1\r\n$6\r\nlength\r\n:1\r\n"));
}

}  // namespace quorate::redis
