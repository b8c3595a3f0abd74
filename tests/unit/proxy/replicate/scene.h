// Scene: proxies with the production coordinator and backends made of the acceptor's model, and a
// test that decides what becomes of each message between them. Nothing is random.
//
// Links from proxies to backends flow at first: what is asked is answered at once. A link that is
// held keeps requests, or their answers, in order. Time passes only by pass(). The group is the
// test: its decisions are made by one function each, and are heard by those who are told.
//
// One slot has the keys, those that begin with "{k}".
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/cluster/cluster_map.h"
#include "proxy/replicate/coordinator.h"
#include "tests/simulation/replicate/acceptor_model.h"
#include "tests/simulation/replicate/owned.h"

namespace quorate::test {

using base::Duration;
using replicate::End;

/// What becomes of requests that lie on a link that is cut.
enum class Fate : uint8_t {
  kNever,     ///< they are not executed
  kExecuted,  ///< they were; the answers are lost
  kLate,      ///< they are when execute_late() says so
};

class Scene {
 public:
  /// The first `replicas` backends are the slot's members; proxy 0 is its owner, and all know it.
  explicit Scene(uint32_t proxies = 2, uint32_t backends = 3, uint32_t replicas = 3);

  // ---- Clients.

  /// Its number; it may end at once.
  uint64_t submit(uint32_t proxy, const std::vector<std::string>& words);
  /// A client's script on this key.
  uint64_t submit_script(uint32_t proxy, const std::string& key);
  /// Ended: "ok …", "failed …" or "unknown …" with the reply; under way: "".
  std::string end_of(uint64_t id) const;
  /// submit(), and its end, if it comes without that time passes.
  std::string call(uint32_t proxy, const std::vector<std::string>& words);

  // ---- Links.

  void hold(uint32_t proxy, uint32_t backend);
  /// Requests are executed; what is said of them lies.
  void hold_answers(uint32_t proxy, uint32_t backend);
  /// Of a link that is held, the first request is executed and answered.
  void let_one(uint32_t proxy, uint32_t backend);
  /// What lies is delivered, in order, and the link flows.
  void flow(uint32_t proxy, uint32_t backend);
  /// The connection is lost, and cannot be made again before flow().
  void cut(uint32_t proxy, uint32_t backend, Fate fate = Fate::kNever);
  void execute_late(uint32_t backend);

  // ---- Time.

  void pass(Duration time);
  /// Until a sweep has begun, and what its first scans ask has been answered where links flow.
  void pass_until_sweeping(uint32_t proxy);

  // ---- The group. Nobody hears of it before tell().

  void give_to(uint32_t proxy);
  void raise_configuration();
  /// The slot is to have these backends.
  void begin_move(const std::vector<uint32_t>& backends);
  void end_move();
  /// Another process, and empty.
  void lose_memory(uint32_t backend);
  void tell(uint32_t proxy);
  void tell_all();

  // ---- What can be looked at.

  AcceptorModel& backend(uint32_t index) { return backends_[index].model; }
  const replicate::Counters& counters(uint32_t proxy) const {
    return proxies_[proxy].coordinator->counters();
  }
  uint16_t slot() const { return slot_; }
  /// What a proxy has wished of this kind, ever.
  size_t wishes(replicate::Output::Wish::Kind kind) const;
  bool is_sweeping(uint32_t proxy) const {
    return proxies_[proxy].coordinator->sweep_progress().is_under_way;
  }

 private:
  enum class Mode : uint8_t { kFlows, kHeld, kAnswersHeld, kCut };
  struct Message {
    replicate::RequestId id{};
    std::shared_ptr<OwnedRequest> request;
    std::shared_ptr<OwnedAnswer> answer;  ///< once it has been executed
  };
  struct Link {
    Mode mode = Mode::kFlows;
    std::deque<Message> requests;
    std::deque<Message> answers;
  };
  struct Backend {
    AcceptorModel model;
    cluster::Nonce incarnation;
    std::deque<std::shared_ptr<OwnedRequest>> late;
  };
  struct Proxy {
    std::unique_ptr<replicate::Coordinator> coordinator;
    cluster::SessionId session{};
    std::map<uint64_t, std::string> ends;
  };
  struct Forward {
    uint32_t from = 0;
    uint32_t to = 0;
    replicate::ForwardId id{};
    redis::ReplicatedCommand command;
    base::Term seen;
  };
  struct Guest {
    uint32_t from = 0;
    replicate::ForwardId id{};
  };

  Link& link(uint32_t proxy, uint32_t backend) {
    return links_[proxy * backends_.size() + backend];
  }
  replicate::Now now() const;
  uint64_t submit(uint32_t proxy, const redis::ReplicatedCommand& command);
  void publish();
  cluster::SlotRun& run();
  uint16_t members_of(const std::vector<uint32_t>& backends);
  void carry_out(uint32_t proxy);
  /// Until nothing moves.
  void settle();
  bool deliver_one(uint32_t proxy, uint32_t backend);
  bool forward_one();

  std::vector<Backend> backends_;
  std::vector<Proxy> proxies_;
  std::vector<Link> links_;
  std::deque<Forward> forwards_;
  std::map<uint64_t, Guest> guests_;
  std::vector<replicate::Output::Wish> wishes_;
  uint64_t next_operation_ = 1;
  uint64_t next_guest_ = 1;
  base::Instant now_{};
  uint16_t slot_ = 0;
  cluster::ClusterMap map_;
  std::shared_ptr<const cluster::ReplicaTable> table_;
};

}  // namespace quorate::test
