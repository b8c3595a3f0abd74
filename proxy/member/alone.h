// Alone: a group of one, in memory. The map is made from the configuration at every start, and what
// is asked for is decided at once: no election, no log, no delay.
#pragma once

#include <vector>

#include "consensus/cluster/cluster_change.h"
#include "proxy/member/membership.h"

namespace quorate::member {

class Alone final : public Membership {
 public:
  /// `pools` begin as their seeds say, all backends up.
  Alone(cluster::Nonce cluster, Upcalls upcalls);

  /// The file's pools, at start and at each reload. One whose seed is another now begins anew, with
  /// the next epoch: what operators had changed in it is forgotten, as the file says otherwise.
  void define(const std::vector<cluster::DefinePool>& seeds);

  void request(group::Request request, Answer answer) override;
  std::shared_ptr<const cluster::ClusterMap> map() const override { return published_; }
  Standing standing() const override;
  void list_members(std::function<void(MemberTable)> answer) override;
  void close() override { upcalls_ = {}; }

 private:
  group::Outcome decide(const cluster::Change& change);
  void publish();

  Upcalls upcalls_;
  cluster::ClusterMap map_;
  std::shared_ptr<const cluster::ClusterMap> published_;
  std::vector<cluster::DefinePool> seeds_;
};

}  // namespace quorate::member
