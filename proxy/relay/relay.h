// Relay: everything one worker decides between its clients and its backends. Bytes, time and the
// fate of sockets go in; bytes to write and connections to open come out. No socket, no clock, no
// thread.
//
//   client bytes --> dialect: frame, route --> request on a link --+
//                                                                  |   (proxy/io carries the bytes)
//   client bytes <-- slots, in order <-- reply piece, by pending <-+
//
// A *dialect* (redis_dialect.h, memcached_*_dialect.h) knows what commands mean; the relay knows
// sessions, slots, links, joins, and what becomes of a request whose connection is lost:
//   not handed to the socket   certainly not executed: queued again for the next connection, or
//   refused a read                     asked once more, or refused a write unknown
//
// Called only by the worker it belongs to; calls nobody back. After every event the io layer looks
// at what the event left: links_to_open, attention lists, one borrowed span (Through).
#pragma once

#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "backends/link/upstream.h"
#include "consensus/base/random.h"
#include "proxy/relay/dialect.h"
#include "proxy/relay/forward.h"
#include "proxy/relay/join.h"
#include "proxy/relay/process_facts.h"
#include "proxy/relay/serving_plan.h"
#include "proxy/relay/subscriptions.h"
#include "proxy/replicate/output.h"
#include "proxy/session/session.h"

namespace quorate::relay {

using session::Session;
using session::Wait;

class RedisDialect;
class Replication;
class MemcachedTextDialect;
class MemcachedBinaryDialect;

/// A pool as this worker serves it.
struct PoolRuntime {
  std::shared_ptr<const PoolPlan> plan;
  wire::RequestLimits request_limits;  ///< redis: the plan's
  base::Instant paused_until{};        ///< CLIENT PAUSE
  bool pauses_writes_only = false;
  link::PoolCounters counters;
};

/// A large piece that goes from the buffer it was read into straight to a socket. The io layer
/// writes it behind what is unsent of `session` or `link` (one of them is set), at once, and hands
/// back what the socket did not take by keep_rest().
struct Through {
  Session* session = nullptr;
  link::Link* link = nullptr;
  const char* bytes = nullptr;
  size_t size = 0;
};

enum class LinkLoss : uint8_t {
  kRefused,   ///< could not be connected
  kTimedOut,  ///< could not be connected in time
  kClosed,    ///< by the server, or by the network
  kStuck,     ///< did not answer in time
  kProtocol,  ///< the server broke its protocol
  kUnwanted,  ///< closed by the relay's own wish
};

/// Shapes of replies (Pending::shape) that the relay itself knows; all others are its dialect's.
inline constexpr uint8_t kAsIs = 0;
inline constexpr uint8_t kSilent = 1;  ///< the client wants no reply
inline constexpr uint8_t kRepeat = 2;  ///< Dialect::repeat() looks at it first
inline constexpr uint8_t kOwnShapes = 3;

/// Something an operator would want to read in the log.
struct LinkEvent {
  enum class Kind : uint8_t {
    kDown,    ///< the last connection is gone, or none could be made
    kUp,      ///< connected again
    kLost,    ///< a connection that served was lost
    kFailed,  ///< another failure while it is down, or a time-out
    kMoved,   ///< it redirects commands, or is no primary (any more)
  };
  uint32_t upstream;
  Kind kind;
  LinkLoss loss;
  uint32_t failures_in_a_row;  ///< of this worker with this backend
};

class Relay {
 public:
  /// `facts` outlive the relay.
  Relay(uint32_t worker, uint64_t seed, ProcessFacts& facts);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // --- the plan ---
  void adopt(std::shared_ptr<const ServingPlan> plan, base::Instant now);
  const ServingPlan& plan() const { return *plan_; }
  /// As the last plan that had it describes it.
  const BackendPlan& backend(cluster::BackendId id) const { return *backends_[id]; }

  // --- clients ---
  Session& open_session(cluster::PoolId pool, uint64_t client_id, base::Instant now);
  /// `begin` starts with the session's carry. The bytes are used or kept before this returns.
  void on_client_bytes(Session& session, const char* begin, const char* end, base::Instant now);
  void on_client_end(Session& session, base::Instant now);
  void on_client_sent(Session& session, size_t count, base::Instant now);
  /// The socket is gone; so is the session.
  void on_client_closed(Session& session, base::Instant now);

