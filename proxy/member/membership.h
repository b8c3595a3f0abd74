// Membership: this proxy's part in its group, whichever it is. The process asks for changes and is
// told the map; it does not know who decides, or where.
//
//   Alone      a group of one, in memory: what a proxy without [cluster] is. Decides at once
//   Voter      a member with a log (voter or learner): group::Group, a disk thread, a peer port
//   Observer   follows a voter: group::Follower and a peer port without a listener
//
// All on the control loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/cluster/cluster_map.h"
#include "consensus/group/output.h"

namespace quorate::member {

/// What the others are to be told of, and the process.
struct Upcalls {
  std::function<void(std::shared_ptr<const cluster::ClusterMap>)> on_map;
  std::function<void(const group::ProbeOrder&)> on_probe_order;
  /// Commands of replicated pools that other members send (relay/forward.h).
  std::function<bool(uint64_t way_back, std::string_view bytes)> on_forward;
  std::function<bool(raft::MemberId from, std::string_view bytes)> on_forward_reply;
  std::function<void(raft::MemberId member)> on_member_lost;
  /// The member cannot go on; the proxy serves with the last map.
  std::function<void(const std::string& why)> on_stopped;
};

/// How this proxy stands to its group now.
struct Standing {
  std::string role;    ///< "alone" "voter" "learner" "observer"
  std::string member;  ///< its name; empty if alone
  std::string cluster;
  uint64_t id = 0;
  uint64_t term = 0;     ///< 0: not known
  uint64_t applied = 0;  ///< index
  /// Entries that are committed and that it has not applied, as far as it knows; nothing: it does
  /// not hear what is committed.
  std::optional<uint64_t> behind = 0;
  bool leads = false;
  bool in_touch = false;  ///< knows a leader that answers, or follows a voter that does
  std::string leader;     ///< its name; empty: not known
  std::string voter;      ///< address of the one that an observer follows, or tries to
  std::string problem;  ///< "address: why" of the last one that could not be followed; empty: none
  std::string stopped;  ///< why; empty: it runs
};

/// A line of `quorate member list`.
struct MemberRow {
  std::string name;
  uint64_t id = 0;
  std::string address;
  std::string state;
  std::optional<uint64_t> applied;
  std::optional<uint64_t> behind;
  std::optional<double> last_contact_seconds;
};

struct MemberTable {
  uint64_t term = 0;
  std::vector<MemberRow> rows;
};

class Membership {
 public:
  using Answer = std::function<void(const group::Outcome&)>;

  virtual ~Membership() = default;

  /// The answer comes once; never after close().
  virtual void request(group::Request request, Answer answer) = 0;
  virtual void on_probe(const group::ProbeResult&) {}
  /// Whether it orders the probes it wants; if not, the process probes by the pools' own rules.
  virtual bool orders_probes() const { return false; }
  virtual void on_traffic(cluster::BackendSerial, uint32_t) {}

  /// This process's own, as long as the map has it; 0: none.
  virtual cluster::SessionId session() const { return {}; }
  /// As PeerPort has them. flush_forwards() sends what was queued.
  virtual bool forward_to_member(raft::MemberId, std::string_view) { return false; }
  virtual bool reply_forward(uint64_t, std::string_view) { return false; }
  virtual void flush_forwards() {}

  /// Never nullptr; of a group that is not known yet, an empty map.
  virtual std::shared_ptr<const cluster::ClusterMap> map() const = 0;
  virtual Standing standing() const = 0;
  /// As the leader sees it, if it can be asked; an empty table otherwise.
  virtual void list_members(std::function<void(MemberTable)> answer) = 0;
  /// The loop has to run until handles are closed.
  virtual void close() = 0;
};

}  // namespace quorate::member
