#include "consensus/cluster/ring_name.h"

#include <cstdint>

#include "consensus/base/text.h"

namespace quorate::cluster {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr uint16_t kMemcachedPort =
    11211;  // old clients left it out, and so must all that came after

std::string unix_name(Distribution distribution, std::string_view path) {
  // Twemproxy takes "path:port" for the name, and a socket's port is empty; libmemcached's is 0.
  const std::string_view port = distribution == Distribution::kLibmemcachedKetama ? ":0" : ":";
  return std::string(path).append(port);
}

std::string tcp_name(Distribution distribution, std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::string(address);
  std::string_view host = address.substr(0, colon);
  const std::string_view written = address.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto port = base::parse_integer<uint16_t>(written);
  if (port == kMemcachedPort) return std::string(host);
  // Libmemcached prints the number that it read, twemproxy keeps the text ("06379").
  if (port && distribution == Distribution::kLibmemcachedKetama) {
    return std::string(host).append(":").append(std::to_string(*port));
  }
  return std::string(host).append(":").append(written);
}

}  // namespace

std::string ring_name(Distribution distribution, std::string_view address) {
  if (distribution == Distribution::kRing) return std::string(address);
  if (address.starts_with(kUnix)) return unix_name(distribution, address.substr(kUnix.size()));
  return tcp_name(distribution, address);
}

}  // namespace quorate::cluster
