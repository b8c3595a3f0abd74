// Connection: one connection between two members, without its socket: bytes and time in; frames,
// bytes and the reason of its end out.
//
//   dialer                    listener
//   Hello(nonce)        ──►                     versions, cluster name and id must agree
//                       ◄──   Hello(nonce)
//   Proof               ──►                     HMAC over both hellos (proof.h)
//                       ◄──   Proof             the dialer proves itself first: whoever merely
//   frames              ◄─►   frames            connects learns nothing to guess the secret from
//
// A proof shows that the peer knew the secret when the connection began; it does not protect the
// bytes that follow. TLS will: it goes between the socket and this class, which does not notice.
//
// What is to be sent waits in a queue with a bound. A peer that does not read costs its own
// messages and nobody else's: Raft's messages are dropped (its core repeats what matters), any
// other message closes the connection, since whoever follows a stream must start again after a gap.
// Silence beyond a limit ends it too; each side says something often enough.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/base/time.h"
#include "proxy/peer/frame.h"
#include "proxy/peer/hello.h"
#include "proxy/peer/proof.h"

namespace quorate::peer {

struct Limits {
  base::Duration handshake = std::chrono::seconds(2);
  base::Duration silence = std::chrono::seconds(2);  ///< heard nothing for so long: it is gone
  base::Duration ping = std::chrono::milliseconds(500);
  size_t queue_bytes = size_t{8} << 20;
};

/// Who this side is. Must outlive its connections; may change while they last.
struct Local {
  Hello hello;         ///< its nonce is not used
  std::string secret;  ///< empty: nobody is asked for one, and nobody who has one is served
  /// Why a peer is not welcome, besides what a connection finds out itself; a sentence, or nothing.
  /// May be missing.
  std::function<std::string(const Hello& remote)> objection;
};

enum class SendResult : uint8_t {
  kQueued,
  kDropped,  ///< no room; the connection goes on
  kClosed,   ///< it is over, or is now
};

class Connection {
 public:
  Connection(Side side, const Local& local, const Nonce& nonce, const Limits& limits,
             base::Instant now);

  void on_bytes(std::string_view bytes, base::Instant now);
  void on_time(base::Instant now);
  base::Instant next_deadline() const;

  /// The next frame of an established connection. Its payload is valid until the next call.
  std::optional<Frame> next_frame();
  bool established() const { return state_ == State::kEstablished; }
  /// Who the other side says it is. REQUIRES: established().
  const Hello& remote() const { return remote_; }

  /// REQUIRES: established().
  SendResult send(FrameKind kind, std::string_view payload, base::Instant now);
  /// Whether `bytes` of payload more would be queued.
  bool has_room(size_t bytes) const;
  size_t queued_bytes() const { return queued_bytes_; }

  /// Why it is over: a sentence; empty: it is not. What is unsent may still be sent, once.
  const std::string& problem() const { return problem_; }
  bool over() const { return state_ == State::kOver; }

  /// Calls visit(bytes) for what is to be sent, in order, until it returns false.
  template <class Visit>
  void visit_unsent(Visit visit) const {
    size_t skipped = sent_of_front_;
    for (const std::string& part : queue_) {
      if (!visit(std::string_view(part).substr(skipped))) return;
      skipped = 0;
    }
  }
  void on_sent(size_t count);

 private:
  enum class State : uint8_t { kHello, kProof, kEstablished, kOver };

  void put(FrameKind kind, std::string_view payload, base::Instant now);
  void on_hello(std::string_view payload, base::Instant now);
  void on_proof(std::string_view payload, base::Instant now);
  void establish();
  std::string problem_with(const Hello& remote) const;
  std::string proof_of(Side side) const;
  void refuse(std::string why, base::Instant now);
  void end(std::string why);

  const Side side_;
  const Local& local_;
  const Limits limits_;
  State state_ = State::kHello;
  std::string own_hello_;
  std::string remote_hello_;
  Hello remote_;
  std::string problem_;
  FrameDecoder decoder_;
  base::Instant handshake_deadline_;
  base::Instant heard_;
  base::Instant spoke_;
  std::deque<std::string> queue_;
  size_t queued_bytes_ = 0;
  size_t sent_of_front_ = 0;
};

}  // namespace quorate::peer
