// Dialer: from an endpoint's name to a connected stream. Names resolve on libuv's thread pool, anew
// each time; every address of a name is tried in turn (localhost has two) until one connects or
// time is up. Everything else about a connection is its owner's business.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "backends/io/stream.h"
#include "consensus/base/time.h"

namespace quorate::io {

struct Endpoint {
  std::string host;  ///< a name, or a numeric address without brackets; empty: `path`
  uint16_t port = 0;
  std::string path;  ///< of a unix socket
};

class Dialer {
 public:
  /// A connected stream that tells `listener` from now on; nullptr: nobody answered, and `why`.
  using Done = std::function<void(Stream*, std::string why)>;

  Dialer(uv_loop_t* loop, Stream::Listener& listener, ReadBuffer& buffer)
      : loop_(loop), listener_(listener), buffer_(buffer) {}
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  /// `done` is called once, later, never from within dial().
  void dial(const Endpoint& endpoint, base::Duration timeout, Done done);
  /// Gives up every attempt; no Done is called any more. The loop has to run until handles are
  /// closed.
  void close();

 private:
  class Attempt;

  uv_loop_t* loop_;
  Stream::Listener& listener_;
  ReadBuffer& buffer_;
  std::unordered_set<Attempt*> attempts_;
};

}  // namespace quorate::io