  // --- backends ---
  void on_link_connected(link::Link& link, base::Instant now);
  void on_link_bytes(link::Link& link, const char* begin, const char* end, base::Instant now);
  void on_link_sent(link::Link& link, size_t count, base::Instant now);
  void on_link_closed(link::Link& link, LinkLoss loss, base::Instant now);

  // --- other workers and proxies (forward.h) ---
  void on_forwards(const std::vector<Forward>& forwards, base::Instant now);
  void on_peer_lost(cluster::SessionId session, base::Instant now);

  // --- time ---
  void on_time(base::Instant now);
  base::Instant next_deadline() const { return next_deadline_; }
  void set_wall_time(base::WallTime wall) { wall_time_ = wall; }

  /// SIGTERM, first: slots of replicated pools go to other proxies.
  void hand_over(base::Instant now);
  bool owns_slots() const;
  /// SIGTERM: sessions close as soon as they have nothing in flight.
  void drain(base::Instant now);
  uint32_t session_count() const { return sessions_.size(); }

  /// The link of `backend` that is still being connected by the open() of that number, or nullptr.
  link::Link* find_opening(cluster::BackendId backend, uint64_t opening);
  const PoolPlan* pool_plan_of(const link::Link& link) const {
    return pools_[upstreams_[link.upstream()]->pool()]->plan.get();
  }
  /// Grows when a client begins or ends to be blocked.
  uint64_t blocked_changes() const { return blocked_changes_; }
  void sum_counters(uint64_t& commands, uint64_t& bytes_in, uint64_t& bytes_out) const;

  // --- what the last events left for the io layer ---
  std::vector<link::Link*>& links_to_open() { return links_to_open_; }
  std::vector<link::Link*>& attention_links() { return attention_links_; }
  base::RingBuffer<base::SlabId>& attention_sessions() { return attention_sessions_; }
  Session* find_session(base::SlabId id) { return sessions_.find(id); }
  Through take_through() { return std::exchange(through_, {}); }
  /// What the socket did not take of `through`. Call it before on_client_sent() or on_link_sent().
  void keep_rest(const Through& through, size_t taken);
  bool has_through() const { return through_.bytes != nullptr; }
  std::vector<LinkEvent>& events() { return events_; }
  /// Questions that every worker has to answer; then on_gathered().
  struct Gathering {
    base::SlabId session;
    uint32_t slot;
    session::ClientQuestion question;
  };
  std::vector<Gathering>& gatherings() { return gatherings_; }
  /// What a pool's coordinator wants of the group.
  struct Wish {
    cluster::PoolSerial pool{};
    replicate::Output::Wish wish;
  };
  std::vector<Wish>& wishes() { return wishes_; }
  /// To be delivered to other workers and proxies.
  std::vector<Forward>& forwards() { return forwards_; }
  session::ClientAnswer answer(const session::ClientQuestion& question, base::Instant now);
  void on_gathered(const Gathering& gathering, const std::vector<session::ClientAnswer>& answers,
                   base::Instant now);

  base::ChunkPool& chunks() { return chunks_; }
  PoolRuntime& pool(uint32_t id) { return *pools_[id]; }
  link::Upstream* upstream(uint32_t id) {
    return id < upstreams_.size() ? upstreams_[id].get() : nullptr;
  }
  uint32_t worker() const { return worker_; }
  ProcessFacts& facts() { return facts_; }

  // --- for the dialects ---
  base::Instant now() const { return now_; }
  base::WallTime wall_time() const { return wall_time_; }
  base::Random& random() { return random_; }

  [[gnu::always_inline]] link::Upstream& upstream_for(PoolRuntime& pool, std::string_view key) {
    const PoolPlan& plan = *pool.plan;
    return *upstreams_[plan.members[plan.placement.owner(key, random_)]];
  }
  /// The first available backend from the session's own place on; the first if none is.
  link::Upstream& any_upstream(PoolRuntime& pool, const Session& session);

