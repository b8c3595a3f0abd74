#include "proxy/config/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "consensus/base/text.h"

namespace quorate::config {
namespace {

using base::Failure;
using Parsed = base::Result<Address, std::string>;

constexpr size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr size_t kLongestHost = 253;
constexpr size_t kLongestLabel = 63;

std::string quote(std::string_view text) { return "\"" + std::string(text) + "\""; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Four bytes for IPv4, sixteen for IPv6.
std::optional<std::string> binary(int family, std::string_view host) {
  std::array<char, sizeof(in6_addr)> bytes{};
  if (inet_pton(family, std::string(host).c_str(), bytes.data()) != 1) return std::nullopt;
  return std::string(bytes.data(), family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr));
}

std::optional<std::string> binary(std::string_view host) {
  if (host.find('\0') != std::string_view::npos) return std::nullopt;
  if (auto v4 = binary(AF_INET, host)) return v4;
  return binary(AF_INET6, host);
}

// fe80::1%eth0: the address without its zone, when the zone could be an interface's name.
std::string_view without_zone(std::string_view host) {
  const size_t percent = host.find('%');
  if (percent == std::string_view::npos) return host;
  const std::string_view zone = host.substr(percent + 1);
  const bool plausible = !zone.empty() && zone.size() < IF_NAMESIZE &&
                         std::all_of(zone.begin(), zone.end(), [](char c) { return c > ' '; });
  return plausible ? host.substr(0, percent) : host;
}

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > kLongestHost) return false;
  size_t label = 0;
  for (char c : host) {
    const char lower = base::ascii_lower(c);
    const bool allowed = (lower >= 'a' && lower <= 'z') || is_digit(c) || c == '-' || c == '_';
    if (c == '.' ? label == 0 : !allowed) return false;
    label = c == '.' ? 0 : label + 1;
    if (label > kLongestLabel) return false;
  }
  return true;
}

// "10.0.0.256" resolves to nothing; say so here and not at every connect.
bool looks_like_ipv4(std::string_view host) {
  return std::all_of(host.begin(), host.end(), [](char c) { return is_digit(c) || c == '.'; });
}

Parsed parse_unix(std::string_view text, std::string_view path) {
  if (!path.starts_with('/')) {
    return Failure{quote(text) + ": the path of a unix socket begins with \"/\""};
  }
  if (path.ends_with('/')) return Failure{quote(text) + " is a folder, not a socket"};
  if (path.size() > kLongestPath) {
    return Failure{"the path of a unix socket has at most " + std::to_string(kLongestPath) +
                   " bytes; this one has " + std::to_string(path.size())};
  }
  const bool control = std::any_of(path.begin(), path.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (control) return Failure{std::string("a path cannot hold control characters")};
  return Address{"", 0, std::string(path)};
}

// What was probably meant by something that is not an address, or nothing.
std::string hint(std::string_view text) {
  if (const size_t scheme = text.find("://"); scheme != std::string_view::npos) {
    return quote(text) + " is a URL; write only host:port";
  }
  if (text.starts_with('/')) return "write \"unix:" + std::string(text) + "\" for a unix socket";
  if (std::all_of(text.begin(), text.end(), is_digit)) {
    return quote(text) + " has no host; write \"127.0.0.1:" + std::string(text) + "\"";
  }
  if (text.starts_with(':') && text.size() > 1 &&
      std::all_of(text.begin() + 1, text.end(), is_digit)) {
    return quote(text) + " has no host; write \"0.0.0.0" + std::string(text) +
           "\" for every interface";
  }
  if (binary(AF_INET6, without_zone(text))) {
    return "write an IPv6 address in brackets and with a port, as in \"[::1]:6379\"";
  }
  return {};
}

Parsed parse_tcp(std::string_view text, std::string_view host, std::string_view port) {
  const auto number = base::parse_integer<uint32_t>(port);
  if (!number || !std::all_of(port.begin(), port.end(), is_digit)) {
    return Failure{quote(text) + ": the port is a number, 1 to 65535"};
  }
  if (*number == 0 || *number > 65535) {
    return Failure{quote(text) + ": a port is 1 to 65535"};
  }
  if (port[0] == '0') return Failure{quote(text) + ": a port has no leading zeros"};
  return Address{std::string(host), static_cast<uint16_t>(*number), ""};
}

}  // namespace

