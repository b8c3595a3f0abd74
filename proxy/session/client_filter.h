// Which clients a CLIENT LIST or CLIENT KILL is about, and who a client is: for commands that
// concern the clients of every worker. Plain values, as they travel from one worker's thread to
// another's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace quorate::session {

/// The other end of a client's connection.
struct PeerAddress {
  std::array<uint8_t, 16> ip{};
  uint16_t port = 0;
  uint8_t ip_bytes = 0;  ///< 4 or 16; 0: a unix socket

  /// "127.0.0.1:40312", "[::1]:40312"; of a unix socket "/path:0", as redis-server says.
  std::string text(const std::string& local) const;
};

struct ClientFilter {
  uint32_t pool = 0;
  std::vector<uint64_t> ids;  ///< empty: any
  std::optional<std::string> address;
  std::optional<std::string> local_address;
  std::optional<std::string> user;
  bool other_types_only = false;   ///< TYPE master or replica: nobody here is one
  std::optional<bool> subscribed;  ///< TYPE pubsub, or normal: who is not subscribed
  std::optional<uint64_t> skip;    ///< the client that asks
};

/// What one worker is asked about its clients, and answers.
struct ClientQuestion {
  enum class Kind : uint8_t { kList, kKill, kPause, kUnpause, kUnblock };
  Kind kind{};
  ClientFilter filter;
  int64_t pause_ms = 0;
  bool pause_writes_only = false;
  bool unblock_with_error = false;
  bool is_silent = false;  ///< whoever asks wants no reply
  uint64_t asker = 0;      ///< the client that asks
  size_t asker_bytes = 0;  ///< its command's
};

struct ClientAnswer {
  std::string lines;   ///< kList
  uint64_t count = 0;  ///< kKill, kUnblock
};

}  // namespace quorate::session