  /// What pick_link() may answer.
  enum class Pick : uint8_t {
    kLink,         ///< `link` takes the request now
    kUnavailable,  ///< the backend is down: refuse
    kWait,         ///< session.wait says for what: dispatch the command again later
  };
  enum class Use : uint8_t {
    kAny,     ///< a side link if the session had large replies lately, else a main link
    kLarge,   ///< a side link only
    kShared,  ///< a main link, unless the session has requests on a side link already
  };
  /// The link that a request of `session` to `upstream` must use so that it overtakes nothing of
  /// its own.
  Pick pick_link(Session& session, link::Upstream& upstream, Use use, link::Link*& link);
  Pick pick_link_with_care(Session& session, link::Upstream& upstream, Use use, link::Link*& link);
  /// A connection of its own to `upstream` for the session, to keep until unpin(): session.pin.
  enum class PinResult : uint8_t {
    kPinned,
    kUnavailable,  ///< the backend is down: refuse
    kAllLent,      ///< every pinned connection is in use: refuse
    kWait,         ///< as Pick::kWait; a session whose command goes on in rounds will go_on()
  };
  /// `own`: slots in flight that may stay so, as they are of the command that pins.
  PinResult pin(Session& session, link::Upstream& upstream, uint32_t own = 0);
  /// While pin() says kAllLent: what the client is told.
  static std::string all_lent_error(const link::Upstream& upstream);
  /// `link` has as much to send as it may: the session waits until some of it has left.
  bool waits_for(Session& session, link::Link& link) {
    if (link.has_room()) [[likely]]
      return false;
    upstream_of(link).queue_waiters().push_back(session.id);
    session.wait = Wait::kBackend;
    return true;
  }
  /// The session needs its pinned connection no longer than what is in flight there.
  void unpin(Session& session);
  /// Closes the pinned connection, and whatever lasts there with it.
  void drop_pin(Session& session) {
    session.holds_pin = false;
    drop_link(*session.pin, LinkLoss::kUnwanted);
  }
  /// Gives up the pinned connection as if it had been lost.
  void lose_pin(Session& session) { drop_link(*session.pin, LinkLoss::kUnwanted); }
  /// If the blocking command, or a step of session.blocked, has not left for the server: gives up
  /// the pinned connection, and ends the command with `reply`, or lets session.blocked go on.
  bool end_unsent(Session& session, std::string_view reply);
  /// Whether a side link is open and free, for who must not wait behind others; if none is, one is
  /// opened where it may be.
  bool keep_side_ready(const Session& session, link::Upstream& upstream);
  /// A main link for a question about the server, not about data; nullptr: it is unavailable.
  link::Link* question_link(link::Upstream& upstream);

  struct RequestTraits {
    bool is_write = false;
    uint8_t shape = kAsIs;
    uint16_t opcode = 0;
    uint32_t detail = 0;
    bool is_upload = false;
  };
  /// Sends the bytes and opens the slot that their reply will fill.
  void forward(Session& session, link::Link& link, const char* bytes, size_t count,
               RequestTraits traits);
  /// A command that waits on the server, on the session's pinned connection: until `until`, for
  /// ever if that is kNever. The session goes on when it is answered.
  void forward_blocking(Session& session, std::string_view bytes, RequestTraits traits,
                        base::Instant until);
  /// Opens the slot of a command that is answered by several steps (session.blocked).
  void begin_rounds(Session& session, bool is_write);
  /// One step of it, on the pinned connection. RedisDialect::on_round() gets the answer, and
  /// go_on() is called when it said so.
  void forward_round(Session& session, std::string_view bytes, RequestTraits traits);
  /// The same for one that waits on the server.
  void forward_blocking_round(Session& session, std::string_view bytes, RequestTraits traits,
                              base::Instant until);
  /// The end of it.
  void end_rounds(Session& session, std::string_view reply);
  /// What session.blocked is to do when the event at hand has been dealt with: go_on().
  void go_on_later(Session& session);
  /// A question about a session that may wait for something else, or not at all.
  void ask_about(Session& session, link::Link& link, std::string_view bytes, uint32_t question,
                 uint32_t detail, uint16_t opcode);
  /// A command of our own making on the session's pinned connection: its reply is dropped.
  void forward_quietly(Session& session, link::Link& link, std::string_view bytes,
                       uint16_t database);
  /// The bytes of the request at the front of the link. REQUIRES: they are kept.
  void copy_request(link::Link& link, const link::Pending& pending, std::string& bytes);
  /// The same request once more, behind all others of the link; its slot is still open.
  void forward_again(link::Link& link, link::Pending pending, std::string_view bytes);
  /// Bytes of a request whose reply will be a part of a join's, to be completed by
  void append_fragment(link::Link& link, std::string_view bytes);
  void forward_fragment(Session& session, link::Link& link, Join& join, uint32_t fragment,
                        bool is_write);
  /// The relay's own question on behalf of `session`, which waits: dialect gets the answer.
  void ask(Session& session, link::Link& link, std::string_view bytes, uint32_t question);
  /// SELECTs `database` on the link to find out whether the backend has it.
  void ask_database(Session& session, link::Link& link, uint16_t database, uint32_t question);
  Join& open_join(Session& session, JoinKind kind, uint32_t fragments, bool is_silent);

