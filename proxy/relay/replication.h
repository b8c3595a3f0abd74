// Replication: what one worker does for pools that keep replicas: between its dialect, the pools'
// coordinators (proxy/replicate) and its links.
//
//   session ─► submit() ─► Coordinator ─► acceptor requests ─► the worker's one link to a backend
//   slot    ◄─ reply    ◄─ Coordinator ◄─ acceptor answers  ◄─ its replies, in order
//                              └─► forwards to other workers and proxies (forward.h) and back
//
// Decides nothing about replicas: it carries. What it does decide is whether a request that will
// not be answered certainly was not sent, which only the link knows.
//
// Invariants: a session's commands are submitted in the order they came; every operation fills its
// slot (or its part of a join) once; a request is answered or lost once.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/link/greeting.h"
#include "backends/link/link.h"
#include "backends/redis/acceptor.h"
#include "backends/redis/replicated_command.h"
#include "backends/wire/resp_downgrade.h"
#include "consensus/base/slab.h"
#include "proxy/relay/forward.h"
#include "proxy/relay/serving_plan.h"
#include "proxy/replicate/coordinator.h"
#include "proxy/replicate/listing.h"
#include "proxy/session/session.h"

namespace quorate::relay {

class Relay;

class Replication {
 public:
  explicit Replication(Relay& relay);
  ~Replication();

  /// The relay has a new plan.
  void adopt();
  void on_time();

  /// Whether the session may submit so many operations; if not, it waits (session.wait).
  bool has_room(session::Session& session, size_t operations);
  /// Ends in the next slot of the session. False: it has to wait (session.wait).
  bool submit(session::Session& session, const redis::ReplicatedCommand& command);
  /// WATCH: what it sees of the key goes to the session's transaction, "+OK" to its next slot.
  bool watch(session::Session& session, const redis::ReplicatedCommand& command);
  /// Ends in RedisDialect::on_tried(). False: there is no room for it now.
  bool try_to_pop(session::Session& session, const redis::ReplicatedCommand& command);
  /// The session's blocked command goes on then, or when this worker has written to the key.
  void sleep(base::SlabId session, std::string_view key, base::Instant until);
  /// Ends in a part of a join of the session's. REQUIRES: has_room() said so.
  void submit_part(session::Session& session, base::SlabId join, uint32_t fragment,
                   const redis::ReplicatedCommand& command);

  /// The keys of the session's pool, in the session's next slot. False: it has to wait.
  bool list(session::Session& session, replicate::Listing::Wanted wanted);

  // Links.
  static link::Greeting greeting(const link::Credentials& credentials);
  static link::GreetingVerdict judge_greeting(const BackendPlan& backend, const link::Link& link,
                                              std::string_view reply);
  void on_answer(link::Link& link, link::Pending& pending, const link::ReplyPiece& piece);
  void on_lost(const link::Pending& pending, bool certainly_not_sent);

  // Other workers and proxies.
  void on_forward(const Forward& forward);
  void on_peer_lost(cluster::SessionId session);
  /// What a forward that could not be delivered is answered.
  static std::string not_delivered();

  /// The process is about to stop: its slots are given to others.
  void hand_over();
  bool owns_slots() const;
  /// Of a pool that keeps no replicas: nothing.
  replicate::Counters counters(cluster::PoolId pool) const;
  uint32_t owned_slots(cluster::PoolId pool) const;
  replicate::SweepProgress sweep_progress(cluster::PoolId pool) const;

  /// Something is left to be carried out by pump().
  bool has_output() const { return has_output_; }
  void pump();

 private:
  /// A pool of this worker.
  struct PoolReplicas;
  /// A client's command, until it has ended.
  struct Operation {
    Operation(base::SlabId operation, cluster::PoolId pool_id) : id(operation), pool(pool_id) {}
    const base::SlabId id;
    const cluster::PoolId pool;
    base::SlabId owner{};  ///< a session, or a join
    uint32_t slot = 0;     ///< of the session; of a join, the part's number
    bool is_part = false;
    bool is_silent = false;
    bool is_watch = false;
    bool is_try = false;
    bool resp3 = false;
    wire::ReplyShape shape{};
    std::vector<wire::ReplyShape> queued_shapes{};  ///< of a transaction
    std::string wakes{};                            ///< the key, if somebody waits for it
  };
  /// What a backend has been asked, until it has answered.
  struct Question {
    Question(base::SlabId question, cluster::PoolId pool_id) : id(question), pool(pool_id) {}
    const base::SlabId id;
    const cluster::PoolId pool;
    replicate::RequestId request{};
    base::SlabId listing{};  ///< whose it is, unless it is the coordinator's
    uint32_t tag = 0;
    redis::acceptor::Expected expected;
    uint8_t replies_left = 1;
    std::string replies;  ///< those of them that are here, unless one that is whole is all
  };
  /// A client's SCAN, KEYS, …, until it has ended.
  struct ListingUnderWay {
    ListingUnderWay(base::SlabId listing, cluster::PoolId pool_id,
                    std::unique_ptr<replicate::Listing> list)
        : id(listing), pool(pool_id), keys(std::move(list)) {}
    const base::SlabId id;
    const cluster::PoolId pool;
    const std::unique_ptr<replicate::Listing> keys;
    base::SlabId session{};
    uint32_t slot = 0;
    bool is_silent = false;
    bool resp3 = false;
  };
  /// Of somebody else, that this worker carries out.
  struct Guest {
    Guest(base::SlabId guest, const Forward& forward)
        : id(guest),
          header(forward.header),
          way_back(forward.way_back),
          is_local(forward.is_local) {}
    const base::SlabId id;
    const ForwardHeader header;
    const uint64_t way_back;
    const bool is_local;
  };

  void begin(session::Session& session, Operation& operation,
             const redis::ReplicatedCommand& command);
  void finish(base::SlabId operation, std::string_view reply);
  void wake(std::string_view key);
  void wake_sleepers();
  std::string_view watched(const Operation& operation, std::string_view reply);
  void answer_guest(base::SlabId guest, replicate::End end, std::string_view reply);
  void go_on(base::SlabId listing);
  void carry_out(PoolReplicas& pool);
  bool ask(PoolReplicas& pool, cluster::BackendSerial backend,
           const redis::acceptor::Request& request, replicate::RequestId id, base::SlabId listing,
           uint32_t tag);
  void forward(PoolReplicas& pool, const replicate::Output::Forwarded& forwarded);
  replicate::Now now() const;
  void touched(PoolReplicas& pool);

  Relay& relay_;
  bool has_output_ = false;
  std::vector<std::unique_ptr<PoolReplicas>> pools_;  // by PoolId
  base::Slab<Operation> operations_;
  base::Slab<Question> questions_;
  base::Slab<Guest> guests_;
  base::Slab<ListingUnderWay> listings_;
  std::vector<replicate::RequestId> lost_;  // while an output is carried out
  std::vector<link::Link*> broken_;         // to be dropped before anything else is asked there
  redis::ReplicatedCommand command_;        // of a forward
  std::vector<base::SlabId> waiters_;       // sessions that may submit no more for now
  // Sessions whose blocked command goes on later: by time, and by each key they wait for; each of
  // them once for a key.
  using Sleepers = std::multimap<base::Instant, std::pair<base::SlabId, std::string>>;
  Sleepers sleepers_;
  std::map<std::string, std::vector<Sleepers::iterator>, std::less<>> sleepers_of_;
  std::string encoded_;
  std::string reply_;
};

}  // namespace quorate::relay
