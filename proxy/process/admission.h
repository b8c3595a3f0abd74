// Admission: which processes hold replicas. The leader looks at every backend of the replicated
// pools, over and over, and proposes what follows from what it sees (consistency.md §4.2, §4.4):
//
//   another process answers there        NoteIdentity: what the old one held does not count
//   it is known, and has no incarnation  a new marker is written there, then AdmitBackend
//   its marker is not its incarnation's  the same (FLUSHALL, or its AdmitBackend was lost)
//   it has evicted keys                  DismissBackend: what it holds does not count any more
//   it may not hold replicas             nothing, and the operator is told why
//
// A marker is written before the group is told of it: until then nobody asks that backend anything.
// Two leaders at once do no harm: markers and changes both name what they expect to replace.
//
// On the control loop. Called by Process: on its ticks, and for what the status page says.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "consensus/cluster/cluster_change.h"
#include "proxy/member/membership.h"
#include "proxy/process/admitter.h"

namespace quorate::process {

class Admission {
 public:
  Admission(uv_loop_t* loop, io::ReadBuffer& buffer);

  /// Looks where it is time to. `plan` is the one that counts now.
  void on_tick(member::Membership& membership,
               const std::shared_ptr<const relay::ServingPlan>& plan, base::Instant now);
  void close() { admitter_.close(); }

  /// Why this backend does not hold replicas, as this process has seen it last; empty: nothing is
  /// known against it.
  std::string objection_to(cluster::BackendSerial backend) const;

 private:
  struct Seen {
    base::Instant next_look{};
    std::string objection;
    cluster::Nonce next;  ///< the marker that is being written
    bool proposing = false;
  };

  void look(const cluster::ClusterMap& map, const cluster::Backend& backend, cluster::Nonce next);
  void on_result(const AdmitResult& result);
  void propose(const cluster::Change& change, cluster::BackendSerial backend);
  void say(const cluster::Backend& backend, Seen& seen, const std::string& objection);

  Admitter admitter_;
  member::Membership* membership_ = nullptr;
  std::shared_ptr<const relay::ServingPlan> plan_;
  std::map<cluster::BackendSerial, Seen> seen_;
};

}  // namespace quorate::process
