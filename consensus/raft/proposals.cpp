// Proposals and their ends. A proposal is an entry at an index in a term. It has been committed
// when that entry is; it is lost when another entry is committed at its index. Being overwritten in
// this member's log proves nothing: the entry may live on elsewhere and be committed by a later
// leader (figure 3.7). What is not known in time ends as unknown.
#include "consensus/base/assert.h"
#include "consensus/raft/raft.h"

namespace quorate::raft {

using base::Failure;

base::Result<Index, Refusal> Raft::propose(ProposalId id, std::string command, Instant now) {
  advance_clock(now);
  const Leader* leading = leader();
  if (leading == nullptr) return Failure{Refusal{RefusalReason::kNotLeader, known_leader(), {}}};
  if (leading->transfer) return Failure{Refusal{RefusalReason::kTransferring, self_, {}}};
  if (command.size() > options_.max_command_bytes) {
    return Failure{Refusal{RefusalReason::kTooLarge, self_, {}}};
  }
  if (leading->uncommitted_bytes >= options_.max_uncommitted_bytes) {
    return Failure{Refusal{RefusalReason::kOverloaded, self_, {}}};
  }
  const Index index = append_own(Command{std::move(command)});
  expect(id, index);
  return index;
}

/// Appends an entry of the leader's term.
Index Raft::append_own(EntryData data) {
  Leader& leading = *leader();
  auto entry = std::make_shared<const Entry>(
      Entry{hard_state_.term, log_.last_index() + 1, std::move(data)});
  const Index index = entry->index;
  leading.uncommitted_bytes += cost(*entry);
  append(std::move(entry));
  return index;
}

void Raft::expect(ProposalId id, Index index) {
  const Instant deadline = now_ + options_.proposal_timeout;
  proposals_.emplace(index, Proposal{id, hard_state_.term, deadline});
  proposals_deadline_ = std::min(proposals_deadline_, deadline);
}

/// `applied` is committed: that settles everything that was proposed at its index.
void Raft::end_proposals_at(const Entry& applied) {
  const auto [first, last] = proposals_.equal_range(applied.index);
  for (auto proposal = first; proposal != last; ++proposal) {
    const bool same = proposal->second.term == applied.term;
    end(proposal->second.id,
        same ? ProposalOutcome(Committed{applied.index}) : ProposalOutcome(Lost{}));
  }
  proposals_.erase(first, last);
}

void Raft::end_proposals_through(Index index, ProposalOutcome outcome) {
  const auto last = proposals_.upper_bound(index);
  for (auto proposal = proposals_.begin(); proposal != last; ++proposal) {
    end(proposal->second.id, outcome);
  }
  proposals_.erase(proposals_.begin(), last);
}

void Raft::expire_proposals() {
  if (now_ < proposals_deadline_) return;
  proposals_deadline_ = base::kNever;
  for (auto proposal = proposals_.begin(); proposal != proposals_.end();) {
    if (now_ >= proposal->second.deadline) {
      end(proposal->second.id, Unknown{});
      proposal = proposals_.erase(proposal);
    } else {
      proposals_deadline_ = std::min(proposals_deadline_, proposal->second.deadline);
      ++proposal;
    }
  }
}

}  // namespace quorate::raft
