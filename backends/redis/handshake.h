// The first words on a connection to a Redis server: AUTH, the database, and a question that must
// be answered before any command is spent on the connection. HELLO serves as that question: it
// tells the server's version, and a server too old to know it has answered all the same.
//
// Pure: bytes to send, and what an answer means.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backends/link/link.h"

namespace quorate::redis {

struct Credentials {
  std::string_view user;
  std::string_view password;
  uint16_t database = 0;  ///< the backend's own; what clients see as 0
};

struct Greeting {
  std::string bytes;
  uint32_t replies = 0;
};

/// REQUIRES: a RESP flavor.
Greeting greeting(link::Flavor flavor, const Credentials& credentials);

struct GreetingVerdict {
  std::string refusal;         ///< not empty: the connection cannot be used, and why
  std::string server_version;  ///< if this answer told it
};

/// What one answer to the greeting means.
GreetingVerdict judge_greeting_reply(link::Flavor flavor, std::string_view reply);

/// Appends SELECT.
void append_select(std::string& out, uint16_t database);

}  // namespace quorate::redis
