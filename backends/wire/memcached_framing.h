// What the classic and the meta half of the text codec share: how a request is refused, and how its
// data block is framed. Internal to memcached_text.cpp and memcached_meta.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backends/wire/memcached_line.h"
#include "backends/wire/memcached_text.h"

namespace quorate::wire {

/// The answer, unless `noreply` hides it.
inline std::string_view loud(const TextRequest& request, std::string_view answer) {
  return request.noreply ? std::string_view{} : answer;
}

inline MemcachedStatus answer_with(TextRequest& request, std::string_view answer) {
  request.as_is = false;
  request.answer = answer;
  return MemcachedStatus::kAnswered;
}

/// The data block is to be dropped. REQUIRES: value_size is known.
inline MemcachedStatus swallow_with(TextRequest& request, std::string_view answer) {
  request.swallows = true;
  return answer_with(request, answer);
}

inline MemcachedStatus close_with(TextRequest& request, std::string_view answer) {
  request.closes = true;
  return answer_with(request, answer);
}

/// Reads the length of a data block. False: none that the server and everybody else agree on (it
/// takes 4294967299 for 3).
inline bool read_value_size(std::string_view word, TextRequest& request, bool& plain) {
  int64_t size = 0;
  if (!read_signed(word, size, plain) || size < 0 || size > INT32_MAX - 2) return false;
  request.value_size = size;
  return true;
}

/// Frames the data block behind a line that is in order. REQUIRES: line_size and value_size are
/// set.
MemcachedStatus frame_value(const char* begin, const char* end, const MemcachedLimits& limits,
                            TextRequest& request);

// --- meta (memcached_meta.cpp) ---

/// mg, md, ma.
MemcachedStatus frame_meta(TextRequest& request);
MemcachedStatus frame_meta_set(const char* begin, const char* end, const MemcachedLimits& limits,
                               const LineReader& line, TextRequest& request);
MemcachedStatus frame_meta_debug(TextRequest& request);
/// The line without its end.
void append_canonical_meta(std::string_view name, const TextRequest& request, std::string& out);

}  // namespace quorate::wire
