// The first words on a connection to a backend: who we are, and a question that must be answered
// before any request is spent on the connection. What they are: backends/redis, backends/memcached.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace quorate::link {

struct Credentials {
  std::string_view user;
  std::string_view password;
  uint16_t database = 0;  ///< redis: the backend's own; what clients see as 0
  bool readonly = false;  ///< redis: say READONLY, so that a cluster's replica answers reads
};

struct Greeting {
  std::string bytes;
  uint32_t replies = 0;
};

/// What one answer to the greeting means.
struct GreetingVerdict {
  std::string refusal;         ///< not empty: the connection cannot be used, and why
  std::string server_version;  ///< if this answer told it
  uint64_t client_id = 0;      ///< redis: of the connection, if this answer told it
};

}  // namespace quorate::link
