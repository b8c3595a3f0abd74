// Two ends of a connection, and the bytes between them in pieces of any size.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/peer/connection.h"

namespace quorate::peer {

struct Received {
  FrameKind kind{};
  std::string payload;
  bool operator==(const Received&) const = default;
};

inline Local member(uint64_t id, std::string secret = "a secret of some length") {
  Local local;
  local.hello.member = raft::MemberId{id};
  local.hello.cluster = "shop";
  local.hello.name = "m" + std::to_string(id);
  local.hello.address = "127.0.0.1:7000";
  local.secret = std::move(secret);
  return local;
}

inline Nonce nonce(uint8_t seed) {
  Nonce made{};
  made.fill(seed);
  return made;
}

class Pair {
 public:
  Pair(Local dialer_local, Local listener_local, Limits limits = {})
      : dialer_local_(std::move(dialer_local)),
        listener_local_(std::move(listener_local)),
        dialer(Side::kDialer, dialer_local_, nonce(1), limits, now),
        listener(Side::kListener, listener_local_, nonce(2), limits, now) {}

  /// Moves everything, `piece` bytes at a time, until neither has anything to say.
  void settle(size_t piece = 1 << 20) {
    while (move(dialer, listener, piece) || move(listener, dialer, piece)) {
    }
  }

  static std::string take(Connection& from, size_t most) {
    std::string bytes;
    from.visit_unsent([&](std::string_view part) {
      bytes.append(part.substr(0, most - bytes.size()));
      return bytes.size() < most;
    });
    from.on_sent(bytes.size());
    return bytes;
  }

  std::vector<Received> at_listener;
  std::vector<Received> at_dialer;

 private:
  bool move(Connection& from, Connection& to, size_t piece) {
    const std::string bytes = take(from, piece);
    if (bytes.empty()) return false;
    to.on_bytes(bytes, now);
    auto& received = &to == &listener ? at_listener : at_dialer;
    while (const auto frame = to.next_frame()) {
      received.push_back({frame->kind, std::string(frame->payload)});
    }
    return true;
  }

  Local dialer_local_;
  Local listener_local_;

 public:
  base::Instant now{};
  Connection dialer;
  Connection listener;
};

}  // namespace quorate::peer