  /// Answers a command here and now (in its turn).
  void reply(Session& session, std::string_view bytes);
  /// The same though CLIENT REPLY is off.
  void reply_always(Session& session, std::string_view bytes);
  /// The same with an error of the proxy's own.
  void reply_own_error(Session& session, std::string_view bytes) {
    ++pool(session.pool).counters.own_errors;
    reply(session, bytes);
  }
  /// Redis: the interleaved SELECT, where the link's database is another one.
  void select_database(link::Link& link, uint16_t database);
  /// Sends the beginning of a large command; the rest follows from session.large as it comes.
  void begin_upload(Session& session, link::Link& link, std::string_view bytes,
                    RequestTraits traits);

  void attend(Session& session) {
    if (session.listed) return;
    session.listed = true;
    attention_sessions_.push_back(session.id);
  }
  void attend(link::Link& link) {
    if (link.listed) return;
    link.listed = true;
    attention_links_.push_back(&link);
  }
  void make_runnable(Session& session);

  // --- for Subscriptions ---
  Subscriptions& subscriptions() { return *subscriptions_; }
  void open_feed(link::Link& feed) { open_link(feed); }
  void drop_stuck(link::Link& link) { drop_link(link, LinkLoss::kStuck); }
  void wake_at(base::Instant deadline) { note_deadline(deadline); }
  void wake_in(base::Duration duration) {
    if (duration > base::Duration::zero()) note_deadline(now_ + duration);
  }
  /// It waits for an answer, which is here.
  void wake_questioner(base::SlabId id);
  /// A message, an array of RESP2, to a client that is subscribed: between two replies.
  void push(base::SlabId id, std::string_view message);
  /// Closes it when it has been sent what is due and, behind that, `error`.
  void end_session(base::SlabId id, std::string_view error);
  void cut_off_subscriber(base::SlabId id);

  // --- for Replication ---
  Replication& replication() { return *replication_; }
  /// RedisDialect::on_tried() of the session's blocked command, if it still has one.
  void on_tried(base::SlabId id, bool got_nothing, std::string_view reply);
  /// It goes on when the event at hand has been dealt with, `now` or if its time has come.
  void wake_blocked(base::SlabId id, bool now);
  /// The link that all versioned requests of this worker to `upstream` take, in order; nullptr: a
  /// request would certainly not be sent.
  link::Link* versioned_link(link::Upstream& upstream);
  /// `replies`: as many as the bytes are commands.
  void send_versioned(link::Link& link, std::string_view bytes, base::SlabId question,
                      uint32_t replies);
  /// Its server has to be asked again who it is, and told its scripts.
  void renew_versioned(link::Link& link) { drop_link(link, LinkLoss::kProtocol); }
  /// The slot of a command that will be answered by answer_slot() or answer_fragment().
  uint32_t open_slot(Session& session, bool& is_silent);
  void answer_slot(base::SlabId session, uint32_t slot, std::string_view reply);
  void answer_fragment(base::SlabId join, uint32_t fragment, std::string_view reply);
  void wake_waiters(std::vector<base::SlabId>& waiters);
  void note_unsettled() { unsettled_ = true; }

  /// A reply that every worker has to contribute to.
  void gather(Session& session, session::ClientQuestion question);
  template <class Visit>
  void for_each_session(Visit&& visit) {
    sessions_.for_each(visit);
  }
  /// Closes a client without another word.
  void kill(Session& session);
  void pause(cluster::PoolId pool, base::Duration duration, bool writes_only);
  void unpause(cluster::PoolId pool);
  /// The session waits until the pause is over.
  void wait_for_unpause(Session& session) {
    session.wait = Wait::kPaused;
    count_blocked(session, 1);
  }
  /// Some pool may be paused.
  bool any_pause() const { return any_pause_; }
  bool is_paused(const PoolRuntime& pool) const { return any_pause_ && now_ < pool.paused_until; }

