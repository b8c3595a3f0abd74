// What committed entries do: the map changes, observers are fed, requests get their answers.
//
// A committed change that this program does not know ends the member. To skip it would be to hold
// another map than the others under the same index; to guess would be worse. An older program among
// newer ones has to be replaced, and says so.
#include "consensus/base/assert.h"
#include "consensus/cluster/cluster_codec.h"
#include "consensus/group/mutation.h"
#include "consensus/group/state.h"

namespace quorate::group {

void Group::State::take_committed(raft::Output& output) {
  if (output.restore != nullptr) restore(*output.restore);
  for (const raft::EntryRef& entry : output.apply) {
    if (fatal_) return;
    apply(entry);
  }
  if (map_changed_) watch_map();
}

void Group::State::restore(const raft::Snapshot& snapshot) {
  auto map = cluster::decode_map(snapshot.state);
  if (!map || map.value().index != snapshot.head.index) {
    fatal_ =
        std::string("the snapshot at index ") + std::to_string(snapshot.head.index) +
        " cannot be read: " + (map ? "it is of another index" : cluster::to_string(map.error()));
    return;
  }
  map_ = std::move(map).value();
  map_changed_ = true;
  snapshot_index_ = map_.index;
  feed_.restart(map_.index);
}

void Group::State::apply(const raft::EntryRef& entry) {
  ASSERT(entry->index == map_.index + 1);
  if (const auto* command = std::get_if<raft::Command>(&entry->data)) {
    apply_command(*entry, command->bytes);
    if (fatal_) return;
  } else if (const auto* members = std::get_if<raft::Configuration>(&entry->data)) {
    cluster::apply(map_, entry->index, *members);
    map_changed_ = true;
    note(EventKind::kMembership, "the group has " + std::to_string(members->voters.size()) +
                                     " voters and " + std::to_string(members->learners.size()) +
                                     " learners");
    const auto proposed = proposed_.find(entry->index);
    if (proposed != proposed_.end()) {
      pending_.at(proposed->second).applied = Done{.index = entry->index};
    }
  }
  map_.index = entry->index;
  feed_.append(entry);
}

void Group::State::apply_command(const raft::Entry& entry, const std::string& bytes) {
  const auto change = cluster::decode_change(bytes);
  if (!change) {
    if (mutated(Mutation::kSkipUnknownChange)) return;
    fatal_ = "entry " + std::to_string(entry.index) +
             " is committed and cannot be applied by this program (" +
             cluster::to_string(change.error()) + "): it takes a newer one";
    return;
  }
  const std::string text = cluster::describe(map_, change.value());
  const auto result = cluster::apply(map_, entry.index, change.value());
  const auto proposed = proposed_.find(entry.index);
  Pending* pending = proposed == proposed_.end() ? nullptr : &pending_.at(proposed->second);
  if (!result) {
    note(EventKind::kRejected, text + ": " + result.error().text);
    if (pending != nullptr) {
      pending->applied = Refused{Refused::Reason::kRejected, result.error().text};
    }
    return;
  }
  map_changed_ = true;
  if (const auto* end = std::get_if<cluster::EndSession>(&change.value())) {
    // Who has left does not come back: slots would be given to it again.
    const bool is_own = session_ != SessionId{} && end->session == session_;
    if (is_own && end->cause == cluster::SessionEnd::kLeft) process_.wants_session = false;
  }
  if (const auto* renewal = std::get_if<cluster::RenewLease>(&change.value())) {
    jury_.renewed(renewal->lease, now_);
  } else {
    note(EventKind::kApplied, text);
  }
  if (pending != nullptr) {
    pending->applied = Done{entry.index, result.value().id, result.value().epoch};
  }
}

void Group::State::watch_map() {
  if (is_voter()) detector_.follow(map_, now_);
  if (leads_) jury_.follow(map_, now_);
  deliberate_wanted_ = true;
  const cluster::Session* own = map_.find_session(process_.nonce);
  const SessionId before = std::exchange(session_, own == nullptr ? SessionId{} : own->id);
  if (session_ != before) {
    report_wanted_ = true;
    note(EventKind::kSession, session_ == SessionId{}
                                  ? "session " + std::to_string(number(before)) + " has ended"
                                  : "session " + std::to_string(number(session_)) + " has begun");
  }
  const bool removed = raft_.removed();
  if (removed && !removed_) {
    note(EventKind::kMembership, "this member does not belong to the group any more");
    feed_.part(Goodbye::Reason::kRemoved);
  }
  removed_ = removed;
}

void Group::State::maybe_take_snapshot() {
  if (map_.index < snapshot_index_ + options_.snapshot_every) return;
  raft_.on_snapshot_taken(map_.index, cluster::encode(map_));
}

}  // namespace quorate::group
