// RingBuffer: a first-in first-out queue in one block whose size is a power of two. It grows by
// doubling and never shrinks on its own; the owner bounds it. For trivially copyable entries.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

#include "consensus/base/assert.h"

namespace quorate::base {

template <class T>
class RingBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  bool empty() const { return head_ == tail_; }
  uint32_t size() const { return tail_ - head_; }

  T& front() { return slots_[head_ & mask_]; }
  const T& front() const { return slots_[head_ & mask_]; }
  T& back() { return slots_[(tail_ - 1) & mask_]; }
  /// The entry `index` places behind the front. REQUIRES: index < size().
  T& operator[](uint32_t index) { return slots_[(head_ + index) & mask_]; }
  const T& operator[](uint32_t index) const { return slots_[(head_ + index) & mask_]; }

  [[gnu::always_inline]] T& push_back(const T& entry) {
    T& slot = push_blank();
    slot = entry;
    return slot;
  }
  /// An entry that the caller fills in where it lies: it holds anything.
  [[gnu::always_inline]] T& push_blank() {
    if (size() == capacity_) [[unlikely]]
      grow();
    return slots_[tail_++ & mask_];
  }
  void pop_front() { ++head_; }

  void clear() { head_ = tail_ = 0; }
  /// Gives the memory back. REQUIRES: empty().
  void shrink() {
    ASSERT(empty());
    slots_.reset();
    capacity_ = mask_ = head_ = tail_ = 0;
  }

 private:
  void grow() {
    const uint32_t capacity = capacity_ == 0 ? 8 : capacity_ * 2;
    auto slots = std::make_unique_for_overwrite<T[]>(capacity);
    const uint32_t count = size();
    for (uint32_t i = 0; i < count; ++i) slots[i] = slots_[(head_ + i) & mask_];
    slots_ = std::move(slots);
    capacity_ = capacity;
    mask_ = capacity - 1;
    head_ = 0;
    tail_ = count;
  }

  std::unique_ptr<T[]> slots_;
  uint32_t capacity_ = 0;
  uint32_t mask_ = 0;
  uint32_t head_ = 0;  // free-running
  uint32_t tail_ = 0;
};

}  // namespace quorate::base