 private:
  // A piece this large is worth borrowing from the read buffer instead of copying it.
  static constexpr size_t kThroughBytes = 8 * limits::kKiB;
  // After a large reply a session prefers a side link until so many small ones have come.
  static constexpr uint8_t kBulkyFor = 16;
  // A connection that dies younger was of no use: pause before the next.
  static constexpr base::Duration kYoungLink = std::chrono::seconds(1);
  static constexpr size_t kKeptJoinMemory = 256;
  static constexpr size_t kKeptEvents = 1024;

  Session* find_live(base::SlabId id) {
    Session* session = sessions_.find(id);
    return session != nullptr && !session->dead ? session : nullptr;
  }
  PoolRuntime& pool_of(const link::Link& link) { return *pools_[upstream_of(link).pool()]; }
  link::Upstream& upstream_of(const link::Link& link) const { return *upstreams_[link.upstream()]; }
  Session* session_of(const link::Pending& pending);
  Dialect& dialect_of(const Session& session);

  // Sessions.
  void consume(Session& session, const char* begin, const char* end);
  const char* dispatch_all(Session& session, const char* begin, const char* end);
  void decide_on_reading(Session& session);
  void keep_in_backlog(Session& session, const char* begin, const char* end);
  void work_off_backlog(Session& session);
  void drop_backlog(Session& session);
  size_t consume_large(Session& session, const char* begin, const char* end);
  void finish_large(Session& session);
  void upload(Session& session, const char* bytes, size_t count);
  void abandon_upload(Session& session);
  void end_input(Session& session);
  void lose_framing(Session& session, std::string_view error);
  void settle();
  void resume_if_possible(Session& session);
  void fill_slot(Session& session, uint32_t slot, const char* bytes, size_t count, bool last);
  void after_fill(Session& session);
  void cut_off(Session& session);
  void break_off(Session& session);
  void spoil_front(link::Link& link);
  void release_if_idle(Session& session, link::Link& lent);
  void update_flow(Session& session, link::Link& lent);
  void sweep_idle_sessions();
  void end_pauses();
  void enter_blocked(Session& session);
  void count_blocked(const Session& session, int change);
  void check_subscriber_output(Session& session);
  void end_waiting(link::Upstream& upstream);
  static void forget_waiting(link::Link& link);

  // Requests.
  uint32_t open_request(Session& session, link::Link& link, RequestTraits traits);
  void append_request(link::Link& link, const char* bytes, size_t count);
  void push_pending(link::Link& link, const link::Pending& pending);
  void count_pending(link::Link& link, base::Instant arrival);
  void settle_through() {
    if (through_.bytes != nullptr) keep_rest(std::exchange(through_, {}), 0);
  }

  // Links.
  bool is_versioned(const link::Link& link);
  void open_link(link::Link& link);
  void change_users(cluster::PoolId id, const std::shared_ptr<const wire::AclUsers>& before);
  void preconnect(PoolRuntime& pool);
  void try_again(link::Upstream& upstream);
  void remove_upstream(link::Upstream& upstream);
  void drop_link(link::Link& link, LinkLoss loss);
  void lose_lent(Session& session, link::Link& lent);
  base::Instant deadline_of(const link::Pending& pending, const link::Link& link) const;
  bool waits_for_client(const link::Link& link);
  void expire_link(link::Upstream& upstream, link::Link& link);
  void expire(link::Upstream& upstream, link::Link& link, link::Pending& pending, bool sent);
  void expire_deferred(link::Upstream& upstream);
  void serve_side_waiters(link::Upstream& upstream);
  void wake_queue_waiters(link::Upstream& upstream);
  void wake_pin_waiters(link::Upstream& upstream);
  void refuse_waiters(link::Upstream& upstream);

