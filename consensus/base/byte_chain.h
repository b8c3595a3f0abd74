// ByteChain: bytes on their way out, as a chain of chunks with an offset at the front.
//
// What is appended is copied once; what has left is dropped from the front without moving the rest,
// so a reply of 100 MB taken 4 KiB at a time stays linear. Chunks come from a ChunkPool of one
// worker and go back to it as soon as they are empty: an idle connection owns none. Chunks grow
// with the chain (256 B, 2 KiB, 16 KiB), so that ten thousand short replies touch little memory and
// a long one is written with few iovecs. Not thread-safe: a pool and its chains belong to one
// worker.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "consensus/base/assert.h"

namespace quorate::base {

struct Chunk {
  Chunk* next;
  uint32_t begin;     // first byte still in the chain
  uint32_t end;       // first free byte
  uint32_t capacity;  // of data()
  uint32_t size_class;

  char* data() { return reinterpret_cast<char*>(this + 1); }
  const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  uint32_t size() const { return end - begin; }
  uint32_t space() const { return capacity - end; }
};

class ChunkPool {
 public:
  static constexpr std::array<uint32_t, 3> kChunkBytes = {256, 2048, 16384};
  /// Free bytes kept for the next burst; what comes back above this goes to the allocator.
  static constexpr size_t kKeptBytes = 8u << 20;

  ChunkPool() = default;
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;
  ~ChunkPool();

  Chunk* take(uint32_t size_class) {
    Chunk* chunk = free_[size_class];
    if (chunk == nullptr) [[unlikely]]
      return allocate(size_class);
    free_[size_class] = chunk->next;
    free_bytes_ -= kChunkBytes[size_class];
    chunk->next = nullptr;
    chunk->begin = chunk->end = 0;
    return chunk;
  }

  void give_back(Chunk* chunk) {
    const uint32_t bytes = kChunkBytes[chunk->size_class];
    if (free_bytes_ + bytes > kKeptBytes) [[unlikely]]
      return release(chunk);
    chunk->next = free_[chunk->size_class];
    free_[chunk->size_class] = chunk;
    free_bytes_ += bytes;
  }

  /// Bytes of chunks that are in some chain now.
  size_t bytes_in_use() const { return allocated_bytes_ - free_bytes_; }

 private:
  Chunk* allocate(uint32_t size_class);
  void release(Chunk* chunk);

  std::array<Chunk*, kChunkBytes.size()> free_{};
  size_t free_bytes_ = 0;
  size_t allocated_bytes_ = 0;
};

class ByteChain {
 public:
  ByteChain() = default;
  ByteChain(const ByteChain&) = delete;
  ByteChain& operator=(const ByteChain&) = delete;
  ByteChain(ByteChain&& other) noexcept
      : head_(std::exchange(other.head_, nullptr)),
        tail_(std::exchange(other.tail_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  ByteChain& operator=(ByteChain&& other) noexcept {
    ASSERT(head_ == nullptr);
    head_ = std::exchange(other.head_, nullptr);
    tail_ = std::exchange(other.tail_, nullptr);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  /// REQUIRES: cleared. A chain does not know its pool.
  ~ByteChain() { ASSERT(head_ == nullptr); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Chunk* head() const { return head_; }

  [[gnu::always_inline]] void append(ChunkPool& pool, const char* bytes, size_t count) {
    if (count == 0) [[unlikely]]
      return;
    size_ += count;
    if (tail_ != nullptr && tail_->space() >= count) [[likely]] {
      std::memcpy(tail_->data() + tail_->end, bytes, count);
      tail_->end += static_cast<uint32_t>(count);
      return;
    }
    append_slowly(pool, bytes, count);
  }
  void append(ChunkPool& pool, std::string_view bytes) { append(pool, bytes.data(), bytes.size()); }

  /// Moves all of `other` behind this chain: small ones are copied, long ones linked.
  void splice(ChunkPool& pool, ByteChain& other);

  /// Drops `count` bytes from the front. REQUIRES: count <= size().
  void consume(ChunkPool& pool, size_t count) {
    if (count == size_ && head_ == tail_) [[likely]] {  // one chunk, and all of it
      if (head_ == nullptr) return;
      pool.give_back(head_);
      head_ = tail_ = nullptr;
      size_ = 0;
      return;
    }
    consume_in_parts(pool, count);
  }

  void clear(ChunkPool& pool) { consume(pool, size_); }

  /// The bytes [offset, offset + count), copied to `target`. REQUIRES: they are in the chain.
  void copy_out(size_t offset, size_t count, char* target) const;

  /// The bytes [offset, offset + count) of this chain, appended to `target`.
  void append_range_to(ChunkPool& pool, size_t offset, size_t count, ByteChain& target) const;

 private:
  void append_slowly(ChunkPool& pool, const char* bytes, size_t count);
  void append_in_parts(ChunkPool& pool, const char* bytes, size_t count);
  void consume_in_parts(ChunkPool& pool, size_t count);

  Chunk* head_ = nullptr;
  Chunk* tail_ = nullptr;
  size_t size_ = 0;
};

}  // namespace quorate::base
