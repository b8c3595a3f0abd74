// The name that a ring hashes for a backend to which the operator gave none, derived from its
// address. Each distribution has its own rule, and whoever shares a ring must follow the same one.
//
//   address               ring                  ketama, modula, random   libmemcached-ketama
//   "10.0.0.1:6379"       as written            "10.0.0.1:6379"          "10.0.0.1:6379"
//   "10.0.0.1:11211"      as written            "10.0.0.1"               "10.0.0.1"
//   "[::1]:6379"          as written            "::1:6379"               "::1:6379"
//   "unix:/run/redis"     as written            "/run/redis:"            "/run/redis:0"
#pragma once

#include <string>
#include <string_view>

#include "consensus/cluster/placement.h"

namespace quorate::cluster {

/// `address` as the configuration writes it: "host:port", "[v6]:port" or "unix:/path". Of anything
/// else the name is what is written.
std::string ring_name(Distribution distribution, std::string_view address);

}  // namespace quorate::cluster
