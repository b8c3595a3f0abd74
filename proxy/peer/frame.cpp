#include "proxy/peer/frame.h"

#include "consensus/base/assert.h"
#include "consensus/raft/bytes.h"

namespace quorate::peer {

std::string encode_frame(FrameKind kind, std::string_view payload) {
  ASSERT(payload.size() <= kMaxPayloadBytes);
  std::string frame;
  frame.reserve(kFrameHeaderBytes + payload.size());
  raft::put(frame, static_cast<uint32_t>(payload.size() + 1));
  raft::put(frame, static_cast<uint8_t>(kind));
  frame.append(payload);
  return frame;
}

void FrameDecoder::add(std::string_view bytes) {
  // What was handed out goes when it is at least half: each byte is moved a bounded number of
  // times.
  if (taken_ * 2 >= buffer_.size()) {
    buffer_.erase(0, taken_);
    taken_ = 0;
  }
  buffer_.append(bytes);
}

std::optional<Frame> FrameDecoder::next() {
  if (broken_) return std::nullopt;
  raft::ByteReader reader(std::string_view(buffer_).substr(taken_));
  const auto length = reader.get<uint32_t>();
  if (reader.failed()) return std::nullopt;
  if (length == 0 || length - 1 > limit_) {
    broken_ = true;
    return std::nullopt;
  }
  const std::string_view content = reader.take(length);
  if (reader.failed()) return std::nullopt;
  taken_ += sizeof length + length;
  return Frame{static_cast<FrameKind>(content[0]), content.substr(1)};
}

}  // namespace quorate::peer
