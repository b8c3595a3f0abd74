// The oracle: what must never happen, whatever goes wrong. It knows nothing of how the core
// decides; it sees logs, what is applied, and what clients are told.
//
//  - one leader per term (election safety, §3.4)
//  - one entry per index and term, and one before it (log matching, §3.5: the rest is by induction)
//  - a leader has every entry that was applied in an earlier term (leader completeness, §3.6.3)
//  - one entry per index is applied anywhere, and one state follows (state machine safety)
//  - an entry is applied only when it is on the disks of a quorum: of both, while joint
//  - voters change through a joint configuration only; a snapshot says who votes (§4.3, §5.1)
//  - committed means applied, lost means never applied, no command is applied twice
//  - a read sees what was acknowledged, or read, before it was asked
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "consensus/raft/log.h"
#include "consensus/raft/output.h"
#include "tests/simulation/raft/world.h"

namespace quorate::simulation {

using raft::Entry;
using raft::Index;
using raft::MemberId;
using raft::ProposalId;
using raft::Term;

class Oracle {
 public:
  void saw_leader(MemberId member, Term term, const raft::Log& log);
  /// `entries` of `log` are on their way to a disk.
  void saw_entries(const raft::Log& log, const std::vector<raft::EntryRef>& entries);
  /// Returns whether it is the first time that this index was applied anywhere.
  /// `current_term`: the member's.
  bool saw_applied(MemberId member, const Entry& entry, uint64_t state, Term current_term);
  /// `configuration`: in force after the snapshot.
  void saw_restored(MemberId member, Index index, uint64_t state,
                    const raft::Configuration& configuration);
  /// `holds(MemberId)`: whether the entry just applied is on that member's disk.
  template <class Holds>
  void check_quorum(const raft::Configuration& configuration, Index index, Holds holds) const {
    if (majority_holds(configuration.voters, holds) &&
        (configuration.old_voters.empty() || majority_holds(configuration.old_voters, holds))) {
      return;
    }
    throw Violation{"entry " + std::to_string(index) + " was applied without a quorum of disks"};
  }

  void accepted(ProposalId id, Index index, Term term);
  void ended(ProposalId id, const raft::ProposalOutcome& outcome);

  /// What a read that is asked now has to see.
  Index read_floor() const { return read_floor_; }
  void read_saw(Index floor, Index applied);

  Index applied() const { return chronicle_.size(); }
  /// The state after all that was applied.
  uint64_t state() const { return chronicle_.empty() ? 0 : chronicle_.back().state; }

 private:
  struct Chapter {
    Term term = 0;
    uint64_t entry = 0;  ///< a digest
    uint64_t state = 0;
    Term applied_in = 0;  ///< the term of the member that was the first to apply it
  };
  struct Seen {
    Term term_before = 0;
    uint64_t entry = 0;
  };
  struct Proposal {
    Index index = 0;
    Term term = 0;
  };

  template <class Holds>
  static bool majority_holds(const std::vector<MemberId>& voters, Holds holds) {
    size_t count = 0;
    for (const MemberId id : voters) count += holds(id) ? 1 : 0;
    return 2 * count > voters.size();
  }

  void saw_configuration(const Entry& entry, const raft::Configuration& next);
  const raft::Configuration& configuration_at(Index index) const;

  std::map<Term, MemberId> leaders_;
  std::map<std::pair<Index, Term>, Seen> seen_;
  std::vector<Chapter> chronicle_;                       ///< by index - 1
  std::map<Index, raft::Configuration> configurations_;  ///< that were applied
  std::map<uint64_t, Index> commands_;
  std::map<ProposalId, Proposal> proposals_;
  std::map<std::pair<Index, Term>, ProposalId> lost_;
  Index read_floor_ = 0;
};

/// A command: which proposal it is, and some bytes.
raft::Command make_command(uint64_t proposal, size_t padding);

}  // namespace quorate::simulation
