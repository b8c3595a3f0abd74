// What every codec's fuzz target shares: a stream of bytes that arrives in pieces, through a buffer
// of the size a worker has. The whole stream at once and any cut of it must tell the same story.
//
// Each view handed out is a heap block of its exact size, so that ASan sees the first byte read
// beyond it. The first byte of an input seeds the cuts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/assert.h"
#include "consensus/base/limits.h"
#include "consensus/base/random.h"

namespace quorate::fuzz {

/// What happened, in a form that does not depend on how bytes were cut.
using Story = std::vector<std::string>;

class Stream {
 public:
  /// Everything at once, as far as the buffer goes.
  explicit Stream(std::string_view bytes) : bytes_(bytes), arrived_(bytes.size()) {}
  Stream(std::string_view bytes, uint64_t seed) : bytes_(bytes), random_(seed), cuts_(true) {}

  const char* begin() {
    refresh();
    return window_.get();
  }
  const char* end() {
    refresh();
    return window_.get() + window_size_;
  }
  size_t offset() const { return at_; }

  void consume(size_t count) {
    refresh();
    ASSERT(count <= window_size_);
    at_ += count;
    stale_ = true;
  }

  /// More bytes arrive. False: there are none. Bytes that fill the whole buffer and say nothing
  /// are a bug: the connection would hang.
  bool wait() {
    refresh();
    if (arrived_ == bytes_.size()) {
      ASSERT(window_size_ < limits::kReadBytes || at_ + window_size_ == bytes_.size());
      return false;
    }
    ASSERT(window_size_ < limits::kReadBytes);
    const uint64_t most = random_.chance_ppm(500'000) ? 3 : 40;
    arrived_ = std::min<size_t>(bytes_.size(), arrived_ + 1 + random_.below(most));
    stale_ = true;
    return true;
  }

 private:
  void refresh() {
    if (!stale_) return;
    stale_ = false;
    if (cuts_) arrived_ = std::max(arrived_, at_);
    window_size_ = std::min(arrived_ - at_, limits::kReadBytes);
    window_ = std::make_unique<char[]>(window_size_);
    std::copy_n(bytes_.data() + at_, window_size_, window_.get());
  }

  std::string_view bytes_;
  base::Random random_{0};
  bool cuts_ = false;
  size_t at_ = 0;
  size_t arrived_ = 0;
  bool stale_ = true;
  size_t window_size_ = 0;
  std::unique_ptr<char[]> window_;
};

/// Runs `tell` over the stream whole and cut, and wants the same story.
template <class Tell>
int check_every_cut(const uint8_t* data, size_t size, Tell&& tell) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Stream whole(bytes);
  const Story expected = tell(whole);
  Stream cut(bytes, data[0]);
  const Story told = tell(cut);
  ASSERT(told == expected);
  return 0;
}

}  // namespace quorate::fuzz
