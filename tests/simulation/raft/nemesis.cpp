// The nemesis: it makes what goes wrong in real clusters happen often, and at the worst moments;
// and it changes the group meanwhile, as operators do.
#include "tests/simulation/raft/cluster.h"

namespace quorate::simulation {
namespace {

constexpr size_t kMaxMachines = 8;

bool runs(const Machine& machine) { return machine.running(); }

bool leads(const Machine& machine) { return machine.leads(); }

}  // namespace

void Cluster::nemesis_turn() {
  if (healed_) return;
  // What this world allows, each as likely as the others; healing more often than breaking.
  std::vector<std::function<void()>> choices;
  const Profile& p = profile_;
  const auto add = [&choices](bool allowed, auto what) {
    if (allowed) choices.emplace_back(what);
  };
  add(p.partitions, [this] { partition_symmetric(); });
  add(p.partitions, [this] { partition_one_way(); });
  add(p.partitions, [this] { partition_partial(); });
  add(p.partitions, [this] { lose_connections(); });
  add(!network_.whole(), [this] { network_.heal(); });
  add(!network_.whole(), [this] { network_.heal(); });
  add(p.crashes, [this] { stop_one(true); });
  add(p.crashes, [this] { stop_one(false); });
  add(p.disk_faults, [this] { disk_fault(); });
  add(p.slow_disks, [this] {
    world_.counts.add(Count::kSlowDisks);
    if (Machine* machine = any(runs)) machine->slow_disk(world_.between(ms(50), ms(1000)));
  });
  add(p.pauses, [this] {
    world_.counts.add(Count::kPauses);
    if (Machine* machine = any(runs)) machine->pause(world_.between(ms(20), ms(900)));
  });
  add(p.clocks, [this] {
    world_.counts.add(Count::kClockChanges);
    if (Machine* machine = any(runs)) {
      machine->set_clock_rate(world_.random.between(-100'000, 100'000));
    }
  });
  add(p.membership, [this] { change_membership(); });
  add(p.membership, [this] { change_membership(); });
  add(p.transfers, [this] { transfer_leadership(); });
  if (!choices.empty()) choices[world_.random.below(choices.size())]();
  world_.after(world_.between(Duration(0), 2 * profile_.fault_interval),
               [this] { nemesis_turn(); });
}

// ---- The network.

void Cluster::partition_symmetric() {
  world_.counts.add(Count::kPartitionSymmetric);
  network_.heal();
  std::map<MemberId, bool> side;
  for (const auto& [id, machine] : machines_) side[id] = world_.random.below(2) == 0;
  for (const auto& [a, left] : side) {
    for (const auto& [b, right] : side) {
      if (left != right) network_.cut(a, b);
    }
  }
}

/// One machine hears nobody, or is heard by nobody; often the leader.
void Cluster::partition_one_way() {
  world_.counts.add(Count::kPartitionOneWay);
  Machine* one = world_.random.below(2) == 0 ? leader() : nullptr;
  if (one == nullptr) one = any([](const Machine&) { return true; });
  const bool deaf = world_.random.below(2) == 0;
  for (const auto& [id, machine] : machines_) {
    deaf ? network_.cut(id, one->id()) : network_.cut(one->id(), id);
  }
}

/// Some pairs do not reach each other, but others that both reach.
void Cluster::partition_partial() {
  world_.counts.add(Count::kPartitionPartial);
  for (const auto& [a, first] : machines_) {
    for (const auto& [b, second] : machines_) {
      if (a < b && world_.random.below(4) == 0) {
        network_.cut(a, b);
        network_.cut(b, a);
      }
    }
  }
}

void Cluster::lose_connections() {
  Machine* one = any(runs);
  if (one == nullptr) return;
  for (const auto& [id, machine] : machines_) {
    if (id == one->id() || !one->running()) continue;
    one->connection_lost(id);
    machine->connection_lost(one->id());
  }
}

// ---- Machines.

void Cluster::stop_one(bool power) {
  Machine* machine = world_.random.below(3) == 0 ? any(leads) : any(runs);
  if (machine != nullptr) machine->stop(power);
}

void Cluster::start_later(MemberId id) {
  const Duration wait = healed_ ? ms(10) : world_.between(ms(1), ms(700));
  world_.after(wait, [this, id] {
    Machine& machine = *machines_.at(id);
    if (machine.running()) return;
    // Sometimes it crashes again while it starts.
    if (!healed_ && profile_.crashes && world_.random.below(4) == 0) {
      machine.disk().crash_after(world_.random.below(12));
    }
    machine.disk().limit(std::nullopt);
    machine.start();
  });
}

void Cluster::disk_fault() {
  Machine* machine = any(runs);
  if (machine == nullptr) return;
  SimulatedDisk& disk = machine->disk();
  switch (world_.random.below(4)) {
    case 0:
      world_.counts.add(Count::kFailedSyncs);
      disk.fail_syncs(1);
      break;
    case 1:
      world_.counts.add(Count::kFullDisks);
      disk.limit(disk.bytes() + world_.random.below(500));
      break;
    default:
      world_.counts.add(Count::kCrashInWrite);
      disk.crash_after(world_.random.below(40));
      break;
  }
}

// ---- The group.

void Cluster::change_membership() {
  Machine* machine = any(leads);
  if (machine == nullptr || machine->paused()) return;
  const raft::Change change = draw_change(machine->core().configuration());
  if (change.empty() || !machine->running()) return;
  const ProposalId id{++next_request_};
  proposals_[id] = machine->id();
  if (machine->change(id, change)) {
    world_.counts.add(Count::kChangesAsked);
    if (!network_.whole()) world_.counts.add(Count::kChangeUnderFire);
  } else {
    proposals_.erase(id);
  }
}

raft::Change Cluster::draw_change(const raft::Configuration& c) {
  raft::Change change;
  base::Random& random = world_.random;
  const auto& voters = c.voters;
  const MemberId voter = voters[random.below(voters.size())];
  const bool may_shrink = voters.size() > 1;
  std::optional<MemberId> learner;
  if (!c.learners.empty()) learner = c.learners[random.below(c.learners.size())].id;
  switch (random.below(6)) {
    case 0:
    case 1:  // A new machine, to watch or to vote.
      if (machines_.size() >= kMaxMachines) break;
      world_.counts.add(Count::kLearnersAdded);
      add_machine(MemberId{highest_id_ + 1}, std::nullopt);
      change.emplace_back(raft::AddLearner{
          MemberId{highest_id_}, "member-" + std::to_string(highest_id_), random.below(2) == 0});
      break;
    case 2:
      if (learner && voters.size() < 5) change.emplace_back(raft::Promote{*learner});
      break;
    case 3:
      if (may_shrink) change.emplace_back(raft::Remove{voter});
      break;
    case 4:  // One voter replaced by another, in one step.
      if (learner) change = {raft::Promote{*learner}, raft::Remove{voter}};
      break;
    case 5:
      if (learner) change.emplace_back(raft::Remove{*learner});
      break;
  }
  return change;
}

void Cluster::transfer_leadership() {
  Machine* machine = any(leads);
  if (machine == nullptr || machine->paused()) return;
  const auto& voters = machine->core().configuration().voters;
  const MemberId target = voters[world_.random.below(voters.size())];
  const Term term = machine->core().hard_state().term;
  if (!machine->transfer(target)) return;
  world_.counts.add(Count::kTransfersAsked);
  world_.after(ms(200), [this, target, term] {
    const auto found = machines_.find(target);
    if (found == machines_.end() || !found->second->leads()) return;
    if (found->second->core().hard_state().term > term) world_.counts.add(Count::kTransfersDone);
  });
}

// ---- A calm world.

/// One thing at a time. Either a follower is cut off, wholly or in one direction, and comes back:
/// nobody else may notice, the leader's term has to last (pre-vote, §9.6; stickiness, §4.2.3). Or
/// the leader becomes deaf: it has to be replaced, though all still hear it (check-quorum, §6.2).
void Cluster::calm_turn() {
  if (healed_) return;
  network_.heal();
  Machine* leads = leader();
  if (leads == nullptr || world_.now() < Instant(ms(1000))) {
    if (calm_term_ != 0) throw Violation{"the leader is gone, though only a follower was cut off"};
    world_.after(ms(200), [this] { calm_turn(); });
    return;
  }
  const Term term = leads->core().hard_state().term;
  if (calm_term_ == 0) calm_term_ = term;
  if (term != calm_term_) throw Violation{"a follower that was cut off disturbed the leader"};
  world_.random.below(4) == 0 ? deafen(*leads) : isolate_a_follower();
}

void Cluster::isolate_a_follower() {
  world_.counts.add(Count::kIsolations);
  Machine* follower = any([](const Machine& machine) { return !machine.leads(); });
  const uint64_t how = world_.random.below(3);
  for (const auto& [id, machine] : machines_) {
    if (how != 0) network_.cut(follower->id(), id);
    if (how != 1) network_.cut(id, follower->id());
  }
  world_.after(world_.between(ms(100), ms(900)), [this] {
    network_.heal();
    world_.after(ms(200), [this] { calm_turn(); });
  });
}

void Cluster::deafen(Machine& leads) {
  world_.counts.add(Count::kDeafLeaders);
  for (const auto& [id, machine] : machines_) network_.cut(id, leads.id());
  world_.after(ms(1800), [this, term = calm_term_] {
    Machine* next = leader();
    if (next == nullptr || next->core().hard_state().term <= term) {
      throw Violation{"a leader that hears nobody was not replaced"};
    }
    network_.heal();
    calm_term_ = 0;
    // It may lead on in its old term for a moment, and the next election may follow.
    world_.after(ms(1000), [this] { calm_turn(); });
  });
}

}  // namespace quorate::simulation