  // Replies.
  void read_link(link::Link& link, const char* begin, const char* end);
  void on_greeting_reply(link::Link& link, const link::ReplyPiece& piece);
  void deliver(link::Link& link, const link::ReplyPiece& piece);
  void deliver_to_session(link::Link& link, link::Pending& pending, const link::ReplyPiece& piece);
  void deliver_large(link::Link& link, link::Pending& pending, Session& session,
                     const link::ReplyPiece& piece);
  void deliver_to_join(link::Link& link, link::Pending& pending, const link::ReplyPiece& piece);
  void deliver_to_question(link::Link& link, link::Pending& pending, const link::ReplyPiece& piece);
  void deliver_round(link::Link& link, link::Pending& pending, link::ReplyPiece piece);
  void fill_shaped(Session& session, link::Pending& pending, const link::ReplyPiece& piece);
  bool is_hidden(Session& session, link::Pending& pending, const link::ReplyPiece& piece);
  bool ask_again_aside(link::Link& link, const link::Pending& pending, Session& session);
  void finish_pending(link::Link& link);
  void hold_joined(Session& session, const Join& join, size_t count);
  void finish_join(Join& join);

  // Redirections (relay_redirect.cpp).
  /// A request that no server takes now, and that was certainly not executed.
  struct HeldRequest {
    link::Pending pending;  // its opcode counts how often it was held
    base::ByteChain bytes;
    uint32_t upstream;  // who would not have it
    base::Instant retry_at;
    std::string answer;  // what the client is told when its time is up
  };
  bool redirect(link::Link& link, const link::ReplyPiece& piece);
  bool refuse_on_pin(link::Link& link, const link::Pending& pending);
  bool send_again(Session& session, link::Upstream& upstream, link::Pending pending,
                  base::ByteChain& bytes, bool asking);
  void hold_request(Session& session, HeldRequest held);
  void end_held(HeldRequest& held);
  void ask_held_again(bool all);
  link::Upstream* server_at(const PoolPlan& plan, std::string_view host, uint16_t port);
  bool is_replica(const link::Upstream& upstream) const;
  void settle_sessions(cluster::PoolId pool);

  // Requests without a reply.
  void end_requests(link::Link& link, bool may_retry, std::vector<link::Pending>& again,
                    base::ByteChain& bytes);
  void requeue(link::Link& link, const std::vector<link::Pending>& again, base::ByteChain& bytes);
  void end_request(link::Upstream& upstream, const link::Pending& pending, RequestEnd end);

  void note_deadline(base::Instant deadline) {
    if (deadline < next_deadline_) next_deadline_ = deadline;
  }
  void note_event(uint32_t upstream, LinkEvent::Kind kind, LinkLoss loss) {
    if (events_.size() >= kKeptEvents) return;
    const auto failures = upstreams_[upstream]->counters.failures_in_a_row;
    events_.push_back({upstream, kind, loss, static_cast<uint32_t>(failures)});
  }

  const uint32_t worker_;
  ProcessFacts& facts_;
  base::Instant now_{};
  base::WallTime wall_time_{};
  base::Instant next_deadline_ = base::kNever;
  base::Instant next_idle_sweep_ = base::kNever;
  base::Random random_;
  bool draining_ = false;
  bool any_pause_ = false;   // a CLIENT PAUSE may have to be ended
  bool may_borrow_ = false;  // the bytes at hand live until the io layer has taken through_
  uint32_t loss_number_ = 0;
  uint64_t openings_ = 0;
  uint64_t blocked_changes_ = 0;

  std::shared_ptr<const ServingPlan> plan_;
  base::ChunkPool chunks_;
  base::Slab<Session> sessions_;
  base::Slab<Join> joins_;
  std::vector<JoinMemory> free_join_memory_;
  std::vector<std::unique_ptr<PoolRuntime>> pools_;
  std::vector<std::unique_ptr<link::Upstream>> upstreams_;
  std::vector<std::shared_ptr<const BackendPlan>> backends_;  // also those that were removed
  std::unique_ptr<RedisDialect> redis_;
  std::unique_ptr<MemcachedTextDialect> memcached_text_;
  std::unique_ptr<MemcachedBinaryDialect> memcached_binary_;
  std::unique_ptr<Subscriptions> subscriptions_;
  std::unique_ptr<Replication> replication_;

