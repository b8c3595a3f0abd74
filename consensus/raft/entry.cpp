#include "consensus/raft/entry.h"

#include "consensus/raft/crc32c.h"

namespace quorate::raft {
namespace {

constexpr size_t kEntryOverhead = 16;

size_t payload(const Noop&) { return 0; }
size_t payload(const Command& command) { return command.bytes.size(); }
size_t payload(const Configuration& configuration) {
  size_t bytes = 8 * (configuration.voters.size() + configuration.old_voters.size()) +
                 9 * configuration.learners.size();
  for (const auto& [id, address] : configuration.addresses) bytes += 12 + address.size();
  return bytes;
}

}  // namespace

size_t cost(const Entry& entry) {
  return kEntryOverhead + std::visit([](const auto& data) { return payload(data); }, entry.data);
}

SnapshotRef make_snapshot(Index index, Term term, Configuration configuration, std::string state) {
  const SnapshotHead head{index, term, state.size(), crc32c(state)};
  return std::make_shared<const Snapshot>(
      Snapshot{head, std::move(configuration), std::move(state)});
}

Persist founding(const Configuration& configuration) {
  Persist order;
  order.hard_state = HardState{1, std::nullopt};
  order.entries.push_back(std::make_shared<const Entry>(Entry{1, 1, configuration}));
  return order;
}

}  // namespace quorate::raft
