// The owner's proposals: one version, one state, to all members; chosen once a majority has it
// (§6.3). The key is held until then, or until the term is over: so the next write on it begins
// from what was chosen, never from what was there before something that may have been (rule P3).
//
//   NEEDSTATE, TORN   the member is sent the whole state of the same version, from one that has it
//   OLD, OLDSEQ       the same state is proposed again by a new version; the command never is
//   lost              the identical message again: it is accepted once, however often it comes
//   STALE, nacks      certainly not accepted there
#include <bit>

#include "consensus/base/assert.h"
#include "proxy/replicate/state.h"

namespace quorate::replicate {

void Coordinator::State::propose_deleted(Operation& operation, Purpose purpose) {
  operation.state.form = acceptor::Form::kDeleted;
  operation.state.type = acceptor::Type::kNone;
  operation.state.expires_at_ms = 0;
  operation.state.recorded.clear();
  operation.state.payload.clear();
  if (purpose == Purpose::kExpire) ++counters.expiries;
  propose_full(operation, purpose);
}

void Coordinator::State::propose_full(Operation& operation, Purpose purpose) {
  operation.is_proposed_full = operation.is_state_known = true;
  operation.result = {{}, operation.state.type, operation.state.expires_at_ms};
  begin_proposal(operation, purpose);
  operation.result.version = operation.version;
  for (uint8_t i = 0; i < operation.set.count; ++i) send_proposal(operation, i);
  judge_proposal(operation);
}

void Coordinator::State::propose_delta(Operation& operation) {
  operation.is_proposed_full = operation.is_state_known = false;
  operation.base = operation.key->base.version;
  if (!operation.key->is_known) operation.base = {};
  begin_proposal(operation, Purpose::kClient);
  if (operation.plan.kind == redis::Plan::Kind::kDelta) {
    for (uint8_t i = 0; i < operation.set.count; ++i) send_proposal(operation, i);
    return judge_proposal(operation);
  }
  // One runs it, the others get its state: as if they lagged.
  int runner = -1;
  const uint32_t first = rotation_++;
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    const auto place = static_cast<uint8_t>((first + i) % operation.set.count);
    if (runner < 0 || !is_avoided(operation.set.places[place])) runner = place;
    operation.votes[place].kind = Vote::Kind::kLagging;
  }
  if (runner >= 0) {
    operation.run_on = static_cast<PlaceMask>(1u << runner);
    send_proposal(operation, static_cast<uint8_t>(runner));
  }
  judge_proposal(operation);
}

void Coordinator::State::begin_proposal(Operation& operation, Purpose purpose) {
  begin_step(operation, Stage::kProposing);
  ASSERT(!is_over(operation));
  ASSERT(counter_ < base::kMaxCounter);
  operation.purpose = purpose;
  operation.attempts = 0;
  operation.set.assign(*table_, operation.key->slot);
  operation.votes.fill({});
  if (!mutated(Mutation::kReuseVersion) || counter_ == 0) ++counter_;
  operation.version = {operation.term, counter_};
  // Until it is chosen, nothing is known of the key: the base stays in the operation.
  if (purpose != Purpose::kClient || !operation.command.needs_base()) {
    operation.key->is_known = false;
  }
}

void Coordinator::State::send_proposal(Operation& operation, uint8_t place) {
  // What one member has run, no other one runs by the same version, however often it is asked.
  const bool runs_on_one = operation.plan.kind == redis::Plan::Kind::kState;
  const bool whole = operation.is_proposed_full ||
                     (operation.is_state_known &&
                      (runs_on_one || operation.votes[place].kind == Vote::Kind::kLagging));
  if (whole) {
    const StateCopy& state = operation.state;
    return ask(operation, place,
               acceptor::Full{operation.version, state.form, state.type, state.expires_at_ms,
                              state.recorded, state.payload});
  }
  const redis::Plan& plan = operation.plan;
  acceptor::Delta delta;
  delta.version = operation.version;
  delta.base = operation.base;
  delta.expires_at_ms = plan.expires_at_ms;
  delta.body = plan.body;
  delta.reply = plan.reply_from;
  delta.arguments = plan.arguments;
  delta.argument_count = plan.argument_count;
  delta.shown_keys = plan.shown_keys;
  if (plan.kind == redis::Plan::Kind::kState) delta.largest_base = limits::kLargestState;
  ask(operation, place, delta);
}

