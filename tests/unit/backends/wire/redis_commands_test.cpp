// The command table and the lookup of names. That the table says what a server says is checked
// against a server (tests/integration/redis_commands); here are its own promises.
#include "backends/wire/redis_commands.h"

#include <doctest/doctest.h>

#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace quorate::wire;

namespace {

std::string own_name(const CommandSpec& spec) {
  return std::string(spec.name.substr(spec.name.find('|') + 1));
}

const CommandSpec* find(const CommandSpec& spec, std::string_view name) {
  if (spec.container == RedisCommand::kUnknown) return find_command(name);
  const auto container = static_cast<size_t>(spec.container);
  return find_subcommand(redis_command_table()[container], name);
}

std::string in_upper_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

CommandLookup look_up(const std::vector<std::string_view>& args) { return look_up_command(args); }

}  // namespace

TEST_CASE("every command is found by its name, in any case, and nothing else is") {
  for (const CommandSpec& spec : redis_command_table()) {
    const std::string name = own_name(spec);
    CAPTURE(spec.name);
    CHECK(find(spec, name) == &spec);
    CHECK(find(spec, in_upper_case(name)) == &spec);
    for (size_t i = 0; i < name.size(); ++i) {
      std::string mixed = name;
      mixed[i] = static_cast<char>(std::toupper(static_cast<unsigned char>(mixed[i])));
      CHECK(find(spec, mixed) == &spec);
    }
  }
}

TEST_CASE("a name with any one byte changed, added or removed is another name") {
  for (const CommandSpec& spec : redis_command_table()) {
    const std::string name = own_name(spec);
    CAPTURE(spec.name);
    for (size_t i = 0; i < name.size(); ++i) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string other = name;
        other[i] = static_cast<char>(byte);
        if (std::tolower(byte) == name[i]) continue;
        REQUIRE(find(spec, other) != &spec);
      }
    }
    for (int byte = 0; byte < 256; ++byte) {
      REQUIRE(find(spec, name + static_cast<char>(byte)) != &spec);
    }
    REQUIRE(find(spec, name.substr(0, name.size() - 1)) != &spec);
    REQUIRE(find(spec, name.substr(1)) != &spec);
  }
}

TEST_CASE("names of any length are looked up without looking beyond their end") {
  // The name ends where its memory ends, so that the address sanitizer sees a byte too many.
  for (size_t size = 0; size < 64; ++size) {
    const std::vector<char> bytes(size, 'g');
    CHECK(find_command({bytes.data(), bytes.size()}) == nullptr);
  }
  CHECK(find_command({}) == nullptr);
  CHECK(find_command("config|get") == nullptr);
  CHECK(find_command(std::string_view("get\0", 4)) == nullptr);
}

TEST_CASE("the table's order is the enumeration's, and subcommands stand behind their container") {
  const auto table = redis_command_table();
  std::set<std::string_view> names;
  for (size_t i = 0; i < table.size(); ++i) {
    CAPTURE(table[i].name);
    CHECK(static_cast<size_t>(table[i].id) == i);
    CHECK(names.insert(table[i].name).second);
    for (const CommandSpec& subcommand : table[i].subcommands()) {
      CHECK(subcommand.container == table[i].id);
      CHECK(subcommand.name.starts_with(std::string(table[i].name) + "|"));
    }
  }
  CHECK(table[static_cast<size_t>(RedisCommand::kGet)].name == "get");
  CHECK(table[static_cast<size_t>(RedisCommand::kConfigGet)].name == "config|get");
  CHECK(table[static_cast<size_t>(RedisCommand::kClientNoEvict)].name == "client|no-evict");
  CHECK(table[static_cast<size_t>(RedisCommand::kEvalRo)].name == "eval_ro");
}

TEST_CASE("a command says what the server says: arity, flags, categories, keys") {
  const CommandSpec* set = find_command("set");
  REQUIRE(set != nullptr);
  CHECK(set->arity == -3);
  CHECK(set->flags == FlagSet<CommandFlag>{CommandFlag::kWrite, CommandFlag::kDenyoom});
  CHECK(set->categories ==
        FlagSet<AclCategory>{AclCategory::kWrite, AclCategory::kString, AclCategory::kSlow});
  CHECK(set->single_key == 1);
  REQUIRE(set->key_specs().size() == 1);
  CHECK(set->key_specs()[0].flags == FlagSet<KeyFlag>{KeyFlag::kRw, KeyFlag::kAccess,
                                                      KeyFlag::kUpdate, KeyFlag::kVariableFlags});

  const CommandSpec* xread = find_command("XREAD");
  REQUIRE(xread != nullptr);
  CHECK(xread->single_key == 0);
  CHECK(xread->flags.has(CommandFlag::kBlocking));
  CHECK(xread->key_specs()[0].begin.keyword == "STREAMS");
  CHECK(xread->key_specs()[0].find.limit == 2);
}

