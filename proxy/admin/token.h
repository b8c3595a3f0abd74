// The token that a change through the admin port needs: new for every process, in a file that only
// its user can read, so that `quorate reload` works without any set-up and a web page cannot.
#pragma once

#include <cstdint>
#include <string>

#include "consensus/base/result.h"

namespace quorate::admin {

/// Where the process that listens on `port` leaves its token.
std::string token_path(uint16_t port);

/// Makes a token and writes it. Errors: a sentence for the operator.
base::Result<std::string, std::string> create_token(uint16_t port);
base::Result<std::string, std::string> read_token(uint16_t port);
void remove_token(uint16_t port);

bool same_token(std::string_view given, std::string_view token);

}  // namespace quorate::admin
