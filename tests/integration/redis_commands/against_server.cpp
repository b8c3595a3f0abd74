// The command table, key extraction and error texts against a real redis-server 7.0.
//
// Keys: thousands of lists per command are given to COMMAND GETKEYSANDFLAGS and to KeyWalk. Where
// the two differ, the command itself decides: it is run, and either refused, so that it does not
// matter where it would have gone, or KeyWalk must have named what it touched. What then still
// differs fails the test. The reasons for which they may differ are listed at `explain`.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "argument_lists.h"
#include "backends/redis/replicated_command.h"
#include "backends/wire/command_error.h"
#include "backends/wire/command_reply.h"
#include "backends/wire/key_walk.h"
#include "backends/wire/redis_commands.h"
#include "consensus/base/text.h"
#include "own_server.h"

using namespace quorate;
using namespace quorate::test;
using namespace quorate::wire;

namespace {

using Views = std::vector<std::string_view>;

OwnServer& server() {
  static OwnServer own;
  return own;
}

bool has_keys(const CommandSpec& spec) {
  return std::ranges::any_of(spec.key_specs(),
                             [](const KeySpec& key) { return !key.flags.has(KeyFlag::kNotKey); });
}

std::string readable(const Args& args) {
  std::string text;
  for (const std::string& arg : args) {
    text += '"';
    for (const char c : arg) text += c == '\0' ? std::string("\\0") : std::string(1, c);
    text += "\" ";
  }
  return text;
}

/// The keys of a list and what is done with them; nothing if there is an error.
struct FoundKey {
  std::string name;
  FlagSet<KeyFlag> flags;
};
using FoundKeys = std::optional<std::vector<FoundKey>>;

FoundKeys keys_by_walk(const Args& args) {
  const Views views(args.begin(), args.end());
  const CommandLookup lookup = look_up_command(views);
  if (lookup.error != CommandError::kNone) return std::nullopt;
  const KeyWalk walk(*lookup.spec, views);
  if (walk.error() != KeyError::kNone) return std::nullopt;
  std::vector<FoundKey> keys;
  for (const KeyPosition key : walk) keys.push_back({args[key.index], key.flags});
  return keys;
}

FoundKeys keys_by_server(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_ARRAY) return std::nullopt;
  std::vector<FoundKey> keys;
  for (size_t i = 0; i < reply.elements; ++i) {
    const redisReply& key = *reply.element[i]->element[0];
    const redisReply& flags = *reply.element[i]->element[1];
    FoundKey found{std::string(key.str, key.len), {}};
    for (size_t j = 0; j < flags.elements; ++j) {
      REQUIRE(found.flags.add_word({flags.element[j]->str, flags.element[j]->len}));
    }
    keys.push_back(std::move(found));
  }
  return keys;
}

bool same_names(const FoundKeys& a, const FoundKeys& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || std::ranges::equal(*a, *b, {}, &FoundKey::name, &FoundKey::name);
}

// SET and BITFIELD depend on their arguments, and the procedures that the server falls back on know
// no flags.
bool comparable_flags(const CommandSpec& spec, const std::vector<FoundKey>& by_server) {
  return spec.id != RedisCommand::kSet && spec.id != RedisCommand::kBitfield &&
         std::ranges::none_of(by_server,
                              [](const FoundKey& key) { return key.flags == FlagSet<KeyFlag>{}; });
}

bool is_reading_streams(RedisCommand id) {
  return id == RedisCommand::kXread || id == RedisCommand::kXreadgroup;
}

bool is_storing(RedisCommand id) {
  return id == RedisCommand::kSort || id == RedisCommand::kGeoradius ||
         id == RedisCommand::kGeoradiusbymember || id == RedisCommand::kPfmerge;
}

