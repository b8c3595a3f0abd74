// What servers answer to COMMAND INFO <name>, as they write it: Redis 7.0.15 and one of its
// modules, Redis 6.2, Redis 5, and answers that no server would give. Built-in commands are
// compared with the static table, all of them, in tests/integration/redis_commands.
#include "backends/wire/command_reply.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "backends/wire/key_walk.h"
#include "backends/wire/resp_tree.h"
#include "consensus/base/random.h"

using namespace quorate::wire;

namespace {

/// RESP written with a blank for every line end.
std::string resp(std::string_view words) {
  std::string bytes;
  for (const char c : words) {
    if (c == ' ') {
      bytes += "\r\n";
    } else {
      bytes += c;
    }
  }
  return bytes + "\r\n";
}

auto learn(std::string_view words) { return parse_command_info(resp(words)); }

std::vector<uint32_t> key_positions(const CommandSpec& spec,
                                    const std::vector<std::string_view>& args) {
  std::vector<uint32_t> positions;
  for (const KeyPosition key : KeyWalk(spec, args)) positions.push_back(key.index);
  return positions;
}

constexpr std::string_view kFixedKeyOfRedis7 =
    "*6 $5 flags *2 +RW +access $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 "
    "$9 find_keys *4 $4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0";

std::string redis7_command(std::string_view name, std::string_view flags,
                           std::string_view key_specs, std::string_view subcommands = "*0") {
  return "*10 $" + std::to_string(name.size()) + " " + std::string(name) + " :-2 " +
         std::string(flags) + " :0 :0 :0 *1 +@slow *0 " + std::string(key_specs) + " " +
         std::string(subcommands);
}

std::string key_spec(std::string_view flags, std::string_view begin, std::string_view find) {
  return "*6 $5 flags " + std::string(flags) + " $12 begin_search *4 " + std::string(begin) +
         " $9 find_keys *4 " + std::string(find);
}

bool asks_server(std::string_view command) {
  const auto learnt = learn("*1 " + std::string(command));
  REQUIRE(learnt.ok());
  return learnt.value()->spec().asks_server;
}

}  // namespace

TEST_CASE("a module's command of Redis 7 is learnt with its key") {
  const auto learnt =
      learn("*1 *10 $9 FT.CREATE :-1 *3 +write +denyoom +module :1 :1 :1 *0 *0 *1 " +
            std::string(kFixedKeyOfRedis7) + " *0");
  REQUIRE(learnt.ok());
  const CommandSpec& spec = learnt.value()->spec();
  CHECK(spec.name == "FT.CREATE");
  CHECK(spec.id == RedisCommand::kUnknown);
  CHECK(spec.arity == -1);
  CHECK(spec.flags ==
        FlagSet<CommandFlag>{CommandFlag::kWrite, CommandFlag::kDenyoom, CommandFlag::kModule});
  CHECK(spec.single_key == 1);
  CHECK(key_positions(spec, {"FT.CREATE", "index", "SCHEMA"}) == std::vector<uint32_t>{1});
}

TEST_CASE("a command without keys has none") {
  const auto learnt = learn("*1 *10 $7 FT.MGET :-1 *2 +readonly +module :0 :0 :0 *0 *0 *0 *0");
  REQUIRE(learnt.ok());
  CHECK_FALSE(learnt.value()->spec().asks_server);
  CHECK(learnt.value()->spec().key_specs().empty());
  CHECK(key_positions(learnt.value()->spec(), {"FT.MGET", "a", "b"}).empty());
}

TEST_CASE("commands of Redis 6 and 5 are learnt from first key, last key and step") {
  const auto of_redis6 =
      learn("*1 *7 $4 mget :-2 *2 +readonly +fast :1 :-1 :1 *3 +@read +@string +@fast");
  REQUIRE(of_redis6.ok());
  CHECK(of_redis6.value()->spec().categories ==
        FlagSet<AclCategory>{AclCategory::kRead, AclCategory::kString, AclCategory::kFast});
  CHECK(key_positions(of_redis6.value()->spec(), {"mget", "a", "b"}) ==
        std::vector<uint32_t>{1, 2});

  const auto of_redis5 = learn("*1 *6 $6 msetnx :-3 *2 +write +denyoom :1 :-1 :2");
  REQUIRE(of_redis5.ok());
  CHECK(key_positions(of_redis5.value()->spec(), {"msetnx", "a", "1", "b", "2"}) ==
        std::vector<uint32_t>{1, 3});

  const auto two_keys = learn("*1 *6 $6 rename :3 *1 +write :1 :2 :1");
  REQUIRE(two_keys.ok());
  CHECK(key_positions(two_keys.value()->spec(), {"rename", "a", "b"}) ==
        std::vector<uint32_t>{1, 2});

  const auto fixed = learn("*1 *6 $3 get :2 *2 +readonly +fast :1 :1 :1");
  REQUIRE(fixed.ok());
  CHECK(fixed.value()->spec().single_key == 1);
}

