// BLPOP and its kin in a pool that keeps replicas, where no server is waited on: the same pop
// without waiting, and its words told apart as a server would before it waits. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/wire/redis_commands.h"

namespace quorate::redis {

bool is_waiting_pop(wire::RedisCommand command);
/// Whether its reply begins with the name of the key, unlike that of the pop that does not wait.
bool names_its_key(wire::RedisCommand command);

/// What is wrong with it, although there may be nothing to pop. REQUIRES: its keys are known.
std::optional<std::string> error_of_pop(wire::RedisCommand command,
                                        std::span<const std::string_view> args);

/// The pop that does not wait. REQUIRES: error_of_pop() found none; one key, or of BLMOVE two.
std::vector<std::string_view> without_waiting(wire::RedisCommand command,
                                              std::span<const std::string_view> args);
/// The same command with `key` for its keys, of which it may have several.
std::vector<std::string_view> pop_of_key(wire::RedisCommand command,
                                         std::span<const std::string_view> args,
                                         std::string_view key);
/// What such a pop told, as the one that waits tells it; RESP3.
void append_with_key(std::string_view key, std::string_view reply, std::string& out);

}  // namespace quorate::redis
