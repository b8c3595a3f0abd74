// Pending: one request on a backend connection that waits for its reply. Replies come in the order
// of requests, so a connection's pendings are a queue and a reply belongs to its front.
#pragma once

#include <cstdint>

#include "consensus/base/slab.h"
#include "consensus/base/time.h"

namespace quorate::link {

enum class PendingKind : uint8_t {
  kReply,      ///< owner is a session; the reply fills its slot
  kFragment,   ///< owner is a join; slot is the fragment's number
  kInternal,   ///< the relay's own question; slot says which
  kRound,      ///< one step of a blocked command that asks several backends; owner is the session
  kVersioned,  ///< of a replicated pool's coordinator; owner is its question
  kDiscard,    ///< nobody waits any more: the reply is read and dropped
};

struct Pending {
  base::SlabId owner{};
  uint32_t slot = 0;
  uint32_t detail = 0;  ///< redis: the database it runs in; else the dialect's business
  base::Instant arrival{};
  uint64_t end = 0;  ///< offset behind its last byte in the connection's requests
  PendingKind kind = PendingKind::kDiscard;
  uint8_t shape = 0;           ///< how the reply is changed on its way
  uint16_t opcode = 0;         ///< the dialect's business
  bool is_write : 1 = false;   ///< may change data: an unanswered one is `unknown`, never re-sent
  bool is_retry : 1 = false;   ///< was asked before: not asked a third time
  bool is_upload : 1 = false;  ///< its bytes stream and are not kept
  bool is_timed_out : 1 = false;  ///< its client has been told; the reply is still to be dropped
  /// The server may let it wait until `arrival`, for ever if that is kNever; then only the time
  /// limit begins. No measure of the server's speed.
  bool is_blocking : 1 = false;
};
static_assert(sizeof(Pending) == 40);

}  // namespace quorate::link
