// The nemesis: what may go wrong in a town that is not calm.
#include "tests/simulation/group/town.h"

namespace quorate::group_simulation {

void Town::nemesis_turn() {
  if (healed_) return;
  std::vector<void (Town::*)()> choices;
  const auto add = [&](bool allowed, void (Town::*what)()) {
    if (allowed) choices.push_back(what);
  };
  add(setting_.kills, &Town::kill_voter);
  add(setting_.observer_kills, &Town::kill_observer);
  add(setting_.partitions, &Town::partition);
  add(setting_.backend_faults && founded_, &Town::backend_fault);
  add(setting_.backend_faults && founded_, &Town::backend_fault);
  add(setting_.backend_cuts && founded_, &Town::cut_backend);
  add(setting_.line_cuts, &Town::cut_line);
  add(setting_.membership && founded_, &Town::change_members);
  if (setting_.pauses && below(4) == 0) {
    world_.counted.add(Count::kPauses);
    const Duration pause = world_.between(ms(50), ms(1500));
    Process* one = nullptr;
    below(2) == 0 ? one = any_voter() : one = any_observer();
    if (one != nullptr) one->pause(pause);
  }
  Voter* leads = leader();
  if (setting_.transfers && leads != nullptr && !leads->paused() && below(6) == 0) {
    const auto& voters = leads->group().configuration().voters;
    world_.counted.add(Count::kTransfersAsked);
    ask(group::TransferLeadership{voters[below(voters.size())]});
  }
  if (!choices.empty()) (this->*choices[below(choices.size())])();
  world_.after(world_.between(Duration(0), 2 * setting_.fault_interval),
               [this] { nemesis_turn(); });
}

void Town::partition() {
  world_.counted.add(Count::kPartitions);
  network_.heal();
  if (below(3) == 0) return;
  std::map<MemberId, bool> side;
  for (const auto& [id, voter] : voters_) side[id] = below(2) == 0;
  const bool one_way = below(3) == 0;
  for (const auto& [a, left] : side) {
    for (const auto& [b, right] : side) {
      if (left && !right) {
        network_.cut(a, b);
        if (!one_way) network_.cut(b, a);
      }
    }
  }
}

void Town::kill_voter() {
  Voter* one = below(3) == 0 ? leader() : any_voter();
  if (one != nullptr && one->running()) one->stop(below(2) == 0);
}

void Town::kill_observer() {
  if (Observer* one = any_observer()) one->stop(below(2) == 0);
}

std::string Town::any_address() {
  const Voter* any = any_voter();
  if (any == nullptr || any->group().map().backends.empty()) return "backend-0";
  const auto& backends = any->group().map().backends;
  auto one = backends.begin();
  std::advance(one, static_cast<ptrdiff_t>(below(backends.size())));
  return one->second.rules.address;
}

void Town::backend_fault() {
  const std::string address = any_address();
  const auto restart_after = [&](Duration wait) {
    world_.after(wait, [this, address] {
      world_.counted.add(Count::kBackendReplaced);
      backends_.restart(address);
    });
  };
  switch (below(5)) {
    case 0:
      world_.counted.add(Count::kBackendKills);
      backends_.kill(address);
      restart_after(world_.between(ms(100), ms(3000)));
      break;
    case 1:
      world_.counted.add(Count::kBackendHangs);
      backends_.hang(address);
      restart_after(world_.between(ms(100), ms(3000)));
      break;
    case 2:
      world_.counted.add(Count::kBackendSlow);
      backends_.slow(address, world_.between(ms(5), ms(600)));
      restart_after(world_.between(ms(100), ms(3000)));
      break;
    case 3: backends_.slow_once(address, ms(600)); break;
    case 4:
      world_.counted.add(Count::kBackendFlaps);
      for (int i = 0; i < 6; ++i) {
        world_.after(ms(900 * i), [this, address] {
          if (!healed_) backends_.kill(address);
        });
        world_.after(ms(900 * i + 500), [this, address] { backends_.restart(address); });
      }
      break;
  }
  if (below(2) == 0) return;
  // Traffic notices, too.
  const Voter* any = any_voter();
  if (any == nullptr) return;
  for (const auto& [serial, backend] : any->group().map().backends) {
    if (backend.rules.address != address) continue;
    if (Voter* voter = any_voter()) voter->traffic(serial);
    if (Observer* observer = any_observer()) observer->traffic(serial);
    return;
  }
}

/// Some voters do not reach a backend that is well.
void Town::cut_backend() {
  world_.counted.add(Count::kBackendCuts);
  const std::string address = any_address();
  for (const auto& [id, voter] : voters_) {
    if (below(2) == 0) backends_.cut(id, address);
  }
  world_.after(world_.between(ms(300), ms(3000)), [this, address] {
    for (const auto& [id, voter] : voters_) backends_.mend(id, address);
  });
}

void Town::cut_line() {
  world_.counted.add(Count::kLineCuts);
  if (below(3) == 0) return lines_.heal();
  Observer* observer = any_observer();
  Voter* voter = any_voter();
  if (observer != nullptr && voter != nullptr) lines_.cut(observer->name(), voter->address());
}

/// A new machine that joins to vote, or a voter that leaves; numbers come from the map.
void Town::change_members() {
  Voter* leads = leader();
  if (leads == nullptr || leads->paused()) return;
  const raft::Configuration& now = leads->group().configuration();
  const ClusterMap& map = leads->group().map();
  world_.counted.add(Count::kMembershipAsked);
  if (now.voters.size() > 2 && below(2) == 0) {
    world_.counted.add(Count::kVotersRemoved);
    return ask(raft::Change{raft::Remove{now.voters[below(now.voters.size())]}});
  }
  if (now.voters.size() >= 5 || voters_.size() >= 8) return;
  for (const auto& [id, member] : map.members) {
    if (member.role != cluster::MemberRole::kObserver || voters_.contains(id)) continue;
    world_.counted.add(Count::kVotersAdded);
    add_voter(id, std::nullopt);
    voters_.at(id)->start();
    return ask(raft::Change{raft::AddLearner{id, voters_.at(id)->address(), true}});
  }
}

}  // namespace quorate::group_simulation
