// The error replies of Redis 7.0 to commands that it refuses before it looks at their arguments,
// byte for byte, so that a client cannot tell who refused. Each appends one whole RESP error line.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "backends/wire/redis_commands.h"

namespace quorate::wire {

/// -ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n
/// Name and arguments end at a zero byte, the name after 128 bytes, the arguments together after
/// about as many; line ends become spaces. REQUIRES: args is not empty.
void append_unknown_command(std::string& out, std::span<const std::string_view> args);

/// -ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n    REQUIRES: at least two args.
void append_unknown_subcommand(std::string& out, std::span<const std::string_view> args);

/// -ERR wrong number of arguments for 'config|get' command\r\n
void append_wrong_arity(std::string& out, const CommandSpec& spec);

/// The one of these that `lookup` of `args` calls for. REQUIRES: lookup.error is not kNone.
void append_command_error(std::string& out, const CommandLookup& lookup,
                          std::span<const std::string_view> args);

}  // namespace quorate::wire
