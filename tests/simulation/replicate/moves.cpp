// Slots that move, and backends that lose their memory and are admitted again, as the group decides
// it; and what has to hold once all is calm: every member of a slot has the same.
#include <algorithm>

#include "proxy/replicate/mutation.h"
#include "tests/simulation/replicate/world.h"

namespace quorate::replicate_simulation {

using namespace std::chrono_literals;

std::string run_id_of(uint32_t backend, uint64_t process) {
  return "r" + std::to_string(backend) + "." + std::to_string(process);
}

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

/// Nobody is in its places until they are filled again. It has been flushed; or it is another
/// process now, and empty or as it was some time ago.
void World::lose_memory(uint32_t index) {
  if (!all_places_filled()) return;
  if (!map_.backends.at(cluster::BackendSerial{index + 1}).incarnation) return;  // has none yet
  ++counts_[Count::kMemoryLost];
  const uint64_t kind = random_.below(3);
  if (kind == 0) {
    note("backend " + std::to_string(index) + " loses its memory");
    backends_[index].model.flush();
  } else {
    restart(index, kind == 1);
  }
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

void World::restart(uint32_t index, bool with_old_memory) {
  Backend& backend = backends_[index];
  ++backend.process;
  with_old_memory = with_old_memory && backend.saved;
  if (with_old_memory) {
    ++counts_[Count::kOldMemory];
    backend.model = *backend.saved;
    backend.model.set_nack(acceptor::Nack::kNone);
  } else {
    backend.model.flush();
  }
  note("backend " + std::to_string(index) + " starts again, " +
       (with_old_memory ? "with old memory" : "empty"));
  for (uint32_t proxy = 0; proxy < proxies_.size(); ++proxy) cut(proxy, index);
}

/// Who connects looks whether it is the process that the group has admitted (consistency.md §4.3).
bool World::is_expected_process(const Proxy& proxy, uint32_t backend) const {
  const cluster::ReplicaBackend* known =
      proxy.told->find_backend(cluster::BackendSerial{backend + 1});
  return (known != nullptr && known->run_id == run_id_of(backend, backends_[backend].process)) ||
         replicate::mutated(replicate::Mutation::kNoProcessCheck);
}

/// One key goes at one server, without a word: what admission is there to exclude (§6.7).
void World::evict(uint32_t index) {
  test::AcceptorModel& model = backends_[index].model;
  const std::string& key = keys_[random_.below(keys_.size())].name;
  note("backend " + std::to_string(index) + " evicts " + key);
  model.evict_data(key);
  model.evict_meta(key);
}

void World::readmit(uint32_t index) {
  if (group_down_) {
    return after(100ms, [this, index] { readmit(index); });
  }
  ++counts_[Count::kReadmissions];
  note("backend " + std::to_string(index) + " is admitted again");
  Backend& backend = backends_[index];
  backend.incarnation.low += 100;
  const acceptor::Request admit{
      {cluster::PoolSerial{1}, 0, {}, {}},
      acceptor::Admit{map_.cluster, backend.model.incarnation(), backend.incarnation}};
  backend.model.handle(admit);
  cluster::Backend& in_map = map_.backends.at(cluster::BackendSerial{index + 1});
  in_map.incarnation = backend.incarnation;
  in_map.run_id = run_id_of(index, backend.process);
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

/// Zero: it has not even a tombstone.
base::Version World::version_at(uint32_t backend, const std::string& key) const {
  const auto& metas = backends_[backend].model.metas();
  const auto found = metas.find(key);
  return found == metas.end() ? base::Version{} : found->second.meta.version;
}

/// As the group has decided it, of the old members or the next ones.
bool World::is_member(uint32_t backend, const std::string& key) const {
  const cluster::SlotView& view = table_->slot(table_->slot_of(key));
  const auto is_there = [&](const cluster::Members& members) {
    return std::ranges::any_of(members.all(), [&](const cluster::Members::Place& place) {
      return place.backend != cluster::kNobody &&
             cluster::number(table_->backends()[place.backend].serial) == backend + 1;
    });
  };
  return is_there(view.members) ||
         (view.phase == cluster::SlotPhase::kJoint && is_there(view.next));
}

/// What a backend has of a key, as text; "nothing" without even a tombstone.
std::string World::state_at(uint32_t backend, const std::string& key) const {
  const test::AcceptorModel& model = backends_[backend].model;
  const auto found = model.metas().find(key);
  if (found == model.metas().end()) return "nothing";
  const acceptor::Meta& meta = found->second.meta;
  const std::string version = base::to_string(meta.version);
  return meta.present() ? version + " " + model.value_of(key) : version + " (deleted)";
}

void World::check_members() {
  for (const Key& key : keys_) {
    const cluster::SlotView& view = table_->slot(table_->slot_of(key.name));
    const auto wrong = [&key](const std::string& what) {
      return Violation{"all is calm, and yet " + key.name + " " + what};
    };
    if (view.phase != cluster::SlotPhase::kStable) throw wrong("is of a slot that has not moved");
    for (const cluster::Members::Place& place : view.members.all()) {
      if (place.backend == cluster::kNobody) throw wrong("lacks a member");
    }
    std::optional<std::string> common;
    for (uint32_t i = 0; i < backends_.size(); ++i) {
      const std::string state = state_at(i, key.name);
      if (!is_member(i, key.name)) {
        // What came to a former member after the move stays until a pass meets it: no pass can
        // wait for what may come at any time, and nobody reads there.
        const auto stray = strays_.find({i, key.name});
        const bool is_stray = stray != strays_.end() && stray->second == version_at(i, key.name);
        if (state != "nothing" && !is_stray) {
          throw wrong("is at backend " + std::to_string(i) + " still");
        }
        continue;
      }
      if (!common) common = state;
      if (state != *common) throw wrong("is " + *common + ", and elsewhere " + state);
    }
    if (profile_.ends_deleted && common != "nothing") throw wrong("is not forgotten: " + *common);
  }
}

}  // namespace quorate::replicate_simulation
