#include "tests/simulation/raft/cluster.h"

#include "consensus/raft/codec.h"

namespace quorate::simulation {
namespace {

constexpr Duration kTimeToSettle = ms(20'000);
constexpr Duration kLookInterval = ms(50);

}  // namespace

Cluster::Cluster(World& world, const Profile& profile)
    : world_(world),
      profile_(profile),
      network_(world, profile_, [this](MemberId from, MemberId to, const std::string& bytes) {
        const auto machine = machines_.find(to);
        if (machine != machines_.end()) machine->second->receive(from, bytes);
      }) {
  raft::Configuration founders;
  for (uint64_t id = 1; id <= profile.voters + profile.learners; ++id) {
    founders.addresses[MemberId{id}] = "member-" + std::to_string(id);
    if (id <= profile.voters) {
      founders.voters.push_back(MemberId{id});
    } else {
      founders.learners.push_back({MemberId{id}, world.random.below(2) == 0});
    }
  }
  for (const MemberId id : founders.members()) add_machine(id, founders);
}

void Cluster::add_machine(MemberId id, std::optional<raft::Configuration> founds) {
  Machine::Outside outside;
  outside.send = [this](MemberId from, MemberId to, const raft::Message& message) {
    std::string bytes;
    raft::encode(message, bytes);
    if (!network_.whole() && std::holds_alternative<raft::InstallSnapshot>(message)) {
      world_.counts.add(Count::kSnapshotUnderFire);
    }
    network_.send(from, to, std::move(bytes));
  };
  outside.proposal_ended = [this](MemberId at, const raft::ProposalEnd& end) { take_end(at, end); };
  outside.read_ended = [this](MemberId at, const raft::ReadEnd& end) { take_read(at, end); };
  outside.first_applied = [this](MemberId at, Index index) { check_quorum_of(at, index); };
  outside.died = [this](MemberId at) {
    forget(at);
    start_later(at);
  };
  highest_id_ = std::max(highest_id_, number(id));
  machines_[id] = std::make_unique<Machine>(world_, profile_, oracle_, std::move(outside), id,
                                            std::move(founds));
  machines_[id]->start();
}

void Cluster::run() {
  client_turn();
  reader_turn();
  profile_.calm ? calm_turn() : nemesis_turn();
  world_.run_until(Instant(profile_.fault_time));
  heal();
  const Instant deadline = world_.now() + kTimeToSettle;
  while (!settled()) {
    if (world_.now() > deadline) throw Violation{"not well after healing: " + unsettled_because()};
    world_.run_until(world_.now() + kLookInterval);
  }
  // One more change, to see that the group is alive and not only at rest.
  const Index before = oracle_.applied();
  while (oracle_.applied() == before || !settled()) {
    if (world_.now() > deadline) throw Violation{"dead after healing: " + unsettled_because()};
    const bool asked = oracle_.applied() > before || !proposals_.empty();
    if (Machine* leads = leader(); leads != nullptr && !asked) propose_at(*leads);
    world_.run_until(world_.now() + kLookInterval);
  }
  check_end();
}

void Cluster::heal() {
  healed_ = true;
  network_.heal_for_good();
  for (auto& [id, machine] : machines_) {
    machine->repair();
    if (!machine->running()) machine->start();
  }
  world_.trace(7, 0, 0, [] { return "everything is healed"; });
}

Machine* Cluster::leader() {
  Machine* found = nullptr;
  for (auto& [id, machine] : machines_) {
    if (!machine->leads()) continue;
    if (found == nullptr || machine->core().hard_state().term > found->core().hard_state().term) {
      found = machine.get();
    }
  }
  return found;
}

Machine* Cluster::any(bool (*which)(const Machine&)) {
  std::vector<Machine*> candidates;
  for (auto& [id, machine] : machines_) {
    if (which(*machine)) candidates.push_back(machine.get());
  }
  return candidates.empty() ? nullptr : candidates[world_.random.below(candidates.size())];
}

bool Cluster::settled() { return unsettled_because().empty(); }

std::string Cluster::unsettled_because() {
  Machine* leads = leader();
  if (leads == nullptr) return "nobody leads";
  const raft::Raft& core = leads->core();
  const raft::Configuration& configuration = core.configuration();
  if (configuration.joint()) return "the configuration is still joint";
  if (!configuration.is_voter(leads->id())) return "the leader is not a voter";
  for (const raft::Learner& learner : configuration.learners) {
    if (learner.joining) return "a learner that joins has not become a voter";
  }
  const Index last = core.log().last_index();
  for (const MemberId id : configuration.members()) {
    const Machine& machine = *machines_.at(id);
    if (!machine.running()) return "a member is down";
    if (machine.state().index() != last) return "a member has not applied everything";
    if (machine.core().status().leader != leads->id()) return "a member follows somebody else";
  }
  if (!proposals_.empty()) return "a proposal has not ended";
  if (!reads_.empty()) return "a read has not ended";
  return {};
}

void Cluster::check_end() {
  for (const MemberId id : leader()->core().configuration().members()) {
    if (machines_.at(id)->state().state() != oracle_.state()) {
      throw Violation{"the members' states differ at the end"};
    }
  }
}

/// Called when `at` is the first to apply an entry, and has just decided so if it leads.
void Cluster::check_quorum_of(MemberId at, Index index) {
  const raft::Raft& core = machines_.at(at)->core();
  const std::optional<Term> term = core.log().term_at(index);
  if (!machines_.at(at)->leads() || !term) return;
  if (core.log().term_at(core.status().commit) != core.hard_state().term) {
    throw Violation{"a leader commits by an entry of an earlier term (figure 8)"};
  }
  oracle_.check_quorum(core.configuration(), index,
                       [&](MemberId id) { return machines_.at(id)->shadow().holds(index, *term); });
}

}  // namespace quorate::simulation