/// Something for the command to read: under its source, or, for reads of streams, under every
/// argument and for every argument as a group, so that nothing it touches can go unseen.
void prepare(const CommandSpec& spec, const Args& args) {
  std::vector<Args> commands = {{"FLUSHALL"}};
  if (spec.id == RedisCommand::kSort) commands.push_back({"RPUSH", args[1], "3", "1", "2"});
  if (spec.id == RedisCommand::kGeoradius) commands.push_back({"GEOADD", args[1], "0", "0", "m"});
  if (spec.id == RedisCommand::kGeoradiusbymember) {
    commands.push_back({"GEOADD", args[1], "0", "0", args[2]});
  }
  if (is_reading_streams(spec.id)) {
    for (const std::string& key : args) {
      commands.push_back({"XADD", key, "*", "f", "v"});
      if (spec.id == RedisCommand::kXread) continue;
      for (const std::string& group : args) {
        commands.push_back({"XGROUP", "CREATE", key, group, "0"});
      }
    }
  }
  server().call_all(commands);
}

std::set<std::string> existing_keys() {
  const Reply reply = server().call({"KEYS", "*"});
  std::set<std::string> keys;
  for (size_t i = 0; i < reply->elements; ++i) {
    keys.emplace(reply->element[i]->str, reply->element[i]->len);
  }
  return keys;
}

enum class Verdict { kRefused, kWalkIsRight, kWalkIsWrong };

bool names(const FoundKeys& found, std::string_view name) {
  return found &&
         std::ranges::any_of(*found, [&](const FoundKey& key) { return key.name == name; });
}

/// Whether every stream in the reply was found. One with nothing new is not in it.
Verdict judge_streams(const redisReply& reply, const FoundKeys& found) {
  if (reply.type == REDIS_REPLY_ERROR) return Verdict::kRefused;
  for (size_t i = 0; i < reply.elements; ++i) {
    const redisReply& name = *reply.element[i]->element[0];
    if (!names(found, {name.str, name.len})) return Verdict::kWalkIsWrong;
  }
  return Verdict::kWalkIsRight;
}

/// Runs the command (in a transaction, so that it cannot wait) and compares what it touched.
Verdict judge_by_running(const CommandSpec& spec, const Args& args) {
  const FoundKeys found = keys_by_walk(args);
  prepare(spec, args);
  const std::set<std::string> before = existing_keys();
  server().call({"MULTI"});
  server().call(args);
  const Reply executed = server().call({"EXEC"});
  if (executed->type != REDIS_REPLY_ARRAY) return Verdict::kRefused;
  const redisReply& reply = *executed->element[0];
  if (is_reading_streams(spec.id)) return judge_streams(reply, found);
  if (reply.type == REDIS_REPLY_ERROR) return Verdict::kRefused;
  if (!is_storing(spec.id) || !found) return Verdict::kWalkIsWrong;
  const bool names_all = std::ranges::all_of(existing_keys(), [&](const std::string& key) {
    return before.contains(key) || names(found, key);
  });
  return names_all ? Verdict::kWalkIsRight : Verdict::kWalkIsWrong;
}

/// Why KeyWalk and COMMAND GETKEYS may differ. nullptr: they may not.
const char* explain(const CommandSpec& spec, const Args& args, const FoundKeys& by_walk) {
  if (spec.id == RedisCommand::kPfmerge && args.size() == 2) {
    return "PFMERGE with a destination alone: valid, but GETKEYS calls it invalid";
  }
  if (is_reading_streams(spec.id)) {
    return "a group or consumer called STREAMS: GETKEYS takes it for the option";
  }
  if (is_storing(spec.id)) {
    return "a destination called like an option, or several: GETKEYS misreads, the last counts";
  }
  const bool is_counted = spec.key_specs().back().find.kind == FindKeys::Kind::kCounted;
  if (is_counted && !by_walk) {
    return "numkeys is no integer: GETKEYS reads what stands before (\"2x\", \"+2\")";
  }
  return nullptr;
}

}  // namespace

