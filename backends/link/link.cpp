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
  scanned_ = 0;
  in_large_ = partly_delivered_ = false;
  wants_reading = true;
  wants_close = false;
}

wire::ReplyScanner::Progress Link::scan(const char* begin, const char* end) {
  return resp_.feed(begin, end);
}

void Link::reset_scanner() { resp_.reset(); }

ReadResult Link::next_piece(ReplyPiece& piece) {
  if (cursor_ == end_) return ReadResult::kMore;
  const auto progress = scan(cursor_ + scanned_, end_);
  if (progress.broken) [[unlikely]]
    return ReadResult::kBroken;
  const size_t seen = scanned_ + progress.consumed;
  const bool first = !in_large_;
  if (!progress.done) [[unlikely]] {
    // Wait for the rest of a reply that fits; hand on what there is of one that does not.
    const size_t missing = static_cast<size_t>(resp_.bulk_left());
    const bool large = in_large_ || seen + missing > limits::kReadBytes ||
                       static_cast<size_t>(end_ - cursor_) >= limits::kReadBytes;
    if (!large || seen == 0) {
      scanned_ = seen;
      return ReadResult::kMore;
    }
    const bool one_bulk = *cursor_ == '$' || *cursor_ == '=' || *cursor_ == '!';
    if (first) announced_ = one_bulk ? seen + missing : SIZE_MAX;
  }
  if (first) is_push_ = *cursor_ == '>';
  piece = {.bytes = cursor_, .size = seen, .first = first, .last = progress.done};
  cursor_ += seen;
  scanned_ = 0;
  in_large_ = !progress.done;
  if (progress.done) reset_scanner();
  return ReadResult::kPiece;
}

}  // namespace quorate::link
