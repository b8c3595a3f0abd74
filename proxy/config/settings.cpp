#include "proxy/config/settings.h"

namespace quorate::config {

std::string Address::text() const {
  if (is_unix()) return "unix:" + path;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

PoolSettings default_pool(Protocol protocol, Distribution distribution) {
  PoolSettings pool;
  pool.protocol = protocol;
  pool.distribution = distribution;
  if (protocol == Protocol::kMemcached) pool.hash_tag.clear();
  if (distribution == Distribution::kLibmemcachedKetama) pool.hash = HashKind::kMd5;
  return pool;
}

std::string default_backend_name(const Address& address, Distribution distribution) {
  constexpr uint16_t kMemcachedPort = 11211;
  if (distribution == Distribution::kRing) return address.text();
  const bool libmemcached = distribution == Distribution::kLibmemcachedKetama;
  if (address.is_unix()) return address.path + (libmemcached ? ":0" : ":");
  if (address.port == kMemcachedPort) return address.host;
  return libmemcached ? address.host + ":" + std::to_string(address.port) : address.text();
}

}  // namespace quorate::config
