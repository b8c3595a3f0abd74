// Listening sockets, made before any thread runs, so that an address in use is an error at start
// and not a log line later.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "consensus/base/result.h"

namespace quorate::io {

struct ListenSpec {
  std::string host;  ///< a numeric address or a name; empty: `path`
  uint16_t port = 0;
  std::string path;  ///< of a unix socket
  uint32_t mode = 0660;
  std::string text;  ///< as the operator wrote it
};

/// One bound address, as many descriptors as there are workers: for TCP each a socket of its own
/// (SO_REUSEPORT), so that the kernel spreads connections; for a unix socket the same one.
class ListeningSocket {
 public:
  /// Errors: a sentence for the operator. Port 0 takes any free one: see port().
  static base::Result<ListeningSocket, std::string> bind(const ListenSpec& spec, uint32_t workers);

  ListeningSocket(ListeningSocket&& other) noexcept;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ~ListeningSocket();

  bool is_tcp() const { return path_.empty(); }
  uint16_t port() const { return port_; }
  /// The descriptor of one worker, which then belongs to that worker.
  int take(uint32_t worker);

 private:
  ListeningSocket() = default;

  std::vector<int> descriptors_;
  uint16_t port_ = 0;
  std::string path_;  // removed at the end
};

}  // namespace quorate::io
