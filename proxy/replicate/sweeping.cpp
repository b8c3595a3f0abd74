// Sweeps: passes over all keys of the slots that this worker owns (sweep.h). A key that a member
// tells of is looked at as an operation of its own, in its turn among the clients': all members are
// read under the term, and if they differ the newest state is proposed to all of them (§6.9: an
// identity write). What does not answer lacks something, until a later pass.
#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/cluster/hash.h"
#include "proxy/replicate/state.h"

namespace quorate::replicate {

namespace {

/// Of a key in one version.
uint64_t mark_of(std::string_view key, const base::Version& version) {
  uint64_t mark = cluster::hash_of(cluster::HashKind::kXxh3, key);
  for (const uint64_t part :
       {version.term.number, uint64_t{version.term.session}, version.counter}) {
    mark = (mark ^ part) * 0x9e3779b97f4a7c15u;
    mark ^= mark >> 29;
  }
  return mark;
}

}  // namespace

void Coordinator::State::want_pass(base::Instant at) {
  sweep_.next_whole = std::min(sweep_.next_whole, std::max(at, sweep_.rests_until));
  hurry(sweep_.next_whole);
}

void Coordinator::State::hurry(base::Instant at) {
  sweep_.next_pass = std::min(sweep_.next_pass, at);
  if (sweep_.stage == Sweep::Stage::kResting) sweep_.at = std::min(sweep_.at, sweep_.next_pass);
}

void Coordinator::State::expect_expiry(int64_t expires_at_ms) {
  if (expires_at_ms == 0) return;
  const auto left = std::chrono::milliseconds(std::max<int64_t>(0, expires_at_ms - now_ms()));
  if (left > limits::kLongestSweepPause) return;  // a later pass will meet it
  want_pass(now_.instant + std::max<base::Duration>(left, options_.sweep_pause));
}

PlaceMask Coordinator::State::place_bit(uint16_t slot, cluster::BackendSerial backend) const {
  ReplicaSet set;
  set.assign(*table_, slot);
  for (uint8_t i = 0; i < set.count; ++i) {
    if (set.places[i].serial == backend) return static_cast<PlaceMask>(1u << i);
  }
  return 0;
}

void Coordinator::State::note_missed(uint16_t slot, PlaceMask places) {
  Slot& state = slots_[slot];
  if (places == 0 || state.stage != Slot::Stage::kOwned) return;
  state.sweep.missed |= places;
  want_pass(now_.instant + options_.sweep_pause);
}

bool Coordinator::State::is_urgent(uint16_t slot) const {
  const SlotSweep& mine = slots_[slot].sweep;
  const bool is_joint = table_->slot(slot).phase == cluster::SlotPhase::kJoint;
  return !mine.was_swept || (is_joint && !mine.has_moved);
}

bool Coordinator::State::in_pass(uint16_t slot) const {
  const Slot& state = slots_[slot];
  return !is_leaving_ && state.stage == Slot::Stage::kOwned && state.sweep.is_in_pass &&
         state.sweep.term == state.term;
}

SweepProgress Coordinator::State::sweep_progress() const {
  SweepProgress progress;
  progress.is_under_way = sweep_.stage != Sweep::Stage::kResting;
  if (table_ == nullptr) return progress;
  for (uint16_t slot = 0; slot < cluster::kSlots; ++slot) {
    const Slot& state = slots_[slot];
    if (state.stage != Slot::Stage::kOwned) continue;
    const bool is_joint = table_->slot(slot).phase == cluster::SlotPhase::kJoint;
    ++progress.slots;
    progress.slots_in_sync += state.sweep.was_swept && state.sweep.lacking == 0 ? 1u : 0u;
    progress.slots_joint += is_joint ? 1u : 0u;
    progress.slots_moved += is_joint && state.sweep.has_moved ? 1u : 0u;
  }
  return progress;
}

// ---- The pass.

void Coordinator::State::sweep() {
  sweep_.at = base::kNever;
  if (table_ == nullptr) return;
  switch (sweep_.stage) {
    case Sweep::Stage::kResting:
      wish_moves();
      if (sweep_.next_pass <= now_.instant) begin_pass();
      if (sweep_.stage == Sweep::Stage::kResting) {
        sweep_.at = std::min(sweep_.at, sweep_.next_pass);
      }
      return;
    case Sweep::Stage::kDraining: return drain();
    case Sweep::Stage::kScanning: return scan();
    case Sweep::Stage::kFloors: return raise_floors();
    case Sweep::Stage::kForgetting: return forget();
  }
}

void Coordinator::State::begin_pass() {
  // The last pass's texts may still be on their way out.
  if (!output.asked.empty()) return hurry(now_.instant + base::Duration(1));
  const bool is_whole = sweep_.next_whole <= now_.instant;
  if (is_whole) sweep_.next_whole = base::kNever;
  sweep_.next_pass = sweep_.next_whole;
  if (is_leaving_ || self_ == cluster::SessionId{}) return;
  sweep_.slots.clear();
  for (uint16_t slot = 0; slot < cluster::kSlots; ++slot) {
    Slot& state = slots_[slot];
    if (state.stage != Slot::Stage::kOwned || !(is_whole || is_urgent(slot))) continue;
    SlotSweep& mine = state.sweep;
    mine.is_in_pass = true;
    mine.has_tombstones = false;
    mine.lacking = mine.missed = mine.floored = 0;
    mine.term = state.term;
    mine.floor = {state.term, counter_};
    sweep_.slots.push_back(slot);
  }
  if (sweep_.slots.empty()) return;
  ++sweep_.pass;
  sweep_.scans.clear();
  for (const cluster::ReplicaBackend& backend : table_->backends()) {
    if (!backend.admitted()) continue;
    Sweep::Scan scan;
    scan.backend = backend.serial;
    scan.incarnation = backend.incarnation;
    sweep_.scans.push_back(std::move(scan));
  }
  sweep_.found.clear();
  sweep_.tombstones.clear();
  sweep_.settled.clear();
  sweep_.next = 0;
  sweep_.under_way = 0;
  sweep_.is_partial = false;
  sweep_.began = sweep_.filled = now_.instant;
  sweep_.budget = 0;
  sweep_.stage = Sweep::Stage::kDraining;
  drain();
}

void Coordinator::State::drain() {
  const bool is_late = now_.instant >= sweep_.began + limits::kDrainTime;
  bool is_drained = true;
  for (const auto& operation : operations_) {
    if (operation->stage != Stage::kProposing) continue;
    const uint16_t slot = operation->key->slot;
    if (!in_pass(slot) || operation->version > slots_[slot].sweep.floor) continue;
    if (is_late) {
      slots_[slot].sweep.is_in_pass = false;
    } else {
      is_drained = false;
    }
  }
  if (!is_drained && !mutated(Mutation::kFloorBeforeDrained)) {
    sweep_.at = now_.instant + limits::kRetryDelay;
    return;
  }
  sweep_.stage = Sweep::Stage::kScanning;
  if (mutated(Mutation::kSkipSweep)) {
    for (Sweep::Scan& scan : sweep_.scans) scan.is_done = true;
  }
  scan();
}

void Coordinator::State::scan() {
  look_at_found();
  bool is_done = sweep_.found.empty() && sweep_.under_way == 0;
  for (Sweep::Scan& scan : sweep_.scans) {
    if (scan.is_done || scan.has_failed()) continue;
    is_done = false;
    const bool has_room = sweep_.found.size() < limits::kScanCount * sweep_.scans.size();
    if (scan.is_asked || !has_room) continue;
    if (scan.not_before > now_.instant) {
      sweep_.at = std::min(sweep_.at, scan.not_before);
      continue;
    }
    ask_scan(scan);
  }
  if (is_done) judge_slots();
}

void Coordinator::State::ask_scan(Sweep::Scan& scan) {
  scan.is_asked = true;
  Question question;
  question.about = Question::About::kScan;
  question.step = sweep_.pass;
  question.backend = scan.backend;
  const RequestId id = add(question);
  output.asked.push_back({id,
                          scan.backend,
                          {{options_.pool, 0, scan.incarnation, {}},
                           acceptor::Scan{scan.cursor, limits::kScanCount}}});
}

void Coordinator::State::on_scan_answer(const Question& question, const acceptor::Answer* answer) {
  if (sweep_.stage != Sweep::Stage::kScanning || question.step != sweep_.pass) return;
  const auto found = std::ranges::find(sweep_.scans, question.backend, &Sweep::Scan::backend);
  ASSERT(found != sweep_.scans.end() && found->is_asked);
  Sweep::Scan& scan = *found;
  scan.is_asked = false;
  if (answer == nullptr || answer->kind != acceptor::AnswerKind::kOk) {
    ++scan.failures;
    scan.not_before = now_.instant + limits::kRetryDelay * (1 << scan.failures);
    sweep_.at = std::min(sweep_.at, now_.instant);
    return;
  }
  scan.failures = 0;
  std::string_view key;
  acceptor::Meta meta;
  acceptor::ScannedKeys keys(*answer);
  while (keys.next(key, meta)) on_scanned(scan, key, meta);
  scan.cursor.assign(answer->cursor);
  scan.is_done = answer->cursor == "0";
  this->scan();
}

void Coordinator::State::on_scanned(const Sweep::Scan& scan, std::string_view key,
                                    const acceptor::Meta& meta) {
  const uint16_t slot = table_->slot_of(key);
  if (!in_pass(slot)) return;
  if (place_bit(slot, scan.backend) == 0) return purge(scan, slot, key);
  if (sweep_.settled.contains(mark_of(key, meta.version))) return;
  sweep_.found.emplace_back(key);
}

void Coordinator::State::purge(const Sweep::Scan& scan, uint16_t slot, std::string_view key) {
  if (table_->slot(slot).phase != cluster::SlotPhase::kStable) return;
  // No member: its fence knows nothing of this term yet.
  sweep_.purged.emplace_back(key);
  const base::Term term = slots_[slot].term;
  const acceptor::Target target{options_.pool, slot, scan.incarnation, sweep_.purged.back()};
  Question question;
  question.about = Question::About::kFence;
  question.step = sweep_.pass;
  output.asked.push_back(
      {add(question),
       scan.backend,
       {{target.pool, slot, target.incarnation, {}}, acceptor::Install{term, 0}}});
  question.about = Question::About::kPurge;
  ++sweep_.under_way;
  output.asked.push_back({add(question), scan.backend, {target, acceptor::Purge{term}}});
}

void Coordinator::State::on_purge_answer(const Question& question, const acceptor::Answer* answer) {
  if (sweep_.stage != Sweep::Stage::kScanning || question.step != sweep_.pass) return;
  --sweep_.under_way;
  if (answer != nullptr && answer->kind == acceptor::AnswerKind::kOk) {
    ++counters.purged;
  } else {
    sweep_.is_partial = true;
  }
  sweep_.at = std::min(sweep_.at, now_.instant);
}

// ---- Keys.

void Coordinator::State::look_at_found() {
  const std::chrono::duration<double> passed = now_.instant - sweep_.filled;
  sweep_.filled = now_.instant;
  sweep_.budget = std::min<double>(sweep_.budget + passed.count() * options_.sweep_rate,
                                   limits::kSweepKeys + options_.sweep_rate / 100.0);
  while (!sweep_.found.empty() && sweep_.under_way < limits::kSweepKeys && sweep_.budget >= 1) {
    const std::string key = std::move(sweep_.found.front());
    sweep_.found.pop_front();
    sweep_.budget -= 1;
    const auto& exists =
        wire::redis_command_table()[static_cast<size_t>(wire::RedisCommand::kExists)];
    const std::array<std::string_view, 2> words{exists.name, key};
    if (look_.assign(exists, words, {})) continue;  // a key that no command may name
    Operation& operation = make(Origin::kSweep, 0, look_);
    operation.is_answered = true;  // nobody asks
    ++sweep_.under_way;
    ++counters.keys_looked_at;
    enqueue(operation);
  }
  if (!sweep_.found.empty() && sweep_.under_way < limits::kSweepKeys) {
    sweep_.at = std::min(sweep_.at, now_.instant + limits::kRetryDelay / 4);
  }
}

void Coordinator::State::judge_look(Operation& operation) {
  if (is_over(operation)) return finish(operation);
  unsigned awaited = 0;
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    const bool is_awaited =
        operation.votes[i].is_outstanding && !is_avoided(operation.set.places[i]);
    if (is_awaited) awaited |= 1u << i;
  }
  const PlaceMask read = votes_of(operation, Vote::Kind::kRead);
  const bool is_enough = operation.set.is_majority(read);
  if (awaited != 0 && operation.is_patient) {
    if (operation.is_retry_armed) return;
    operation.is_retry_armed = true;  // once in this step
    return arm(looks_, operation, limits::kSweepPatience);
  }
  if (!is_enough) return finish(operation);
  // The newest that is there; a floor above it says that it is not any more.
  int newest = -1;
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    const Vote& vote = operation.votes[i];
    if (vote.kind != Vote::Kind::kRead || vote.is_blank) continue;
    if (newest < 0 || vote.version > operation.votes[static_cast<size_t>(newest)].version) {
      newest = i;
    }
  }
  if (newest < 0) {  // nobody has it
    operation.in_sync = read;
    return finish(operation);
  }
  const auto place = static_cast<uint8_t>(newest);
  const PlaceMask in_sync = agreeing_with(operation, place, false);
  const Vote& vote = operation.votes[place];
  const bool has_expired = vote.type != acceptor::Type::kNone && expired(vote.expires_at_ms);
  const bool is_settled = (read & ~in_sync) == 0 && operation.set.is_majority(in_sync);
  if (is_settled && !has_expired) return conclude_look(operation, place, in_sync);
  if (++operation.rounds > limits::kSweepRounds) {
    if (operation.set.is_majority(in_sync)) operation.in_sync = in_sync;
    return finish(operation);
  }
  if (is_settled) return propose_deleted(operation, Purpose::kExpire);
  ++counters.keys_mended;
  settle(operation);
}

