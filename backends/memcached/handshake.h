// The first words on a connection to a memcached server: authentication if there are credentials
// (ASCII for text, SASL PLAIN for binary), and `version`, which must be answered before a request
// is sent.
//
// Pure: bytes to send, and what an answer means.
#pragma once

#include <string_view>

#include "backends/link/greeting.h"
#include "backends/link/link.h"

namespace quorate::memcached {

/// REQUIRES: a memcached flavor.
link::Greeting greeting(link::Flavor flavor, const link::Credentials& credentials);
link::GreetingVerdict judge_greeting_reply(link::Flavor flavor, std::string_view reply);

}  // namespace quorate::memcached