TEST_CASE("movable keys without a word about where ask the server") {
  CHECK(asks_server("*6 $4 eval :-3 *2 +noscript +movablekeys :0 :0 :0"));
  CHECK(asks_server("*7 $4 sort :-2 *2 +write +movablekeys :1 :1 :1 *0"));
  CHECK_FALSE(asks_server("*6 $3 get :2 *0 :1 :1 :1"));
  CHECK_FALSE(asks_server("*6 $4 ping :-1 *0 :0 :0 :0"));
  for (const std::string_view senseless :
       {":-1 :1 :1", ":2 :1 :1", ":1 :1 :0", ":1 :1 :-1", ":1 :-9223372036854775808 :1",
        ":-9223372036854775808 :9223372036854775807 :1", ":1 :9223372036854775807 :1",
        ":9223372036854775807 :9223372036854775807 :1", ":1 :0 :1"}) {
    CAPTURE(senseless);
    CHECK(asks_server("*6 $3 get :2 *0 " + std::string(senseless)));
  }
  CHECK(asks_server(redis7_command("m.keys", "*2 +module +movablekeys", "*0")));
  CHECK_FALSE(asks_server(redis7_command("m.none", "*1 +module", "*0")));
}

TEST_CASE("key specifications that promise too little ask the server") {
  constexpr std::string_view kIndex = "$4 type $5 index $4 spec *2 $5 index :1";
  constexpr std::string_view kNowhere = "$4 type $7 unknown $4 spec *0";
  constexpr std::string_view kOne =
      "$4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0";
  const auto with = [](std::string_view flags, std::string_view begin, std::string_view find,
                       std::string_view command_flags = "*0") {
    return asks_server(redis7_command("m.x", command_flags, "*1 " + key_spec(flags, begin, find)));
  };
  CHECK_FALSE(with("*1 +RO", kIndex, kOne));
  CHECK(with("*1 +RO", kNowhere, kOne));
  CHECK(with("*1 +RO", kIndex, kNowhere));
  CHECK(with("*2 +RO +incomplete", kIndex, kOne));
  CHECK_FALSE(with("*2 +RW +variable_flags", kIndex, kOne));
  CHECK(with("*2 +RW +variable_flags", kIndex, kOne, "*1 +movablekeys"));
  CHECK_FALSE(with("*1 +not_key", kNowhere, kOne));
  // Numbers that would lead out of the arguments or nowhere.
  CHECK(with("*0", "$4 type $5 index $4 spec *2 $5 index :0", kOne));
  CHECK(with("*0", "$4 type $5 index $4 spec *2 $5 index :-1", kOne));
  CHECK(with("*0", "$4 type $5 index $4 spec *2 $5 index :99999999999", kOne));
  CHECK(with("*0", "$4 type $7 keyword $4 spec *4 $7 keyword $4 KEYS $9 startfrom :0", kOne));
  CHECK(with("*0", kIndex, "$4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :0 $5 limit :0"));
  CHECK(with("*0", kIndex,
             "$4 type $6 keynum $4 spec *6 $9 keynumidx :-1 $8 firstkey :1 $7 keystep :1"));
  // More specifications than are followed.
  std::string many = "*5";
  for (int i = 0; i < 5; ++i) many += " " + key_spec("*0", kIndex, kOne);
  CHECK(asks_server(redis7_command("m.x", "*0", many)));
}

TEST_CASE("counted keys and keywords are learnt") {
  const auto learnt = learn(
      "*1 " +
      redis7_command(
          "m.x", "*1 +movablekeys",
          "*2 " +
              key_spec(
                  "*1 +RW", "$4 type $5 index $4 spec *2 $5 index :1",
                  "$4 type $6 keynum $4 spec *6 $9 keynumidx :0 $8 firstkey :1 $7 keystep :2") +
              " " +
              key_spec("*1 +RO",
                       "$4 type $7 keyword $4 spec *4 $7 keyword $4 FROM $9 startfrom :-1",
                       "$4 type $5 range $4 spec *6 $7 lastkey :-1 $7 keystep :1 $5 limit :0")));
  REQUIRE(learnt.ok());
  const CommandSpec& spec = learnt.value()->spec();
  CHECK(key_positions(spec, {"m.x", "2", "a", "-", "b", "from", "c", "d"}) ==
        std::vector<uint32_t>{2, 4, 6, 7});
  CHECK(KeyWalk(spec, std::vector<std::string_view>{"m.x", "3", "a", "-", "b"}).error() ==
        KeyError::kInvalidNumkeys);
  // The last FROM counts, and one at the very end has no key behind it.
  CHECK(key_positions(spec, {"m.x", "1", "a", "FROM", "FROM", "c"}) == std::vector<uint32_t>{2, 5});
}

