// RequestQueue: the request bytes of one backend connection, from the first unanswered one to the
// last unsent one.
//
// Offsets count the bytes of one connection from its first. kept <= sent <= end:
//   [kept, sent)  handed to the socket, kept until answered, so that a read can be asked again
//   [sent, end)   not yet taken by the socket: certainly not executed
// An upload that streams gives up what was sent (release_sent), as 512 MiB cannot be kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "consensus/base/byte_chain.h"

namespace quorate::link {

class RequestQueue {
 public:
  uint64_t end() const { return kept_ + chain_.size(); }
  uint64_t sent() const { return sent_; }
  uint64_t kept() const { return kept_; }
  size_t unsent() const { return static_cast<size_t>(end() - sent_); }

  [[gnu::always_inline]] void append(base::ChunkPool& pool, const char* bytes, size_t count) {
    chain_.append(pool, bytes, count);
  }
  void append(base::ChunkPool& pool, std::string_view bytes) { chain_.append(pool, bytes); }
  void append(base::ChunkPool& pool, base::ByteChain& bytes) { chain_.splice(pool, bytes); }

  /// Visits the unsent bytes, piece by piece, until `visit(const char*, size_t)` returns false.
  template <class Visit>
  void visit_unsent(Visit&& visit) const {
    const base::Chunk* chunk = cursor_ != nullptr ? cursor_ : chain_.head();
    uint32_t at = cursor_ != nullptr ? cursor_end_ : (chunk != nullptr ? chunk->begin : 0);
    for (; chunk != nullptr; chunk = chunk->next, at = chunk != nullptr ? chunk->begin : 0) {
      if (at != chunk->end && !visit(chunk->data() + at, size_t{chunk->end - at})) return;
    }
  }

  /// The socket took `count` more bytes. REQUIRES: count <= unsent().
  void on_sent(size_t count);

  /// Bytes before `offset` are answered. REQUIRES: kept() <= offset <= sent().
  void release(base::ChunkPool& pool, uint64_t offset) {
    if (offset == kept_) return;
    const base::Chunk* tail_before = cursor_;
    const bool frees_cursor = tail_before != nullptr && offset == sent_;
    if (frees_cursor) cursor_ = nullptr;  // what is unsent then begins at the head
    chain_.consume(pool, static_cast<size_t>(offset - kept_));
    kept_ = offset;
  }
  void release_sent(base::ChunkPool& pool) { release(pool, sent_); }
  /// `count` bytes went to the socket without being queued. REQUIRES: the queue is empty.
  void skip(size_t count) {
    ASSERT(chain_.empty());
    kept_ += count;
    sent_ += count;
  }

  /// Copies the bytes [begin, end) to `target`. REQUIRES: kept() <= begin <= end <= end().
  void copy_range(base::ChunkPool& pool, uint64_t begin, uint64_t end,
                  base::ByteChain& target) const {
    chain_.append_range_to(pool, static_cast<size_t>(begin - kept_),
                           static_cast<size_t>(end - begin), target);
  }

  /// A new connection: offsets begin at 0, nothing is queued.
  void reset(base::ChunkPool& pool) {
    chain_.clear(pool);
    cursor_ = nullptr;
    kept_ = sent_ = 0;
  }

 private:
  base::ByteChain chain_;
  // Where the sent bytes end: inside or at the end of cursor_, at cursor_end_. nullptr: at the
  // head.
  const base::Chunk* cursor_ = nullptr;
  uint32_t cursor_end_ = 0;
  uint64_t kept_ = 0;
  uint64_t sent_ = 0;
};

}  // namespace quorate::link
