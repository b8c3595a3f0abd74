// The log in memory: the entries after a base, which is the index and term of the last entry that
// is gone from it, and the configurations that are in force along it.
//
// Does not know what is committed or on disk; Raft does. Invariants: indexes are consecutive from
// base + 1; terms never fall; the configuration in force is the last one in the log (§4.1), and the
// one at the base is always kept.
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "consensus/raft/entry.h"

namespace quorate::raft {

class Log {
 public:
  /// `configuration`: in force at the base.
  Log(Index base_index, Term base_term, Configuration configuration);

  Index base_index() const { return base_index_; }
  Index last_index() const { return base_index_ + entries_.size(); }
  Term last_term() const { return entries_.empty() ? base_term_ : entries_.back()->term; }
  /// None if the entry is before the base or after the end.
  std::optional<Term> term_at(Index index) const;
  /// REQUIRES: base_index() < index <= last_index().
  const EntryRef& at(Index index) const;

  /// The first index, after the base, of those around `index` that have its term.
  Index first_of_term_at(Index index) const;
  /// The last entry of `term`, if there is one after the base.
  std::optional<Index> last_of_term(Term term) const;

  /// REQUIRES: the next index, and a term not below the last.
  void append(EntryRef entry);
  /// Forgets `index` and all after it. REQUIRES: base_index() < index.
  void truncate_from(Index index);
  /// Forgets `index` and all before it. REQUIRES: base_index() <= index <= last_index().
  void compact_to(Index index);
  /// Forgets everything and begins again after a snapshot.
  void reset(const Snapshot& snapshot);

  /// The one in force, and where it stands (at or before the base: as far as is known).
  const Configuration& configuration() const { return configurations_.back().second; }
  Index configuration_index() const { return configurations_.back().first; }
  /// The one before it; the same if that is no longer known.
  const Configuration& previous_configuration() const;
  /// In force at `index`. REQUIRES: base_index() <= index <= last_index().
  const Configuration& configuration_at(Index index) const;

 private:
  Index base_index_;
  Term base_term_;
  std::deque<EntryRef> entries_;
  std::vector<std::pair<Index, Configuration>> configurations_;  ///< ascending, never empty
};

}  // namespace quorate::raft
