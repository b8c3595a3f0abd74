// A town: voters, observers, backends, clients that ask for changes, and a nemesis. After a while
// everything is healed, and then everything must end well: a leader, every request ended, everybody
// at the same map, the sessions of those that live and of nobody else.
//
// In a calm town one thing goes wrong at a time, and how long it takes the others to notice is
// bounded: that is where "within a second" is tested.
#pragma once

#include <memory>

#include "tests/simulation/group/observer.h"
#include "tests/simulation/group/voter.h"

namespace quorate::group_simulation {

/// How long things took, in virtual time.
struct Measures {
  std::vector<Duration> ejections;        ///< from a kill to the last process that knows
  std::vector<Duration> first_ejections;  ///< from a kill to the commit
  std::vector<Duration> sessions;         ///< from a proxy's death to the end of its session
  std::vector<Duration> spreads;          ///< from a commit to each process that has it
};

class Town {
 public:
  Town(World& world, const Setting& setting);
  /// Throws Violation.
  void run();
  const Measures& measures() const { return measures_; }

 private:
  // town.cpp
  void add_voter(MemberId id, std::optional<raft::Configuration> founds);
  void add_observer(const std::string& name, std::optional<uint32_t> ttl_ms);
  void found();
  void heal();
  bool settled() { return unsettled_because().empty(); }
  std::string unsettled_because();
  std::string voter_unsettled(const Voter& voter, const ClusterMap& map);
  std::string sessions_unsettled(const ClusterMap& map);
  std::string backends_unsettled(const ClusterMap& map);
  void published(const std::string& who, const ClusterMap& map);
  Voter* leader();
  Voter* any_voter();
  Observer* any_observer();
  uint64_t below(uint64_t bound) { return world_.random.below(bound); }

  // asking.cpp
  void ask_turn();
  std::optional<group::Request> draw_request(const ClusterMap& map);
  std::optional<group::Request> draw_backend_change(const ClusterMap& map);
  void ask(group::Request request);
  void forget_requests_of(const std::string& at);

  // nemesis.cpp
  void nemesis_turn();
  void partition();
  void kill_voter();
  void kill_observer();
  void backend_fault();
  void cut_backend();
  void cut_line();
  void change_members();
  std::string any_address();

  // calm.cpp
  void calm_turn();
  void calm_backend_dies();
  void calm_observer_dies();
  void calm_slow_answer();
  void crowd_turn();

  World& world_;
  Setting setting_;
  Backends backends_;
  Oracle oracle_;
  simulation::Network network_;
  Lines lines_;
  std::map<MemberId, std::unique_ptr<Voter>> voters_;
  std::map<std::string, std::unique_ptr<Observer>> observers_;
  uint64_t highest_voter_ = 0;
  bool healed_ = false;
  bool founded_ = false;

  uint64_t last_request_ = 0;
  std::map<uint64_t, std::string> asked_at_;
  uint64_t unique_ = 0;

  Measures measures_;
  struct Waiting {  ///< for a map in which it is so
    Instant since{};
    std::function<bool(const ClusterMap&)> holds;
    std::set<std::string> missing;
    bool first_seen = false;
    std::vector<Duration>* first = nullptr;
    std::vector<Duration>* last = nullptr;
    std::vector<Duration>* each = nullptr;
    Duration limit{};
    const char* what = "";
  };
  std::optional<Waiting> waiting_;
  uint32_t calm_turns_ = 0;
};

}  // namespace quorate::group_simulation
