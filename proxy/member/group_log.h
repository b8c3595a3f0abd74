// What a group tells operators: its events as lines of the log, the end of a request as a sentence.
#pragma once

#include <string>
#include <vector>

#include "consensus/cluster/cluster_map.h"
#include "consensus/group/output.h"

namespace quorate::member {

void log_events(const std::vector<group::Event>& events);

/// A member's name, or its number while it has not told one.
std::string name_of(const cluster::ClusterMap& map, raft::MemberId id);

/// Why a request was not done; "done" if it was.
std::string text_of(const group::Outcome& outcome);

}  // namespace quorate::member
