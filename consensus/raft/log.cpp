#include "consensus/raft/log.h"

#include <algorithm>

#include "consensus/base/assert.h"

namespace quorate::raft {

Log::Log(Index base_index, Term base_term, Configuration configuration)
    : base_index_(base_index), base_term_(base_term) {
  configurations_.emplace_back(base_index, std::move(configuration));
}

std::optional<Term> Log::term_at(Index index) const {
  if (index == base_index_) return base_term_;
  if (index < base_index_ || index > last_index()) return std::nullopt;
  return at(index)->term;
}

const EntryRef& Log::at(Index index) const {
  ASSERT(index > base_index_ && index <= last_index());
  return entries_[index - base_index_ - 1];
}

Index Log::first_of_term_at(Index index) const {
  const auto first =
      std::lower_bound(entries_.begin(), entries_.end(), at(index)->term,
                       [](const EntryRef& entry, Term term) { return entry->term < term; });
  return (*first)->index;
}

std::optional<Index> Log::last_of_term(Term term) const {
  const auto after =
      std::upper_bound(entries_.begin(), entries_.end(), term,
                       [](Term wanted, const EntryRef& entry) { return wanted < entry->term; });
  if (after == entries_.begin() || (*(after - 1))->term != term) return std::nullopt;
  return (*(after - 1))->index;
}

void Log::append(EntryRef entry) {
  ASSERT(entry->index == last_index() + 1);
  ASSERT(entry->term >= last_term());
  if (const auto* configuration = std::get_if<Configuration>(&entry->data)) {
    configurations_.emplace_back(entry->index, *configuration);
  }
  entries_.push_back(std::move(entry));
}

void Log::truncate_from(Index index) {
  ASSERT(index > base_index_);
  while (last_index() >= index) entries_.pop_back();
  while (configurations_.back().first >= index) configurations_.pop_back();
  ASSERT(!configurations_.empty());
}

void Log::compact_to(Index index) {
  ASSERT(index >= base_index_ && index <= last_index());
  base_term_ = *term_at(index);
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(index - base_index_));
  base_index_ = index;
  // The last one at or before the base stays, as the first; the ones before it go.
  auto first_after = std::find_if(configurations_.begin(), configurations_.end(),
                                  [index](const auto& c) { return c.first > index; });
  configurations_.erase(configurations_.begin(), first_after - 1);
}

void Log::reset(const Snapshot& snapshot) {
  *this = Log(snapshot.head.index, snapshot.head.term, snapshot.configuration);
}

const Configuration& Log::previous_configuration() const {
  const size_t count = configurations_.size();
  return configurations_[count > 1 ? count - 2 : 0].second;
}

const Configuration& Log::configuration_at(Index index) const {
  ASSERT(index >= base_index_ && index <= last_index());
  const auto after = std::find_if(configurations_.begin(), configurations_.end(),
                                  [index](const auto& c) { return c.first > index; });
  return (after - 1)->second;
}

}  // namespace quorate::raft