void Coordinator::State::on_proposal_answer(Operation& operation, uint8_t place,
                                            const acceptor::Answer* answer,
                                            bool certainly_not_sent) {
  Vote& vote = operation.votes[place];
  vote.is_outstanding = false;
  if (answer == nullptr) {
    vote.kind = certainly_not_sent ? Vote::Kind::kUnsent : Vote::Kind::kMissing;
    vote.may_have_accepted |= !certainly_not_sent;
    if (mutated(Mutation::kCountMissingAsAccepted)) vote.kind = Vote::Kind::kAccepted;
  } else {
    switch (answer->kind) {
      case acceptor::AnswerKind::kOk:
      case acceptor::AnswerKind::kDuplicate: accepted(operation, place, *answer); break;
      case acceptor::AnswerKind::kNeedState:
      case acceptor::AnswerKind::kTorn:
        ++counters.need_state;
        vote.kind = Vote::Kind::kLagging;
        break;
      case acceptor::AnswerKind::kOld:
      case acceptor::AnswerKind::kOldSequence:
        ++counters.old_sequence;
        vote.kind = Vote::Kind::kOutran;
        break;
      case acceptor::AnswerKind::kError:
        vote.kind = Vote::Kind::kErrored;
        if (!operation.has_reply && !operation.is_answered) {
          operation.reply.assign("-").append(answer->reply).append("\r\n");
        }
        break;
      case acceptor::AnswerKind::kStale:
        if (on_stale(operation, place, answer->floor)) return;
        break;
      case acceptor::AnswerKind::kBroken:
        vote.kind = Vote::Kind::kMissing;
        vote.may_have_accepted = true;
        break;
      default: vote.kind = Vote::Kind::kRefused; break;
    }
  }
  if (operation.stage == Stage::kRepairing) return judge_repair(operation);
  judge_proposal(operation);
}

void Coordinator::State::accepted(Operation& operation, uint8_t place,
                                  const acceptor::Answer& answer) {
  operation.votes[place].kind = Vote::Kind::kAccepted;
  // A member that was sent the whole state says nothing of it.
  if (!operation.is_proposed_full && answer.meta.version == operation.version) {
    operation.result = {operation.version, answer.meta.type, answer.meta.expires_at_ms};
  }
  if (operation.stage == Stage::kRepairing || operation.purpose != Purpose::kClient ||
      operation.has_reply || operation.is_answered) {
    return;
  }
  operation.reply.clear();
  operation.has_reply = operation.command.finish_write(operation.plan, answer, operation.reply);
}

void Coordinator::State::judge_proposal(Operation& operation) {
  const PlaceMask has = votes_of(operation, Vote::Kind::kAccepted);
  if (operation.set.is_majority(has) || (has != 0 && mutated(Mutation::kAckBeforeMajority))) {
    return chosen(operation);
  }
  const PlaceMask errored = votes_of(operation, Vote::Kind::kErrored);
  if (operation.purpose == Purpose::kClient && has == 0 &&
      (operation.set.is_majority(errored) || (errored != 0 && mutated(Mutation::kErrorFromOne)))) {
    // The base is chosen, and this is what the command says of it; nothing has changed.
    if (!operation.is_answered) succeed(operation);
    return finish(operation);
  }
  const PlaceMask outstanding = outstanding_of(operation);
  if (is_over(operation)) {
    if (outstanding == 0) give_up(operation);
    return;
  }
  const bool runs_on_one =
      !operation.is_proposed_full && operation.plan.kind == redis::Plan::Kind::kState;
  if (runs_on_one && errored != 0) {
    if (has == 0) {
      if (outstanding == 0 && run_elsewhere(operation)) return;
    } else {
      for (uint8_t i = 0; i < operation.set.count; ++i) {
        if ((errored & 1u << i) != 0) operation.votes[i].kind = Vote::Kind::kLagging;
      }
    }
  }
  const PlaceMask lagging = votes_of(operation, Vote::Kind::kLagging);
  const PlaceMask outran = votes_of(operation, Vote::Kind::kOutran);
  if (operation.is_state_known && outran != 0) return propose_again(operation);
  if (operation.is_state_known && lagging != 0) {
    for (uint8_t i = 0; i < operation.set.count; ++i) {
      if ((lagging & 1u << i) == 0) continue;
      ++counters.transfers;
      send_proposal(operation, i);
    }
    return;
  }
  if ((lagging | outran) != 0 && has != 0) {
    const auto holders = static_cast<PlaceMask>(has & ~operation.fetched_from);
    if (operation.is_fetching) return;
    if (holders != 0) return fetch(operation, holders);
  }
  if (outstanding == 0) retry_later(operation);
}

