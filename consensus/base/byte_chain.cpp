#include "consensus/base/byte_chain.h"

#include <cstdlib>
#include <new>

namespace quorate::base {

namespace {

// Below this a spliced chain is copied: one iovec less is worth more than the copy.
constexpr size_t kCopyBelow = 1024;

}  // namespace

ChunkPool::~ChunkPool() {
  for (Chunk* chunk : free_) {
    while (chunk != nullptr) {
      Chunk* next = chunk->next;
      release(chunk);
      chunk = next;
    }
  }
}

Chunk* ChunkPool::allocate(uint32_t size_class) {
  const uint32_t bytes = kChunkBytes[size_class];
  void* memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  allocated_bytes_ += bytes;
  return new (memory) Chunk{.next = nullptr,
                            .begin = 0,
                            .end = 0,
                            .capacity = bytes - static_cast<uint32_t>(sizeof(Chunk)),
                            .size_class = size_class};
}

void ChunkPool::release(Chunk* chunk) {
  allocated_bytes_ -= kChunkBytes[chunk->size_class];
  std::free(chunk);
}

void ByteChain::append_slowly(ChunkPool& pool, const char* bytes, size_t count) {
  if (tail_ != nullptr || count > ChunkPool::kChunkBytes[0] - sizeof(Chunk)) [[unlikely]]
    return append_in_parts(pool, bytes, count);
  Chunk* chunk = pool.take(0);
  std::memcpy(chunk->data(), bytes, count);
  chunk->end = static_cast<uint32_t>(count);
  head_ = tail_ = chunk;
}

void ByteChain::append_in_parts(ChunkPool& pool, const char* bytes, size_t count) {
  while (count > 0) {
    if (tail_ == nullptr || tail_->space() == 0) {
      // The class that holds what is coming, and at least the next one up from the last chunk.
      uint32_t size_class = tail_ == nullptr ? 0 : std::min<uint32_t>(tail_->size_class + 1, 2);
      while (size_class < 2 && ChunkPool::kChunkBytes[size_class] - sizeof(Chunk) < count) {
        ++size_class;
      }
      Chunk* chunk = pool.take(size_class);
      (tail_ == nullptr ? head_ : tail_->next) = chunk;
      tail_ = chunk;
    }
    const uint32_t part = static_cast<uint32_t>(std::min<size_t>(count, tail_->space()));
    std::memcpy(tail_->data() + tail_->end, bytes, part);
    tail_->end += part;
    bytes += part;
    count -= part;
  }
}

void ByteChain::splice(ChunkPool& pool, ByteChain& other) {
  if (other.size_ < kCopyBelow && tail_ != nullptr) {
    for (const Chunk* chunk = other.head_; chunk != nullptr; chunk = chunk->next) {
      append(pool, chunk->data() + chunk->begin, chunk->size());
    }
    other.clear(pool);
    return;
  }
  if (other.head_ == nullptr) return;
  (tail_ == nullptr ? head_ : tail_->next) = other.head_;
  tail_ = other.tail_;
  size_ += other.size_;
  other.head_ = other.tail_ = nullptr;
  other.size_ = 0;
}

void ByteChain::consume_in_parts(ChunkPool& pool, size_t count) {
  ASSERT(count <= size_);
  size_ -= count;
  while (count > 0) {
    // A chain of `size_` bytes has a chunk for each of them, which the analyzer cannot know.
    // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage)
    const uint32_t part = static_cast<uint32_t>(std::min<size_t>(count, head_->size()));
    head_->begin += part;
    count -= part;
    if (head_->begin != head_->end) break;
    Chunk* empty = std::exchange(head_, head_->next);
    pool.give_back(empty);
  }
  if (size_ == 0) {
    ASSERT(head_ == nullptr);
    tail_ = nullptr;
  }
}

void ByteChain::copy_out(size_t offset, size_t count, char* target) const {
  ASSERT(offset + count <= size_);
  for (const Chunk* chunk = head_; count > 0; chunk = chunk->next) {
    if (offset >= chunk->size()) {
      offset -= chunk->size();
      continue;
    }
    const size_t part = std::min<size_t>(count, chunk->size() - offset);
    std::memcpy(target, chunk->data() + chunk->begin + offset, part);
    target += part;
    count -= part;
    offset = 0;
  }
}

void ByteChain::append_range_to(ChunkPool& pool, size_t offset, size_t count,
                                ByteChain& target) const {
  ASSERT(offset + count <= size_);
  for (const Chunk* chunk = head_; count > 0; chunk = chunk->next) {
    if (offset >= chunk->size()) {
      offset -= chunk->size();
      continue;
    }
    const size_t part = std::min<size_t>(count, chunk->size() - offset);
    target.append(pool, chunk->data() + chunk->begin + offset, part);
    count -= part;
    offset = 0;
  }
}

}  // namespace quorate::base
