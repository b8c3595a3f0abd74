#include "proxy/replicate/coordinator.h"

#include <algorithm>

#include "consensus/base/assert.h"
#include "consensus/cluster/hash.h"
#include "proxy/replicate/state.h"

namespace quorate::replicate {

// ---- The outside.

Coordinator::Coordinator(const Options& options) : state_(std::make_unique<State>(options)) {}
Coordinator::~Coordinator() = default;

void Coordinator::adopt(std::shared_ptr<const cluster::ReplicaTable> table, cluster::SessionId self,
                        Now now) {
  state_->set_now(now);
  state_->adopt(std::move(table), self);
  state_->settle_down();
}

bool Coordinator::has_room() const { return state_->has_room(); }

void Coordinator::submit(OperationId id, const redis::ReplicatedCommand& command, Now now) {
  state_->set_now(now);
  state_->submit(id, command);
  state_->settle_down();
}

void Coordinator::on_forward(GuestId id, const redis::ReplicatedCommand& command, base::Term seen,
                             Now now) {
  state_->set_now(now);
  state_->on_forward(id, command, seen);
  state_->settle_down();
}

void Coordinator::on_forward_reply(ForwardId id, End end, std::string_view reply, Now now) {
  state_->set_now(now);
  state_->on_forward_reply(id, end, reply);
  state_->settle_down();
}

void Coordinator::on_peer_lost(cluster::SessionId session, Now now) {
  state_->set_now(now);
  state_->on_peer_lost(session);
  state_->settle_down();
}

void Coordinator::on_answer(RequestId id, const redis::acceptor::Answer& answer, Now now) {
  state_->set_now(now);
  state_->on_answer(id, answer);
  state_->settle_down();
}

void Coordinator::on_request_lost(RequestId id, bool certainly_not_sent, Now now) {
  state_->set_now(now);
  state_->on_request_lost(id, certainly_not_sent);
  state_->settle_down();
}

void Coordinator::on_time(Now now) {
  state_->set_now(now);
  state_->on_time();
  state_->settle_down();
}

base::Instant Coordinator::next_deadline() const { return state_->next_deadline(); }

void Coordinator::hand_over(Now now) {
  state_->set_now(now);
  state_->hand_over();
  state_->settle_down();
}

bool Coordinator::is_idle() const { return state_->is_idle(); }
const Output& Coordinator::output() const { return state_->output; }
void Coordinator::carried_out() { state_->carried_out(); }
const Counters& Coordinator::counters() const { return state_->counters; }
uint32_t Coordinator::owned_slots() const { return state_->owned_slots(); }
SweepProgress Coordinator::sweep_progress() const { return state_->sweep_progress(); }

// ---- Operations.

Coordinator::State::State(const Options& options)
    : options_(options), random_(options.seed), slots_(cluster::kSlots) {
  ASSERT(options.workers > 0 && options.worker < options.workers);
}

Operation& Coordinator::State::make(Origin origin, uint64_t external,
                                    const redis::ReplicatedCommand& command) {
  if (free_operations_.empty()) {
    operations_.push_back(std::make_unique<Operation>());
    operations_.back()->index = static_cast<uint32_t>(operations_.size() - 1);
    free_operations_.push_back(operations_.back()->index);
  }
  Operation& operation = *operations_[free_operations_.back()];
  free_operations_.pop_back();
  if (++operation.generation == 0) operation.generation = 1;
  operation.stage = Stage::kQueued;
  operation.origin = origin;
  operation.purpose = Purpose::kClient;
  operation.is_answered = operation.has_touched = operation.is_plan_made = false;
  operation.is_state_known = operation.is_proposed_full = operation.has_read_reply = false;
  operation.has_reply = operation.must_restart = operation.is_retry_armed = false;
  operation.is_counted = operation.is_fetching = false;
  operation.is_patient = true;
  operation.attempts = 0;
  operation.external = external;
  operation.next = nullptr;
  operation.forward_stamp = 0;
  operation.version = operation.base = operation.read_version = {};
  operation.term = {};
  operation.command = command;
  operation.reply.clear();
  operation.rounds = 0;
  operation.in_sync = 0;
  ++under_way(origin);
  return operation;
}

Operation* Coordinator::State::find(OperationRef ref) {
  if (ref.generation == 0 || ref.index >= operations_.size()) return nullptr;
  Operation* operation = operations_[ref.index].get();
  const bool there = operation->generation == ref.generation && operation->stage != Stage::kEnded &&
                     operation->stage != Stage::kFree;
  return there ? operation : nullptr;
}

void Coordinator::State::submit(OperationId id, const redis::ReplicatedCommand& command) {
  ASSERT(table_ != nullptr && has_room() && !command.empty());
  Operation& operation = make(Origin::kClient, static_cast<uint64_t>(id), command);
  operation.deadline = now_.instant + options_.request_timeout;
  client_deadlines_.push_back({operation.deadline, operation.ref(), 0});
  enqueue(operation);
}

void Coordinator::State::enqueue(Operation& operation) {
  const std::string_view name = operation.command.key();
  Key& key =
      keys_.use(name, cluster::hash_of(cluster::HashKind::kXxh3, name), table_->slot_of(name));
  operation.key = &key;
  if (key.last == nullptr) {
    key.first = &operation;
  } else {
    key.last->next = &operation;
  }
  key.last = &operation;
  if (key.unstarted == nullptr) key.unstarted = &operation;
  look_at(key);
}

void Coordinator::State::look_at(Key& key) {
  if (key.is_queued) return;
  key.is_queued = true;
  keys_to_look_at_.push_back(&key);
}

void Coordinator::State::settle_down() {
  for (size_t i = 0; i < keys_to_look_at_.size(); ++i) {  // it may grow
    Key& key = *keys_to_look_at_[i];
    key.is_queued = false;
    pump(key);
    if (!key.has_operations() && !key.is_idle && !key.is_queued) keys_.rest(key);
  }
  keys_to_look_at_.clear();
}

void Coordinator::State::pump(Key& key) {
  while (key.first != nullptr) {
    Operation& front = *key.first;
    if (front.stage == Stage::kReady) {
      if (!front.is_answered) {
        const bool overtaken = front.must_restart || front.read_version < key.told;
        if (overtaken && !mutated(Mutation::kReadsOutOfOrder)) {
          front.must_restart = false;
          start_direct(front);
          continue;
        }
        key.told = front.read_version;
        ++counters.direct_reads;
        succeed(front);
      }
      pop_front(key);
      continue;
    }
    if (front.stage == Stage::kInconclusive && !key.is_exclusive) {
      key.is_exclusive = true;
      route(front);
      continue;
    }
    break;
  }
  while (key.unstarted != nullptr) {
    Operation& next = *key.unstarted;
    if (next.stage == Stage::kReady) {  // its time was up before its turn came
      key.unstarted = next.next;
      continue;
    }
    const bool overtakes = key.is_exclusive && !mutated(Mutation::kReadOvertakesWrite);
    if (is_direct(next) && !overtakes) {
      key.unstarted = next.next;
      start_direct(next);
      continue;
    }
    if (key.is_exclusive || &next != key.first) break;
    key.unstarted = next.next;
    key.is_exclusive = true;
    route(next);
    break;
  }
  const bool again = key.first != nullptr && key.first->stage == Stage::kReady;
  if (again) look_at(key);
}

void Coordinator::State::pop_front(Key& key) {
  Operation& front = *key.first;
  ASSERT(front.stage == Stage::kReady);
  key.first = front.next;
  if (key.unstarted == &front) key.unstarted = front.next;
  if (key.first == nullptr) {
    key.last = nullptr;
    key.told = {};
  }
  if (key.is_exclusive) {
    key.is_exclusive = false;
    // Direct reads that had been started behind it may have seen less than it has.
    for (Operation* it = key.first; it != key.unstarted; it = it->next) {
      it->must_restart |= !mutated(Mutation::kReadOvertakesWrite);
    }
  }
  count(front, false);
  front.stage = Stage::kEnded;
  --under_way(front.origin);
  ended_operations_.push_back(front.index);
}

void Coordinator::State::answer(Operation& operation, End end, std::string_view reply) {
  ASSERT(!operation.is_answered);
  operation.is_answered = true;
  if (end == End::kFailed) ++counters.failed_ends;
  if (end == End::kUnknown) ++counters.unknown_ends;
  if (operation.origin == Origin::kClient) {
    output.ended.push_back({OperationId{operation.external}, end, reply});
  } else {
    output.guests_ended.push_back({GuestId{operation.external}, end, reply});
  }
}

void Coordinator::State::succeed(Operation& operation) {
  answer(operation, End::kSucceeded, operation.reply);
}

void Coordinator::State::fail(Operation& operation, std::string_view why) {
  operation.reply.assign("-").append(why).append("\r\n");
  answer(operation, End::kFailed, operation.reply);
}

void Coordinator::State::finish(Operation& operation) {
  ASSERT(operation.is_answered);
  if (operation.origin == Origin::kSweep) sweep_ended(operation);
  ++operation.step;
  operation.stage = Stage::kReady;
  look_at(*operation.key);
}

void Coordinator::State::begin_step(Operation& operation, Stage stage) {
  ++operation.step;
  operation.stage = stage;
  operation.is_retry_armed = false;
  operation.is_fetching = false;
  operation.fetched_from = 0;
}

void Coordinator::State::carried_out() {
  output.clear();
  for (const uint32_t index : ended_operations_) {
    Operation& operation = *operations_[index];
    operation.stage = Stage::kFree;
    for (std::string* text : {&operation.state.payload, &operation.read_reply, &operation.reply,
                              &operation.plan.payload, &operation.plan.arguments}) {
      if (text->capacity() > limits::kWarmBytes) *text = std::string();
    }
    if (operation.command.size() > limits::kWarmBytes) operation.command = {};
    free_operations_.push_back(index);
  }
  ended_operations_.clear();
  sweep_.purged.clear();
}

// ---- Time.

void Coordinator::State::arm(base::RingBuffer<Timer>& timers, Operation& operation,
                             base::Duration delay) {
  timers.push_back({now_.instant + delay, operation.ref(), operation.step});
}

void Coordinator::State::retry_later(Operation& operation) {
  if (operation.is_retry_armed) return;
  operation.is_retry_armed = true;
  arm(retries_, operation, limits::kRetryDelay);
}

template <class Visit>
void Coordinator::State::run_timers(base::RingBuffer<Timer>& timers, bool by_step, Visit visit) {
  while (!timers.empty()) {
    const Timer timer = timers.front();
    Operation* operation = find(timer.operation);
    const bool wanted = operation != nullptr && (!by_step || operation->step == timer.step);
    if (wanted && timer.at > now_.instant) return;
    timers.pop_front();
    if (wanted) visit(*operation);
  }
}

void Coordinator::State::on_time() {
  run_timers(hedges_, true, [this](Operation& operation) { on_hedge(operation); });
  run_timers(looks_, true, [this](Operation& operation) { on_hedge(operation); });
  run_timers(retries_, true, [this](Operation& operation) {
    operation.is_retry_armed = false;
    on_retry(operation);
  });
  const auto deadline = [this](Operation& operation) { on_deadline(operation); };
  run_timers(guest_deadlines_, false, deadline);
  run_timers(client_deadlines_, false, deadline);
  retry_installs();
  if (is_leaving_ && wishes_at_ <= now_.instant) wish_give_away();
  if (sweep_.at <= now_.instant) sweep();
}

base::Instant Coordinator::State::first_of(const base::RingBuffer<Timer>& timers) const {
  return timers.empty() ? base::kNever : timers.front().at;
}

base::Instant Coordinator::State::next_deadline() const {
  return std::min({first_of(hedges_), first_of(looks_), first_of(retries_),
                   first_of(guest_deadlines_), first_of(client_deadlines_), installs_at_,
                   wishes_at_, sweep_.at});
}

void Coordinator::State::on_hedge(Operation& operation) {
  if (operation.stage == Stage::kReading) {
    for (uint8_t place = 0; place < operation.set.count; ++place) {
      if (operation.votes[place].kind != Vote::Kind::kNotAsked) continue;
      ++counters.hedged_reads;
      ask_direct(operation, place, false);
    }
  } else if (operation.stage == Stage::kTouching) {
    operation.is_patient = false;
    judge_touch(operation);
  }
}

void Coordinator::State::on_retry(Operation& operation) {
  switch (operation.stage) {
    case Stage::kRouting: return route(operation);
    case Stage::kTouching:
    case Stage::kFetching:
      return operation.origin == Origin::kSweep ? route(operation) : own(operation);
    case Stage::kProposing: return retry_proposal(operation);
    default: return;
  }
}

void Coordinator::State::on_deadline(Operation& operation) {
  if (operation.is_answered) return;
  switch (operation.stage) {
    case Stage::kForwarded:
      operation.forward_stamp = 0;
      if (operation.command.is_read()) {
        fail(operation, "TRYAGAIN the owner of the slot did not answer");
      } else if (mutated(Mutation::kLostForwardIsFailed)) {
        fail(operation, "TRYAGAIN");
      } else {
        tell_unknown(operation);
      }
      return finish(operation);
    case Stage::kProposing:
      if (operation.purpose != Purpose::kClient) {
        return fail(operation, "TRYAGAIN the slot's replicas did not answer");
      }
      if (certainly_nowhere(operation)) {
        tell_no_quorum(operation);
        return finish(operation);
      }
      tell_unknown(operation);
      if (is_over(operation) || mutated(Mutation::kContinueFromOldState)) finish(operation);
      return;
    case Stage::kQueued:
    case Stage::kRouting:
    case Stage::kWaitingForSlot:
      fail(operation, "TRYAGAIN the slot's owner could not be reached");
      return finish(operation);
    default: tell_no_quorum(operation); return finish(operation);
  }
}

void Coordinator::State::tell_unknown(Operation& operation) {
  operation.reply = "-INDETERMINATE write outcome unknown";
  if (!operation.version.is_zero()) operation.reply += " " + base::to_string(operation.version);
  operation.reply += "\r\n";
  answer(operation, End::kUnknown, operation.reply);
}

void Coordinator::State::tell_no_quorum(Operation& operation) {
  fail(operation, "CLUSTERDOWN no quorum for slot " + std::to_string(operation.key->slot));
}

bool Coordinator::State::is_idle() const {
  return clients_ + guests_ + sweeps_ == 0 && (owned_slots() == 0 || table_ == nullptr);
}

// ---- Requests.

RequestId Coordinator::State::add(const Question& question) {
  if (free_questions_.empty()) {
    free_questions_.push_back(static_cast<uint32_t>(questions_.size()));
    questions_.emplace_back();
  }
  const uint32_t index = free_questions_.back();
  free_questions_.pop_back();
  const uint32_t generation = questions_[index].generation + 1;
  questions_[index] = question;
  questions_[index].generation = generation;
  return RequestId{uint64_t{generation} << 32 | index};
}

bool Coordinator::State::take(RequestId id, Question& question) {
  const auto number = static_cast<uint64_t>(id);
  const auto index = static_cast<uint32_t>(number);
  if (index >= questions_.size()) return false;
  Question& entry = questions_[index];
  if (entry.about == Question::About::kFree || entry.generation != number >> 32) return false;
  question = entry;
  entry.about = Question::About::kFree;
  free_questions_.push_back(index);
  return true;
}

bool Coordinator::State::is_avoided(const ReplicaSet::Place& place) const {
  return place.index < avoided_until_.size() && avoided_until_[place.index] > now_.instant;
}

PlaceMask Coordinator::State::votes_of(const Operation& operation, Vote::Kind kind) const {
  unsigned mask = 0;
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    if (operation.votes[i].kind == kind) mask |= 1u << i;
  }
  return static_cast<PlaceMask>(mask);
}

