#include "proxy/member/recovery.h"

#include <algorithm>
#include <utility>

#include "consensus/cluster/cluster_codec.h"
#include "consensus/storage/storage.h"
#include "proxy/member/identity_file.h"

namespace quorate::member {

namespace {

using base::Failure;

// More than a group gives away before anybody notices that it has lost its majority.
constexpr uint32_t kSessionsSkipped = 1'000'000;
constexpr uint64_t kEpochsSkipped = 1'000'000;
constexpr uint32_t kConfigurationsSkipped = 1000;
constexpr uint32_t kNumbersSkipped = 1000;  ///< of members, pools, backends and leases

constexpr base::WallTime kYear2026 = std::chrono::seconds(1'767'225'600);

/// What is skipped besides: more than a recovered group gives away from one recovery to the next.
struct Since2026 {
  uint32_t seconds;
  uint32_t minutes;

  explicit Since2026(base::WallTime now) {
    const base::WallTime passed = std::max(now - kYear2026, base::WallTime(0));
    const auto count = std::chrono::duration_cast<std::chrono::seconds>(passed).count();
    seconds = static_cast<uint32_t>(std::min<int64_t>(count, INT32_MAX));
    minutes = seconds / 60;
  }
};

base::Result<cluster::ClusterMap, std::string> map_of(const raft::Durable& durable) {
  cluster::ClusterMap map;
  if (durable.snapshot != nullptr) {
    auto decoded = cluster::decode_map(durable.snapshot->state);
    if (!decoded) {
      return Failure{std::string("the snapshot is not understood: ") + to_string(decoded.error())};
    }
    map = std::move(decoded).value();
    if (map.index < durable.snapshot->head.index) map.index = durable.snapshot->head.index;
  }
  for (const raft::EntryRef& entry : durable.entries) {
    if (const auto* configuration = std::get_if<raft::Configuration>(&entry->data)) {
      cluster::apply(map, entry->index, *configuration);
    } else if (const auto* command = std::get_if<raft::Command>(&entry->data)) {
      const auto change = cluster::decode_change(command->bytes);
      if (!change) {
        return Failure{"entry " + std::to_string(entry->index) +
                       " is not understood: " + to_string(change.error())};
      }
      // One that is refused changes nothing, as everywhere.
      (void)cluster::apply(map, entry->index, change.value());
    }
  }
  return map;
}

/// The map of a group of this one member, with everything that may have been given away skipped.
base::Result<raft::SnapshotRef, std::string> restart(cluster::ClusterMap map,
                                                     raft::Index last_index, raft::Term term,
                                                     const Identity& self,
                                                     const std::string& address,
                                                     uint32_t generation, const Since2026& since) {
  raft::Configuration configuration;
  configuration.voters = {self.id};
  configuration.addresses[self.id] = address;
  raft::Index index = std::max(last_index, map.index);
  cluster::apply(map, ++index, configuration);
  const auto carry_out = [&](const cluster::Change& change) -> std::string {
    const auto done = cluster::apply(map, ++index, change);
    return done ? std::string() : done.error().text;
  };
  std::vector<raft::MemberId> others;
  for (const auto& [id, member] : map.members) {
    if (id != self.id) others.push_back(id);
  }
  // Their numbers are not given again, and their old logs must not be taken for new ones.
  for (const raft::MemberId id : others) {
    if (std::string why = carry_out(cluster::RemoveMember{id}); !why.empty()) return Failure{why};
  }
  const cluster::Recover change{generation, map.next_session + kSessionsSkipped + since.seconds,
                                kEpochsSkipped + since.seconds,
                                kConfigurationsSkipped + since.minutes};
  if (std::string why = carry_out(change); !why.empty()) return Failure{why};
  map.next_member += kNumbersSkipped + since.minutes;
  map.next_pool += kNumbersSkipped + since.minutes;
  map.next_backend += kNumbersSkipped + since.minutes;
  map.next_lease += kNumbersSkipped + since.minutes;
  return raft::make_snapshot(index, term, std::move(configuration), cluster::encode(map));
}

std::string described(const cluster::Member& member) {
  return member.name + " (" + std::to_string(raft::number(member.id)) + ") at " + member.address;
}

}  // namespace

base::Result<RecoveryReport, std::string> recover(storage::Directory& directory,
                                                  const std::string& address, base::WallTime now,
                                                  bool write) {
  const auto identity = read_identity(directory);
  if (!identity) return Failure{storage::to_string(identity.error())};
  if (!identity.value()) return Failure{std::string("there is no member in this folder")};
  const Identity& self = *identity.value();
  auto opened = storage::Storage::open(directory);
  if (!opened) return Failure{storage::to_string(opened.error())};
  const raft::Durable& durable = opened.value().durable;
  auto found = map_of(durable);
  if (!found.ok()) return Failure{found.error()};
  const cluster::ClusterMap& map = found.value();
  if (!map.cluster) {
    return Failure{std::string("this member does not know its cluster yet: nothing to recover")};
  }

  RecoveryReport report;
  report.term = durable.hard_state.term;
  report.snapshot_index = durable.snapshot == nullptr ? 0 : durable.snapshot->head.index;
  report.last_index =
      durable.entries.empty() ? report.snapshot_index : durable.entries.back()->index;
  const Since2026 since(now);
  report.generation = std::max(map.generation + 1, since.seconds);
  for (const auto& [id, member] : map.members) {
    if (id == self.id) {
      report.kept = described(member);
    } else {
      report.removed.push_back(described(member));
    }
  }
  for (const auto& [serial, pool] : map.pools) {
    const auto count = std::ranges::count_if(
        map.backends, [of = serial](const auto& entry) { return entry.second.pool == of; });
    report.pools.push_back(pool.rules.name + ": " + std::to_string(count) + " backends, epoch " +
                           std::to_string(pool.epoch));
  }
  const raft::Term term = durable.hard_state.term + 1;
  auto snapshot = restart(map, report.last_index, term, self, address, report.generation, since);
  if (!snapshot.ok()) return Failure{snapshot.error()};
  if (!write) return report;

  raft::Persist order;
  order.hard_state = raft::HardState{term, std::nullopt};
  order.snapshot = std::move(snapshot).value();
  order.snapshot_replaces_log = true;
  storage::Status done = opened.value().storage->append(order);
  if (done) done = opened.value().storage->sync();
  if (!done) return Failure{storage::to_string(done.error())};
  return report;
}

}  // namespace quorate::member
