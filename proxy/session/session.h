// Session: one client connection, as a pure state. Its bytes are framed and dispatched by the
// relay; this is what the relay remembers of it between two events.
//
// Small on purpose (an idle client costs this and its socket handle): what most clients never need
// is behind a pointer.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "backends/link/channel.h"
#include "backends/link/link.h"
#include "backends/redis/replicated_command.h"
#include "backends/wire/acl.h"
#include "backends/wire/memcached_text.h"
#include "backends/wire/resp_request.h"
#include "consensus/base/byte_chain.h"
#include "consensus/base/slab.h"
#include "consensus/base/time.h"
#include "consensus/base/version.h"
#include "proxy/session/blocked_command.h"
#include "proxy/session/client_filter.h"
#include "proxy/session/reply_slots.h"
#include "proxy/session/subscriber.h"

namespace quorate::session {

/// Why a session's next command waits, unread. The command stays in the carry and is dispatched
/// again.
enum class Wait : uint8_t {
  kNone,
  kAnswered,  ///< until everything in flight is answered
  kPipeline,  ///< until half of max_pipeline is answered
  kOutput,    ///< until the client has read half of what is unsent
  kSideLink,  ///< until a side connection is free
  kBackend,   ///< until a backend connection has taken what is queued
  kPaused,    ///< until CLIENT PAUSE is over
  kQuestion,  ///< until a backend answered what the relay asked on its behalf
  kBlocked,   ///< until the blocking command before it is answered; it is still read from
};

/// MULTI and WATCH: what of them is not in the backend.
struct Transaction {
  bool open = false;        ///< MULTI was said
  bool aborted = false;     ///< a command was refused: EXEC will be, too
  bool begun = false;       ///< the backend has been told MULTI
  bool writes = false;      ///< a command that CLIENT PAUSE WRITE holds up was queued
  bool watching = false;    ///< keys are watched on the pinned connection
  bool watch_lost = false;  ///< that connection is gone: as if a watched key had changed
  std::unique_ptr<redis::ReplicatedCommand> replicated;  ///< what is queued, in such a pool
  // WATCH in such a pool: of one key.
  std::string watched_key;
  base::Version watched;              ///< its version; zero: it was not there
  std::optional<base::SlabId> watch;  ///< the operation that looks at it, until that has ended
  /// What the proxy answers itself, and how many commands were queued before it.
  struct Own {
    size_t place;
    std::string command;
  };
  std::vector<Own> own;
  size_t queue_length = 0;
  std::vector<std::string> queued;  ///< commands without keys, before a key has chosen the backend
};

/// What CLIENT SETNAME and the like leave behind.
struct ClientDetails {
  std::string name;
  std::string library_name;
  std::string library_version;
  std::string user = "default";
};

/// The rest of a refused or streaming memcached request, by its length alone.
struct CountedBytes {
  int64_t left;
};

/// A command that is too large to be held: where its bytes go.
struct LargeInput {
  enum class Sink : uint8_t {
    kLink,     ///< a backend connection, as they come
    kHold,     ///< `held`, as the command must be seen whole (it is split, its keys are at the end)
    kNowhere,  ///< it was refused already; the rest is swallowed
  };
  using Scanner =
      std::variant<wire::RequestScanner, wire::TextDataScanner, wire::TextKeyScanner, CountedBytes>;

  LargeInput(const Scanner& first, Sink to) : scanner(first), sink(to) {}

  Scanner scanner;
  Sink sink;
  link::Link* link = nullptr;      ///< kLink; cleared when the link is lost
  bool answered = false;           ///< kLink: the server answered before it had all of it
  uint64_t uploaded = 0;           ///< kLink: bytes so far
  bool complete = false;           ///< kHold: all of it is here, it waits to be dispatched
  bool echoes = false;             ///< kNowhere, memcached text: every line is answered ERROR
  std::string held;                ///< kHold
  std::vector<uint8_t> key_sizes;  ///< kHold, memcached text: of the keys in `held`
  std::string head;                ///< kHold, memcached text: the line up to its keys
};

/// What keeps a session's commands from the shortest way: all of it in eight bytes, so that one
/// look tells that there is none of it.
struct Detours {
  bool restricted = false;       ///< not every command goes the usual way: see restrict_commands()
  bool replies_off = false;      ///< CLIENT REPLY OFF
  bool skip_next_reply = false;  ///< CLIENT REPLY SKIP
  bool has_lent = false;         ///< a pinned or a side connection is lent to it
  uint8_t bulky = 0;             ///< > 0: recent replies were large; prefer a side connection
  bool unsettled = false;  ///< keys have moved while it had commands in flight: they come first
  uint16_t deferred = 0;   ///< its requests that wait to be asked again

