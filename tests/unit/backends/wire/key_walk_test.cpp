// Which arguments are keys. Thousands of generated lists are compared with a server's own answer in
// tests/integration/redis_commands; these are the cases worth reading.
#include "backends/wire/key_walk.h"

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

using namespace quorate::wire;

namespace {

/// The keys of a command line as "a b", or why there are none.
std::string keys_of(const std::string& line) {
  std::istringstream words(line);
  std::vector<std::string> storage;
  for (std::string word; words >> word;) storage.push_back(word == "\"\"" ? "" : word);
  const std::vector<std::string_view> args(storage.begin(), storage.end());
  const CommandLookup lookup = look_up_command(args);
  REQUIRE(lookup.error == CommandError::kNone);
  const KeyWalk walk(*lookup.spec, args);
  switch (walk.error()) {
    case KeyError::kNone: break;
    case KeyError::kNoKeys: return "(no keys)";
    case KeyError::kInvalidNumkeys: return "(invalid numkeys)";
    case KeyError::kAskServer: return "(ask)";
  }
  std::string keys;
  size_t count = 0;
  for (const KeyPosition key : walk) {
    if (count++ != 0) keys += ' ';
    keys += args[key.index].empty() ? "\"\"" : args[key.index];
  }
  CHECK(walk.size() == count);
  CHECK(walk.empty() == (count == 0));
  return keys;
}

}  // namespace

TEST_CASE("most commands have their key behind the name") {
  CHECK(keys_of("GET a") == "a");
  CHECK(keys_of("SET a b EX 10 GET") == "a");
  CHECK(keys_of("OBJECT ENCODING a") == "a");
  CHECK(keys_of("XGROUP CREATE a group $ MKSTREAM") == "a");
  CHECK(keys_of("PING") == "");
  CHECK(keys_of("CONFIG GET save") == "");
}

TEST_CASE("ranges run to the end, short of it, or in steps") {
  CHECK(keys_of("MGET a b c") == "a b c");
  CHECK(keys_of("MSET a 1 b 2") == "a b");
  CHECK(keys_of("BLPOP a b 0") == "a b");
  CHECK(keys_of("BITOP AND dest a b") == "dest a b");
  CHECK(keys_of("RENAME a b") == "a b");
  CHECK(keys_of("LMOVE a b LEFT RIGHT") == "a b");
}

TEST_CASE("a destination alone is enough for PFMERGE") { CHECK(keys_of("PFMERGE dest") == "dest"); }

TEST_CASE("counted keys: as many as the number says, if it fits") {
  CHECK(keys_of("EVAL script 2 a b c") == "a b");
  CHECK(keys_of("EVAL script 0 a") == "");
  CHECK(keys_of("EVAL script -1 a") == "(invalid numkeys)");
  CHECK(keys_of("EVAL script 2 a") == "(invalid numkeys)");
  CHECK(keys_of("EVAL script 99999999999999999999 a") == "(invalid numkeys)");
  CHECK(keys_of("FCALL_RO function 1 a b") == "a");
  CHECK(keys_of("ZUNIONSTORE dest 2 a b WEIGHTS 1 2") == "dest a b");
  CHECK(keys_of("ZUNIONSTORE dest 0 a") == "(invalid numkeys)");
  CHECK(keys_of("ZUNION 1x a") == "(invalid numkeys)");
  CHECK(keys_of("ZUNION 01 a") == "(invalid numkeys)");
  CHECK(keys_of("LMPOP 2 a b LEFT") == "a b");
  CHECK(keys_of("BLMPOP 1 2 a b LEFT") == "a b");
  CHECK(keys_of("SINTERCARD 2 a b LIMIT 1") == "a b");
}

TEST_CASE("streams stand behind the word STREAMS, half as many as arguments follow") {
  CHECK(keys_of("XREAD STREAMS a 0") == "a");
  CHECK(keys_of("XREAD COUNT 2 BLOCK 0 streams a b 0 0") == "a b");
  CHECK(keys_of("XREADGROUP GROUP STREAMS STREAMS NOACK STREAMS a >") == "a");
  CHECK(keys_of("XREADGROUP COUNT 1 GROUP g STREAMS STREAMS a >") == "a");
  CHECK(keys_of("XREAD COUNT 1 a") == "(no keys)");
  CHECK(keys_of("XREAD COUNT 1 STREAMS") == "(no keys)");
}

