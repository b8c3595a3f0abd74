#include "backends/wire/acl.h"

#include <doctest/doctest.h>

#include <initializer_list>

namespace quorate::wire {
namespace {

AclUser user(const std::string& rules) {
  auto read = parse_acl_users("user u " + rules);
  REQUIRE(read.ok());
  return read.value()->users.at(0);
}

std::string problem(const std::string& text) {
  const auto read = parse_acl_users(text);
  return read.ok() ? "" : read.error();
}

bool may(const AclUser& one, std::initializer_list<std::string_view> args) {
  const std::vector<std::string_view> list(args);
  const auto found = look_up_command(list);
  REQUIRE(found.error == CommandError::kNone);
  return one.allows(*found.spec) && one.allows_keys(*found.spec, list) &&
         one.allows_channels(*found.spec, list);
}

}  // namespace

TEST_CASE("a new user may do nothing, and rules are read from left to right") {
  CHECK(!may(user("on nopass ~*"), {"GET", "a"}));
  CHECK(may(user("on nopass ~* +get"), {"GET", "a"}));
  CHECK(!may(user("on nopass ~* +@all -get"), {"GET", "a"}));
  CHECK(may(user("on nopass ~* -get +@all"), {"GET", "a"}));
  CHECK(!may(user("on nopass ~* +@all -@dangerous"), {"KEYS", "*"}));
  CHECK(may(user("on nopass ~* +@all -@dangerous +keys"), {"KEYS", "*"}));
  CHECK(may(user("on nopass ~* +@read"), {"MGET", "a", "b"}));
  CHECK(!may(user("on nopass ~* +@read"), {"SET", "a", "b"}));
  CHECK(!may(user("allkeys allcommands reset"), {"GET", "a"}));
}

TEST_CASE("a container's rule is that of its subcommands, which may have their own") {
  const AclUser one = user("~* +config -config|set");
  CHECK(may(one, {"CONFIG", "GET", "a"}));
  CHECK(!may(one, {"CONFIG", "SET", "a", "b"}));
  CHECK(!may(user("~* -@all +client|id"), {"CLIENT", "LIST"}));
}

TEST_CASE("a category has subcommands, which are named with their container, in any case") {
  const AclUser admin = user("~* +@admin");
  CHECK(may(admin, {"CONFIG", "GET", "a"}));
  CHECK(may(admin, {"config", "Set", "a", "b"}));
  CHECK(may(admin, {"CLIENT", "LIST"}));
  CHECK(!may(admin, {"CLIENT", "ID"}));
  CHECK(!may(admin, {"GET", "a"}));
  const AclUser reader = user("~* +@all -@ADMIN +CONFIG|GET");
  CHECK(may(reader, {"CONFIG", "GET", "a"}));
  CHECK(!may(reader, {"CONFIG", "SET", "a", "b"}));
  CHECK(!may(user("~* +config|get -@dangerous"), {"CONFIG", "GET", "a"}));
  CHECK(reader.line() == "user u off ~* resetchannels +@all -@admin +config|get");
}

TEST_CASE("what comes before AUTH is everybody's") {
  CHECK(may(user("-@all"), {"AUTH", "x"}));
  CHECK(may(user("-@all"), {"HELLO"}));
  CHECK(!may(user("-@all"), {"PING"}));
}

TEST_CASE("keys must match a pattern, for what is done to them") {
  const AclUser one = user("+@all ~a:* %R~r:* %W~w:*");
  CHECK(may(one, {"SET", "a:1", "x"}));
  CHECK(!may(one, {"SET", "b:1", "x"}));
  CHECK(may(one, {"GET", "r:1"}));
  CHECK(!may(one, {"SET", "r:1", "x"}));
  CHECK(may(one, {"SET", "w:1", "x"}));
  CHECK(!may(one, {"GET", "w:1"}));
  CHECK(may(one, {"COPY", "r:1", "w:1"}));
  CHECK(!may(one, {"COPY", "w:1", "r:1"}));
  CHECK(!may(one, {"MGET", "a:1", "b:1"}));
  CHECK(may(one, {"EVAL", "return 1", "1", "a:1"}));
  CHECK(!may(one, {"EVAL", "return 1", "1", "b"}));
}

TEST_CASE("channels must match a pattern; a pattern of PSUBSCRIBE must be one") {
  const AclUser one = user("+@all &news.*");
  CHECK(may(one, {"PUBLISH", "news.a", "x"}));
  CHECK(!may(one, {"PUBLISH", "other", "x"}));
  CHECK(may(one, {"SUBSCRIBE", "news.a", "news.b"}));
  CHECK(!may(one, {"SUBSCRIBE", "news.a", "other"}));
  CHECK(may(one, {"PSUBSCRIBE", "news.*"}));
  CHECK(!may(one, {"PSUBSCRIBE", "news.a*"}));
  CHECK(may(user("+@all allchannels"), {"PSUBSCRIBE", "x*"}));
}

TEST_CASE("passwords: plain, hashed, none; a user that is off has none that is right") {
  const std::string hash = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
  CHECK(sha256_hex("x") == hash);
  CHECK(user("on >x").accepts("x"));
  CHECK(user("on #" + hash).accepts("x"));
  CHECK(!user("on #" + hash).accepts("y"));
  CHECK(user("on >y >x").accepts("x"));
  CHECK(user("on nopass").accepts("anything"));
  CHECK(!user("off nopass").accepts("anything"));
  CHECK(!user("on nopass resetpass").accepts(""));
}

TEST_CASE("lines are as ACL LIST shows them") {
  CHECK(user("on nopass ~* &* +@all").line() == "user u on nopass ~* &* +@all");
  CHECK(user("on >x ~a* +get").line() ==
        "user u on #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 ~a* "
        "resetchannels -@all +get");
}

TEST_CASE("what is wrong is named with its line, and no password is shown") {
  CHECK(problem("# nothing\n\nuser a on\n").empty());
  CHECK(problem("user a on\nadmin b") == "line 2: does not begin with \"user\"");
  CHECK(problem("user") == "line 1: names no user");
  CHECK(problem("user a on\nuser a on") == "line 2: user a is there twice");
  CHECK(problem("user a +nosuch") == "line 1: \"+nosuch\" is no command of Redis 7.0");
  CHECK(problem("user a +config|nosuch") ==
        "line 1: \"+config|nosuch\" is no command of Redis 7.0");
  CHECK(problem("user a +@config|get") == "line 1: \"+@config|get\" is no category of commands");
  CHECK(problem("user a +@nosuch") == "line 1: \"+@nosuch\" is no category of commands");
  CHECK(problem("user a #secret").find("secret") == std::string::npos);
  CHECK(problem("user a (~x)") == "line 1: \"(~x)\" selectors are not known to quorate");
  CHECK(problem("user a enabled") == "line 1: \"enabled\" is no rule of Redis' ACL");
}

TEST_CASE("patterns match as those of KEYS") {
  CHECK(matches_glob("*", ""));
  CHECK(matches_glob("a*c", "abbc"));
  CHECK(!matches_glob("a*c", "abb"));
  CHECK(matches_glob("a?c", "abc"));
  CHECK(!matches_glob("a?c", "ac"));
  CHECK(matches_glob("[a-c]x", "bx"));
  CHECK(!matches_glob("[^a-c]x", "bx"));
  CHECK(matches_glob("\\*", "*"));
  CHECK(!matches_glob("\\*", "a"));
  CHECK(matches_glob("a**b", "ab"));
  CHECK(!matches_glob("", "a"));
  CHECK(matches_glob("[\\]]", "]"));
  CHECK(!matches_glob("[a", "b"));
}

}  // namespace quorate::wire
