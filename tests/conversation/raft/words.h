// How the transcript says things: one short line a message, an entry, a configuration, an outcome.
#pragma once

#include <string>

#include "consensus/raft/output.h"

namespace quorate::conversation {

std::string say(raft::MemberId id);
std::string say(const raft::Message& message);
std::string say(const raft::Entry& entry);
std::string say(const raft::Configuration& configuration);
std::string say(const raft::Persist& order);
std::string say(const raft::ProposalOutcome& outcome);
std::string say(const raft::Refusal& refusal);

}  // namespace quorate::conversation
