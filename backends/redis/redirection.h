// Redirection: what a server of a Redis Cluster, or one that is not (any more) the primary, says in
// place of a reply when the command is to be asked elsewhere, or later. None of them was executed.
// Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace quorate::redis {

struct Redirection {
  enum class Kind : uint8_t {
    kNone,     ///< an ordinary reply
    kMoved,    ///< MOVED: `host` and `port` have the slot
    kAsk,      ///< ASK: this key may be at `host` and `port` already; say ASKING there
    kLater,    ///< TRYAGAIN, CLUSTERDOWN: the same again, after a while
    kPrimary,  ///< READONLY: only the primary takes writes, and this is not it
    kNotHere,  ///< LOADING, MASTERDOWN: this replica has nothing to say now
  };
  Kind kind = Kind::kNone;
  std::string_view host;  ///< empty: the one that said so
  uint16_t port = 0;
};

/// `reply` begins with '-'. What looks like a redirection and cannot be read is kLater.
Redirection redirection_of(std::string_view reply);

}  // namespace quorate::redis
