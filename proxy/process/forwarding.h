// Forwarding: commands of replicated pools between the workers of this process and other processes
// (relay/forward.h): between workers directly, to others over the members' connections.
//
// A request that cannot be delivered is told to have certainly not been; an answer that cannot be
// delivered is dropped, and whoever asked finds out by time. Nothing waits here.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "proxy/io/mailbox.h"
#include "proxy/io/worker.h"
#include "proxy/member/membership.h"

namespace quorate::process {

class Forwarding {
 public:
  using Workers = std::vector<std::unique_ptr<io::Worker>>;

  /// `mailbox` is the control loop's. All outlive this.
  Forwarding(const Workers& workers, io::Mailbox& mailbox) : workers_(workers), mailbox_(mailbox) {}
  /// The control loop's, from then on.
  void set_membership(member::Membership* membership) { membership_ = membership; }

  /// On a worker's thread.
  void deliver(std::vector<relay::Forward> forwards);

  // On the control loop: what comes from other members. False: it cannot be.
  bool on_request(uint64_t way_back, std::string_view bytes);
  bool on_reply(std::string_view bytes);
  void on_member_lost(raft::MemberId member);

 private:
  void send(const std::vector<relay::Forward>& forwards);
  void send(const relay::Forward& forward);
  void give_back(const relay::Forward& forward);

  const Workers& workers_;
  io::Mailbox& mailbox_;
  member::Membership* membership_ = nullptr;
};

}  // namespace quorate::process
