// How bytes are written in conversations: printable, with \r \n \t \\ \" \xHH, and long runs of one
// byte as {x*1000}.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/link/link.h"

namespace quorate::conversation {

std::string unescape(std::string_view text);
std::string escape(std::string_view bytes);

/// Words between blanks; "a word in quotes" may hold some. Escapes are undone.
std::vector<std::string> words_of(std::string_view text);

/// What a client types: a RESP array of the words, or a memcached line with CR LF. A binary one is
/// "OPCODE key=k value=v extras=\x.. opaque=n cas=n", the parts in any order.
std::string encode_request(link::Flavor flavor, std::string_view text);

/// Requests as a backend got them, and replies as a client got them, one a line; what is no whole
/// frame is shown as it is.
std::vector<std::string> show_requests(link::Flavor flavor, std::string_view bytes);
std::vector<std::string> show_replies(link::Flavor flavor, std::string_view bytes);

/// What a backend says that answers the greeting: `count` replies, the last one with its version.
/// `client_id`: what the server calls the connection.
std::string greeting_replies(link::Flavor flavor, uint32_t count, uint64_t client_id);
/// What a feed says, as an array of RESP2: "message x hello", "subscribe x 1".
std::string encode_message(std::string_view text);

}  // namespace quorate::conversation
