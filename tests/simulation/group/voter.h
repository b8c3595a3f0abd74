// A voter of the simulated world: a Group with a disk that takes its time, probes that reach the
// simulated backends, and connections to members and observers. Processes come and go; what was
// synced stays.
#pragma once

#include <deque>
#include <memory>
#include <set>

#include "consensus/group/group.h"
#include "tests/simulation/group/backends.h"
#include "tests/simulation/group/lines.h"
#include "tests/simulation/group/oracle.h"
#include "tests/simulation/group/process.h"

namespace quorate::group_simulation {

class Voter : public Process {
 public:
  struct Outside {
    std::function<void(MemberId from, MemberId to, const std::string& bytes)> send;
    std::function<void(MemberId at, const group::RequestEnd& end)> ended;
    std::function<void(MemberId at)> died;
    std::function<void(const std::string& who, const ClusterMap& map)> published;
  };

  Voter(World& world, const Setting& setting, Oracle& oracle, Backends& backends, Lines& lines,
        Outside outside, MemberId id, std::optional<raft::Configuration> founds);

  MemberId id() const { return id_; }
  std::string address() const { return "member-" + std::to_string(raft::number(id_)); }
  const group::Group& group() const { return *group_; }
  bool leads() const { return running() && group_->status().leads; }

  void start();
  /// The process ends; orders that are not synced may be lost. `silently`: the machine, too, so
  /// that nobody is told.
  void stop(bool silently);
  void receive(MemberId from, const std::string& bytes);
  void connection_lost(MemberId peer);
  void request(group::RequestId id, group::Request what);
  void traffic(BackendSerial backend);

  LineEnd line_end();

 private:
  void pump();
  void carry_out(group::Output& output);
  void watch_proposals(const raft::Persist& order);
  void watch_applied();
  void write();
  void finish_write();
  void sync(const raft::Persist& order);
  void order_probe(const group::ProbeOrder& order);

  const Setting& setting_;
  Oracle& oracle_;
  Backends& backends_;
  Lines& lines_;
  Outside outside_;
  MemberId id_;
  std::optional<raft::Configuration> founds_;

  // The disk.
  raft::Durable durable_;
  bool empty_ = true;

  // Of one life.
  std::unique_ptr<group::Group> group_;
  std::deque<raft::Persist> unsynced_;
  size_t being_written_ = 0;
  std::shared_ptr<const ClusterMap> shown_;
  ClusterMap followed_;                  ///< the oracle's own application of what was committed
  std::map<Index, raft::EntryRef> log_;  ///< as ordered to the disk
  Index proposed_ = 0;
  Index checked_ = 0;
  std::set<ConnectionId> observers_;
};

}  // namespace quorate::group_simulation
