#include "proxy/peer/connection.h"

#include <algorithm>
#include <utility>

#include "consensus/base/assert.h"

namespace quorate::peer {

namespace {

constexpr size_t kLongestRefusal = 512;

/// A peer's words, as far as they may stand in a log.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, kLongestRefusal));
  std::ranges::replace_if(
      out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

bool known(const ClusterId& id) { return id != ClusterId{}; }

}  // namespace

Connection::Connection(Side side, const Local& local, const Nonce& nonce, const Limits& limits,
                       base::Instant now)
    : side_(side),
      local_(local),
      limits_(limits),
      handshake_deadline_(now + limits.handshake),
      heard_(now),
      spoke_(now) {
  Hello hello = local.hello;
  hello.nonce = nonce;
  own_hello_ = encode(hello);
  if (side_ == Side::kDialer) put(FrameKind::kHello, own_hello_, now);
}

void Connection::on_bytes(std::string_view bytes, base::Instant now) {
  if (over()) return;
  heard_ = now;
  decoder_.add(bytes);
  while (state_ == State::kHello || state_ == State::kProof) {
    const auto frame = decoder_.next();
    if (!frame) break;
    if (frame->kind == FrameKind::kRefusal) return end("refused: " + printable(frame->payload));
    if (state_ == State::kHello && frame->kind == FrameKind::kHello) {
      on_hello(frame->payload, now);
    } else if (state_ == State::kProof && frame->kind == FrameKind::kProof) {
      on_proof(frame->payload, now);
    } else {
      refuse("something else than the handshake came first", now);
    }
  }
  if (decoder_.broken()) end("does not speak the peer protocol, or sent a frame that is too long");
}

std::optional<Frame> Connection::next_frame() {
  while (state_ == State::kEstablished) {
    const auto frame = decoder_.next();
    if (!frame) {
      if (decoder_.broken()) end("sent a frame that is too long");
      return std::nullopt;
    }
    if (frame->kind == FrameKind::kPing) continue;
    if (frame->kind == FrameKind::kRefusal) {
      end("closed by the peer: " + printable(frame->payload));
      return std::nullopt;
    }
    return frame;
  }
  return std::nullopt;
}

// ---- The handshake.

void Connection::on_hello(std::string_view payload, base::Instant now) {
  auto decoded = decode_hello(payload);
  if (!decoded.ok()) return refuse(decoded.error(), now);
  remote_ = std::move(decoded).value();
  if (std::string why = problem_with(remote_); !why.empty()) return refuse(std::move(why), now);
  remote_hello_ = payload;
  state_ = State::kProof;
  if (side_ == Side::kListener) {
    put(FrameKind::kHello, own_hello_, now);
  } else {
    put(FrameKind::kProof, proof_of(Side::kDialer), now);
  }
}

void Connection::on_proof(std::string_view payload, base::Instant now) {
  const Side other = side_ == Side::kDialer ? Side::kListener : Side::kDialer;
  if (!same_proof(payload, proof_of(other))) {
    return refuse("the cluster secret is another one, or one side has none", now);
  }
  if (side_ == Side::kListener) put(FrameKind::kProof, proof_of(Side::kListener), now);
  establish();
}

void Connection::establish() {
  state_ = State::kEstablished;
  decoder_.set_limit(kMaxPayloadBytes);
}

std::string Connection::problem_with(const Hello& remote) const {
  const Hello& own = local_.hello;
  if (remote.cluster != own.cluster) {
    return "belongs to cluster \"" + remote.cluster + "\", this one to \"" + own.cluster + "\"";
  }
  if (known(remote.cluster_id) && known(own.cluster_id) && remote.cluster_id != own.cluster_id) {
    return "another cluster of the same name: its id differs";
  }
  if (raft::number(own.member) != 0 && remote.member == own.member) {
    return "has the id of this member: itself, or a copy of its data directory";
  }
  return local_.objection ? local_.objection(remote) : std::string();
}

std::string Connection::proof_of(Side side) const {
  const bool dialer = side_ == Side::kDialer;
  return prove(local_.secret, side, dialer ? own_hello_ : remote_hello_,
               dialer ? remote_hello_ : own_hello_);
}

// ---- Sending.

void Connection::put(FrameKind kind, std::string_view payload, base::Instant now) {
  queue_.push_back(encode_frame(kind, payload));
  queued_bytes_ += queue_.back().size();
  spoke_ = now;
}

bool Connection::has_room(size_t bytes) const {
  return queued_bytes_ + bytes + kFrameHeaderBytes <= limits_.queue_bytes;
}

SendResult Connection::send(FrameKind kind, std::string_view payload, base::Instant now) {
  if (over()) return SendResult::kClosed;
  ASSERT(established());
  const bool fits = payload.size() <= kMaxPayloadBytes && has_room(payload.size());
  if (fits) {
    put(kind, payload, now);
    return SendResult::kQueued;
  }
  if (kind == FrameKind::kMember) return SendResult::kDropped;
  end("does not read fast enough");
  return SendResult::kClosed;
}

void Connection::on_sent(size_t count) {
  ASSERT(count <= queued_bytes_);
  queued_bytes_ -= count;
  sent_of_front_ += count;
  while (!queue_.empty() && sent_of_front_ >= queue_.front().size()) {
    sent_of_front_ -= queue_.front().size();
    queue_.pop_front();
  }
}

// ---- Time, and the end.

void Connection::on_time(base::Instant now) {
  if (over()) return;
  if (!established()) {
    if (now >= handshake_deadline_) end("the handshake took too long");
    return;
  }
  if (now >= heard_ + limits_.silence) return end("silent for too long");
  // With bytes waiting, a ping would say nothing sooner.
  if (now >= spoke_ + limits_.ping) {
    spoke_ = now;
    if (queue_.empty()) put(FrameKind::kPing, {}, now);
  }
}

base::Instant Connection::next_deadline() const {
  if (over()) return base::kNever;
  if (!established()) return handshake_deadline_;
  return std::min(heard_ + limits_.silence, spoke_ + limits_.ping);
}

void Connection::refuse(std::string why, base::Instant now) {
  put(FrameKind::kRefusal, why, now);
  end(std::move(why));
}

void Connection::end(std::string why) {
  state_ = State::kOver;
  problem_ = std::move(why);
}

}  // namespace quorate::peer
