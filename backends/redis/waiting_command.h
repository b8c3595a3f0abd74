// Commands that wait, in a pool that keeps replicas, where no server is waited on: BLPOP and its
// kin, XREAD and XREADGROUP with BLOCK. The same command without waiting, and its words told apart
// as a server would before it waits. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/wire/redis_commands.h"

namespace quorate::redis {

bool is_waiting_pop(wire::RedisCommand command);
/// Whether it is one, or reads streams and says BLOCK.
bool waits(wire::RedisCommand command, std::span<const std::string_view> args);
/// Whether its reply begins with the name of the key, unlike that of the pop that does not wait.
bool names_its_key(wire::RedisCommand command);

/// What is wrong with it, although there may be nothing to pop. REQUIRES: its keys are known.
std::optional<std::string> error_of_pop(wire::RedisCommand command,
                                        std::span<const std::string_view> args);

/// What a server says of XREAD and XREADGROUP that name more streams than IDs, or fewer.
inline constexpr std::string_view kUnbalancedStreams =
    "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.";
bool is_unbalanced(wire::RedisCommand command, std::span<const std::string_view> args);

/// The one that does not wait. REQUIRES: waits(); error_of_pop() found nothing; of a pop: one key,
/// or of BLMOVE two.
std::vector<std::string_view> without_waiting(wire::RedisCommand command,
                                              std::span<const std::string_view> args);
/// The same command with `key` for its keys, of which it may have several; of streams, the one that
/// does not wait. REQUIRES: waits(); `key` is one of its keys.
std::vector<std::string_view> for_key(wire::RedisCommand command,
                                      std::span<const std::string_view> args, std::string_view key);

/// Whether this XREAD of one stream wants what comes after now: "$", its last word.
bool reads_from_now(std::span<const std::string_view> args);
/// The last ID of a stream, from what XINFO STREAM told (RESP2 or RESP3); "0-0" if there is none.
/// Nothing: it told another error.
std::optional<std::string_view> last_id_in(std::string_view reply);
/// What such a pop told, as the one that waits tells it; RESP3.
void append_with_key(std::string_view key, std::string_view reply, std::string& out);

}  // namespace quorate::redis
