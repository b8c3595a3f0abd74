// A story: orders to the disk, one after the other, and what must be found after each of their
// records. Stories are small, so that every cut, flipped bit and crash can be tried.
#pragma once

#include <string>
#include <vector>

#include "consensus/storage/storage.h"

namespace quorate::storage::tests {

using raft::Durable;
using raft::EntryRef;
using raft::HardState;
using raft::MemberId;
using raft::Persist;

inline raft::Configuration three_voters() {
  raft::Configuration c;
  c.voters = {MemberId{1}, MemberId{2}, MemberId{3}};
  c.addresses = {{MemberId{1}, "one:1"}, {MemberId{2}, "two:2"}, {MemberId{3}, "three:3"}};
  return c;
}

inline EntryRef entry(raft::Index index, raft::Term term, std::string bytes = "x") {
  return std::make_shared<const raft::Entry>(
      raft::Entry{term, index, raft::Command{std::move(bytes)}});
}

inline Persist vote(raft::Term term, uint64_t whom) {
  Persist order;
  order.hard_state = HardState{term, MemberId{whom}};
  return order;
}

inline Persist entries(std::vector<EntryRef> list) {
  Persist order;
  order.entries = std::move(list);
  return order;
}

inline Persist taken(raft::Index index, raft::Term term, std::string state) {
  Persist order;
  order.snapshot = raft::make_snapshot(index, term, three_voters(), std::move(state));
  return order;
}

inline Persist installed(raft::Index index, raft::Term term, std::string state) {
  Persist order = taken(index, term, std::move(state));
  order.snapshot_replaces_log = true;
  return order;
}

/// What a member has after `before` and then `order`, by the words of raft::Persist.
inline Durable after(Durable before, const Persist& order) {
  if (order.hard_state) before.hard_state = *order.hard_state;
  if (order.snapshot != nullptr) {
    before.snapshot = order.snapshot;
    const raft::Index index = order.snapshot->head.index;
    if (order.snapshot_replaces_log) before.entries.clear();
    std::erase_if(before.entries, [index](const EntryRef& e) { return e->index <= index; });
  }
  if (!order.entries.empty()) {
    const raft::Index from = order.entries.front()->index;
    std::erase_if(before.entries, [from](const EntryRef& e) { return e->index >= from; });
    before.entries.insert(before.entries.end(), order.entries.begin(), order.entries.end());
  }
  return before;
}

inline bool same(const Durable& a, const Durable& b) {
  if (a.hard_state != b.hard_state || a.entries.size() != b.entries.size()) return false;
  for (size_t i = 0; i < a.entries.size(); ++i) {
    if (!(*a.entries[i] == *b.entries[i])) return false;
  }
  if ((a.snapshot == nullptr) != (b.snapshot == nullptr)) return false;
  return a.snapshot == nullptr || (a.snapshot->head == b.snapshot->head &&
                                   a.snapshot->configuration == b.snapshot->configuration &&
                                   a.snapshot->state == b.snapshot->state);
}

inline bool one_of(const Durable& found, const std::vector<Durable>& states) {
  for (const Durable& state : states) {
    if (same(found, state)) return true;
  }
  return false;
}

/// Every state that `orders` pass through, record by record, beginning with `before`. Within an
/// order a crash may leave the hard state without the snapshot, and some of the entries.
inline std::vector<Durable> states_of(const std::vector<Persist>& orders, Durable before = {}) {
  std::vector<Durable> states{before};
  for (const Persist& order : orders) {
    Persist part;
    part.hard_state = order.hard_state;
    states.push_back(after(before, part));
    part.snapshot = order.snapshot;
    part.snapshot_replaces_log = order.snapshot_replaces_log;
    states.push_back(after(before, part));
    for (const EntryRef& e : order.entries) {
      part.entries.push_back(e);
      states.push_back(after(before, part));
    }
    before = after(before, order);
  }
  return states;
}

/// Terms, votes, a truncation, a taken and an installed snapshot.
inline std::vector<Persist> long_story() {
  return {vote(1, 2),
          entries({entry(1, 1, "first"), entry(2, 1), entry(3, 1)}),
          vote(2, 3),
          entries({entry(3, 2, "instead"), entry(4, 2)}),
          taken(3, 2, "state at three"),
          entries({entry(5, 2), entry(6, 2)}),
          vote(4, 1),
          installed(9, 4, "state at nine, from the leader"),
          entries({entry(10, 4), entry(11, 4)}),
          entries({entry(11, 4, "again")})};
}

}  // namespace quorate::storage::tests