TEST_CASE("subcommands are learnt and found in any case") {
  const auto learnt =
      learn("*1 " + redis7_command("m.box", "*1 +module", "*0",
                                   "*2 " +
                                       redis7_command("m.box|put", "*1 +write",
                                                      "*1 " + std::string(kFixedKeyOfRedis7)) +
                                       " " + redis7_command("m.box|help", "*0", "*0")));
  REQUIRE(learnt.ok());
  const CommandSpec& spec = learnt.value()->spec();
  CHECK(spec.subcommands().size() == 2);
  const CommandSpec* put = find_subcommand(spec, "PUT");
  REQUIRE(put != nullptr);
  CHECK(put->name == "m.box|put");
  CHECK(put->single_key == 1);
  CHECK(find_subcommand(spec, "get") == nullptr);
}

TEST_CASE("what is no description of one command says what it is") {
  CHECK(learn("*1 $-1").error() == CommandReplyError::kUnknownCommand);
  CHECK(learn("*1 *-1").error() == CommandReplyError::kUnknownCommand);
  CHECK(learn("-NOPERM").error() == CommandReplyError::kRefused);
  for (const std::string_view words : {"+OK",
                                       ":1",
                                       "$-1",
                                       "*-1",
                                       "*0",
                                       "*2 $-1 $-1",
                                       "*1 *0",
                                       "*1 +get",
                                       "*1 *6 $3 get :2",
                                       "*1 *3 $3 get :2 *0",
                                       "*1 *6 :1 :2 *0 :0 :0 :0",
                                       "*1 *6 $3 get $1 2 *0 :0 :0 :0",
                                       "*1 *6 $3 get :99999999999 *0 :0 :0 :0",
                                       "*1 *6 $0  :1 *0 :0 :0 :0",
                                       "%1 $1 a $1 b",
                                       "_",
                                       "*x",
                                       "*-2",
                                       "$-2",
                                       ":1x",
                                       ":",
                                       "$1 ab",
                                       "*1 $-1 +more",
                                       "x"}) {
    CAPTURE(words);
    const auto learnt = learn(words);
    REQUIRE_FALSE(learnt.ok());
    CHECK((learnt.error() == CommandReplyError::kMalformed ||
           learnt.error() == CommandReplyError::kIncomplete));
    if (!words.starts_with("*1 *6 $3 get :2")) {
      CHECK(learnt.error() == CommandReplyError::kMalformed);
    }
  }
}

TEST_CASE("every beginning of an answer is incomplete, not wrong") {
  const std::string whole =
      resp("*1 " + redis7_command("m.x", "*1 +write", "*1 " + std::string(kFixedKeyOfRedis7)));
  REQUIRE(parse_command_info(whole).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(parse_command_info(whole.substr(0, size)).error() == CommandReplyError::kIncomplete);
  }
}

TEST_CASE("a damaged answer is refused, or names no position outside of the arguments") {
  const std::string whole = resp(
      "*1 " +
      redis7_command(
          "m.x", "*1 +movablekeys",
          "*2 " + std::string(kFixedKeyOfRedis7) + " " +
              key_spec("*1 +RO", "$4 type $7 keyword $4 spec *4 $7 keyword $1 2 $9 startfrom :-3",
                       "$4 type $6 keynum $4 spec *6 $9 keynumidx :0 $8 firstkey :1 "
                       "$7 keystep :1"),
          "*1 " + redis7_command("m.x|y", "*0", "*0")));
  quorate::base::Random random(1);
  const std::vector<std::string_view> args{"m.x", "1", "2", "2", "3", "m.x", "2", "1", "1"};
  size_t learnt_count = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string damaged = whole;
    for (uint64_t left = 1 + random.below(3); left > 0; --left) {
      const size_t place = random.below(damaged.size());
      constexpr std::string_view kBytes = "0123456789-+:*$\r\nx";
      damaged[place] = kBytes[random.below(kBytes.size())];
    }
    const auto learnt = parse_command_info(damaged);
    if (!learnt.ok()) continue;
    ++learnt_count;
    for (const KeyPosition key : KeyWalk(learnt.value()->spec(), args)) {
      REQUIRE(key.index > 0);
      REQUIRE(key.index < args.size());
    }
  }
  CHECK(learnt_count > 1000);
}

TEST_CASE("neither depth nor declared sizes cost anything before their bytes come") {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "*1\r\n";
  CHECK(parse_resp_tree(deep).error() == RespTreeError::kMalformed);
  CHECK(parse_resp_tree("*9000000000000000000\r\n").error() == RespTreeError::kIncomplete);
  CHECK(parse_resp_tree("$9000000000000000000\r\n").error() == RespTreeError::kIncomplete);
  CHECK(parse_resp_tree("*9999999999999999999\r\n").error() == RespTreeError::kMalformed);
  CHECK(parse_command_info(std::string(kMaxCommandReply + 1, 'x')).error() ==
        CommandReplyError::kMalformed);
}