PlaceMask Coordinator::State::outstanding_of(const Operation& operation) const {
  unsigned mask = 0;
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    if (operation.votes[i].is_outstanding) mask |= 1u << i;
  }
  return static_cast<PlaceMask>(mask);
}

void Coordinator::State::on_answer(RequestId id, const acceptor::Answer& answer) {
  Question question;
  if (!take(id, question)) return;
  switch (question.about) {
    case Question::About::kInstall: return on_install_answer(question, &answer);
    case Question::About::kScan: return on_scan_answer(question, &answer);
    case Question::About::kFloor: return on_floor_answer(question, &answer);
    case Question::About::kForget: return on_forget_answer(question, &answer);
    case Question::About::kPurge: return on_purge_answer(question, &answer);
    case Question::About::kFence: return;
    default: break;
  }
  Operation* operation = find(question.operation);
  if (operation == nullptr || operation->step != question.step) {
    if (answer.kind == acceptor::AnswerKind::kStale) note_seen(question.slot, answer.floor);
    const bool has_it = question.about == Question::About::kVote &&
                        (answer.kind == acceptor::AnswerKind::kOk ||
                         answer.kind == acceptor::AnswerKind::kDuplicate);
    if (question.is_proposal && !has_it) {
      note_missed(question.slot, place_bit(question.slot, question.backend));
    }
    return;
  }
  if (question.about == Question::About::kFetch) {
    return on_fetch_answer(*operation, question.place, &answer);
  }
  if (question.about == Question::About::kLazyInstall) {
    const bool done =
        answer.kind == acceptor::AnswerKind::kOk || answer.kind == acceptor::AnswerKind::kDuplicate;
    operation->votes[question.place].is_outstanding = false;
    if (done && !is_over(*operation)) {
      ++counters.lazy_installs;
      if (operation->stage == Stage::kTouching) return ask_touch(*operation, question.place);
      return send_proposal(*operation, question.place);
    }
    if (answer.kind == acceptor::AnswerKind::kStale) note_seen(question.slot, answer.floor);
    operation->votes[question.place].kind = Vote::Kind::kRefused;
    if (operation->stage == Stage::kTouching) return judge_touch(*operation);
    if (operation->stage == Stage::kRepairing) return judge_repair(*operation);
    return judge_proposal(*operation);
  }
  switch (operation->stage) {
    case Stage::kReading: return on_direct_answer(*operation, question.place, &answer);
    case Stage::kTouching: return on_touch_answer(*operation, question.place, &answer);
    case Stage::kProposing:
    case Stage::kRepairing: return on_proposal_answer(*operation, question.place, &answer, false);
    default: return;
  }
}

