#include "proxy/config/twemproxy_server.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "consensus/base/text.h"
#include "consensus/cluster/ring_name.h"

namespace quorate::config {
namespace {

using base::Failure;

constexpr uint32_t kMostPermissions = 0777;

/// What stands before and behind the last `separator`; nothing if there is none.
std::optional<std::pair<std::string_view, std::string_view>> split_last(std::string_view text,
                                                                        char separator) {
  const size_t at = text.rfind(separator);
  if (at == std::string_view::npos) return std::nullopt;
  return std::pair{text.substr(0, at), text.substr(at + 1)};
}

std::optional<uint16_t> port_number(std::string_view text) {
  const auto number = twemproxy_number(text);
  if (!number || *number < 1 || *number > 65535) return std::nullopt;
  return static_cast<uint16_t>(*number);
}

std::string tcp_address(std::string_view host, uint16_t port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  return (v6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + std::to_string(port);
}

std::string form_of_server() {
  return "a server is \"host:port:weight\" or \"/path:weight\", then perhaps a blank and a name";
}

Failure<std::string> bad_port(std::string_view text) {
  return Failure{"the port " + in_quotes(text) + " is not in 1..65535"};
}

}  // namespace

std::optional<uint32_t> twemproxy_number(std::string_view text) {
  const auto number = base::parse_integer<uint32_t>(text);
  if (!number || *number > uint32_t{std::numeric_limits<int32_t>::max()}) return std::nullopt;
  return number;
}

base::Result<TwemproxyServer, std::string> parse_twemproxy_server(std::string_view text) {
  TwemproxyServer server;
  std::string_view rest = text;
  if (const auto named = split_last(rest, ' ')) {
    rest = named->first;
    server.name = named->second;
    if (server.name.empty()) return Failure{std::string("no name follows the blank")};
  }

  const auto weighted = split_last(rest, ':');
  if (!weighted) return Failure{form_of_server()};
  const auto weight = twemproxy_number(weighted->second);
  if (!weight || *weight == 0) {
    return Failure{"the weight " + in_quotes(weighted->second) + " is not a number above 0"};
  }
  server.weight = *weight;
  rest = weighted->first;

  if (text.starts_with('/')) {
    if (rest.find(':') != std::string_view::npos) return Failure{form_of_server()};
    server.address = "unix:" + std::string(rest);
  } else {
    const auto parts = split_last(rest, ':');
    if (!parts || parts->first.empty()) return Failure{form_of_server()};
    const auto port = port_number(parts->second);
    if (!port) return bad_port(parts->second);
    server.address = tcp_address(parts->first, *port);
  }
  if (server.name.empty()) {
    // From the text and not from the address: of "h:06379:1" twemproxy keeps the zero.
    const std::string written = text.starts_with('/') ? server.address : std::string(rest);
    server.name = cluster::ring_name(cluster::Distribution::kKetama, written);
  }
  return server;
}

base::Result<TwemproxyListen, std::string> parse_twemproxy_listen(std::string_view text) {
  if (text.starts_with('/')) {
    const auto parts = split_last(text, ' ');
    if (!parts) return TwemproxyListen{"unix:" + std::string(text), std::nullopt};
    uint32_t mode = 0;
    const std::string_view digits = parts->second;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), mode, 8);
    if (error != std::errc{} || end != digits.end() || mode > kMostPermissions) {
      return Failure{"the permissions " + in_quotes(digits) + " are not octal, 0..777"};
    }
    return TwemproxyListen{"unix:" + std::string(parts->first), mode};
  }
  const auto parts = split_last(text, ':');
  if (!parts || parts->first.empty()) {
    return Failure{std::string("an address to listen on is \"host:port\" or \"/path mode\"")};
  }
  const auto port = port_number(parts->second);
  if (!port) return bad_port(parts->second);
  return TwemproxyListen{tcp_address(parts->first, *port), std::nullopt};
}

}  // namespace quorate::config
