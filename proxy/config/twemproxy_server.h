// The addresses of twemproxy's configuration: "host:port:weight name", "/path:weight name" in
// "servers", and "host:port" or "/path mode" in "listen".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/base/result.h"
#include "proxy/config/twemproxy_pool.h"

namespace quorate::config {

struct TwemproxyListen {
  std::string address;  ///< as quorate writes it
  std::optional<uint32_t> mode;
};

/// Digits only, at most what twemproxy's int holds.
std::optional<uint32_t> twemproxy_number(std::string_view text);

/// The error is a sentence for whoever wrote the line.
base::Result<TwemproxyServer, std::string> parse_twemproxy_server(std::string_view text);
base::Result<TwemproxyListen, std::string> parse_twemproxy_listen(std::string_view text);

}  // namespace quorate::config
