// ReplySlots: replies leave in the order in which commands came, whoever answers first.
//
// Every command opens a slot. What fills the slot at the front goes straight to the output; what
// comes early is held until all slots before it have left. With one backend connection nothing ever
// comes early, and holding costs nothing.
#pragma once

#include <cstdint>
#include <memory>

#include "consensus/base/byte_chain.h"

namespace quorate::session {

class ReplySlots {
 public:
  uint32_t in_flight() const { return tail_ - head_; }
  uint32_t head() const { return head_; }
  bool is_head(uint32_t slot) const { return slot == head_; }
  uint32_t open() { return tail_++; }

  /// Adds bytes to the reply of `slot`; with `last` it is complete. The front's bytes go to
  /// `output`.
  [[gnu::always_inline]] void fill(base::ChunkPool& pool, uint32_t slot, const char* bytes,
                                   size_t count, bool last, base::ByteChain& output) {
    if (slot == head_) [[likely]] {
      output.append(pool, bytes, count);
      if (last) advance(pool, output);
      return;
    }
    hold(pool, slot, bytes, count, last);
  }
  /// The same for bytes that are in a chain already.
  void fill(base::ChunkPool& pool, uint32_t slot, base::ByteChain& bytes, bool last,
            base::ByteChain& output);
  /// The front's reply went to the output by another way and is complete.
  void advance(base::ChunkPool& pool, base::ByteChain& output) {
    ++head_;
    if (held_ != nullptr) [[unlikely]]
      drain(pool, output);
  }

  /// Forgets what was added to a reply that is not complete. False: it has begun to leave.
  bool take_back(base::ChunkPool& pool, uint32_t slot);

  bool holds_any() const { return held_ != nullptr; }
  /// Bytes held behind the front.
  size_t held_bytes() const { return held_bytes_; }
  void clear(base::ChunkPool& pool);

 private:
  struct Held {
    base::ByteChain bytes;
    bool complete = false;
  };

  void hold(base::ChunkPool& pool, uint32_t slot, const char* bytes, size_t count, bool last);
  void drain(base::ChunkPool& pool, base::ByteChain& output);
  Held& held_at(uint32_t slot);

  uint32_t head_ = 0;  // free-running
  uint32_t tail_ = 0;
  uint32_t held_mask_ = 0;
  size_t held_bytes_ = 0;
  std::unique_ptr<Held[]> held_;  // by slot; exists only while something is held
};

}  // namespace quorate::session
