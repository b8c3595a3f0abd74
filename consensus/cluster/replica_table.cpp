#include "consensus/cluster/replica_table.h"

#include <algorithm>
#include <utility>

#include "consensus/base/assert.h"
#include "consensus/cluster/hash.h"
#include "consensus/cluster/hash_tag.h"
#include "consensus/cluster/slot_members.h"

namespace quorate::cluster {
namespace {

/// The first choice differs from slot to slot, so that all members are read from.
Members turned(const SlotMembers& from, uint16_t slot,
               const std::vector<ReplicaBackend>& backends) {
  Members members;
  members.count = from.count;
  for (uint8_t i = 0; i < from.count; ++i) {
    const SlotMembers::Place& place = from.places[(i + slot) % from.count];
    const auto found = std::ranges::find(backends, place.backend, &ReplicaBackend::serial);
    if (place.backend == BackendSerial{} || found == backends.end()) continue;
    members.places[i] = {static_cast<BackendIndex>(found - backends.begin()), place.joined};
  }
  return members;
}

}  // namespace

std::shared_ptr<const ReplicaTable> ReplicaTable::build(const ClusterMap& map, const Pool& pool) {
  ASSERT(pool.rules.replicated());
  std::shared_ptr<ReplicaTable> table(new ReplicaTable());
  table->cluster_ = map.cluster;
  table->index_ = map.index;
  table->pool_ = pool.serial;
  table->pool_name_ = pool.rules.name;
  table->hash_tag_ = pool.rules.placement.hash_tag;
  table->replicas_ = pool.rules.replicas;
  for (const auto& [serial, backend] : map.backends) {
    if (backend.pool != pool.serial || backend.rules.spare) continue;
    if (backend.state == BackendState::kRemoved) continue;
    table->backends_.push_back({.serial = serial,
                                .name = backend.rules.name,
                                .address = backend.rules.address,
                                .run_id = backend.run_id,
                                .incarnation = backend.incarnation,
                                .state = backend.state});
  }
  for (const auto& [id, session] : map.sessions) {
    table->sessions_.push_back({.id = id,
                                .name = session.name,
                                .address = session.address,
                                .coordinator = session.coordinator});
  }
  table->slots_.reserve(kSlots);
  for (const SlotRun& run : pool.slots) {
    for (uint16_t i = 0; i < run.count; ++i) {
      const auto slot = static_cast<uint16_t>(run.first + i);
      SlotView& view = table->slots_.emplace_back();
      view.configuration = run.configuration;
      view.phase = run.phase;
      view.owner = run.owner;
      view.members = turned(pool.member_sets[run.members], slot, table->backends_);
      if (run.phase == SlotPhase::kJoint) {
        view.next = turned(pool.member_sets[run.next], slot, table->backends_);
      }
    }
  }
  return table;
}

uint16_t ReplicaTable::slot_of(std::string_view key) const {
  const std::string_view hashed =
      hash_tag_.empty() ? key : hashed_part(key, hash_tag_[0], hash_tag_[1]);
  return slot_of_hash(hash_of(HashKind::kXxh3, hashed));
}

const ReplicaBackend* ReplicaTable::find_backend(BackendSerial serial) const {
  const auto found = std::ranges::lower_bound(backends_, serial, {}, &ReplicaBackend::serial);
  return found != backends_.end() && found->serial == serial ? &*found : nullptr;
}

const ReplicaSession* ReplicaTable::find_session(SessionId id) const {
  const auto found = std::ranges::lower_bound(sessions_, id, {}, &ReplicaSession::id);
  return found != sessions_.end() && found->id == id ? &*found : nullptr;
}

void ReplicaTable::candidates(uint16_t slot, std::vector<SessionId>& out) const {
  std::vector<std::pair<uint64_t, SessionId>> scored;
  for (const ReplicaSession& session : sessions_) {
    if (session.coordinator) scored.emplace_back(candidate_score(session.name, slot), session.id);
  }
  std::ranges::sort(scored, std::greater<>());
  out.clear();
  for (const auto& [score, session] : scored) out.push_back(session);
}

bool ReplicaTable::says_the_same_as(const ReplicaTable& other) const {
  return cluster_ == other.cluster_ && pool_ == other.pool_ && pool_name_ == other.pool_name_ &&
         hash_tag_ == other.hash_tag_ && replicas_ == other.replicas_ && slots_ == other.slots_ &&
         backends_ == other.backends_ && sessions_ == other.sessions_;
}

}  // namespace quorate::cluster
