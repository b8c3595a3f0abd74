// Mailbox: messages from one thread to a loop on another. Off the data path: a plan, a question, a
// stop.
#pragma once

#include <uv.h>

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "consensus/base/assert.h"

namespace quorate::io {

/// Runs what is posted on the loop's thread, in order. Posting is allowed from any thread between
/// open() and close().
class Mailbox {
 public:
  void open(uv_loop_t* loop) {
    async_.data = this;
    ASSERT(uv_async_init(loop, &async_, [](uv_async_t* handle) {
             static_cast<Mailbox*>(handle->data)->deliver();
           }) == 0);
  }
  /// On the loop's thread. What is posted later is dropped.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    deliver();
    uv_close(reinterpret_cast<uv_handle_t*>(&async_), nullptr);
  }
  void post(std::function<void()> message) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    messages_.push_back(std::move(message));
    uv_async_send(&async_);
  }

 private:
  void deliver() {
    std::vector<std::function<void()>> messages;
    {
      const std::lock_guard lock(mutex_);
      messages.swap(messages_);
    }
    for (auto& message : messages) message();
  }

  uv_async_t async_{};
  std::mutex mutex_;
  bool closed_ = false;
  std::vector<std::function<void()>> messages_;
};

}  // namespace quorate::io