TEST_CASE("the table knows every command of the server, and what COMMAND INFO says of it") {
  size_t top_level = 0;
  for (const CommandSpec& known : redis_command_table()) {
    if (known.container != RedisCommand::kUnknown) continue;
    ++top_level;
    CAPTURE(known.name);
    const auto learnt =
        parse_command_info(server().call_raw({"COMMAND", "INFO", std::string(known.name)}));
    REQUIRE(learnt.ok());

    const auto compare = [](const CommandSpec& ours, const CommandSpec& theirs) {
      CAPTURE(ours.name);
      CHECK(ours.name == theirs.name);
      CHECK(ours.arity == theirs.arity);
      CHECK(ours.flags == theirs.flags);
      CHECK(ours.categories == theirs.categories);
      const bool needs_procedure = ours.id == RedisCommand::kSort ||
                                   ours.id == RedisCommand::kSortRo ||
                                   ours.id == RedisCommand::kMigrate;
      CHECK(theirs.asks_server == needs_procedure);
      if (needs_procedure) return;
      CHECK(ours.single_key == theirs.single_key);
      REQUIRE(ours.key_specs().size() == theirs.key_specs().size());
      for (size_t i = 0; i < ours.key_specs().size(); ++i) {
        const KeySpec& a = ours.key_specs()[i];
        const KeySpec& b = theirs.key_specs()[i];
        CHECK(a.flags == b.flags);
        CHECK(a.begin.kind == b.begin.kind);
        CHECK(a.begin.position == b.begin.position);
        CHECK(a.begin.keyword == b.begin.keyword);
        CHECK(a.find.kind == b.find.kind);
        CHECK(a.find.step == b.find.step);
        CHECK(a.find.last == b.find.last);
        CHECK(a.find.limit == b.find.limit);
        CHECK(a.find.count_offset == b.find.count_offset);
        CHECK(a.find.first_offset == b.find.first_offset);
      }
    };
    compare(known, learnt.value()->spec());
    CHECK(known.subcommands().size() == learnt.value()->spec().subcommands().size());
    for (const CommandSpec& subcommand : known.subcommands()) {
      const std::string_view name = subcommand.name.substr(known.name.size() + 1);
      const CommandSpec* theirs = find_subcommand(learnt.value()->spec(), name);
      REQUIRE(theirs != nullptr);
      compare(subcommand, *theirs);
    }
  }
  CHECK(server().call({"COMMAND", "COUNT"})->integer == static_cast<long long>(top_level));
}

TEST_CASE(
    "every command of the server has a class in pools that keep replicas, or is refused there") {
  const Reply commands = server().call({"COMMAND"});
  size_t seen = 0;
  const auto look = [&](const redisReply& entry, const CommandSpec* spec) {
    const std::string_view name(entry.element[0]->str, entry.element[0]->len);
    CAPTURE(name);
    ++seen;
    REQUIRE(spec != nullptr);
    CHECK(redis::is_classified(*spec));
  };
  for (size_t i = 0; i < commands->elements; ++i) {
    const redisReply& entry = *commands->element[i];
    const CommandSpec* spec = find_command({entry.element[0]->str, entry.element[0]->len});
    look(entry, spec);
    const redisReply& subcommands = *entry.element[9];
    for (size_t j = 0; j < subcommands.elements; ++j) {
      const redisReply& subcommand = *subcommands.element[j];
      const std::string_view name(subcommand.element[0]->str, subcommand.element[0]->len);
      look(subcommand, find_subcommand(*spec, name.substr(name.find('|') + 1)));
    }
  }
  CHECK(seen == redis_command_table().size());
  std::cout << "classes: " << seen << " commands and subcommands\n";
}

TEST_CASE("what writes is never taken for a read in pools that keep replicas") {
  using redis::ReplicationClass;
  for (const CommandSpec& spec : redis_command_table()) {
    CAPTURE(spec.name);
    const ReplicationClass replication = redis::class_of(spec);
    if (spec.flags.has(CommandFlag::kWrite)) CHECK(replication != ReplicationClass::kRead);
    if (replication == ReplicationClass::kLocal) CHECK_FALSE(has_keys(spec));
  }
}

