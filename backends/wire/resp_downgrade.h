// RESP3 -> RESP2: the reply that a server would have given to a client that never said HELLO 3.
//
// Most of it follows from the bytes: maps and sets become arrays, doubles, big numbers and verbatim
// texts become bulks, booleans numbers. The rest does not: whether nil is "$-1" or "*-1", and where
// RESP3 nests pairs that RESP2 lays side by side. That is a matter of the command: ReplyShape.
//
// Called for replies of replicated pools, which are RESP3 inside. Streams over the bytes with a
// bounded stack; allocates nothing but what is appended.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "backends/wire/redis_commands.h"

namespace quorate::wire {

struct ReplyShape {
  bool nil_is_array : 1 = false;        ///< the whole reply, if nil, is "*-1"
  bool inner_nil_is_array : 1 = false;  ///< a nil inside it is "*-1" (GEOPOS, XREADGROUP)
  bool last_nil_is_array : 1 = false;   ///< its last element, if nil, is "*-1" (XPENDING)
  bool pairs_are_flat : 1 = false;      ///< an array of pairs is one array (WITHSCORES)
  bool map_is_pairs : 1 = false;        ///< a map is an array of pairs (XREAD)

  bool operator==(const ReplyShape&) const = default;
};

/// Of a command with these arguments (its name included).
ReplyShape reply_shape_of(RedisCommand command, std::span<const std::string_view> args);

/// Appends `resp3`, one whole reply, as RESP2. Replies nested deeper than limits::kReplyDepth, or
/// that are no RESP, are appended as an error.
void append_as_resp2(std::string_view resp3, ReplyShape shape, std::string& out);
/// The same of what EXEC replies: an array, whose elements have shapes of their own.
void append_as_resp2(std::string_view resp3, ReplyShape shape, std::span<const ReplyShape> elements,
                     std::string& out);

}  // namespace quorate::wire
