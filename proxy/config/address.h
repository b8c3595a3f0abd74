// Addresses as text: "host:port", "[v6]:port", "unix:/path". Syntax only: nothing is resolved.
#pragma once

#include <string>
#include <string_view>

#include "consensus/base/result.h"
#include "proxy/config/settings.h"

namespace quorate::config {

/// The error is a sentence for the operator that quotes the text.
base::Result<Address, std::string> parse_address(std::string_view text);

/// True when only this machine can connect: a unix socket, "localhost", 127.0.0.0/8 or ::1.
bool is_loopback(const Address& address);

/// True when both cannot be listened on at once: the same socket path, or the same port of the
/// same address, or of an address and its family's wildcard.
bool overlap(const Address& a, const Address& b);

/// True when who connects to `target` on this machine certainly meets who listens on `listening`:
/// also where one of them is "localhost", or listens on the wildcard.
bool arrives_at(const Address& target, const Address& listening);

}  // namespace quorate::config
