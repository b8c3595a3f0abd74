// Looks at one backend from outside, for `quorate check --online`: can it be reached with the
// configured credentials, what is it, would it serve. Blocks until it answers or times out: never
// on the data path and never on a loop. Changes nothing there. Redis is asked through hiredis;
// memcached over a socket of our own, because libmemcached leaves out SASL on unix sockets.
#pragma once

#include <string>

#include "consensus/base/time.h"
#include "proxy/config/settings.h"

namespace quorate::cli {

struct Inspection {
  std::string problem;          ///< why it cannot serve this pool; empty: it can
  std::string version;          ///< empty when it was not reached
  std::string role;             ///< redis: "master", "slave"
  std::string eviction_policy;  ///< redis: "noeviction", "allkeys-lru", …

  bool ok() const { return problem.empty(); }
};

/// `timeout` bounds the connect and each answer.
Inspection inspect_redis(const config::BackendSettings& backend, base::Duration timeout);
Inspection inspect_memcached(const config::BackendSettings& backend, base::Duration timeout);

}  // namespace quorate::cli