  bool any_detour() const { return std::bit_cast<uint64_t>(*this) != 0; }
};
static_assert(sizeof(Detours) == sizeof(uint64_t));

struct Session : link::Channel, Detours {
  Session(base::SlabId session_id, uint32_t pool_id, link::Flavor first_flavor, uint64_t client,
          base::Instant now)
      : id(session_id), client_id(client), created(now), pool(pool_id), flavor(first_flavor) {}

  const base::SlabId id;
  const uint64_t client_id;  ///< unique in the process; what CLIENT ID says
  const base::Instant created;
  base::Instant last_input{};
  const uint32_t pool;
  link::Flavor flavor;
  Wait wait = Wait::kNone;

  bool flavor_known = false;           ///< memcached: the first byte has told text from binary
  bool authenticated = false;          ///< no password is asked for, or it was given
  bool input_ended = false;            ///< the client sent all it will; close when it is answered
  bool closing = false;                ///< takes no more commands; close when it is answered
  bool runnable = false;               ///< on the relay's list of sessions to go on with
  bool replicated = false;             ///< its pool keeps replicas: relay/redis_replicated.cpp
  bool reads_replicas = false;         ///< redis: its pool's commands that only read go to replicas
  bool dead = false;                   ///< is about to be closed; nothing reaches it any more
  uint16_t database = 0;               ///< redis: SELECTed
  uint16_t last_command = UINT16_MAX;  ///< redis: what CLIENT LIST shows; an index of the table

  ReplySlots slots;
  base::ByteChain output;
  size_t joined_bytes = 0;       ///< held of split commands' replies that are not whole yet
  uint32_t last_write_slot = 0;  ///< of the last command that may change data
  bool has_written = false;
  uint32_t loss_number = 0;  ///< of the lost link that left a write of its in doubt

  link::Link* side = nullptr;  ///< the side connection it has now: set_side()
  link::Link* pin = nullptr;   ///< the pinned connection it has now: set_pin()
  bool holds_pin = false;      ///< a transaction or a WATCH lasts there: keep it even when idle
  PeerAddress peer;
  const std::string* listener = nullptr;  ///< the address it connected to; outlives the session
  std::unique_ptr<LargeInput> large;
  /// What came behind a blocking command; then `carry` is empty. Exists while there is any.
  std::unique_ptr<base::ByteChain> backlog;
  std::shared_ptr<const wire::AclUser> user;  ///< nullptr: the default, who may do what is usual
  std::unique_ptr<ClientDetails> details;
  std::unique_ptr<Transaction> transaction;  ///< exists between MULTI or WATCH and their end
  std::unique_ptr<BlockedCommand> blocked;   ///< exists while it waits on several backends in turn
  std::unique_ptr<Subscriber> subscriber;    ///< exists once it has subscribed to anything

  /// As CLIENT LIST and INFO count: CLIENT PAUSE blocks, too.
  bool is_blocked() const { return wait == Wait::kBlocked || wait == Wait::kPaused; }
  bool is_subscribed() const { return subscriber != nullptr && subscriber->any(); }
  /// In RESP2 a subscribed client may do little else: its replies could not be told from messages.
  bool in_subscriber_mode() const { return is_subscribed() && flavor == link::Flavor::kResp2; }
  /// To be called when what it depends on has changed.
  void restrict_commands() {
    restricted = replicated || !authenticated || user != nullptr || transaction != nullptr ||
                 in_subscriber_mode() || reads_replicas;
  }
  void set_side(link::Link* link) {
    side = link;
    has_lent = side != nullptr || pin != nullptr;
  }
  void set_pin(link::Link* link) {
    pin = link;
    has_lent = side != nullptr || pin != nullptr;
  }
  Transaction& begin_transaction() {
    if (transaction == nullptr) transaction = std::make_unique<Transaction>();
    restrict_commands();
    return *transaction;
  }
  void end_transaction() {
    transaction.reset();
    restrict_commands();
  }

  const std::string& local_address() const {
    static const std::string unknown = "?:0";
    return listener != nullptr ? *listener : unknown;
  }

  bool must_close_now() const {
    return (closing || (input_ended && wait == Wait::kNone)) && slots.in_flight() == 0 &&
           output.empty();
  }
};

}  // namespace quorate::session
