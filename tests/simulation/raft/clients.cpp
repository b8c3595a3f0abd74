// Clients: they propose commands, mostly to the leader, and read anywhere.
#include "tests/simulation/raft/cluster.h"

namespace quorate::simulation {
namespace {

bool runs(const Machine& machine) { return machine.running() && !machine.paused(); }

}  // namespace

void Cluster::client_turn() {
  if (healed_) return;
  Machine* machine = world_.random.below(4) == 0 ? any(runs) : leader();
  if (machine != nullptr && runs(*machine)) {
    const uint64_t burst = world_.random.below(10) == 0 ? 1 + world_.random.below(10) : 1;
    for (uint64_t i = 0; i < burst && machine->running(); ++i) propose_at(*machine);
  }
  world_.after(world_.between(Duration(0), 2 * profile_.proposal_interval),
               [this] { client_turn(); });
}

/// Returns whether the proposal was accepted.
bool Cluster::propose_at(Machine& machine) {
  const uint64_t number = ++next_request_;
  const ProposalId id{number};
  const size_t padding = world_.random.below(profile_.max_command_bytes);
  proposals_[id] = machine.id();
  const auto accepted = machine.propose(id, make_command(number, padding).bytes);
  if (accepted) return true;
  proposals_.erase(id);
  world_.counts.add(Count::kRefused);
  return false;
}

void Cluster::take_end(MemberId at, const raft::ProposalEnd& end) {
  if (proposals_.erase(end.id) == 0) throw Violation{"a proposal ended twice, or was never made"};
  oracle_.ended(end.id, end.outcome);
  const bool committed = std::holds_alternative<raft::Committed>(end.outcome);
  const bool lost = std::holds_alternative<raft::Lost>(end.outcome);
  world_.counts.add(committed ? Count::kCommitted : lost ? Count::kLost : Count::kUnknown);
  world_.trace(8, number(at), number(end.id) * 4 + end.outcome.index(), [&] {
    return "proposal " + std::to_string(number(end.id)) + " is " +
           (committed ? "committed"
            : lost    ? "lost"
                      : "unknown");
  });
}

void Cluster::reader_turn() {
  if (healed_) return;
  if (Machine* machine = any(runs)) {
    const raft::ReadId id{++next_request_};
    reads_[id] = {machine->id(), oracle_.read_floor(), machine->leads()};
    machine->read(id);
  }
  world_.after(world_.between(Duration(0), 2 * profile_.read_interval), [this] { reader_turn(); });
}

void Cluster::take_read(MemberId at, const raft::ReadEnd& end) {
  const auto found = reads_.find(end.id);
  if (found == reads_.end()) throw Violation{"a read ended twice, or was never asked"};
  const Read read = found->second;
  reads_.erase(found);
  if (!end.index) return world_.counts.add(Count::kReadsFailed);
  const Index applied = machines_.at(at)->state().index();
  if (applied < *end.index) throw Violation{"a read was released before its index was applied"};
  oracle_.read_saw(read.floor, applied);
  world_.counts.add(read.at_leader ? Count::kReadsAtLeader : Count::kReadsElsewhere);
}

/// A process died with what it was asked: nobody will ever hear how that ended.
void Cluster::forget(MemberId died) {
  std::erase_if(proposals_, [&](const auto& proposal) { return proposal.second == died; });
  std::erase_if(reads_, [&](const auto& read) { return read.second.at == died; });
}

}  // namespace quorate::simulation
