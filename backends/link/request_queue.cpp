#include "backends/link/request_queue.h"

#include <algorithm>

namespace quorate::link {

void RequestQueue::on_sent(size_t count) {
  ASSERT(count <= unsent());
  sent_ += count;
  if (cursor_ == nullptr) {
    cursor_ = chain_.head();
    cursor_end_ = cursor_ != nullptr ? cursor_->begin : 0;
  }
  while (count > 0) {
    ASSERT(cursor_ != nullptr);
    const size_t part = std::min<size_t>(count, cursor_->end - cursor_end_);
    cursor_end_ += static_cast<uint32_t>(part);
    count -= part;
    if (count > 0) {
      cursor_ = cursor_->next;
      cursor_end_ = cursor_->begin;
    }
  }
}

}  // namespace quorate::link
