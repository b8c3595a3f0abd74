#include "tests/simulation/raft/oracle.h"

#include "consensus/raft/bytes.h"
#include "consensus/raft/codec.h"

namespace quorate::simulation {
namespace {

uint64_t digest_of(const raft::EntryData& data) {
  std::string bytes;
  raft::encode(data, bytes);
  return digest(bytes);
}

[[noreturn]] void fail(MemberId member, Index index, const std::string& what) {
  throw Violation{"member " + std::to_string(number(member)) + ", entry " + std::to_string(index) +
                  ": " + what};
}

}  // namespace

raft::Command make_command(uint64_t proposal, size_t padding) {
  raft::Command command;
  raft::put(command.bytes, proposal);
  command.bytes.append(padding, static_cast<char>('a' + proposal % 26));
  return command;
}

void Oracle::saw_leader(MemberId member, Term term, const raft::Log& log) {
  const auto [place, is_new] = leaders_.emplace(term, member);
  if (!is_new) {
    if (place->second == member) return;
    throw Violation{"term " + std::to_string(term) + " has two leaders"};
  }
  for (Index index = log.base_index() + 1; index <= chronicle_.size(); ++index) {
    const Chapter& chapter = chronicle_[index - 1];
    if (chapter.applied_in >= term || log.term_at(index) == chapter.term) continue;
    fail(member, index,
         "applied somewhere, but not in the log of the leader of term " + std::to_string(term));
  }
}

void Oracle::saw_entries(const raft::Log& log, const std::vector<raft::EntryRef>& entries) {
  for (const raft::EntryRef& entry : entries) {
    const Seen now{log.term_at(entry->index - 1).value_or(0), digest_of(entry->data)};
    const auto [place, is_new] = seen_.emplace(std::pair{entry->index, entry->term}, now);
    if (is_new) continue;
    const Seen& before = place->second;
    if (before.entry == now.entry && before.term_before == now.term_before) continue;
    throw Violation{"entry " + std::to_string(entry->index) + " of term " +
                    std::to_string(entry->term) +
                    " differs between two logs, or what is before it"};
  }
}

bool Oracle::saw_applied(MemberId member, const Entry& entry, uint64_t state, Term current_term) {
  const Chapter chapter{entry.term, digest_of(entry.data), state, current_term};
  if (entry.index > chronicle_.size() + 1) fail(member, entry.index, "applied after a gap");
  if (entry.index <= chronicle_.size()) {
    const Chapter& known = chronicle_[entry.index - 1];
    if (known.term != chapter.term || known.entry != chapter.entry) {
      fail(member, entry.index, "another entry was applied before");
    }
    if (known.state != chapter.state) fail(member, entry.index, "another state followed before");
    return false;
  }
  chronicle_.push_back(chapter);
  if (lost_.contains({entry.index, entry.term})) {
    fail(member, entry.index, "applied, after its proposer was told that it was lost");
  }
  if (const auto* next = std::get_if<raft::Configuration>(&entry.data)) {
    saw_configuration(entry, *next);
  }
  if (const auto* command = std::get_if<raft::Command>(&entry.data)) {
    const auto proposal = raft::ByteReader(command->bytes).get<uint64_t>();
    if (!commands_.emplace(proposal, entry.index).second) {
      fail(member, entry.index, "a command was applied twice");
    }
  }
  return true;
}

/// C_old → C_old,new → C_new; or other learners only.
void Oracle::saw_configuration(const Entry& entry, const raft::Configuration& next) {
  if (!configurations_.empty()) {
    const raft::Configuration& before = configurations_.rbegin()->second;
    const bool enters = !before.joint() && next.old_voters == before.voters;
    const bool leaves = before.joint() && !next.joint() && next.voters == before.voters;
    const bool same = !before.joint() && !next.joint() && next.voters == before.voters;
    if (!enters && !leaves && !same) {
      throw Violation{"entry " + std::to_string(entry.index) +
                      ": the voters changed without a joint configuration"};
    }
  }
  configurations_[entry.index] = next;
}

const raft::Configuration& Oracle::configuration_at(Index index) const {
  return std::prev(configurations_.upper_bound(index))->second;
}

void Oracle::saw_restored(MemberId member, Index index, uint64_t state,
                          const raft::Configuration& configuration) {
  if (index > chronicle_.size()) fail(member, index, "restored, but nobody has applied it");
  if (chronicle_[index - 1].state != state) fail(member, index, "restored to another state");
  if (configuration != configuration_at(index)) {
    fail(member, index, "restored with another configuration");
  }
}

void Oracle::accepted(ProposalId id, Index index, Term term) { proposals_[id] = {index, term}; }

void Oracle::ended(ProposalId id, const raft::ProposalOutcome& outcome) {
  const Proposal proposal = proposals_.at(id);
  const bool applied =
      proposal.index <= chronicle_.size() && chronicle_[proposal.index - 1].term == proposal.term;
  if (const auto* committed = std::get_if<raft::Committed>(&outcome)) {
    if (committed->index != proposal.index || !applied) {
      throw Violation{"a proposal was acknowledged that is not applied"};
    }
    read_floor_ = std::max(read_floor_, proposal.index);
  }
  if (std::holds_alternative<raft::Lost>(outcome)) {
    if (applied) throw Violation{"a proposal was said to be lost that is applied"};
    lost_[{proposal.index, proposal.term}] = id;
  }
}

void Oracle::read_saw(Index floor, Index applied) {
  if (applied < floor) {
    throw Violation{"a read saw entry " + std::to_string(applied) + ", after entry " +
                    std::to_string(floor) + " had been acknowledged or read"};
  }
  read_floor_ = std::max(read_floor_, applied);
}

}  // namespace quorate::simulation