  std::vector<link::Link*> links_to_open_;
  std::vector<link::Link*> attention_links_;
  base::RingBuffer<base::SlabId> attention_sessions_;
  std::vector<base::SlabId> runnable_;
  std::vector<link::Link*> resumable_links_;
  bool unsettled_ = false;  // one of the two is not empty
  std::vector<link::Link*> timed_links_;
  std::vector<LinkEvent> events_;
  std::deque<HeldRequest> held_;
  size_t held_bytes_ = 0;
  base::Instant moved_noted_{};
  std::vector<Gathering> gatherings_;
  std::vector<Forward> forwards_;
  std::vector<Wish> wishes_;
  Through through_;
  std::string scratch_;
};

// What every request and every reply goes through. A call costs as much as what it calls does.

[[gnu::always_inline]] inline Relay::Pick Relay::pick_link(Session& session,
                                                           link::Upstream& upstream, Use use,
                                                           link::Link*& link) {
  if (use != Use::kLarge && !session.any_detour()) [[likely]] {
    link::Link* plain = upstream.plain_link(session.flavor, session.id.place);
    if (plain != nullptr && plain->has_room()) [[likely]] {
      link = plain;
      return Pick::kLink;
    }
  }
  return pick_link_with_care(session, upstream, use, link);
}

[[gnu::always_inline]] inline void Relay::append_request(link::Link& link, const char* bytes,
                                                         size_t count) {
  if (through_.link == &link) [[unlikely]]
    settle_through();
  link.requests().append(chunks_, bytes, count);
  attend(link);
}

[[gnu::always_inline]] inline void Relay::push_pending(link::Link& link,
                                                       const link::Pending& pending) {
  link.push(pending);
  count_pending(link, pending.arrival);
}

[[gnu::always_inline]] inline void Relay::count_pending(link::Link& link, base::Instant arrival) {
  link::Upstream& upstream = upstream_of(link);
  ++upstream.counters.in_flight;
  // A blocking command that is asked of another backend may wait for ever there, too.
  if (link.pendings().size() == 1 && upstream.rules().request_timeout > base::Duration::zero() &&
      arrival != base::kNever) {
    note_deadline(arrival + upstream.rules().request_timeout);
  }
}

[[gnu::always_inline]] inline uint32_t Relay::open_request(Session& session, link::Link& link,
                                                           RequestTraits traits) {
  const uint32_t slot = session.slots.open();
  if (traits.is_write) {
    session.last_write_slot = slot;
    session.has_written = true;
  }
  uint8_t shape = traits.shape;
  if (session.any_detour() && (session.replies_off || session.skip_next_reply)) [[unlikely]] {
    shape = kSilent;
    session.skip_next_reply = false;
  }
  // Where it lies: a copy of it would be a fifth of what a command costs.
  link::Pending& pending = link.push_blank();
  pending.owner = session.id;
  pending.slot = slot;
  pending.detail = traits.detail;
  pending.arrival = now_;
  pending.kind = link::PendingKind::kReply;
  pending.shape = shape;
  pending.opcode = traits.opcode;
  pending.is_write = traits.is_write;
  pending.is_retry = pending.is_timed_out = pending.is_blocking = false;
  pending.is_upload = traits.is_upload;
  count_pending(link, now_);
  ++upstream_of(link).counters.requests;
  ++pool(session.pool).counters.commands;
  return slot;
}

[[gnu::always_inline]] inline void Relay::forward(Session& session, link::Link& link,
                                                  const char* bytes, size_t count,
                                                  RequestTraits traits) {
  append_request(link, bytes, count);
  upstream_of(link).counters.request_bytes += count;
  open_request(session, link, traits);
}

[[gnu::always_inline]] inline void Relay::after_fill(Session& session) {
  attend(session);
  if (session.wait != Wait::kNone) [[unlikely]]
    resume_if_possible(session);
  if (session.output.size() + session.slots.held_bytes() >
      pool(session.pool).plan->max_client_output) [[unlikely]] {
    cut_off(session);
  }
}

[[gnu::always_inline]] inline void Relay::fill_slot(Session& session, uint32_t slot,
                                                    const char* bytes, size_t count, bool last) {
  if (through_.session == &session) [[unlikely]]
    settle_through();
  session.slots.fill(chunks_, slot, bytes, count, last, session.output);
  after_fill(session);
}

}  // namespace quorate::relay
