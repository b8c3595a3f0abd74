// The end of a pass (sweep.h): a member that has the newest state of every key of a slot is told
// the floor, below which blank means deleted there; tombstones below it are dropped; and a slot
// whose new members have all of it has moved (§6.6, §6.9).
//
// Why a floor is true: no proposal from before the pass was under way when it began, so everything
// up to the floor is chosen or can never be; every key that was chosen is with a member of each
// majority, and the members of one have told all their keys; and of each of these the member was
// seen to have the newest state.
#include <algorithm>

#include "consensus/cluster/hash.h"
#include "proxy/replicate/state.h"

namespace quorate::replicate {

void Coordinator::State::judge_slots() {
  for (const uint16_t slot : sweep_.slots) {
    if (!in_pass(slot)) continue;
    SlotSweep& mine = slots_[slot].sweep;
    ReplicaSet set;
    set.assign(*table_, slot);
    for (uint8_t i = 0; i < set.count; ++i) {
      const bool has_told = std::ranges::any_of(sweep_.scans, [&](const Sweep::Scan& scan) {
        return scan.backend == set.places[i].serial && scan.is_done;
      });
      if (!has_told) mine.lacking |= static_cast<PlaceMask>(1u << i);
    }
    mine.was_swept = set.is_majority(static_cast<PlaceMask>(set.all() & ~mine.lacking));
  }
  sweep_.stage = Sweep::Stage::kFloors;
  sweep_.next = 0;
  raise_floors();
}

void Coordinator::State::raise_floors() {
  while (sweep_.next < sweep_.slots.size() && sweep_.under_way < limits::kSweepKeys) {
    const uint16_t slot = sweep_.slots[sweep_.next++];
    if (!in_pass(slot)) continue;
    const SlotSweep& mine = slots_[slot].sweep;
    const bool is_joint = table_->slot(slot).phase == cluster::SlotPhase::kJoint;
    if (!mine.was_swept && !mutated(Mutation::kFloorThoughLacking)) continue;
    if (!is_joint && !mine.has_tombstones) continue;
    ReplicaSet set;
    set.assign(*table_, slot);
    for (uint8_t i = 0; i < set.count; ++i) {
      const bool lacks = (mine.lacking & 1u << i) != 0;
      if (lacks && !mutated(Mutation::kFloorThoughLacking)) continue;
      const acceptor::Target target{options_.pool, slot, set.places[i].incarnation, {}};
      Question question;
      question.step = sweep_.pass;
      question.slot = slot;
      question.backend = set.places[i].serial;
      if (is_joint) {  // a slot without keys has not been asked for anything under its term
        question.about = Question::About::kFence;
        output.asked.push_back({add(question),
                                set.places[i].serial,
                                {target, acceptor::Install{mine.term, set.places[i].joined}}});
      }
      question.about = Question::About::kFloor;
      question.term = mine.term;
      ++sweep_.under_way;
      output.asked.push_back({add(question),
                              set.places[i].serial,
                              {target, acceptor::RaiseFloor{mine.term, mine.floor}}});
    }
  }
  if (sweep_.next < sweep_.slots.size() || sweep_.under_way != 0) return;
  wish_moves();
  sweep_.stage = Sweep::Stage::kForgetting;
  sweep_.next = 0;
  forget();
}

void Coordinator::State::on_floor_answer(const Question& question, const acceptor::Answer* answer) {
  if (sweep_.stage != Sweep::Stage::kFloors || question.step != sweep_.pass) return;
  --sweep_.under_way;
  if (answer != nullptr && answer->kind == acceptor::AnswerKind::kStale) {
    note_seen(question.slot, answer->floor);
  }
  if (in_pass(question.slot)) {
    SlotSweep& mine = slots_[question.slot].sweep;
    const PlaceMask bit = place_bit(question.slot, question.backend);
    const bool is_done = answer != nullptr && answer->kind == acceptor::AnswerKind::kOk;
    (is_done ? mine.floored : mine.lacking) |= bit;
    ReplicaSet set;
    set.assign(*table_, question.slot);
    if (table_->slot(question.slot).phase == cluster::SlotPhase::kJoint) {
      mine.has_moved = set.is_majority(mine.floored);
    }
  }
  sweep_.at = std::min(sweep_.at, now_.instant);
}

void Coordinator::State::wish_moves() {
  for (uint16_t slot = 0; slot < cluster::kSlots; ++slot) {
    const Slot& state = slots_[slot];
    if (state.stage != Slot::Stage::kOwned) continue;
    if (table_->slot(slot).phase != cluster::SlotPhase::kJoint) continue;
    if (!state.sweep.has_moved && !mutated(Mutation::kEndMoveBeforeComplete)) continue;
    output.wishes.push_back(
        {Output::Wish::Kind::kEndMove, slot, self_, state.term.configuration()});
    sweep_.at = std::min(sweep_.at, now_.instant + limits::kSweepPatience);
  }
}

void Coordinator::State::forget() {
  while (sweep_.next < sweep_.tombstones.size() && sweep_.under_way < limits::kSweepKeys) {
    const Sweep::Tombstone& tombstone = sweep_.tombstones[sweep_.next++];
    if (!in_pass(tombstone.slot)) continue;
    const SlotSweep& mine = slots_[tombstone.slot].sweep;
    ReplicaSet set;
    set.assign(*table_, tombstone.slot);
    if (mine.floored != set.all()) sweep_.is_partial = true;
    // The next write begins from nothing, not from the tombstone that this worker remembers.
    Key& key = keys_.use(tombstone.key, cluster::hash_of(cluster::HashKind::kXxh3, tombstone.key),
                         tombstone.slot);
    if (!key.has_operations() && !key.is_queued) {
      key.is_known = false;
      keys_.rest(key);
    }
    for (uint8_t i = 0; i < set.count; ++i) {
      const bool has_floor = (mine.floored & 1u << i) != 0;
      if (!has_floor && !mutated(Mutation::kForgetWithoutFloor)) continue;
      Question question;
      question.about = Question::About::kForget;
      question.step = sweep_.pass;
      question.slot = tombstone.slot;
      question.backend = set.places[i].serial;
      ++sweep_.under_way;
      output.asked.push_back(
          {add(question),
           set.places[i].serial,
           {{options_.pool, tombstone.slot, set.places[i].incarnation, tombstone.key},
            acceptor::Forget{mine.term}}});
    }
  }
  if (sweep_.next == sweep_.tombstones.size() && sweep_.under_way == 0) end_pass();
}

void Coordinator::State::on_forget_answer(const Question& question,
                                          const acceptor::Answer* answer) {
  if (sweep_.stage != Sweep::Stage::kForgetting || question.step != sweep_.pass) return;
  --sweep_.under_way;
  if (answer != nullptr && answer->kind == acceptor::AnswerKind::kOk) {
    ++counters.forgotten;
  } else {
    sweep_.is_partial = true;
  }
  sweep_.at = std::min(sweep_.at, now_.instant);
}

void Coordinator::State::end_pass() {
  ++counters.sweeps;
  sweep_.stage = Sweep::Stage::kResting;
  const base::Duration rest = (now_.instant - sweep_.began) * limits::kSweepRest;
  sweep_.rests_until = now_.instant + std::min(rest, limits::kLongestSweepPause);
  bool is_any_urgent = false;
  bool is_lacking =
      sweep_.is_partial || std::ranges::any_of(sweep_.scans, &Sweep::Scan::has_failed);
  for (uint16_t slot = 0; slot < cluster::kSlots; ++slot) {
    Slot& state = slots_[slot];
    if (state.stage != Slot::Stage::kOwned) continue;
    SlotSweep& mine = state.sweep;
    mine.is_in_pass = false;
    mine.lacking |= mine.missed;
    is_any_urgent |= is_urgent(slot);
    is_lacking |= mine.lacking != 0;
  }
  // What does not get better is tried less and less often.
  if (is_any_urgent) {
    sweep_.pause = std::clamp(sweep_.pause * 2, limits::kSweepSoon,
                              std::max(limits::kSweepSoon, options_.sweep_pause));
    hurry(now_.instant + sweep_.pause);
  } else {
    sweep_.pause = {};
  }
  if (is_lacking) {
    sweep_.long_pause = std::clamp(sweep_.long_pause * 2, options_.sweep_pause,
                                   std::max(limits::kLongestSweepPause, options_.sweep_pause));
    want_pass(now_.instant + sweep_.long_pause);
  } else {
    sweep_.long_pause = {};
    want_pass(now_.instant + limits::kLongestSweepPause);  // for what nobody has noticed
  }
  sweep_.at = std::min(sweep_.at, sweep_.next_pass);
  wish_moves();
}

}  // namespace quorate::replicate
