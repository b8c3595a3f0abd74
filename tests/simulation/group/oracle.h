// What must hold, whatever happens; kept apart from what is tested. It is told what every process
// did and compares: with what others did at the same index, with the truth about the backends, and
// with what clients were told.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "consensus/cluster/cluster_change.h"
#include "consensus/raft/configuration.h"
#include "consensus/raft/entry.h"
#include "tests/simulation/group/backends.h"

namespace quorate::group_simulation {

using cluster::ClusterMap;

class Oracle {
 public:
  Oracle(World& world, Backends& backends, const Setting& setting)
      : world_(world), backends_(backends), setting_(setting) {}

  /// A process shows a map: the same one as everybody at that index, with epochs that name what
  /// they named before. `before`: what the same process showed last, or none.
  void saw_map(const std::string& who, const ClusterMap* before, const ClusterMap& map);
  /// A voter applies an entry, of which `after` is the result.
  void saw_applied(const raft::Entry& entry, const ClusterMap& before, const ClusterMap& after);
  /// The leader proposes an entry, now.
  void saw_proposed(MemberId leader, const raft::Configuration& configuration,
                    const cluster::Change& change, const ClusterMap& map);

  // ---- Clients. Every change that a client asks for can be told from all others.

  void asked(uint64_t request, const std::string& bytes) { asked_[request] = bytes; }
  void ended(uint64_t request, const group::Outcome& outcome);
  size_t open_requests() const { return asked_.size(); }
  /// At the end: what was said to be done is there, what was said not to be is not.
  void check_answers() const;

  Index last_applied() const { return committed_.empty() ? 0 : committed_.rbegin()->first; }

 private:
  void check_epochs(const std::string& who, const ClusterMap* before, const ClusterMap& map);
  void check_sessions(const ClusterMap& before, const ClusterMap& after);
  void check_change(const cluster::Change& change, const ClusterMap& before,
                    const ClusterMap& after);
  void check_ejection(const cluster::EjectBackend& change, const ClusterMap& before,
                      const ClusterMap& after);
  void check_readmission(const cluster::Backend& backend) const;
  void count(const cluster::Change& change, const ClusterMap& before, const ClusterMap& after);
  bool quorum_saw(const raft::Configuration& configuration, BackendSerial backend,
                  bool (*enough)(const Seen&, const cluster::DetectionRules&, Instant now),
                  const cluster::DetectionRules& rules);

  World& world_;
  Backends& backends_;
  Setting setting_;

  std::map<Index, uint64_t> maps_;  ///< digests
  struct Named {
    cluster::PoolSerial pool{};
    uint64_t view = 0;
  };
  std::map<uint64_t, Named> epochs_;
  std::map<cluster::SessionId, cluster::Nonce> sessions_;
  uint32_t last_session_ = 0;
  std::map<Index, std::string> committed_;  ///< the bytes of each change
  std::map<std::string, std::vector<Index>> indexes_;
  std::set<Index> rejected_;
  std::map<BackendSerial, Instant> ejected_;

  std::map<uint64_t, std::string> asked_;
  std::map<Index, std::string> done_;
  std::set<std::string> certainly_not_;
};

}  // namespace quorate::group_simulation
