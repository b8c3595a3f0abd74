// Frames: how bytes between two members are cut into messages.
//
//   frame := length:4 kind:1 payload        little-endian; the length counts kind and payload
//
// A length beyond the bound breaks the connection before anything is allocated for it. The bound is
// small until the peer has proved who it is. What a payload means is its kind's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quorate::peer {

enum class FrameKind : uint8_t {
  kHello = 1,          ///< both sides, first (handshake.h)
  kProof = 2,          ///< both sides, second
  kRefusal = 3,        ///< why the connection closes: a sentence
  kPing = 4,           ///< nothing to say, but still there
  kMember = 16,        ///< group messages of voters and learners; may be lost
  kFollow = 17,        ///< group messages between an observer and its voter; all or nothing
  kRequest = 18,       ///< JSON: a process that wants to become a member (proxy/member/joining.h)
  kResponse = 19,      ///< JSON: what it is told
  kForward = 20,       ///< commands of a replicated pool, for the owner of their slots
  kForwardReply = 21,  ///< how such commands ended; on the connection they came on
};

inline constexpr size_t kFrameHeaderBytes = 5;
/// Of payload. A log entry of a mebibyte and its envelope fit twice.
inline constexpr size_t kMaxPayloadBytes = size_t{4} << 20;
/// The same, until the handshake is done.
inline constexpr size_t kMaxHandshakeBytes = 4096;

struct Frame {
  FrameKind kind{};
  std::string_view payload;  ///< valid until the decoder is touched again
};

/// Header and payload as they travel. REQUIRES: payload.size() <= kMaxPayloadBytes.
std::string encode_frame(FrameKind kind, std::string_view payload);

class FrameDecoder {
 public:
  void add(std::string_view bytes);
  /// The next whole frame; none: more bytes are needed, or broken().
  std::optional<Frame> next();
  /// A length that cannot be; nothing more comes out.
  bool broken() const { return broken_; }
  void set_limit(size_t payload_bytes) { limit_ = payload_bytes; }
  size_t buffered() const { return buffer_.size() - taken_; }

 private:
  std::string buffer_;
  size_t taken_ = 0;  // of the buffer, by frames handed out
  size_t limit_ = kMaxHandshakeBytes;
  bool broken_ = false;
};

}  // namespace quorate::peer