TEST_CASE("a command that the server does not know is unknown") {
  const auto learnt = parse_command_info(server().call_raw({"COMMAND", "INFO", "FT.SEARCH"}));
  REQUIRE_FALSE(learnt.ok());
  CHECK(learnt.error() == CommandReplyError::kUnknownCommand);
}

TEST_CASE("KeyWalk finds the keys that COMMAND GETKEYS finds, or those that the command touches") {
  constexpr size_t kListsPerCommand = 400;
  constexpr size_t kListsPerMovableCommand = 4000;
  const char* seed_text = std::getenv("SEED");
  const uint64_t seed = seed_text == nullptr ? 1 : std::strtoull(seed_text, nullptr, 10);
  ArgumentLists lists(seed);
  size_t compared = 0;
  size_t refused_by_both = 0;
  std::map<std::string, std::pair<size_t, size_t>> explained;  // refused when run, walk is right

  for (const CommandSpec& spec : redis_command_table()) {
    if (!has_keys(spec)) continue;
    const bool is_movable = spec.flags.has(CommandFlag::kMovablekeys);
    const size_t list_count = is_movable ? kListsPerMovableCommand : kListsPerCommand;
    std::vector<Args> commands;
    std::vector<Args> questions;
    for (size_t i = 0; i < list_count; ++i) {
      commands.push_back(lists.next(spec));
      questions.push_back({"COMMAND", "GETKEYSANDFLAGS"});
      questions.back().insert(questions.back().end(), commands.back().begin(),
                              commands.back().end());
    }
    const std::vector<Reply> answers = server().call_all(questions);
    for (size_t i = 0; i < list_count; ++i) {
      const FoundKeys by_walk = keys_by_walk(commands[i]);
      const FoundKeys by_server = keys_by_server(*answers[i]);
      ++compared;
      CAPTURE(readable(commands[i]));
      // A script without keys and one with a bad number of them are the same to the server.
      const bool both_without_keys = by_server && by_server->empty() && !by_walk;
      if (same_names(by_walk, by_server) || both_without_keys) {
        refused_by_both += !by_server;
        if (!by_server || both_without_keys || !comparable_flags(spec, *by_server)) continue;
        for (size_t key = 0; key < by_walk->size(); ++key) {
          REQUIRE((*by_walk)[key].flags == (*by_server)[key].flags);
        }
        continue;
      }
      const char* reason = explain(spec, commands[i], by_walk);
      REQUIRE(reason != nullptr);
      const Verdict verdict = judge_by_running(spec, commands[i]);
      REQUIRE(verdict != Verdict::kWalkIsWrong);
      auto& [refused, right] = explained[reason];
      (verdict == Verdict::kRefused ? refused : right) += 1;
    }
  }
  std::cout << "keys: " << compared << " lists compared (seed " << seed << "), " << refused_by_both
            << " of them without keys for both\n";
  for (const auto& [reason, counts] : explained) {
    std::cout << "  differ: " << reason << ": " << counts.first << " refused when run, "
              << counts.second << " run, and touching what KeyWalk says\n";
  }
}

TEST_CASE("whatever SORT, GEORADIUS and reads of streams touch when they run, KeyWalk names") {
  ArgumentLists lists(2);
  for (const RedisCommand id :
       {RedisCommand::kSort, RedisCommand::kGeoradius, RedisCommand::kGeoradiusbymember,
        RedisCommand::kXread, RedisCommand::kXreadgroup}) {
    const CommandSpec& spec = redis_command_table()[static_cast<size_t>(id)];
    size_t ran = 0;
    for (int i = 0; i < 2000; ++i) {
      const Args args = lists.next(spec);
      if (!spec.accepts_count(args.size())) continue;
      CAPTURE(readable(args));
      const Verdict verdict = judge_by_running(spec, args);
      REQUIRE(verdict != Verdict::kWalkIsWrong);
      ran += verdict == Verdict::kWalkIsRight;
    }
    std::cout << "keys: " << ran << " of 2000 " << spec.name << " ran\n";
    CHECK(ran > 50);
  }
}