// What one says of a command may be said of a state that is no longer the newest: a majority has to
// say it. One after the other, and only while all have said that they changed nothing, so that no
// two run it by the same version.
bool Coordinator::State::run_elsewhere(Operation& operation) {
  if (!certainly_nowhere(operation)) return false;
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    if ((operation.run_on & 1u << i) != 0) continue;
    operation.run_on = static_cast<PlaceMask>(operation.run_on | 1u << i);
    send_proposal(operation, i);
    return true;
  }
  return false;
}

void Coordinator::State::fetch(Operation& operation, PlaceMask from) {
  const auto place = static_cast<uint8_t>(std::countr_zero(from));
  operation.is_fetching = true;
  operation.fetched_from = static_cast<PlaceMask>(operation.fetched_from | 1u << place);
  ask(operation, place, acceptor::DumpAt{operation.version}, Question::About::kFetch);
}

void Coordinator::State::on_fetch_answer(Operation& operation, uint8_t place,
                                         const acceptor::Answer* answer) {
  static_cast<void>(place);
  operation.is_fetching = false;
  const bool has_it =
      answer != nullptr && answer->kind == acceptor::AnswerKind::kOk && !answer->blank;
  if (has_it) {
    StateCopy& state = operation.state;
    state.form = answer->form;
    state.type =
        answer->form == acceptor::Form::kDeleted ? acceptor::Type::kNone : answer->meta.type;
    state.expires_at_ms = answer->meta.expires_at_ms;
    state.recorded.assign(answer->meta.reply);
    state.payload.assign(answer->state);
    operation.is_state_known = true;
  }
  switch (operation.stage) {
    case Stage::kFetching:
      if (is_over(operation)) return judge_touch(operation);
      if (!has_it) return fetch_settled(operation);
      return propose_full(operation, Purpose::kSettle);
    case Stage::kRepairing:
      if (!has_it) {
        note_missed(operation.key->slot, votes_of(operation, Vote::Kind::kLagging));
        return finish(operation);
      }
      return judge_repair(operation);
    default: return judge_proposal(operation);
  }
}

void Coordinator::State::propose_again(Operation& operation) {
  const Purpose purpose = operation.purpose;
  // The same state; the command is not run again.
  if (mutated(Mutation::kApplyAgain) && purpose == Purpose::kClient &&
      !operation.command.is_read() && operation.plan.kind == redis::Plan::Kind::kDelta) {
    return restart(operation);
  }
  bool may_have = false;
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    const Vote& vote = operation.votes[i];
    may_have |= vote.may_have_accepted || vote.is_outstanding ||
                vote.kind == Vote::Kind::kAccepted || vote.kind == Vote::Kind::kMissing;
  }
  const uint8_t attempts = operation.attempts;
  propose_full(operation, purpose);
  operation.attempts = attempts;
  // What an earlier version may have done counts for what the client is told.
  if (may_have && operation.stage == Stage::kProposing) operation.votes[0].may_have_accepted = true;
}

bool Coordinator::State::certainly_nowhere(const Operation& operation) {
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    const Vote& vote = operation.votes[i];
    const bool missing =
        vote.may_have_accepted || vote.kind == Vote::Kind::kMissing || vote.is_outstanding;
    if (missing && !mutated(Mutation::kFailedThoughMissing)) return false;
    if (vote.kind == Vote::Kind::kAccepted && !mutated(Mutation::kFailedThoughAccepted)) {
      return false;
    }
  }
  return true;
}

void Coordinator::State::retry_proposal(Operation& operation) {
  if (is_over(operation)) {
    if (outstanding_of(operation) == 0) give_up(operation);
    return;
  }
  if (operation.attempts < UINT8_MAX) ++operation.attempts;
  const PlaceMask has = votes_of(operation, Vote::Kind::kAccepted);
  const auto behind = static_cast<PlaceMask>(votes_of(operation, Vote::Kind::kLagging) |
                                             votes_of(operation, Vote::Kind::kOutran) |
                                             votes_of(operation, Vote::Kind::kErrored));
  if (behind != 0 && certainly_nowhere(operation)) return restart(operation);
  // A majority answers, and yet nobody who answers has the state: only a new term, whose first
  // touch reads a majority, says what it is.
  const bool is_stuck = operation.is_answered &&
                        operation.set.is_majority(static_cast<PlaceMask>(has | behind)) &&
                        operation.attempts >= limits::kAttemptsBeforeSelfBump;
  if (is_stuck) {
    self_bump(operation.key->slot);
    return give_up(operation);
  }
  operation.fetched_from = 0;
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    const Vote::Kind kind = operation.votes[i].kind;
    if (kind == Vote::Kind::kUnsent || kind == Vote::Kind::kMissing ||
        kind == Vote::Kind::kRefused) {
      send_proposal(operation, i);
    }
  }
  judge_proposal(operation);
}

