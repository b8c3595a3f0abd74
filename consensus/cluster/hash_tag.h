// Hash tags: of "user:{1000}:name", with "{}" as the tag, only "1000" is hashed, so that keys which
// belong together lie together. Twemproxy's rule, and Redis Cluster's (there always with "{}").
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

namespace quorate::cluster {

/// What lies between the first `open` and the first `close` after it, if that is at least one byte;
/// else the whole key. The two may be the same character.
inline std::string_view hashed_part(std::string_view key, char open, char close) {
  if (key.empty() || std::memchr(key.data(), open, key.size()) == nullptr) [[likely]]
    return key;
  const size_t opened = key.find(open);
  const size_t closed = key.find(close, opened + 1);
  if (closed == std::string_view::npos || closed == opened + 1) return key;
  return key.substr(opened + 1, closed - opened - 1);
}

}  // namespace quorate::cluster
