// The first words on a connection to a Redis server: AUTH, the database, and a question that must
// be answered before any command is spent on the connection. HELLO serves as that question: it
// tells the server's version, and a server too old to know it has answered all the same.
//
// Pure: bytes to send, and what an answer means.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backends/link/greeting.h"
#include "backends/link/link.h"

namespace quorate::redis {

/// REQUIRES: a RESP flavor.
link::Greeting greeting(link::Flavor flavor, const link::Credentials& credentials);
link::GreetingVerdict judge_greeting_reply(link::Flavor flavor, std::string_view reply);

/// Appends SELECT.
void append_select(std::string& out, uint16_t database);

}  // namespace quorate::redis
