// Observer: a proxy without a vote. Carries out what group::Follower wants done: one connection to
// one voter at a time. While a pool keeps replicas, it is connected to every voter besides, for
// commands that only the owner of a slot carries out: an observer reads and forwards, and owns
// none.
#pragma once

#include <uv.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/group/follower.h"
#include "proxy/config/settings.h"
#include "proxy/member/membership.h"
#include "proxy/member/peer_port.h"

namespace quorate::member {

class Observer final : public Membership {
 public:
  Observer(uv_loop_t* loop, io::ReadBuffer& buffer, const config::ClusterSettings& settings,
           Upcalls upcalls);
  ~Observer() override;

  void request(group::Request request, Answer answer) override;
  void on_traffic(cluster::BackendSerial backend, uint32_t failures_in_a_row) override;
  std::shared_ptr<const cluster::ClusterMap> map() const override { return map_; }
  Standing standing() const override;
  void list_members(std::function<void(MemberTable)> answer) override;
  bool forward_to_member(raft::MemberId to, std::string_view bytes) override;
  void flush_forwards() override { port_->flush(); }
  void close() override;

 private:
  void pump();
  void know_owners();
  void arm_timer();
  void ask_members(std::vector<std::string> addresses, std::function<void(MemberTable)> answer);

  uv_loop_t* loop_;
  const config::ClusterSettings settings_;
  Upcalls upcalls_;
  std::optional<PeerPort> port_;
  std::optional<group::Follower> follower_;
  std::shared_ptr<const cluster::ClusterMap> map_;
  std::map<group::RequestId, Answer> requests_;
  std::string problem_;  ///< Standing::problem
  uint64_t last_request_ = 0;
  bool pumping_ = false;
  bool again_ = false;
  uv_timer_t* timer_ = nullptr;
};

}  // namespace quorate::member