void Coordinator::State::conclude_look(Operation& operation, uint8_t newest, PlaceMask in_sync) {
  const Vote& vote = operation.votes[newest];
  SlotSweep& mine = slot_of(operation).sweep;
  operation.in_sync = in_sync;
  if (sweep_.settled.size() < limits::kSettledKeys) {
    sweep_.settled.insert(mark_of(operation.key->name, vote.version));
  }
  if (vote.type != acceptor::Type::kNone) {
    expect_expiry(vote.expires_at_ms);
  } else if (vote.version <= mine.floor) {
    mine.has_tombstones = true;
    if (sweep_.tombstones.size() < limits::kTombstones) {
      sweep_.tombstones.push_back({operation.key->slot, operation.key->name});
    } else {
      sweep_.is_partial = true;
    }
  } else {
    // Deleted, or written again, since the pass began: the next one forgets it.
    want_pass(now_.instant + options_.sweep_pause);
  }
  finish(operation);
}

void Coordinator::State::sweep_ended(const Operation& operation) {
  --sweep_.under_way;
  const uint16_t slot = operation.key->slot;
  ReplicaSet set;
  set.assign(*table_, slot);
  slots_[slot].sweep.lacking |= static_cast<PlaceMask>(set.all() & ~operation.in_sync);
  sweep_.at = std::min(sweep_.at, now_.instant);
}

}  // namespace quorate::replicate
