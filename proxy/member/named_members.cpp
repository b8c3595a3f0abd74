#include "proxy/member/named_members.h"

#include "consensus/cluster/cluster_codec.h"

namespace quorate::member {

std::map<raft::MemberId, std::string> named_in(const raft::Durable& durable) {
  std::map<raft::MemberId, std::string> named;
  if (durable.snapshot != nullptr) {
    if (const auto map = cluster::decode_map(durable.snapshot->state)) {
      for (const auto& [id, member] : map.value().members) {
        if (!member.name.empty()) named[id] = member.name;
      }
    }
  }
  for (const raft::EntryRef& entry : durable.entries) {
    const auto* command = std::get_if<raft::Command>(&entry->data);
    if (command == nullptr) continue;
    // One that this program does not know stops the member if it is committed, not here.
    const auto change = cluster::decode_change(command->bytes);
    if (!change) continue;
    const auto* told = std::get_if<cluster::DescribeMember>(&change.value());
    if (told != nullptr && !told->name.empty()) named[told->member] = told->name;
  }
  return named;
}

}  // namespace quorate::member