Parsed parse_address(std::string_view text) {
  if (text.empty()) return Failure{std::string("an address cannot be empty")};
  if (text.find('\0') != std::string_view::npos) {
    return Failure{std::string("an address cannot hold a NUL byte")};
  }
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) return parse_unix(text, text.substr(kUnix.size()));
  if (std::string meant = hint(text); !meant.empty()) return Failure{std::move(meant)};

  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return Failure{quote(text) + ": \"]\" is missing"};
    const std::string_view host = text.substr(1, close - 1);
    if (!binary(AF_INET6, without_zone(host))) {
      return Failure{quote(text) + ": what stands in brackets is not an IPv6 address"};
    }
    const std::string_view rest = text.substr(close + 1);
    if (!rest.starts_with(':') || rest.size() == 1) {
      return Failure{quote(text) + " has no port; write \"[" + std::string(host) + "]:PORT\""};
    }
    return parse_tcp(text, host, rest.substr(1));
  }

  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) {
    return Failure{quote(text) + " has no port; write \"" + std::string(text.substr(0, colon)) +
                   ":PORT\""};
  }
  const std::string_view host = text.substr(0, colon);
  if (text.find(':', colon + 1) != std::string_view::npos) {
    return Failure{quote(text) +
                   " has more than one \":\"; an address is \"host:port\", \"[v6]:port\" or "
                   "\"unix:/path\""};
  }
  if (looks_like_ipv4(host) && !binary(AF_INET, host)) {
    return Failure{quote(host) + " is not an IPv4 address"};
  }
  if (!is_host_name(host)) return Failure{quote(host) + " is not a host name"};
  return parse_tcp(text, host, text.substr(colon + 1));
}

bool is_loopback(const Address& address) {
  if (address.is_unix() || base::equal_ignoring_case(address.host, "localhost")) return true;
  const auto bytes = binary(address.host);
  if (!bytes) return false;
  if (bytes->size() == sizeof(in_addr)) return (*bytes)[0] == 127;
  return std::memcmp(bytes->data(), &in6addr_loopback, sizeof in6addr_loopback) == 0;
}

bool overlap(const Address& a, const Address& b) {
  if (a.is_unix() != b.is_unix()) return false;
  if (a.is_unix()) return a.path == b.path;
  if (a.port != b.port) return false;
  const auto left = binary(a.host);
  const auto right = binary(b.host);
  if (!left || !right) return base::equal_ignoring_case(a.host, b.host);
  if (left->size() != right->size()) return false;
  const std::string wildcard(left->size(), '\0');
  return *left == *right || *left == wildcard || *right == wildcard;
}

bool arrives_at(const Address& target, const Address& listening) {
  if (target.is_unix() || listening.is_unix()) {
    return target.is_unix() && listening.is_unix() && target.path == listening.path;
  }
  if (target.port != listening.port) return false;
  // The wildcard, connected to, is this machine's loopback; "localhost" is that of either family.
  const auto meant_by = [](std::string_view host) -> std::vector<std::string> {
    const std::string v4 = *binary(AF_INET, "127.0.0.1");
    const std::string v6 = *binary(AF_INET6, "::1");
    if (base::equal_ignoring_case(host, "localhost")) return {v4, v6};
    const auto bytes = binary(host);
    if (!bytes) return {};
    if (*bytes != std::string(bytes->size(), '\0')) return {*bytes};
    return {bytes->size() == v4.size() ? v4 : v6};
  };
  const auto targets = meant_by(target.host);
  if (targets.empty()) return base::equal_ignoring_case(target.host, listening.host);
  const auto own = binary(listening.host);
  const bool wildcard = own && *own == std::string(own->size(), '\0');
  const auto own_all = meant_by(listening.host);
  return std::ranges::any_of(targets, [&](const std::string& one) {
    if (!wildcard) return std::ranges::find(own_all, one) != own_all.end();
    const bool loopback = one.size() == sizeof(in_addr) ? one[0] == 127 : one == own_all.front();
    return loopback && one.size() == own->size();
  });
}

}  // namespace quorate::config