TEST_CASE("every flag is spelled by the word that belongs to it") {
  using Flag = CommandFlag;
  const std::vector<std::pair<Flag, std::string_view>> command_flags = {
      {Flag::kWrite, "write"},
      {Flag::kReadonly, "readonly"},
      {Flag::kDenyoom, "denyoom"},
      {Flag::kModule, "module"},
      {Flag::kAdmin, "admin"},
      {Flag::kPubsub, "pubsub"},
      {Flag::kNoscript, "noscript"},
      {Flag::kBlocking, "blocking"},
      {Flag::kLoading, "loading"},
      {Flag::kStale, "stale"},
      {Flag::kSkipMonitor, "skip_monitor"},
      {Flag::kSkipSlowlog, "skip_slowlog"},
      {Flag::kAsking, "asking"},
      {Flag::kFast, "fast"},
      {Flag::kNoAuth, "no_auth"},
      {Flag::kNoMandatoryKeys, "no_mandatory_keys"},
      {Flag::kNoAsyncLoading, "no_async_loading"},
      {Flag::kNoMulti, "no_multi"},
      {Flag::kMovablekeys, "movablekeys"},
      {Flag::kAllowBusy, "allow_busy"}};
  CHECK(command_flags.size() == FlagWords<Flag>::words.size());
  for (const auto& [flag, word] : command_flags) {
    CHECK(FlagSet<Flag>{flag} == FlagSet<Flag>::of_words(word));
  }

  using Category = AclCategory;
  const std::vector<std::pair<Category, std::string_view>> categories = {
      {Category::kKeyspace, "keyspace"},
      {Category::kRead, "read"},
      {Category::kWrite, "write"},
      {Category::kSet, "set"},
      {Category::kSortedset, "sortedset"},
      {Category::kList, "list"},
      {Category::kHash, "hash"},
      {Category::kString, "string"},
      {Category::kBitmap, "bitmap"},
      {Category::kHyperloglog, "hyperloglog"},
      {Category::kGeo, "geo"},
      {Category::kStream, "stream"},
      {Category::kPubsub, "pubsub"},
      {Category::kAdmin, "admin"},
      {Category::kFast, "fast"},
      {Category::kSlow, "slow"},
      {Category::kBlocking, "blocking"},
      {Category::kDangerous, "dangerous"},
      {Category::kConnection, "connection"},
      {Category::kTransaction, "transaction"},
      {Category::kScripting, "scripting"}};
  CHECK(categories.size() == FlagWords<Category>::words.size());
  for (const auto& [category, word] : categories) {
    CHECK(FlagSet<Category>{category} == FlagSet<Category>::of_words(word));
  }

  const std::vector<std::pair<KeyFlag, std::string_view>> key_flags = {
      {KeyFlag::kRo, "RO"},
      {KeyFlag::kRw, "RW"},
      {KeyFlag::kOw, "OW"},
      {KeyFlag::kRm, "RM"},
      {KeyFlag::kAccess, "access"},
      {KeyFlag::kUpdate, "update"},
      {KeyFlag::kInsert, "insert"},
      {KeyFlag::kDelete, "delete"},
      {KeyFlag::kNotKey, "not_key"},
      {KeyFlag::kIncomplete, "incomplete"},
      {KeyFlag::kVariableFlags, "variable_flags"}};
  CHECK(key_flags.size() == FlagWords<KeyFlag>::words.size());
  for (const auto& [flag, word] : key_flags) {
    CHECK(FlagSet<KeyFlag>{flag} == FlagSet<KeyFlag>::of_words(word));
  }
}

TEST_CASE("the arity counts the name, and a negative one is a minimum") {
  CHECK(find_command("get")->accepts_count(2));
  CHECK_FALSE(find_command("get")->accepts_count(1));
  CHECK_FALSE(find_command("get")->accepts_count(3));
  CHECK_FALSE(find_command("set")->accepts_count(2));
  CHECK(find_command("set")->accepts_count(3));
  CHECK(find_command("set")->accepts_count(9));
}

TEST_CASE("a lookup refuses what the server refuses before it looks at arguments") {
  CHECK(look_up({"GET", "a"}).error == CommandError::kNone);
  CHECK(look_up({"GET", "a"}).spec->id == RedisCommand::kGet);
  CHECK(look_up({"GET"}).error == CommandError::kWrongArity);
  CHECK(look_up({"FT.SEARCH", "i"}).error == CommandError::kUnknownCommand);
  CHECK(look_up({"FT.SEARCH", "i"}).spec == nullptr);
  CHECK(look_up({"config", "GeT", "save"}).spec->id == RedisCommand::kConfigGet);
  CHECK(look_up({"CONFIG", "GET"}).error == CommandError::kWrongArity);
  CHECK(look_up({"CONFIG", "GET"}).spec->id == RedisCommand::kConfigGet);
  CHECK(look_up({"CONFIG", "FOO"}).error == CommandError::kUnknownSubcommand);
  CHECK(look_up({"CONFIG", "FOO"}).spec->id == RedisCommand::kConfig);
  CHECK(look_up({"CONFIG"}).error == CommandError::kWrongArity);
  CHECK(look_up({"COMMAND"}).error == CommandError::kNone);
  CHECK(look_up({"COMMAND"}).spec->id == RedisCommand::kCommand);
  CHECK(look_up({"ACL", "GET"}).error == CommandError::kUnknownSubcommand);
}
