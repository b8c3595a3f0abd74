// World: proxies with the production coordinator, backends made of the acceptor's model, clients,
// and a network between them, in virtual time; all of it drawn from one seed.
//
//   clients ─ proxies ═ connections (in order, may be cut; what is in them may be executed late) ═
//   backends
//               ║
//               ╚═ forwards between proxies (likewise)         the group: one truth, told late
//
// Says of each key whether what its clients saw is linearizable, of each version whether it had one
// state, and whether all goes on once the faults have ended.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "consensus/base/random.h"
#include "proxy/replicate/coordinator.h"
#include "tests/simulation/replicate/acceptor_model.h"
#include "tests/simulation/replicate/counts.h"
#include "tests/simulation/replicate/history.h"
#include "tests/simulation/replicate/owned.h"
#include "tests/simulation/replicate/profile.h"

namespace quorate::replicate_simulation {

namespace acceptor = redis::acceptor;
using base::Duration;
using base::Instant;

/// Of all clocks, when a world begins; those of proxies differ from it by no more than the skew.
inline constexpr std::chrono::microseconds kWallEpoch{1'000'000'000};
inline constexpr std::chrono::microseconds kLargestSkew{20'000};

struct Violation {
  std::string what;
};

/// What a server's process says who it is.
std::string run_id_of(uint32_t backend, uint64_t process);

class World {
 public:
  World(uint64_t seed, Mix mix, bool verbose);
  /// Throws a Violation.
  void run();

  const Profile& profile() const { return profile_; }
  const Counts& counts() const { return counts_; }
  uint64_t trace() const { return trace_; }

 private:
  struct Task {
    Instant at;
    uint64_t order;
    std::function<void()> what;
  };
  struct Later {
    bool operator()(const Task& a, const Task& b) const {
      return a.at != b.at ? a.at > b.at : a.order > b.order;
    }
  };
  struct Backend {
    test::AcceptorModel model;
    cluster::Nonce incarnation;
    Instant paused_until{};
    uint64_t process = 0;                      // one more with each start
    std::optional<test::AcceptorModel> saved;  // what it would start with: old
  };
  struct Connection {
    bool up = true;
    uint64_t epoch = 1;
    Instant last_there{};
    Instant last_back{};
    std::deque<replicate::RequestId> unanswered;
  };
  struct Pending {
    uint32_t key = 0;
    size_t event = 0;
    uint32_t client = 0;
  };
  struct Proxy {
    std::unique_ptr<replicate::Coordinator> coordinator;
    uint64_t life = 0;  // one more with each start
    cluster::SessionId session{};
    Instant paused_until{};
    int64_t skew_us = 0;
    Instant wakes_at{};
    bool is_leaving = false;
    std::shared_ptr<const cluster::ReplicaTable> told;
    std::map<uint64_t, Pending> pending;
    std::vector<Connection> connections;
    std::deque<std::function<void(Proxy&)>> deferred;  ///< while it is paused, in order
  };
  struct Guest {
    uint32_t from = 0;
    uint64_t from_life = 0;
    uint64_t link_epoch = 0;
    replicate::ForwardId id{};
  };
  struct PeerLink {
    bool up = true;
    uint64_t epoch = 1;
    Instant last[2]{};
  };
  struct Client {
    uint32_t proxy = 0;
    uint32_t under_way = 0;
    uint32_t connection = 0;
  };
  struct Key {
    std::string name;
    bool is_list = false;
    uint32_t sent = 0;
    History history;
  };

  // world.cpp: time, clients, the end
  void at(Instant when, std::function<void()> what);
  void after(Duration delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }
  Duration delay();
  void note(const std::string& line);
  void client_turn(uint32_t client);
  void submit(uint32_t client, uint32_t key, Verb verb);
  void end_of(Proxy& proxy, uint64_t id, replicate::End end, std::string_view reply);
  void final_reads();
  void check();
  bool all_ended() const;

  // network.cpp: what coordinators want, carried
  void on_proxy(uint32_t proxy, std::function<void(Proxy&)> what);
  void on_proxy_later(uint32_t proxy, uint64_t life, Instant when,
                      std::function<void(Proxy&)> what);
  void run_deferred(uint32_t proxy, uint64_t life);
  void carry_out(uint32_t proxy);
  void send(uint32_t proxy, replicate::RequestId id, cluster::BackendSerial backend,
            const acceptor::Request& request);
  struct Journey {
    uint32_t proxy = 0;
    uint64_t life = 0;
    uint32_t backend = 0;
    uint64_t process = 0;
    uint64_t epoch = 0;
    replicate::RequestId id{};
    std::shared_ptr<test::OwnedRequest> request;
  };
  void arrive(const Journey& journey, bool is_late);
  void cut(uint32_t proxy, uint32_t backend);
  PeerLink& link(uint32_t a, uint32_t b) { return links_[{std::min(a, b), std::max(a, b)}]; }
  void forward(uint32_t proxy, const replicate::Output::Forwarded& forwarded);
  void guest_ended(uint32_t proxy, replicate::GuestId id, replicate::End end, std::string reply);
  void cut_peers(uint32_t a, uint32_t b);
  void check_version(uint32_t backend, std::string_view key);
  replicate::Now now_of(const Proxy& proxy) const;

  // nemesis.cpp: faults, and the group
  void start_proxy(uint32_t proxy);
  void kill_proxy(uint32_t proxy);
  void publish();
  void tell(uint32_t proxy);
  void wish(uint32_t proxy, const replicate::Output::Wish& wish);
  void end_session(cluster::SessionId session);
  cluster::SessionId any_session();
  void fault();
  void change_slots();
  void heal();

  // moves.cpp: members of slots, backends without memory
  cluster::Pool& pool() { return map_.pools.at(cluster::PoolSerial{1}); }
  uint16_t members_of(const cluster::SlotMembers& members);
  void begin_move();
  void begin_move(cluster::SlotRun& run, const cluster::SlotMembers& to);
  void end_move(uint16_t slot, uint32_t configuration);
  bool all_places_filled();
  void lose_memory(uint32_t backend);
  void restart(uint32_t backend, bool with_old_memory);
  bool is_expected_process(const Proxy& proxy, uint32_t backend) const;
  void readmit(uint32_t backend);
  void evict(uint32_t backend);
  void fill_places();
  base::Version version_at(uint32_t backend, const std::string& key) const;
  bool is_member(uint32_t backend, const std::string& key) const;
  std::string state_at(uint32_t backend, const std::string& key) const;
  void check_members();

  base::Random random_;
  Profile profile_;
  bool verbose_;
  bool is_calm_ = false;
  uint64_t trace_ = 14695981039346656037u;
  Instant now_{};
  uint64_t order_ = 0;
  std::priority_queue<Task, std::vector<Task>, Later> tasks_;
  Counts counts_;
  std::vector<Backend> backends_;
  std::vector<Proxy> proxies_;
  std::map<std::pair<uint32_t, uint32_t>, PeerLink> links_;
  std::vector<Client> clients_;
  std::vector<Key> keys_;
  uint64_t next_operation_ = 1;
  uint64_t next_guest_ = 1;
  uint64_t next_value_ = 1;
  std::map<uint64_t, Guest> guests_;
  cluster::ClusterMap map_;
  std::shared_ptr<const cluster::ReplicaTable> table_;
  bool group_down_ = false;
  std::map<std::string, std::string> states_;                         // of each version of each key
  std::map<std::pair<uint32_t, std::string>, base::Version> strays_;  // written by no member
};

}  // namespace quorate::replicate_simulation
