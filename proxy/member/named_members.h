// The members that have ever told their names, as far as a data directory knows: what was
// committed, and what may yet be. A founder tells its name once it has the cluster's id on disk; so
// who comes under the number of one of these and knows no cluster has lost its disk. The map says
// the same, but after a restart it is empty until something is committed. Pure.
#pragma once

#include <map>
#include <string>

#include "consensus/raft/entry.h"

namespace quorate::member {

std::map<raft::MemberId, std::string> named_in(const raft::Durable& durable);

}  // namespace quorate::member
