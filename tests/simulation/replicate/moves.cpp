// Slots that move, and backends that lose their memory and are admitted again, as the group decides
// it; and what has to hold once all is calm: every member of a slot has the same.
#include <algorithm>

#include "tests/simulation/replicate/world.h"

namespace quorate::replicate_simulation {

using namespace std::chrono_literals;

uint16_t World::members_of(const cluster::SlotMembers& members) {
  auto& sets = pool().member_sets;
  const auto found = std::ranges::find(sets, members);
  if (found == sets.end()) sets.push_back(members);
  return static_cast<uint16_t>(std::ranges::find(sets, members) - sets.begin());
}

bool World::all_places_filled() {
  return std::ranges::all_of(pool().slots, [this](const cluster::SlotRun& run) {
    const auto is_filled = [this](uint16_t set) {
      return std::ranges::all_of(pool().member_sets[set].all(), [this](const auto& place) {
        return place.backend != cluster::BackendSerial{} &&
               map_.backends.at(place.backend).incarnation;
      });
    };
    return is_filled(run.members) &&
           (run.next == cluster::SlotRun::kNowhere || is_filled(run.next));
  });
}

/// One slot with keys gets another member, or one in another's place.
void World::begin_move() {
  if (group_down_ || backends_.size() == profile_.backends) return;
  std::vector<cluster::SlotRun*> runs;
  for (cluster::SlotRun& run : pool().slots) {
    const bool is_ours = run.owner != cluster::SessionId{};
    if (is_ours && run.phase == cluster::SlotPhase::kStable) runs.push_back(&run);
  }
  if (runs.empty()) return;
  cluster::SlotRun& run = *runs[random_.below(runs.size())];
  cluster::SlotMembers to = pool().member_sets[run.members];
  std::vector<cluster::BackendSerial> others;
  for (const auto& [serial, backend] : map_.backends) {
    if (!to.contains(serial) && backend.incarnation) others.push_back(serial);
  }
  if (others.empty()) return;
  size_t place = random_.below(to.count);
  for (size_t i = 0; i < to.count; ++i) {
    if (to.places[i].backend == cluster::BackendSerial{}) place = i;
  }
  to.places[place] = {others[random_.below(others.size())], run.configuration + 1};
  begin_move(run, to);
  publish();
}

void World::begin_move(cluster::SlotRun& run, const cluster::SlotMembers& to) {
  ++counts_[Count::kMovesBegun];
  note("slot " + std::to_string(run.first) + " begins to move");
  ++run.configuration;
  run.phase = cluster::SlotPhase::kJoint;
  run.next = members_of(to);
}

void World::end_move(uint16_t slot, uint32_t configuration) {
  for (cluster::SlotRun& run : pool().slots) {
    if (run.first != slot || run.phase != cluster::SlotPhase::kJoint) continue;
    if (run.configuration != configuration) return;
    ++counts_[Count::kMovesEnded];
    note("slot " + std::to_string(slot) + " has moved");
    ++run.configuration;
    run.phase = cluster::SlotPhase::kStable;
    run.members = std::exchange(run.next, cluster::SlotRun::kNowhere);
    return publish();
  }
}

/// It is another process now, and empty: nobody is in its places until they are filled again.
void World::lose_memory(uint32_t index) {
  if (!map_.backends.at(cluster::BackendSerial{index + 1}).incarnation) return;  // has none yet
  ++counts_[Count::kMemoryLost];
  note("backend " + std::to_string(index) + " loses its memory");
  backends_[index].model.flush();
  const cluster::BackendSerial serial{index + 1};
  map_.backends.at(serial).incarnation = {};
  for (cluster::SlotMembers& members : pool().member_sets) {
    for (cluster::SlotMembers::Place& place : members.places) {
      if (place.backend == serial) place = {};
    }
  }
  after(std::chrono::microseconds(random_.between(1000, 300'000)), [this] { publish(); });
  after(std::chrono::microseconds(random_.between(300'000, 900'000)),
        [this, index] { readmit(index); });
}

void World::readmit(uint32_t index) {
  if (group_down_) {
    return after(100ms, [this, index] { readmit(index); });
  }
  ++counts_[Count::kReadmissions];
  note("backend " + std::to_string(index) + " is admitted again");
  Backend& backend = backends_[index];
  backend.incarnation.low += 100;
  const acceptor::Request admit{{cluster::PoolSerial{1}, 0, {}, {}},
                                acceptor::Admit{map_.cluster, {}, backend.incarnation}};
  backend.model.handle(admit);
  map_.backends.at(cluster::BackendSerial{index + 1}).incarnation = backend.incarnation;
  publish();
  fill_places();
}

/// Slots with an empty place move to where it is filled, once they are at rest.
void World::fill_places() {
  bool again = false;
  bool has_changed = false;
  for (cluster::SlotRun& run : pool().slots) {
    if (run.owner == cluster::SessionId{}) continue;
    cluster::SlotMembers to = pool().member_sets[run.members];
    for (cluster::SlotMembers::Place& place : to.places) {
      const bool is_one = &place < to.places.data() + to.count;
      if (!is_one || place.backend != cluster::BackendSerial{}) continue;
      for (const auto& [serial, backend] : map_.backends) {
        if (to.contains(serial) || !backend.incarnation) continue;
        place = {serial, run.configuration + 1};
        break;
      }
    }
    const bool is_whole = to == pool().member_sets[run.members];
    if (run.phase == cluster::SlotPhase::kStable && !group_down_ && !is_whole) {
      begin_move(run, to);
      has_changed = true;
    }
    again |= !is_whole || run.phase == cluster::SlotPhase::kJoint;
  }
  if (has_changed) publish();
  if (again) after(150ms, [this] { fill_places(); });
}

void World::check_members() {
  for (const Key& key : keys_) {
    const uint16_t slot = table_->slot_of(key.name);
    const cluster::SlotView& view = table_->slot(slot);
    if (view.phase != cluster::SlotPhase::kStable) {
      throw Violation{"all is calm, and yet the slot of " + key.name + " has not moved"};
    }
    std::vector<std::string> states;
    for (const cluster::Members::Place& place : view.members.all()) {
      if (place.backend == cluster::kNobody) {
        throw Violation{"all is calm, and yet " + key.name + " lacks a member"};
      }
      const uint32_t index = cluster::number(table_->backends()[place.backend].serial) - 1;
      const auto& metas = backends_[index].model.metas();
      const auto found = metas.find(key.name);
      const bool is_there = found != metas.end() && found->second.meta.present();
      states.push_back(is_there ? base::to_string(found->second.meta.version) : "nothing");
    }
    for (const std::string& state : states) {
      if (state == states.front()) continue;
      throw Violation{"all is calm, and yet members of " + key.name + " have " + states.front() +
                      " and " + state};
    }
  }
}

}  // namespace quorate::replicate_simulation
