// Carry: the bytes of an unfinished frame, between two reads of one connection.
//
// All connections of a worker are read into one buffer; only what stays is copied here, and on the
// next read put back in front of the new bytes. Owns no memory while empty.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "consensus/base/assert.h"

namespace quorate::base {

class Carry {
 public:
  Carry() = default;
  Carry(const Carry&) = delete;
  Carry& operator=(const Carry&) = delete;
  ~Carry() { std::free(data_); }

  const char* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// Keeps a copy of [bytes, bytes + count); they may lie in this carry.
  void keep(const char* bytes, size_t count) {
    if (count == 0) return release();
    if (count > capacity_) {
      ASSERT(bytes < data_ || bytes >= data_ + capacity_);
      std::free(data_);
      capacity_ = count;
      data_ = static_cast<char*>(std::malloc(capacity_));
      if (data_ == nullptr) throw std::bad_alloc();
    }
    std::memmove(data_, bytes, count);
    size_ = count;
  }

  void release() {
    if (data_ == nullptr) return;
    std::free(data_);
    data_ = nullptr;
    size_ = capacity_ = 0;
  }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace quorate::base
