// What a Group or a Follower wants done, and how requests to it end.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "consensus/base/time.h"
#include "consensus/cluster/cluster_change.h"
#include "consensus/raft/output.h"

namespace quorate::group {

using base::Duration;
using base::Instant;
using cluster::BackendSerial;
using cluster::SessionId;
using raft::Index;
using raft::MemberId;

/// What the caller calls a request; handed back when it ends, otherwise not looked at.
enum class RequestId : uint64_t {};
/// An observer's connection to this voter. Never used again by the same process.
enum class ConnectionId : uint64_t {};

constexpr uint64_t number(RequestId id) { return static_cast<uint64_t>(id); }
constexpr uint64_t number(ConnectionId id) { return static_cast<uint64_t>(id); }

/// One message: to be delivered whole, framed by whoever carries it. Shared, as one change goes to
/// many observers.
using Bytes = std::shared_ptr<const std::string>;

// ---- Requests.

struct TransferLeadership {
  MemberId target{};
};
/// May be made of any member and any observer; it is carried out by the leader.
using Request = std::variant<cluster::Change, raft::Change, TransferLeadership>;

// How a request ends. Exactly one of these, once, for each.
struct Done {
  Index index = 0;     ///< where it was committed; of a transfer, 0
  uint64_t id = 0;     ///< what it made or named (cluster::Applied)
  uint64_t epoch = 0;  ///< of the pool that it touched; 0: none
};
/// Certainly not done, now or later.
struct Refused {
  enum class Reason : uint8_t {
    kInvalid,   ///< the map, or the rules of membership, do not allow it: `text` says why
    kNoLeader,  ///< none is known here, or it has changed meanwhile: ask again
    kBusy,      ///< too much is under way, or another change of the members: ask again
    kRejected,  ///< committed, and then refused: the map had changed
  };
  Reason reason{};
  std::string text;  ///< for the operator
};
struct Unknown {};  ///< it may have been done, or may yet be
using Outcome = std::variant<Done, Refused, Unknown>;

struct RequestEnd {
  RequestId id{};
  Outcome outcome;
};
const char* to_string(Refused::Reason reason);

// ---- Probes.

/// Ask this backend now (PING, version), on a connection that is kept for it. One order is under
/// way for each backend at most; not answered by `deadline`, it has failed without being told.
struct ProbeOrder {
  uint64_t probe = 0;  ///< for ProbeResult
  BackendSerial backend{};
  Instant deadline{};
};

struct ProbeResult {
  uint64_t probe = 0;  ///< the order's
  bool answered = false;
  Duration latency{};
  std::string run_id;   ///< of the process that answered; empty: not told
  std::string failure;  ///< why not, for logs
};

// ---- What operators should read.

enum class EventKind : uint8_t {
  kLeader,         ///< another leader, or none
  kApplied,        ///< a change of the map
  kRejected,       ///< a committed change that was refused
  kSession,        ///< this process's own session began or ended
  kOpinion,        ///< this voter's opinion of a backend changed
  kHeld,           ///< a backend would be ejected, but for the floor or its zone
  kFollowing,      ///< this observer follows a voter, or none
  kMembership,     ///< the Raft group's members changed
  kProtocol,       ///< somebody sent what cannot be
  kUpgradeNeeded,  ///< a committed change that this program does not know
};

struct Event {
  EventKind kind{};
  std::string text;
};

// ---- Outputs.

struct MemberEnvelope {
  MemberId to{};
  Bytes bytes;
};
struct ObserverEnvelope {
  ConnectionId to{};
  Bytes bytes;
};

/// Of a Group. To be carried out from top to bottom; `persist` only has to be begun.
struct Output {
  std::optional<raft::Persist> persist;
  std::vector<MemberEnvelope> to_members;  ///< in order; may be lost, never altered
  std::vector<ObserverEnvelope>
      to_observers;                 ///< in order, and all of them, or the connection ends
  std::vector<ConnectionId> close;  ///< observers whose connection is to end
  /// Who to be connected to, by address, this member left out; when it has changed.
  std::optional<std::map<MemberId, std::string>> peers;
  std::shared_ptr<const cluster::ClusterMap> map;  ///< to be published; none: it has not changed
  std::vector<RequestEnd> ended;
  std::vector<raft::ReadEnd> reads;
  std::vector<ProbeOrder> probes;
  std::vector<Event> events;
  /// The member must stop, without doing what this output says: it cannot apply what was committed.
  std::optional<std::string> fatal;
  bool more = false;  ///< there is more: take the next output soon
};

/// Of a Follower. To be carried out from top to bottom.
struct FollowerOutput {
  bool disconnect = false;             ///< end the connection, or the attempt, that there is
  std::optional<std::string> connect;  ///< to this address; answered by on_connected or on_lost
  std::vector<Bytes> send;             ///< on the connection, in order
  std::shared_ptr<const cluster::ClusterMap> map;
  std::vector<RequestEnd> ended;
  std::vector<Event> events;
};

}  // namespace quorate::group
