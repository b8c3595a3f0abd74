// The numbers Raft counts with, named as in Ongaro's dissertation ("Consensus: Bridging Theory and
// Practice", 2014), which is what "§" means in this folder.
#pragma once

#include <cstdint>

namespace quorate::raft {

/// An election's number. 0: before the first.
using Term = uint64_t;
/// A place in the log. The first entry has 1; 0: before it.
using Index = uint64_t;

/// A member of the group. Chosen by whoever adds it and never given to another one: a member that
/// lost its disk comes back under a new id, or it could vote twice.
enum class MemberId : uint64_t {};

/// What the caller calls a proposal or a read; handed back when it ends, otherwise not looked at.
enum class ProposalId : uint64_t {};
enum class ReadId : uint64_t {};

constexpr uint64_t number(MemberId id) { return static_cast<uint64_t>(id); }
constexpr uint64_t number(ProposalId id) { return static_cast<uint64_t>(id); }
constexpr uint64_t number(ReadId id) { return static_cast<uint64_t>(id); }

}  // namespace quorate::raft
