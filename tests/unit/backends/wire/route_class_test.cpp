#include "backends/wire/route_class.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

using namespace quorate::wire;

namespace {

bool has_keys(const CommandSpec& spec) {
  return std::ranges::any_of(spec.key_specs(),
                             [](const KeySpec& key) { return !key.flags.has(KeyFlag::kNotKey); });
}

RouteClass class_of(const std::vector<std::string_view>& args) {
  return route_of(*look_up_command(args).spec, args).to;
}

}  // namespace

TEST_CASE("whatever has keys goes where they are, needs a connection, or is denied") {
  for (const CommandSpec& spec : redis_command_table()) {
    if (!has_keys(spec)) continue;
    CAPTURE(spec.name);
    const RouteClass to = route_of(spec.id).to;
    CHECK((to == RouteClass::kByKey || to == RouteClass::kSplitGet || to == RouteClass::kSplitSet ||
           to == RouteClass::kSplitCount || to == RouteClass::kConnectionBound ||
           to == RouteClass::kAdminDenied));
  }
}

TEST_CASE("what goes by its key has one, or is a container of such") {
  for (const CommandSpec& spec : redis_command_table()) {
    if (route_of(spec.id).to != RouteClass::kByKey) continue;
    CAPTURE(spec.name);
    CHECK((has_keys(spec) || std::ranges::any_of(spec.subcommands(), has_keys)));
  }
}

TEST_CASE("no write is sent to just any backend, and no administration either") {
  for (const CommandSpec& spec : redis_command_table()) {
    if (route_of(spec.id).to != RouteClass::kAnyBackend) continue;
    CAPTURE(spec.name);
    CHECK_FALSE(spec.flags.has(CommandFlag::kWrite));
    CHECK_FALSE(spec.flags.has(CommandFlag::kBlocking));
    if (!spec.flags.has(CommandFlag::kAdmin)) continue;
    // Of administration, only questions; LATENCY's own line is for subcommands that only ask.
    static const std::set<std::string_view> questions{
        "config|get",        "module|list",     "pfselftest",   "latency|doctor",
        "latency|histogram", "latency|history", "latency|graph"};
    CHECK(questions.contains(spec.name));
  }
}

TEST_CASE("what always blocks or subscribes needs a connection of its own") {
  for (const CommandSpec& spec : redis_command_table()) {
    CAPTURE(spec.name);
    const bool may_not_block =
        spec.id == RedisCommand::kXread || spec.id == RedisCommand::kXreadgroup;
    if (spec.flags.has(CommandFlag::kBlocking) && !may_not_block) {
      CHECK(route_of(spec.id).to == RouteClass::kConnectionBound);
    }
    if (spec.name.ends_with("subscribe")) {
      CHECK(route_of(spec.id).to == RouteClass::kConnectionBound);
    }
  }
}

TEST_CASE("what goes to several backends says how the replies become one, and only that does") {
  for (const CommandSpec& spec : redis_command_table()) {
    CAPTURE(spec.name);
    const Route route = route_of(spec.id);
    const bool to_several =
        route.to == RouteClass::kSplitGet || route.to == RouteClass::kSplitSet ||
        route.to == RouteClass::kSplitCount || route.to == RouteClass::kAllBackends;
    CHECK(to_several == (route.join != ReplyJoin::kNone));
  }
}

TEST_CASE(
    "a lone key says where a command goes exactly if it is its only one and nothing else decides") {
  CHECK(lone_key_of(RedisCommand::kGet) == 1);
  CHECK(lone_key_of(RedisCommand::kObjectEncoding) == 2);
  CHECK(lone_key_of(RedisCommand::kMget) == 0);    // split
  CHECK(lone_key_of(RedisCommand::kBlpop) == 0);   // waits
  CHECK(lone_key_of(RedisCommand::kRename) == 0);  // two keys
  CHECK(lone_key_of(RedisCommand::kXread) == 0);   // BLOCK decides
  for (const CommandSpec& spec : redis_command_table()) {
    const bool by_key = route_of(spec.id).to == RouteClass::kByKey;
    CHECK(lone_key_of(spec.id) == (by_key ? spec.single_key : 0));
  }
}

TEST_CASE("reading a stream needs a connection of its own only if it waits") {
  CHECK(class_of({"XREAD", "STREAMS", "a", "0"}) == RouteClass::kByKey);
  CHECK(class_of({"XREAD", "COUNT", "1", "STREAMS", "a", "0"}) == RouteClass::kByKey);
  CHECK(class_of({"XREAD", "COUNT", "1", "block", "0", "STREAMS", "a", "$"}) ==
        RouteClass::kConnectionBound);
  CHECK(class_of({"XREADGROUP", "GROUP", "block", "block", "STREAMS", "block", ">"}) ==
        RouteClass::kByKey);
  CHECK(class_of({"XREADGROUP", "GROUP", "g", "c", "BLOCK", "5", "STREAMS", "a", ">"}) ==
        RouteClass::kConnectionBound);
}

TEST_CASE("a learnt command goes by its keys, or to any backend unless its flags forbid") {
  const std::vector<std::string_view> args{"x"};
  const KeySpec key_spec;
  CommandSpec spec;
  CHECK(route_of(spec, args).to == RouteClass::kAnyBackend);
  spec.asks_server = true;
  CHECK(route_of(spec, args).to == RouteClass::kByKey);
  spec.asks_server = false;
  spec.first_key_spec = &key_spec;
  spec.key_spec_count = 1;
  CHECK(route_of(spec, args).to == RouteClass::kByKey);
  spec.flags.add(CommandFlag::kBlocking);
  CHECK(route_of(spec, args).to == RouteClass::kConnectionBound);
  spec.flags.add(CommandFlag::kAdmin);
  CHECK(route_of(spec, args).to == RouteClass::kAdminDenied);
}

TEST_CASE("the lines that applications depend on") {
  CHECK(route_of(RedisCommand::kGet) == Route{RouteClass::kByKey, ReplyJoin::kNone});
  CHECK(route_of(RedisCommand::kMget) == Route{RouteClass::kSplitGet, ReplyJoin::kByPosition});
  CHECK(route_of(RedisCommand::kMset) == Route{RouteClass::kSplitSet, ReplyJoin::kAllOk});
  CHECK(route_of(RedisCommand::kDel) == Route{RouteClass::kSplitCount, ReplyJoin::kSum});
  CHECK(route_of(RedisCommand::kMsetnx).to == RouteClass::kByKey);
  CHECK(route_of(RedisCommand::kHello).to == RouteClass::kLocal);
  CHECK(route_of(RedisCommand::kCommandDocs).to == RouteClass::kAnyBackend);
  CHECK(route_of(RedisCommand::kScan).to == RouteClass::kByCursor);
  CHECK(route_of(RedisCommand::kPublish).to == RouteClass::kByChannel);
  CHECK(route_of(RedisCommand::kFlushall) == Route{RouteClass::kAllBackends, ReplyJoin::kAllOk});
  CHECK(route_of(RedisCommand::kMulti).to == RouteClass::kConnectionBound);
  CHECK(route_of(RedisCommand::kShutdown).to == RouteClass::kAdminDenied);
}
