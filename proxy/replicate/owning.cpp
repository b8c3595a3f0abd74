// Slots that are this worker's: taken by installing a term in a majority of fences, lost to a
// higher one. A term is never used again once it is over, so it has one owner, ever (§6.1).
//
//   kNotOurs ─ begin_install ─► kInstalling ─ a majority ─► kOwned
//      ▲  ▲                        │    ▲                     │ self_bump: a proposal is given up
//      │  └── outdone, not wanted ─┘    └─────────────────────┤
//      └────────────── lose: a higher term, another owner ◄───┘
#include <algorithm>

#include "consensus/base/assert.h"
#include "proxy/replicate/state.h"

namespace quorate::replicate {

namespace {

bool same_places(const ReplicaSet& a, const ReplicaSet& b) {
  if (a.configuration != b.configuration || a.count != b.count || a.members != b.members ||
      a.next != b.next || a.needed != b.needed || a.needed_next != b.needed_next) {
    return false;
  }
  for (uint8_t i = 0; i < a.count; ++i) {
    if (a.places[i].serial != b.places[i].serial ||
        a.places[i].incarnation != b.places[i].incarnation) {
      return false;
    }
  }
  return true;
}

}  // namespace

void Coordinator::State::adopt(std::shared_ptr<const cluster::ReplicaTable> table,
                               cluster::SessionId self) {
  const std::shared_ptr<const cluster::ReplicaTable> before = std::move(table_);
  table_ = std::move(table);
  avoided_until_.assign(table_->backends().size(), base::Instant{});
  const bool other_self = self != self_;
  self_ = self;
  ReplicaSet old_set;
  ReplicaSet new_set;
  const bool same_backends =
      before != nullptr && std::ranges::equal(before->backends(), table_->backends());
  for (uint16_t slot = 0; slot < cluster::kSlots; ++slot) {
    Slot& state = slots_[slot];
    const cluster::SlotView& view = table_->slot(slot);
    if (same_backends && !other_self && before->slot(slot) == view) continue;
    if (other_self && state.stage != Slot::Stage::kNotOurs) {
      state.owner = {};
      lose(slot);
    }
    if (before == nullptr || before->slot(slot).owner != view.owner) {
      state.owner = view.owner;
      const bool keeps = view.owner == self_ && self_ != cluster::SessionId{};
      if (!keeps && state.stage != Slot::Stage::kNotOurs) lose(slot);
    }
    new_set.assign(*table_, slot);
    if (state.stage != Slot::Stage::kNotOurs && before != nullptr) {
      old_set.assign(*before, slot);
      if (!same_places(old_set, new_set)) {
        if (mutated(Mutation::kSkipInstallOfNewMembers)) continue;
        begin_install(slot);
      }
    }
    const bool wanted = state.owner == self_ && self_ != cluster::SessionId{} && is_ours(slot);
    if (wanted && state.stage == Slot::Stage::kNotOurs && new_set.count > 0 && !is_leaving_) {
      begin_install(slot);
    }
  }
}

uint32_t Coordinator::State::owned_slots() const {
  return static_cast<uint32_t>(std::ranges::count_if(
      slots_, [](const Slot& slot) { return slot.stage == Slot::Stage::kOwned; }));
}

void Coordinator::State::own(Operation& operation) {
  const uint16_t slot = operation.key->slot;
  Slot& state = slots_[slot];
  if (state.stage == Slot::Stage::kOwned) {
    if (is_leaving_) {  // its next owner is to have it
      count(operation, false);
      begin_step(operation, Stage::kRouting);
      return retry_later(operation);
    }
    count(operation, true);
    return advance(operation);
  }
  count(operation, false);
  if (state.stage == Slot::Stage::kNotOurs && (is_leaving_ || !begin_install(slot))) {
    begin_step(operation, Stage::kRouting);
    return retry_later(operation);
  }
  begin_step(operation, Stage::kWaitingForSlot);
  state.waiting.push_back(operation.ref());
}

void Coordinator::State::count(Operation& operation, bool owned) {
  if (operation.is_counted == owned) return;
  operation.is_counted = owned;
  Slot& state = slot_of(operation);
  state.operations += owned ? 1u : UINT32_MAX;
}

bool Coordinator::State::begin_install(uint16_t slot) {
  Slot& state = slots_[slot];
  if (self_ == cluster::SessionId{}) return false;
  const uint32_t configuration = table_->slot(slot).configuration;
  const base::Term highest = std::max(state.seen, state.term);
  if (highest.configuration() > configuration) return false;  // the table is old
  uint16_t bump = 0;
  if (highest.configuration() == configuration) {
    if (highest.bump() >= limits::kBumpsUsedUp) {
      output.wishes.push_back({Output::Wish::Kind::kRaiseConfiguration, slot, {}});
    }
    if (highest.bump() == UINT16_MAX) return false;
    bump = static_cast<uint16_t>(highest.bump() + 1);
  }
  state.term = base::Term::of(configuration, bump, cluster::number(self_));
  if (mutated(Mutation::kSelfBumpWithoutTerm) && state.stage == Slot::Stage::kOwned) {
    state.term = highest;
  }
  if (state.stage != Slot::Stage::kInstalling) installing_.push_back(slot);
  state.stage = Slot::Stage::kInstalling;
  state.installed = state.asked = 0;
  send_installs(slot);
  return true;
}

void Coordinator::State::send_installs(uint16_t slot) {
  Slot& state = slots_[slot];
  ReplicaSet set;
  set.assign(*table_, slot);
  for (uint8_t i = 0; i < set.count; ++i) {
    if (((state.installed | state.asked) & 1u << i) != 0) continue;
    state.asked = static_cast<PlaceMask>(state.asked | 1u << i);
    const ReplicaSet::Place& place = set.places[i];
    Question question;
    question.about = Question::About::kInstall;
    question.slot = slot;
    question.term = state.term;
    question.backend = place.serial;
    const RequestId id = add(question);
    output.asked.push_back({id,
                            place.serial,
                            {{options_.pool, slot, place.incarnation, {}},
                             acceptor::Install{state.term, place.joined}}});
  }
  const uint8_t shift = std::min<uint8_t>(state.attempts, limits::kLargestBackoffShift);
  state.retry_at = now_.instant + limits::kRetryDelay * (1 << shift) +
                   base::Duration(random_.below(uint64_t{1'000'000} << shift));
  installs_at_ = std::min(installs_at_, state.retry_at);
}

void Coordinator::State::on_install_answer(const Question& question,
                                           const acceptor::Answer* answer) {
  const uint16_t slot = question.slot;
  Slot& state = slots_[slot];
  if (answer != nullptr && answer->kind == acceptor::AnswerKind::kStale) {
    note_seen(slot, answer->floor);
  }
  if (state.stage != Slot::Stage::kInstalling || state.term != question.term) return;
  ReplicaSet set;
  set.assign(*table_, slot);
  uint8_t place = 0;
  while (place < set.count && set.places[place].serial != question.backend) ++place;
  if (place == set.count) return;
  const auto bit = static_cast<PlaceMask>(1u << place);
  state.asked = static_cast<PlaceMask>(state.asked & ~bit);
  const bool done = answer != nullptr && (answer->kind == acceptor::AnswerKind::kOk ||
                                          answer->kind == acceptor::AnswerKind::kDuplicate);
  if (done) {
    state.installed = static_cast<PlaceMask>(state.installed | bit);
    if (set.is_majority(state.installed)) activate(slot);
    return;
  }
  if (answer == nullptr || answer->kind != acceptor::AnswerKind::kStale) return;  // at retry_at
  const cluster::SessionId recorded = table_->slot(slot).owner;
  const bool is_wanted = recorded == self_ || cluster::SessionId{state.seen.session} == self_ ||
                         table_->find_session(cluster::SessionId{state.seen.session}) == nullptr;
  if (!is_wanted) {
    state.owner = cluster::SessionId{state.seen.session};
    return lose(slot);
  }
  // Outdone: at once the first time, later after a while, as two that want it would go on for ever.
  if (state.attempts++ == 0) {
    begin_install(slot);
  } else {
    state.installed = 0;
    state.asked = set.all();  // a new term at retry_at
  }
}

void Coordinator::State::activate(uint16_t slot) {
  Slot& state = slots_[slot];
  state.stage = Slot::Stage::kOwned;
  state.attempts = 0;
  state.sweep = {};
  hurry(now_.instant + limits::kSweepSoon);
  state.owner = self_;
  ++counters.takeovers;
  std::erase(installing_, slot);
  if (table_->slot(slot).owner != self_) {
    output.wishes.push_back({Output::Wish::Kind::kRecordOwner, slot, self_});
  }
  release_waiting(slot);
}

void Coordinator::State::release_waiting(uint16_t slot) {
  Slot& state = slots_[slot];
  for (size_t i = 0; i < state.waiting.size(); ++i) {
    Operation* operation = find(state.waiting[i]);
    if (operation == nullptr || operation->stage != Stage::kWaitingForSlot) continue;
    begin_step(*operation, Stage::kRouting);
    if (state.stage == Slot::Stage::kOwned) {
      own(*operation);
    } else {
      retry_later(*operation);
    }
  }
  if (state.stage != Slot::Stage::kInstalling) state.waiting.clear();
}

void Coordinator::State::lose(uint16_t slot) {
  Slot& state = slots_[slot];
  if (state.stage == Slot::Stage::kOwned) ++counters.depositions;
  if (state.stage == Slot::Stage::kInstalling) std::erase(installing_, slot);
  state.stage = Slot::Stage::kNotOurs;
  state.attempts = 0;
  const cluster::SessionId by{state.seen.session};
  if (state.seen > state.term && by != self_ && table_->find_session(by) != nullptr) {
    state.owner = by;
  }
  release_waiting(slot);
}

void Coordinator::State::self_bump(uint16_t slot) {
  ++counters.self_bumps;
  if (!begin_install(slot)) lose(slot);
}

void Coordinator::State::retry_installs() {
  if (installs_at_ > now_.instant) return;
  installs_at_ = base::kNever;
  const std::vector<uint16_t> slots = installing_;
  for (const uint16_t slot : slots) {
    Slot& state = slots_[slot];
    if (state.stage != Slot::Stage::kInstalling) continue;
    if (state.retry_at > now_.instant) {
      installs_at_ = std::min(installs_at_, state.retry_at);
      continue;
    }
    if (state.seen > state.term) {
      if (!begin_install(slot)) lose(slot);
    } else {
      if (state.attempts < UINT8_MAX) ++state.attempts;
      send_installs(slot);
    }
  }
}

bool Coordinator::State::is_over(const Operation& operation) {
  const Slot& state = slot_of(operation);
  return state.stage != Slot::Stage::kOwned || state.term != operation.term;
}

bool Coordinator::State::on_stale(Operation& operation, uint8_t place, base::Term floor) {
  const uint16_t slot = operation.key->slot;
  if (floor < operation.term && !is_over(operation)) {
    ask(operation, place, acceptor::Install{operation.term, operation.set.places[place].joined},
        Question::About::kLazyInstall);
    return true;
  }
  note_seen(slot, floor);
  operation.votes[place].kind = Vote::Kind::kRefused;
  return false;
}

void Coordinator::State::hand_over() {
  if (is_leaving_) return;
  is_leaving_ = true;
  wish_give_away();
}

void Coordinator::State::wish_give_away() {
  wishes_at_ = base::kNever;
  for (uint16_t slot = 0; slot < cluster::kSlots; ++slot) {
    Slot& state = slots_[slot];
    if (state.stage == Slot::Stage::kInstalling) lose(slot);
    if (state.stage != Slot::Stage::kOwned) continue;
    wishes_at_ = now_.instant + limits::kRetryDelay;
    if (state.operations != 0) continue;
    const cluster::SessionId next = candidate_of(slot, self_);
    if (next == cluster::SessionId{} || next == self_) {  // nobody is left to have it
      lose(slot);
      continue;
    }
    output.wishes.push_back({Output::Wish::Kind::kGiveAway, slot, next});
  }
}

}  // namespace quorate::replicate
