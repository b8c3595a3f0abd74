// Changes as one line for logs.
#include <algorithm>

#include "consensus/cluster/cluster_change.h"

namespace quorate::cluster {
namespace {

std::string plain(uint64_t value) { return std::to_string(value); }

class Teller {
 public:
  explicit Teller(const ClusterMap& map) : map_(map) {}

  std::string operator()(const FoundCluster&) const { return "found the cluster"; }
  std::string operator()(const AddMember& c) const {
    return "add member " + c.name + " at " + c.address;
  }
  std::string operator()(const DescribeMember& c) const {
    return "member " + plain(number(c.member)) + " is " + c.name + " at " + c.address;
  }
  std::string operator()(const RemoveMember& c) const {
    return "forget member " + plain(number(c.member));
  }
  std::string operator()(const OpenSession& c) const {
    return "open a session of " + (c.name.empty() ? "a nameless proxy" : c.name) +
           (c.coordinator ? ", a coordinator" : "");
  }
  std::string operator()(const EndSession& c) const {
    constexpr const char* kWhy[] = {"it left", "it is not heard", "it expired"};
    const auto session = map_.sessions.find(c.session);
    const std::string name = session == map_.sessions.end() ? "" : " of " + session->second.name;
    return "end session " + plain(number(c.session)) + name + ": " +
           kWhy[static_cast<size_t>(c.cause)];
  }
  std::string operator()(const DefinePool& c) const {
    return "define pool " + c.rules.name + " of " + plain(c.backends.size()) + " backends";
  }
  std::string operator()(const RemovePool& c) const { return "remove pool " + name_of(c.pool); }
  std::string operator()(const AddBackend& c) const {
    return "add backend " + name_of(c.pool) + "/" + c.rules.name + " at " + c.rules.address;
  }
  std::string operator()(const EjectBackend& c) const {
    return "eject " + name_of(c.backend) + because(c.cause, c.witnesses);
  }
  std::string operator()(const ReadyBackend& c) const {
    return "use " + name_of(c.backend) + because(c.cause, c.witnesses);
  }
  std::string operator()(const DrainBackend& c) const { return "drain " + name_of(c.backend); }
  std::string operator()(const RemoveBackend& c) const { return "remove " + name_of(c.backend); }
  std::string operator()(const NoteIdentity& c) const {
    return name_of(c.backend) + " runs as " + c.run_id;
  }
  std::string operator()(const AdmitBackend& c) const { return "admit " + name_of(c.backend); }
  std::string operator()(const DismissBackend& c) const {
    return "dismiss " + name_of(c.backend) + ", which has thrown keys away";
  }
  std::string operator()(const SetSlotOwner& c) const {
    return slots(c.pool, c.first, c.count) + " go to session " + plain(number(c.owner));
  }
  std::string operator()(const RaiseSlotConfiguration& c) const {
    return "another configuration of " + slots(c.pool, c.first, c.count);
  }
  std::string operator()(const TakeLease& c) const {
    return std::string("lease for a ") + (c.kind == LeaseKind::kDrill ? "drill" : "fault") +
           " of " + plain(c.ttl_ms) + " ms";
  }
  std::string operator()(const RenewLease& c) const {
    return "renew lease " + plain(number(c.lease));
  }
  std::string operator()(const EndLease& c) const {
    return "end lease " + plain(number(c.lease)) + (c.expired ? ": it expired" : "");
  }
  std::string operator()(const Recover& c) const {
    return "recover: generation " + plain(c.generation) + " begins";
  }
  std::string operator()(const BeginMove& c) const {
    return plain(c.slots.size()) + " slots of " + name_of(c.pool) + " begin to move";
  }
  std::string operator()(const EndMove& c) const {
    return plain(c.slots.size()) + " slots of " + name_of(c.pool) +
           (c.back ? " stay where they were" : " have moved");
  }

 private:
  std::string name_of(PoolSerial serial) const {
    const auto pool = map_.pools.find(serial);
    return pool == map_.pools.end() ? "pool " + plain(number(serial)) : pool->second.rules.name;
  }
  std::string name_of(BackendSerial serial) const {
    const auto backend = map_.backends.find(serial);
    if (backend == map_.backends.end()) return "backend " + plain(number(serial));
    return name_of(backend->second.pool) + "/" + backend->second.rules.name;
  }
  std::string slots(PoolSerial pool, uint32_t first, uint32_t count) const {
    return "slots " + plain(first) + ".." + plain(first + std::max(count, 1u) - 1) + " of " +
           name_of(pool);
  }
  static std::string because(Cause cause, const std::vector<MemberId>& witnesses) {
    if (cause == Cause::kOperator) return ", as an operator asked";
    if (cause == Cause::kOperatorForced) return ", as an operator insisted";
    std::string text = ", as seen by";
    for (const MemberId id : witnesses) text += " " + plain(number(id));
    return text;
  }

  const ClusterMap& map_;
};

}  // namespace

std::string describe(const ClusterMap& map, const Change& change) {
  return std::visit(Teller(map), change);
}

}  // namespace quorate::cluster
