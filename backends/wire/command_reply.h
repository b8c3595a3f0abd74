// Commands learnt from a server: what COMMAND INFO <name> answers, as a CommandSpec, so that the
// commands of modules and of newer servers are routed like built-in ones.
//
// Reads RESP2 answers of Redis 7 and later (key specifications, subcommands) and of Redis 2.8 to 6
// (first key, last key, step). A command whose keys neither tells, or tells without vouching for
// it, asks the server for each call: CommandSpec::asks_server. Off the per-command path: called
// once for each name that the table does not know.
//
// The bytes are the server's, so nothing in them is trusted: depth, size and numbers are bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/wire/redis_commands.h"
#include "consensus/base/result.h"

namespace quorate::wire {

/// Longest answer that is read; the longest of Redis 7.0 (CLUSTER) has 7 KiB.
inline constexpr size_t kMaxCommandReply = size_t{1} << 20;

enum class CommandReplyError : uint8_t {
  kIncomplete,      ///< a valid beginning: more bytes are needed
  kMalformed,       ///< not RESP2, beyond a limit, or not an answer to COMMAND INFO <one name>
  kUnknownCommand,  ///< the server does not know it either
  kRefused,         ///< the server answered an error
};

/// A command and its subcommands, with all they point to.
class DynamicCommandSpec {
 public:
  DynamicCommandSpec(const DynamicCommandSpec&) = delete;
  DynamicCommandSpec& operator=(const DynamicCommandSpec&) = delete;

  /// Valid as long as this object. Its id is RedisCommand::kUnknown.
  const CommandSpec& spec() const { return spec_; }

 private:
  friend class DynamicCommandSpecBuilder;
  DynamicCommandSpec() = default;

  std::string reply_;  ///< names and keywords are views of it
  std::vector<std::vector<KeySpec>> key_specs_;
  std::vector<CommandSpec> subcommands_;
  CommandSpec spec_;
};

/// Reads the whole answer to COMMAND INFO <one name>.
base::Result<std::unique_ptr<const DynamicCommandSpec>, CommandReplyError> parse_command_info(
    std::string_view reply);

}  // namespace quorate::wire
