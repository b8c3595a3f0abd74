#include "proxy/member/group_log.h"

#include "proxy/io/log.h"

namespace quorate::member {

namespace {

std::string_view name_of(group::EventKind kind) {
  switch (kind) {
    case group::EventKind::kLeader: return "leader";
    case group::EventKind::kApplied: return "change applied";
    case group::EventKind::kRejected: return "change rejected";
    case group::EventKind::kSession: return "session";
    case group::EventKind::kOpinion: return "backend judged";
    case group::EventKind::kHeld: return "backend kept";
    case group::EventKind::kFollowing: return "following";
    case group::EventKind::kMembership: return "members changed";
    case group::EventKind::kProtocol: return "message refused";
    case group::EventKind::kUpgradeNeeded: return "upgrade needed";
  }
  return "?";
}

bool is_warning(group::EventKind kind) {
  return kind == group::EventKind::kHeld || kind == group::EventKind::kProtocol ||
         kind == group::EventKind::kUpgradeNeeded || kind == group::EventKind::kRejected;
}

}  // namespace

void log_events(const std::vector<group::Event>& events) {
  for (const group::Event& event : events) {
    if (is_warning(event.kind)) {
      io::log_warn(name_of(event.kind), {{"what", event.text}});
    } else {
      io::log_info(name_of(event.kind), {{"what", event.text}});
    }
  }
}

std::string name_of(const cluster::ClusterMap& map, raft::MemberId id) {
  const auto member = map.members.find(id);
  return member != map.members.end() && !member->second.name.empty()
             ? member->second.name
             : std::to_string(raft::number(id));
}

std::string text_of(const group::Outcome& outcome) {
  if (const auto* refused = std::get_if<group::Refused>(&outcome)) {
    return refused->text.empty() ? std::string(to_string(refused->reason)) : refused->text;
  }
  if (std::holds_alternative<group::Unknown>(outcome)) {
    return "it is not known whether it was done: no answer in time";
  }
  return "done";
}

}  // namespace quorate::member