void Coordinator::State::restart(Operation& operation) {
  operation.key->is_known = false;
  if (operation.is_answered) return finish(operation);
  operation.has_reply = false;
  own(operation);
}

void Coordinator::State::give_up(Operation& operation) {
  count(operation, false);
  if (operation.is_answered) return finish(operation);
  if (operation.purpose != Purpose::kClient || certainly_nowhere(operation)) {
    operation.has_reply = false;
    begin_step(operation, Stage::kRouting);
    return retry_later(operation);
  }
  tell_unknown(operation);
  finish(operation);
}

void Coordinator::State::chosen(Operation& operation) {
  Key& key = *operation.key;
  operation.result.version = operation.version;
  if (!is_over(operation)) {
    key.base = operation.result;
    key.known_term = operation.term;
    key.is_known = true;
  } else {
    key.is_known = false;
  }
  if (operation.origin == Origin::kSweep) {  // looks whether all have it now
    return is_over(operation) ? finish(operation) : touch(operation, -1);
  }
  if (operation.purpose != Purpose::kClient) {
    if (operation.is_answered) return finish(operation);
    if (is_over(operation)) return give_up(operation);
    operation.has_touched = true;
    if (operation.command.is_read()) return touch(operation, -1);
    operation.is_plan_made = false;
    return make_plan(operation);
  }
  ++counters.writes;
  if (!is_over(operation)) {
    const auto reached = static_cast<PlaceMask>(
        votes_of(operation, Vote::Kind::kAccepted) | votes_of(operation, Vote::Kind::kLagging) |
        votes_of(operation, Vote::Kind::kOutran) | outstanding_of(operation));
    note_missed(key.slot, static_cast<PlaceMask>(operation.set.all() & ~reached));
    if (operation.result.present()) {
      expect_expiry(operation.result.expires_at_ms);
    } else {
      want_pass(now_.instant + options_.sweep_pause);  // forgets it
    }
  }
  if (!operation.is_answered) {
    if (operation.has_reply) {
      succeed(operation);
    } else {
      tell_unknown(operation);  // it is done, but only duplicates have said so
    }
  }
  const auto lagging = static_cast<PlaceMask>(votes_of(operation, Vote::Kind::kLagging) |
                                              votes_of(operation, Vote::Kind::kOutran));
  if (lagging != 0 && !is_over(operation)) return begin_repair(operation, lagging);
  finish(operation);
}

// ---- A member that lagged behind what was chosen.

void Coordinator::State::begin_repair(Operation& operation, PlaceMask lagging) {
  const PlaceMask has = votes_of(operation, Vote::Kind::kAccepted);
  begin_step(operation, Stage::kRepairing);
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    Vote& vote = operation.votes[i];
    vote.is_outstanding = false;  // answers to the step before are late
    if ((lagging & 1u << i) != 0) vote.kind = Vote::Kind::kLagging;
    if (((lagging | has) & 1u << i) == 0) vote.kind = Vote::Kind::kNotAsked;
  }
  if (!operation.is_state_known) return fetch(operation, has);
  judge_repair(operation);
}

void Coordinator::State::judge_repair(Operation& operation) {
  if (is_over(operation)) return finish(operation);
  if (outstanding_of(operation) != 0) return;
  if (votes_of(operation, Vote::Kind::kOutran) != 0) {
    return propose_full(operation, Purpose::kSettle);
  }
  const PlaceMask lagging = votes_of(operation, Vote::Kind::kLagging);
  if (lagging == 0 || operation.attempts == UINT8_MAX) {
    note_missed(operation.key->slot,
                static_cast<PlaceMask>(lagging | votes_of(operation, Vote::Kind::kRefused) |
                                       votes_of(operation, Vote::Kind::kUnsent) |
                                       votes_of(operation, Vote::Kind::kMissing)));
    return finish(operation);
  }
  operation.attempts = UINT8_MAX;  // once
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    if ((lagging & 1u << i) == 0) continue;
    ++counters.transfers;
    send_proposal(operation, i);
  }
}

}  // namespace quorate::replicate
