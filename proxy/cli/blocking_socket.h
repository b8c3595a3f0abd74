// A connection that blocks, with a limit on every wait: for commands that look at a server once and
// exit. Never on the data path and never on a loop.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "consensus/base/result.h"
#include "consensus/base/time.h"
#include "proxy/config/settings.h"

namespace quorate::cli {

/// "no answer within 500ms".
std::string no_answer_within(base::Duration timeout);

class BlockingSocket {
 public:
  /// Tries each address that a name resolves to. Errors are sentences for the operator.
  static base::Result<BlockingSocket, std::string> connect(const config::Address& address,
                                                           base::Duration timeout);
  BlockingSocket(BlockingSocket&& other) noexcept;
  BlockingSocket& operator=(BlockingSocket&& other) = delete;
  ~BlockingSocket();

  /// Each returns what went wrong, or nothing.
  std::string send(std::string_view bytes);
  /// Exactly `size` bytes.
  std::string receive(size_t size, std::string& bytes);
  /// Up to and without CRLF, of at most `most` bytes.
  std::string receive_line(size_t most, std::string& line);

 private:
  BlockingSocket(int descriptor, base::Duration timeout)
      : descriptor_(descriptor), timeout_(timeout) {}

  int descriptor_;
  base::Duration timeout_;
};

}  // namespace quorate::cli