TEST_CASE("commands without keys have none for the server either") {
  for (const CommandSpec& spec : redis_command_table()) {
    if (has_keys(spec) || spec.subcommand_count != 0) continue;
    CAPTURE(spec.name);
    Args args;
    const size_t bar = spec.name.find('|');
    args.emplace_back(spec.name.substr(0, bar));
    if (bar != std::string_view::npos) args.emplace_back(spec.name.substr(bar + 1));
    while (!spec.accepts_count(args.size())) args.emplace_back("1");
    Args question = {"COMMAND", "GETKEYS"};
    question.insert(question.end(), args.begin(), args.end());
    CHECK(server().call(question)->type == REDIS_REPLY_ERROR);
    const Views views(args.begin(), args.end());
    const KeyWalk walk(spec, views);
    CHECK(walk.error() == KeyError::kNone);
    CHECK(walk.empty());
  }
}

namespace {

std::string our_error(const Args& args) {
  const Views views(args.begin(), args.end());
  const CommandLookup lookup = look_up_command(views);
  std::string out;
  REQUIRE(lookup.error != CommandError::kNone);
  append_command_error(out, lookup, views);
  return out;
}

std::string random_bytes(base::Random& random, uint64_t longest) {
  std::string bytes(random.below(longest + 1), '\0');
  constexpr std::string_view kSpecial("\0\r\n'\\ %s\t\xff", 10);
  const bool is_binary = random.below(2) == 0;
  for (char& c : bytes) {
    c = is_binary ? static_cast<char>(random.below(256))
                  : static_cast<char>('a' + static_cast<char>(random.below(26)));
    if (random.below(40) == 0) c = kSpecial[random.below(kSpecial.size())];
  }
  return bytes;
}

}  // namespace

TEST_CASE("an unknown command is refused with the server's words, whatever its bytes") {
  base::Random random(3);
  size_t compared = 0;
  for (int i = 0; i < 5000; ++i) {
    Args args{random_bytes(random, i % 2 == 0 ? 300 : 20)};
    const uint64_t count = random.below(8);
    while (args.size() < count) args.push_back(random_bytes(random, i % 3 == 0 ? 300 : 40));
    const Views views(args.begin(), args.end());
    if (look_up_command(views).error != CommandError::kUnknownCommand) continue;
    ++compared;
    CAPTURE(readable(args));
    REQUIRE(our_error(args) == server().call_raw(args));
  }
  std::cout << "errors: " << compared << " unknown commands compared\n";
  CHECK(compared > 4900);
}

TEST_CASE("an unknown subcommand is refused with the server's words") {
  base::Random random(4);
  for (const CommandSpec& spec : redis_command_table()) {
    if (spec.subcommand_count == 0) continue;
    for (int i = 0; i < 50; ++i) {
      std::string container(spec.name);
      if (i % 2 == 0) container[0] = static_cast<char>(container[0] & ~0x20);
      const Args args{container, random_bytes(random, i % 2 == 0 ? 300 : 10), "x"};
      const Views views(args.begin(), args.end());
      if (look_up_command(views).error != CommandError::kUnknownSubcommand) continue;
      CAPTURE(readable(args));
      REQUIRE(our_error(args) == server().call_raw(args));
    }
  }
}

TEST_CASE("a wrong number of arguments is refused with the server's words") {
  size_t compared = 0;
  for (const CommandSpec& spec : redis_command_table()) {
    for (size_t extra = 0; extra < 8; ++extra) {
      Args args;
      const size_t bar = spec.name.find('|');
      args.emplace_back(spec.name.substr(0, bar));
      if (bar != std::string_view::npos) args.emplace_back(spec.name.substr(bar + 1));
      args.insert(args.end(), extra, "1");
      const Views views(args.begin(), args.end());
      const CommandError error = look_up_command(views).error;
      if (error == CommandError::kNone) continue;
      ++compared;
      CAPTURE(readable(args));
      REQUIRE(our_error(args) == server().call_raw(args));
    }
  }
  std::cout << "errors: " << compared << " wrong numbers of arguments compared\n";
}
