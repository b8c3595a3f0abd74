// Link: one pipelined connection to a backend, as a pure machine. Bytes, time and the socket's fate
// go in; bytes to write and framed replies come out. The socket itself belongs to backends/io.
//
//   kClosed --open()--> kConnecting --on_connected()--> kHandshake --last reply--> kReady
//      ^                     |                              |                        |
//      +-------- on_closed() +------------------------------+------------------------+
//                                                            kReady --retire()--> kRetiring
//
// Requests queue while the link connects; they leave once the handshake was answered, so a server
// that accepts connections but does not answer is found out before a command is spent on it.
// kRetiring takes no new request and closes when the last reply is in (or dropped).
//
// Invariants: pendings are in the order of their bytes; a reply belongs to the front; request bytes
// are kept until answered. What a reply means, and what becomes of a lost request, the owner
// decides.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "backends/link/channel.h"
#include "backends/link/pending.h"
#include "backends/link/request_queue.h"
#include "backends/wire/memcached_binary.h"
#include "backends/wire/memcached_reply.h"
#include "backends/wire/resp_reply.h"
#include "consensus/base/ring_buffer.h"

namespace quorate::link {

/// The protocol spoken on a link. A client gets its replies from links of its own flavor, so
/// replies pass as the server wrote them.
enum class Flavor : uint8_t { kResp2, kResp3, kMemcachedText, kMemcachedBinary };

enum class LinkKind : uint8_t {
  kMain,    ///< shared by all sessions
  kFeed,    ///< the worker's own, for messages of channels; answers no request
  kSide,    ///< lent to one session for a value above 64 KiB
  kPinned,  ///< lent to one session for a state that lasts there: a transaction, a blocked command
};

enum class LinkState : uint8_t { kClosed, kConnecting, kHandshake, kReady, kRetiring };

/// A reply, or a part of one that is too large to be held.
struct ReplyPiece {
  const char* bytes = nullptr;
  size_t size = 0;
  bool first = false;  ///< begins the reply
  bool last = false;   ///< ends it

  bool whole() const { return first && last; }
  std::string_view view() const { return {bytes, size}; }
};

enum class ReadResult : uint8_t {
  kPiece,   ///< `piece` is filled
  kMore,    ///< everything usable was used; the rest is to be carried over
  kBroken,  ///< the server does not speak its protocol: close the link
};

class Link : public Channel {
 public:
  Link(uint32_t upstream, Flavor flavor, LinkKind kind)
      : upstream_(upstream), flavor_(flavor), kind_(kind) {}

  uint32_t upstream() const { return upstream_; }
  Flavor flavor() const { return flavor_; }
  LinkKind kind() const { return kind_; }
  bool is_lent() const { return kind_ >= LinkKind::kSide; }
  bool is_feed() const { return kind_ == LinkKind::kFeed; }
  LinkState state() const { return state_; }
  bool takes_requests() const {
    return state_ != LinkState::kClosed && state_ != LinkState::kRetiring;
  }

  /// `opening` is unique among all links of a worker: see opening().
  void open(base::Instant now, uint64_t opening) {
    opening_ = opening;
    state_ = LinkState::kConnecting;
    since_ = now;
    database_ = 0;
    client_id_ = 0;
    progress_ = {};
  }
  /// The socket is connected: `greeting` leaves first, and `replies` answers are the handshake's.
  void on_connected(base::ChunkPool& pool, std::string_view greeting, uint32_t replies);
  /// The handshake is over: queued requests may leave.
  void become_ready() { state_ = LinkState::kReady; }
  /// Errors on it may be redirections, which the owner follows.
  bool follows() const { return follows_; }
  void set_follows(bool follows) { follows_ = follows; }
  /// No new requests; the owner closes it when pendings() is empty.
  void retire() { state_ = LinkState::kRetiring; }
  /// The connection is gone. The owner has dealt with the pendings.
  void close(base::ChunkPool& pool);

  base::Instant since() const { return since_; }  ///< of open()
  /// The number of the last open(): tells whether the connection is still the same one.
  uint64_t opening() const { return opening_; }
  /// After a failure: no attempt on behalf of a command before this.
  base::Instant not_before() const { return not_before_; }
  void set_not_before(base::Instant instant) { not_before_ = instant; }
  uint32_t greeting_replies_left() const { return greeting_replies_left_; }
  void greeting_answered() { --greeting_replies_left_; }

  /// Open, or being opened, and not full.
  bool has_room() const {
    return state_ != LinkState::kClosed && requests_.unsent() <= limits::kRequestHighWater &&
           pendings_.size() < limits::kPendingPerLink;
  }

  RequestQueue& requests() { return requests_; }
  const RequestQueue& requests() const { return requests_; }
  base::RingBuffer<Pending>& pendings() { return pendings_; }
  const base::RingBuffer<Pending>& pendings() const { return pendings_; }