TEST_CASE("SORT stores where its last STORE says") {
  CHECK(keys_of("SORT a") == "a");
  CHECK(keys_of("SORT a LIMIT 0 10 BY w_* GET o_* STORE dest") == "a dest");
  CHECK(keys_of("SORT a BY store GET STORE DESC") == "a");
  CHECK(keys_of("SORT a LIMIT store 1 STORE b") == "a b");
  CHECK(keys_of("SORT a LIMIT store 1 DESC") == "a");
  CHECK(keys_of("SORT a STORE b store c") == "a c");
  CHECK(keys_of("SORT a STORE by STORE dest") == "a dest");
  CHECK(keys_of("SORT a STORE") == "a");
  CHECK(keys_of("SORT_RO a BY w_* STORE b") == "a");
}

TEST_CASE("GEORADIUS stores where STORE and STOREDIST say") {
  CHECK(keys_of("GEORADIUS a 1 2 3 km") == "a");
  CHECK(keys_of("GEORADIUS a 1 2 3 km COUNT 5 STORE b") == "a b");
  CHECK(keys_of("GEORADIUS a 1 2 3 km STOREDIST b STORE c STORE d") == "a d b");
  CHECK(keys_of("GEORADIUSBYMEMBER a STORE 3 km STOREDIST b") == "a b");
  CHECK(keys_of("GEORADIUS a 1 2 3 km STORE STOREDIST ASC") == "a STOREDIST");
  CHECK(keys_of("GEORADIUS_RO a 1 2 3 km STORE b") == "a");
}

TEST_CASE("MIGRATE has one key, or those behind KEYS if that one is empty") {
  CHECK(keys_of("MIGRATE host 6379 a 0 100") == "a");
  CHECK(keys_of("MIGRATE host 6379 \"\" 0 100 COPY AUTH KEYS KEYS a b") == "a b");
  CHECK(keys_of("MIGRATE host 6379 \"\" 0 100 AUTH AUTH2 KEYS a b") == "a b");
  CHECK(keys_of("MIGRATE host 6379 \"\" 0 100 AUTH2 KEYS KEYS keys a") == "a");
  CHECK(keys_of("MIGRATE host 6379 a 0 100 KEYS b") == "(no keys)");
  CHECK(keys_of("MIGRATE host 6379 \"\" 0 100 KEYS") == "\"\"");
}

TEST_CASE("a channel is no key") {
  CHECK(keys_of("SPUBLISH channel message") == "");
  CHECK(keys_of("SSUBSCRIBE a b") == "");
}

TEST_CASE("too few arguments give no position outside of them") {
  for (const CommandSpec& spec : redis_command_table()) {
    for (size_t count = 1; count < 12; ++count) {
      const std::vector<std::string_view> args(count, "1");
      for (const KeyPosition key : KeyWalk(spec, args)) {
        REQUIRE(key.index > 0);
        REQUIRE(key.index < count);
      }
    }
  }
}

TEST_CASE("each position carries what the command does there") {
  const std::vector<std::string_view> args{"COPY", "a", "b"};
  const KeyWalk walk(*find_command("copy"), args);
  auto key = walk.begin();
  CHECK((*key).flags == FlagSet<KeyFlag>{KeyFlag::kRo, KeyFlag::kAccess});
  ++key;
  CHECK((*key).flags == FlagSet<KeyFlag>{KeyFlag::kOw, KeyFlag::kUpdate});
}

TEST_CASE("an option ends at a zero byte, as it does for a server") {
  using std::string_view_literals::operator""sv;
  CHECK(is_option("streams", "STREAMS"));
  CHECK(is_option("STREAMS\0x"sv, "STREAMS"));
  CHECK_FALSE(is_option("STREAM", "STREAMS"));
  CHECK_FALSE(is_option("STREAMSX", "STREAMS"));
  CHECK_FALSE(is_option("", "STREAMS"));
}
