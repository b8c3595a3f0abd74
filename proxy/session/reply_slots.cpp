#include "proxy/session/reply_slots.h"

#include <bit>

namespace quorate::session {

ReplySlots::Held& ReplySlots::held_at(uint32_t slot) {
  ASSERT(slot - head_ < in_flight());
  const uint32_t needed = in_flight();
  if (held_ == nullptr || needed > held_mask_ + 1) {
    const uint32_t capacity = std::bit_ceil(std::max<uint32_t>(needed, 8));
    auto grown = std::make_unique<Held[]>(capacity);
    if (held_ != nullptr) {
      for (uint32_t i = 0; i <= held_mask_; ++i) {
        Held& from = held_[(head_ + i) & held_mask_];
        Held& to = grown[(head_ + i) & (capacity - 1)];
        to.bytes = std::move(from.bytes);
        to.complete = from.complete;
      }
    }
    held_ = std::move(grown);
    held_mask_ = capacity - 1;
  }
  return held_[slot & held_mask_];
}

void ReplySlots::hold(base::ChunkPool& pool, uint32_t slot, const char* bytes, size_t count,
                      bool last) {
  Held& held = held_at(slot);
  held.bytes.append(pool, bytes, count);
  held.complete = held.complete || last;
  held_bytes_ += count;
}

void ReplySlots::fill(base::ChunkPool& pool, uint32_t slot, base::ByteChain& bytes, bool last,
                      base::ByteChain& output) {
  if (slot == head_) {
    output.splice(pool, bytes);
    if (last) advance(pool, output);
    return;
  }
  held_bytes_ += bytes.size();
  Held& held = held_at(slot);
  held.bytes.splice(pool, bytes);
  held.complete = held.complete || last;
}

bool ReplySlots::take_back(base::ChunkPool& pool, uint32_t slot) {
  if (slot == head_) return false;
  Held& held = held_at(slot);
  ASSERT(!held.complete);
  held_bytes_ -= held.bytes.size();
  held.bytes.clear(pool);
  return true;
}

void ReplySlots::drain(base::ChunkPool& pool, base::ByteChain& output) {
  while (head_ != tail_) {
    Held& held = held_[head_ & held_mask_];
    held_bytes_ -= held.bytes.size();
    output.splice(pool, held.bytes);
    if (!held.complete) return;  // the new front; the rest of it goes straight to the output
    held.complete = false;
    ++head_;
  }
  held_.reset();
  held_mask_ = 0;
}

void ReplySlots::clear(base::ChunkPool& pool) {
  if (held_ != nullptr) {
    for (uint32_t i = 0; i <= held_mask_; ++i) held_[i].bytes.clear(pool);
  }
  held_.reset();
  held_bytes_ = 0;
  head_ = tail_;
}

}  // namespace quorate::session
