// The Redis command table: every command and subcommand of Redis 7.0.15 as static data, and the
// lookup of a name in it. Generated (redis_command_table.inc), never edited by hand.
//
// It says what a server would say about a command, and nothing about where a proxy sends it
// (route_class.h), which arguments are keys (key_walk.h) or what a refused one is answered
// (command_error.h). Commands it does not know, of modules and of newer servers, are learnt from a
// server's COMMAND INFO (command_reply.h) into the same CommandSpec.
//
// Invariants: the index of a command (RedisCommand) is dense and the same in the enumeration, the
// table and every other table indexed by it; subcommands of a container follow each other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "backends/wire/flag_set.h"
#include "backends/wire/key_spec.h"

namespace quorate::wire {

/// Dense index of every command (kGet) and subcommand (kConfigGet); kUnknown for all others.
enum class RedisCommand : uint16_t {
#define COMMAND(id, ...) id,
#include "backends/wire/redis_command_table.inc"
  kUnknown,
};

inline constexpr size_t kRedisCommandCount = static_cast<size_t>(RedisCommand::kUnknown);

/// As COMMAND spells them. `dangerous` is an AclCategory.
enum class CommandFlag : uint8_t {
  kWrite,
  kReadonly,
  kDenyoom,
  kModule,
  kAdmin,
  kPubsub,
  kNoscript,
  kBlocking,
  kLoading,
  kStale,
  kSkipMonitor,
  kSkipSlowlog,
  kAsking,
  kFast,
  kNoAuth,
  kNoMandatoryKeys,
  kNoAsyncLoading,
  kNoMulti,
  kMovablekeys,
  kAllowBusy,
};

template <>
struct FlagWords<CommandFlag> {
  static constexpr auto words = std::to_array<std::string_view>({"write",
                                                                 "readonly",
                                                                 "denyoom",
                                                                 "module",
                                                                 "admin",
                                                                 "pubsub",
                                                                 "noscript",
                                                                 "blocking",
                                                                 "loading",
                                                                 "stale",
                                                                 "skip_monitor",
                                                                 "skip_slowlog",
                                                                 "asking",
                                                                 "fast",
                                                                 "no_auth",
                                                                 "no_mandatory_keys",
                                                                 "no_async_loading",
                                                                 "no_multi",
                                                                 "movablekeys",
                                                                 "allow_busy"});
};

enum class AclCategory : uint8_t {
  kKeyspace,
  kRead,
  kWrite,
  kSet,
  kSortedset,
  kList,
  kHash,
  kString,
  kBitmap,
  kHyperloglog,
  kGeo,
  kStream,
  kPubsub,
  kAdmin,
  kFast,
  kSlow,
  kBlocking,
  kDangerous,
  kConnection,
  kTransaction,
  kScripting,
};

template <>
struct FlagWords<AclCategory> {
  static constexpr auto words = std::to_array<std::string_view>(
      {"keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
       "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
       "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"});
};

/// One command or subcommand. A view: what it points to is static, or owned by the
/// DynamicCommandSpec it is a part of.
struct CommandSpec {
  std::string_view name;  ///< lower case if built in: "get", "config|get"
  const KeySpec* first_key_spec = nullptr;
  const CommandSpec* first_subcommand = nullptr;
  FlagSet<CommandFlag> flags;
  FlagSet<AclCategory> categories;
  int32_t arity = 0;  ///< arguments with the name: exactly so many, or if negative, at least
  RedisCommand id = RedisCommand::kUnknown;
  RedisCommand container = RedisCommand::kUnknown;  ///< of a built-in subcommand
  uint16_t key_spec_count = 0;
  uint16_t subcommand_count = 0;
  uint16_t single_key = 0;   ///< position of the only key, if it is always there; else 0
  bool asks_server = false;  ///< its keys are known to the server alone: COMMAND GETKEYS

  constexpr std::span<const KeySpec> key_specs() const { return {first_key_spec, key_spec_count}; }
  constexpr std::span<const CommandSpec> subcommands() const {
    return {first_subcommand, subcommand_count};
  }
  constexpr bool accepts_count(size_t count) const {
    const auto signed_count = static_cast<int64_t>(count);
    return arity >= 0 ? signed_count == arity : signed_count >= -int64_t{arity};
  }
};

/// Every built-in command; index it by RedisCommand.
std::span<const CommandSpec, kRedisCommandCount> redis_command_table();

/// The command called `name` in any case, without its subcommands; nullptr if not built in.
const CommandSpec* find_command(std::string_view name);

/// The subcommand of `container` called `name` in any case ("get" of CONFIG); nullptr if none.
/// Serves learnt containers too, by a scan.
const CommandSpec* find_subcommand(const CommandSpec& container, std::string_view name);

enum class CommandError : uint8_t { kNone, kUnknownCommand, kUnknownSubcommand, kWrongArity };

struct CommandLookup {
  const CommandSpec* spec = nullptr;  ///< kUnknownSubcommand: the container
  CommandError error = CommandError::kNone;
};

/// The command that `args` call, checked as a server checks it before it looks at anything else: a
/// container alone is itself (and then of the wrong arity). REQUIRES: args is not empty.
CommandLookup look_up_command(std::span<const std::string_view> args);

}  // namespace quorate::wire
