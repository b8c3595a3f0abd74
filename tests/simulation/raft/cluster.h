// A cluster in a simulated world: machines, network, clients that propose and read, and a nemesis
// that makes faults and changes the group. After a while everything is healed, and then everything
// must end well: a leader, every proposal ended, every member at the same state.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "tests/simulation/raft/machine.h"
#include "tests/simulation/raft/network.h"

namespace quorate::simulation {

class Cluster {
 public:
  Cluster(World& world, const Profile& profile);
  /// Throws Violation.
  void run();

 private:
  using Machines = std::map<MemberId, std::unique_ptr<Machine>>;

  // cluster.cpp
  void add_machine(MemberId id, std::optional<raft::Configuration> founds);
  Machine* any(bool (*which)(const Machine&));
  Machine* leader();
  void heal();
  bool settled();
  void check_end();
  std::string unsettled_because();
  void check_quorum_of(MemberId at, Index index);

  // clients.cpp
  void client_turn();
  void reader_turn();
  bool propose_at(Machine& machine);
  void take_end(MemberId at, const raft::ProposalEnd& end);
  void take_read(MemberId at, const raft::ReadEnd& end);
  void forget(MemberId died);

  // nemesis.cpp
  void nemesis_turn();
  void calm_turn();
  void isolate_a_follower();
  void deafen(Machine& leads);
  void partition_symmetric();
  void partition_one_way();
  void partition_partial();
  void lose_connections();
  void stop_one(bool power);
  void disk_fault();
  void change_membership();
  raft::Change draw_change(const raft::Configuration& configuration);
  void transfer_leadership();
  void start_later(MemberId id);

  struct Read {
    MemberId at{};
    Index floor = 0;
    bool at_leader = false;
  };

  World& world_;
  Profile profile_;
  Oracle oracle_;
  Network network_;
  Machines machines_;
  bool healed_ = false;
  uint64_t highest_id_ = 0;

  std::map<ProposalId, MemberId> proposals_;  ///< not ended, and where
  std::map<raft::ReadId, Read> reads_;
  uint64_t next_request_ = 0;
  Term calm_term_ = 0;  ///< in a calm world, the term that has to last
};

}  // namespace quorate::simulation