void Coordinator::State::on_request_lost(RequestId id, bool certainly_not_sent) {
  Question question;
  if (!take(id, question)) return;
  const auto& backends = table_->backends();
  for (size_t i = 0; i < backends.size() && i < avoided_until_.size(); ++i) {
    if (backends[i].serial == question.backend) {
      avoided_until_[i] = now_.instant + limits::kAvoidDelay;
    }
  }
  switch (question.about) {
    case Question::About::kInstall: return on_install_answer(question, nullptr);
    case Question::About::kScan: return on_scan_answer(question, nullptr);
    case Question::About::kFloor: return on_floor_answer(question, nullptr);
    case Question::About::kForget: return on_forget_answer(question, nullptr);
    case Question::About::kPurge: return on_purge_answer(question, nullptr);
    case Question::About::kFence: return;
    default: break;
  }
  if (question.is_proposal) {
    note_missed(question.slot, place_bit(question.slot, question.backend));
  }
  Operation* operation = find(question.operation);
  if (operation == nullptr || operation->step != question.step) return;
  switch (question.about) {
    case Question::About::kFetch: return on_fetch_answer(*operation, question.place, nullptr);
    case Question::About::kLazyInstall:
      operation->votes[question.place].is_outstanding = false;
      operation->votes[question.place].kind = Vote::Kind::kUnsent;
      if (operation->stage == Stage::kTouching) return judge_touch(*operation);
      if (operation->stage == Stage::kRepairing) return judge_repair(*operation);
      return judge_proposal(*operation);
    default: break;
  }
  switch (operation->stage) {
    case Stage::kReading: return on_direct_answer(*operation, question.place, nullptr);
    case Stage::kTouching: return on_touch_answer(*operation, question.place, nullptr);
    case Stage::kProposing:
    case Stage::kRepairing:
      return on_proposal_answer(*operation, question.place, nullptr, certainly_not_sent);
    default: return;
  }
}

}  // namespace quorate::replicate
