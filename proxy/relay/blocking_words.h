// What blocking commands of Redis say: how long they wait, and what one is told that got nothing.
// Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "backends/wire/redis_commands.h"

namespace quorate::relay {

/// How long a command waits; zero: for ever. Nothing: it does not say so in a way a server accepts.
std::optional<std::chrono::milliseconds> timeout_of(wire::RedisCommand command,
                                                    std::span<const std::string_view> arguments);
/// What a server says to a command that timeout_of() says nothing of, without '-'.
std::string_view timeout_error(wire::RedisCommand command,
                               std::span<const std::string_view> arguments);

/// What a blocking command says that got nothing in its time.
std::string_view nothing_of(wire::RedisCommand command, bool resp3);

inline constexpr std::string_view kUnblocked = "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n";

}  // namespace quorate::relay
