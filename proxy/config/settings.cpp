#include "proxy/config/settings.h"

#include "consensus/cluster/ring_name.h"

namespace quorate::config {

std::string Address::text() const {
  if (is_unix()) return "unix:" + path;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<Address> ClusterSettings::own_address() const {
  if (advertise) return advertise;
  for (const Founder& founder : bootstrap) {
    if (founder.name == member) return founder.address;
  }
  return listen;
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
  return cluster::ring_name(distribution, address.text());
}

}  // namespace quorate::config
