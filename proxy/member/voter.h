// Voter: a member that keeps the log, whether it votes or learns. Carries out what group::Group
// wants done: orders to the disk thread, messages to the peer port, the map to the process.
//
//   sockets, disk, probes, requests ── on_…() ──► Group ── take_output() ──► pump()
//
// Besides, it does what somebody has to: the leader of a new group founds the cluster; every member
// tells its name and address, and gives the cluster those of its pools that are not known yet; one
// that is no member asks to become one (joining.h).
//
// If the disk fails, or something was committed that this program does not know, the member stops:
// its connections close, nothing is promised any more, and the process is told.
#pragma once

#include <uv.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/base/result.h"
#include "consensus/cluster/cluster_change.h"
#include "consensus/group/group.h"
#include "proxy/config/settings.h"
#include "proxy/io/mailbox.h"
#include "proxy/member/disk_thread.h"
#include "proxy/member/identity_file.h"
#include "proxy/member/joining.h"
#include "proxy/member/membership.h"
#include "proxy/member/peer_port.h"

namespace quorate::member {

class Voter final : public Membership {
 public:
  /// Opens the data directory, and begins to take part. `descriptor` is bound to the peer port.
  /// Errors: a sentence for the operator.
  static base::Result<std::unique_ptr<Voter>, std::string> open(
      uv_loop_t* loop, io::ReadBuffer& buffer, io::Mailbox& mailbox,
      const config::ClusterSettings& settings, std::vector<cluster::DefinePool> seeds,
      int descriptor, Upcalls upcalls);
  ~Voter() override;

  void request(group::Request request, Answer answer) override;
  void on_probe(const group::ProbeResult& result) override;
  bool orders_probes() const override { return true; }
  void on_traffic(cluster::BackendSerial backend, uint32_t failures_in_a_row) override;
  cluster::SessionId session() const override;
  bool forward_to_member(raft::MemberId to, std::string_view bytes) override;
  bool reply_forward(uint64_t way_back, std::string_view bytes) override;
  void flush_forwards() override;
  std::shared_ptr<const cluster::ClusterMap> map() const override { return map_; }
  Standing standing() const override;
  void list_members(std::function<void(MemberTable)> answer) override;
  void close() override;

 private:
  struct Found {  // in the data directory
    std::unique_ptr<storage::Directory> directory;
    std::unique_ptr<storage::Storage> storage;
    raft::Durable durable;
    std::optional<Identity> identity;
  };

  Voter(uv_loop_t* loop, io::ReadBuffer& buffer, io::Mailbox& mailbox,
        const config::ClusterSettings& settings, std::vector<cluster::DefinePool> seeds,
        Upcalls upcalls);
  static base::Result<Found, std::string> look_into(const config::ClusterSettings& settings);
  static std::optional<std::string> found(const config::ClusterSettings& settings, Found& found);

  PeerPort::Upcalls port_upcalls();
  void begin(Found found);
  void start_group(const raft::Durable& durable);
  void pump();
  bool carry_out(group::Output& output);
  void arm_timer();
  void stop_member(const std::string& why);

  // What somebody has to do.
  void tick();
  void keep_house();
  bool adopt_cluster();
  void propose(const std::string& what, const cluster::Change& change);
  void join();
  void ask_next(const Question& question, std::function<void(std::string, std::string)> done);
  void say_once(const std::string& why);

  // What others ask.
  void answer_question(const std::string& text, std::function<void(std::string)> answer);
  void answer_register(const Register& question, std::function<void(std::string)> answer);
  void answer_admit(const Admit& question, std::function<void(std::string)> answer);
  std::string objection_to(const peer::Hello& remote) const;
  void on_refused(raft::MemberId by, const std::string& why);
  MemberTable table() const;

  uv_loop_t* loop_;
  io::Mailbox& mailbox_;
  const config::ClusterSettings settings_;
  const std::vector<cluster::DefinePool> seeds_;
  Upcalls upcalls_;
  std::string own_address_;
  std::optional<PeerPort> port_;
  std::optional<Found> waiting_;  ///< until the number is known
  storage::Directory* directory_ = nullptr;
  std::optional<DiskThread> disk_;
  std::optional<group::Group> group_;
  Identity identity_;
  std::map<raft::MemberId, std::string> named_;  ///< by what was on disk at the start
  std::shared_ptr<const cluster::ClusterMap> map_;
  std::map<group::RequestId, Answer> requests_;
  uint64_t last_request_ = 0;
  std::map<std::string, bool> proposing_;  ///< what keep_house() has under way
  bool asking_ = false;
  size_t next_joined_ = 0;  ///< which of settings_.join to ask next
  std::string said_;
  std::string stopped_;
  bool pumping_ = false;
  bool again_ = false;
  uv_timer_t* timer_ = nullptr;  ///< the group's deadline
  uv_timer_t* house_ = nullptr;
};

}  // namespace quorate::member