  /// The request whose bytes were just appended. `pending.end` is filled in.
  [[gnu::always_inline]] void push(const Pending& pending) {
    pendings_.push_back(pending).end = requests_.end();
  }
  /// The same for one that is filled in where it lies; all but `end` is the caller's.
  [[gnu::always_inline]] Pending& push_blank() {
    Pending& pending = pendings_.push_blank();
    pending.end = requests_.end();
    return pending;
  }
  /// The front's reply is complete: forget the request. Its bytes go with end_bytes().
  void pop() {
    answered_ = pendings_.front().end;
    pendings_.pop_front();
    partly_delivered_ = false;
  }

  /// Bytes that may be written now, piece by piece.
  template <class Visit>
  void visit_unsent(Visit&& visit) const {
    bool more = true;
    if (state_ == LinkState::kHandshake) {
      for (const base::Chunk* c = greeting_.head(); c != nullptr && more; c = c->next) {
        more = visit(c->data() + c->begin, size_t{c->size()});
      }
    } else if (state_ == LinkState::kReady || state_ == LinkState::kRetiring) {
      requests_.visit_unsent(visit);
    }
  }
  size_t unsent() const {
    if (state_ == LinkState::kHandshake) return greeting_.size();
    return state_ == LinkState::kReady || state_ == LinkState::kRetiring ? requests_.unsent() : 0;
  }
  void on_sent(base::ChunkPool& pool, size_t count) {
    if (state_ == LinkState::kHandshake) return greeting_.consume(pool, count);
    requests_.on_sent(count);
  }

  /// New bytes: what was carried over, with the bytes just read behind it.
  void begin_bytes(const char* begin, const char* end) {
    cursor_ = begin;
    end_ = end;
  }
  ReadResult next_piece(ReplyPiece& piece) {
    if (scanned_ == 0 && cursor_ != end_ && speaks_resp() && !in_large_) [[likely]] {
      const size_t size = wire::whole_plain_reply(cursor_, end_);
      if (size != 0) [[likely]] {
        piece = {.bytes = cursor_, .size = size, .first = true, .last = true};
        cursor_ += size;
        is_push_ = false;
        return ReadResult::kPiece;
      }
    }
    return scan_piece(piece);
  }
  /// Keeps what next_piece() left, and lets go of the requests that were answered.
  void end_bytes(base::ChunkPool& pool) {
    carry.keep(cursor_, static_cast<size_t>(end_ - cursor_));
    const uint64_t front = front_begin();
    if (front > requests_.kept()) requests_.release(pool, front);
  }
  /// Offset of the front's first byte in the requests.
  uint64_t front_begin() const {
    return std::max(requests_.kept(), std::min(answered_, requests_.sent()));
  }
  /// A reply's first pieces are out, its end is not in yet.
  bool in_large_reply() const { return in_large_; }
  /// Bytes of the reply whose first piece was just given, if its first line tells; else SIZE_MAX.
  size_t announced() const { return announced_; }
  /// The last piece belongs to a push (RESP3), which answers no request.
  bool piece_is_push() const { return is_push_; }
  /// Some of the front's reply has gone on to its client.
  bool partly_delivered() const { return partly_delivered_; }
  /// A lent link: when some of a large reply last came, or was taken by its client. What counts as
  /// standing still is counted from here.
  base::Instant progress() const { return progress_; }
  void note_progress(base::Instant now) { progress_ = now; }
  void mark_partly_delivered() { partly_delivered_ = true; }

  /// Redis: the database the last queued request selected.
  uint16_t database() const { return database_; }
  void set_database(uint16_t database) { database_ = database; }

  /// Redis: what the server calls this connection (CLIENT ID); 0: it did not say.
  uint64_t client_id() const { return client_id_; }
  void set_client_id(uint64_t id) { client_id_ = id; }

  base::SlabId owner{};  ///< of a lent link: the session that has it, or nobody

 private:
  struct Scan {
    size_t consumed;
    bool done;
    bool broken;
    size_t missing;  // of the bulk, block or body that is not complete
  };
  bool speaks_resp() const { return flavor_ == Flavor::kResp2 || flavor_ == Flavor::kResp3; }
  ReadResult scan_piece(ReplyPiece& piece);
  Scan scan(const char* begin, const char* end);
  void reset_scanner();
  size_t announced_by(const char* first_line, size_t seen_and_missing) const;

  const uint32_t upstream_;
  const Flavor flavor_;
  const LinkKind kind_;
  LinkState state_ = LinkState::kClosed;
  bool in_large_ = false;
  bool is_push_ = false;
  bool partly_delivered_ = false;
  bool follows_ = false;
  uint16_t database_ = 0;
  uint32_t greeting_replies_left_ = 0;
  uint64_t opening_ = 0;
  uint64_t client_id_ = 0;
  base::Instant since_{};
  base::Instant progress_{};
  base::Instant not_before_{};

  RequestQueue requests_;
  base::RingBuffer<Pending> pendings_;
  base::ByteChain greeting_;

  // One of them is in use, by flavor.
  wire::ReplyScanner resp_;
  wire::TextReplyScanner text_;
  wire::BinaryReplyScanner binary_;
  uint64_t answered_ = 0;  // offset behind the last request that was popped
  size_t announced_ = 0;
  size_t scanned_ = 0;  // bytes at cursor_ that the scanner has seen already
  const char* cursor_ = nullptr;
  const char* end_ = nullptr;
};

}  // namespace quorate::link
