// Dialect: what commands mean, in one protocol. The relay moves bytes, opens slots and keeps order;
// a dialect frames a client's bytes, chooses backends and knows what its protocol calls an error.
//
// A command that must wait is not consumed: the session says what it waits for, and the very same
// bytes are framed and dispatched again when that has come. So a command is decided upon only once
// everything it needs is there, and nothing is kept of a decision that was not made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backends/link/link.h"
#include "backends/link/upstream.h"
#include "proxy/relay/join.h"
#include "proxy/session/session.h"

namespace quorate::relay {

class Dialect {
 public:
  virtual ~Dialect() = default;

  /// Frames and dispatches one command. Returns how many bytes are done with; 0: more are needed,
  /// or the session has to wait.
  virtual size_t step(session::Session& session, const char* begin, const char* end) = 0;

  /// A part of a large command (session.large).
  struct LargePart {
    size_t consumed = 0;       ///< bytes that belong to it
    size_t passed_on = 0;      ///< those of them, in front, that go where the command goes
    std::string_view tail{};   ///< with `done`: bytes to go there behind them
    bool done = false;         ///< the command ends here
    bool broken = false;       ///< framing is lost
    std::string_view error{};  ///< with `broken`, if not empty: the reply that says so
  };
  virtual LargePart feed_large(session::Session& session, const char* begin, const char* end) = 0;
  /// A large command that had to be seen whole is here (session.large). False: it has to wait.
  virtual bool step_held(session::Session& session) = 0;
  /// It had to be held, and is larger than max_split: the error for it.
  virtual void refuse_held(session::Session& session) = 0;

  /// The first piece of a reply whose shape is none of the relay's own: may be changed in place.
  /// False: the client is not to see the reply.
  virtual bool shape(const link::Pending& pending, char* bytes, size_t size) = 0;
  /// The reply to a request of shape kRepeat: asks again, if it must be, in place of this reply.
  virtual bool repeat(session::Session&, link::Link&, const link::Pending&, std::string_view) {
    return false;
  }
  /// The error for a request that ended without a reply.
  virtual void append_end(std::string& out, const link::Upstream& upstream,
                          const link::Pending& pending, RequestEnd end) = 0;
  /// The one reply of a split command.
  virtual void render_join(const session::Session& session, const Join& join,
                           base::ByteChain& out) = 0;

  /// The answer to a question of Relay::ask(); the session may be gone.
  virtual void on_answer(session::Session* session, link::Upstream& upstream,
                         const link::Pending& question, std::string_view answer) = 0;
  virtual void on_no_answer(session::Session& session, link::Upstream& upstream,
                            const link::Pending& question) = 0;
  /// The connection that the session kept for a state of its own is lost, and the state with it.
  virtual void on_pin_lost(session::Session&) {}
  /// The session is gone.
  virtual void forget(session::Session& session) = 0;
};

}  // namespace quorate::relay
