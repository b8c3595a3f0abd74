#include "backends/link/link.h"

namespace quorate::link {

void Link::on_connected(base::ChunkPool& pool, std::string_view greeting, uint32_t replies) {
  ASSERT(state_ == LinkState::kConnecting);
  state_ = LinkState::kHandshake;
  greeting_.append(pool, greeting);
  greeting_replies_left_ = replies;
  reset_scanner();
  scanned_ = 0;
  in_large_ = partly_delivered_ = false;
}

void Link::close(base::ChunkPool& pool) {
  state_ = LinkState::kClosed;
  requests_.reset(pool);
  greeting_.clear(pool);
  pendings_.clear();
  carry.release();
  answered_ = 0;
  scanned_ = 0;
  in_large_ = partly_delivered_ = false;
  wants_reading = true;
  wants_close = false;
}

Link::Scan Link::scan(const char* begin, const char* end) {
  switch (flavor_) {
    case Flavor::kResp2:
    case Flavor::kResp3: break;
    case Flavor::kMemcachedText: {
      const auto progress = text_.feed(begin, end);
      return {progress.consumed, progress.done, progress.broken,
              static_cast<size_t>(text_.data_left())};
    }
    case Flavor::kMemcachedBinary: {
      const auto progress = binary_.feed(begin, end);
      return {progress.consumed, progress.done, progress.broken,
              static_cast<size_t>(binary_.body_left())};
    }
  }
  const auto progress = resp_.feed(begin, end);
  return {progress.consumed, progress.done, progress.broken,
          static_cast<size_t>(resp_.bulk_left())};
}

void Link::reset_scanner() {
  switch (flavor_) {
    case Flavor::kResp2:
    case Flavor::kResp3: return resp_.reset();
    case Flavor::kMemcachedText: return text_.reset();
    case Flavor::kMemcachedBinary: return binary_.reset();
  }
}

size_t Link::announced_by(const char* first_line, size_t seen_and_missing) const {
  const bool one_bulk = *first_line == '$' || *first_line == '=' || *first_line == '!';
  return !speaks_resp() || one_bulk ? seen_and_missing : SIZE_MAX;
}

ReadResult Link::scan_piece(ReplyPiece& piece) {
  if (cursor_ == end_) return ReadResult::kMore;
  const Scan progress = scan(cursor_ + scanned_, end_);
  if (progress.broken) [[unlikely]]
    return ReadResult::kBroken;
  const size_t seen = scanned_ + progress.consumed;
  const bool first = !in_large_;
  if (!progress.done) [[unlikely]] {
    // Wait for the rest of a reply that fits; hand on what there is of one that does not.
    const bool large = in_large_ || seen + progress.missing > limits::kReadBytes ||
                       static_cast<size_t>(end_ - cursor_) >= limits::kReadBytes;
    if (!large || seen == 0) {
      scanned_ = seen;
      return ReadResult::kMore;
    }
    if (first) announced_ = announced_by(cursor_, seen + progress.missing);
  }
  if (first) is_push_ = *cursor_ == '>' && flavor_ == Flavor::kResp3;
  piece = {.bytes = cursor_, .size = seen, .first = first, .last = progress.done};
  cursor_ += seen;
  scanned_ = 0;
  in_large_ = !progress.done;
  if (progress.done) reset_scanner();
  return ReadResult::kPiece;
}

}  // namespace quorate::link
