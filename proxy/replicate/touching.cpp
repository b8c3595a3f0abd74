// The owner's reads: what a majority holds under its term, and the newest of it made chosen if they
// do not agree (§6.2, §6.4). As the term was installed in these fences before they were read, no
// older owner can still change what was seen: it is Paxos' first phase for that key.
//
// Settling: the newest state seen is proposed once more, whole, by a version of this term. So the
// base of every plan is chosen, and its reply is true whatever happens to a minority.
#include "consensus/base/assert.h"
#include "proxy/replicate/state.h"

namespace quorate::replicate {

void Coordinator::State::advance(Operation& operation) {
  operation.term = slot_of(operation).term;
  operation.is_plan_made = false;
  operation.has_touched = false;
  operation.attempts = 0;
  if (operation.command.is_read()) return touch(operation, -1);
  const Key& key = *operation.key;
  const bool is_known =
      key.is_known && (key.known_term == operation.term || mutated(Mutation::kKeepCache));
  if (!is_known && operation.command.needs_base()) return touch(operation, -1);
  make_plan(operation);
}

void Coordinator::State::touch(Operation& operation, int preferred) {
  begin_step(operation, Stage::kTouching);
  operation.set.assign(*table_, operation.key->slot);
  operation.votes.fill({});
  operation.is_patient = true;
  operation.has_read_reply = false;
  const ReplicaSet& set = operation.set;
  if (preferred < 0) {
    const uint32_t first = rotation_++;
    for (uint8_t i = 0; i < set.count && preferred < 0; ++i) {
      const auto place = static_cast<uint8_t>((first + i) % set.count);
      if (!is_avoided(set.places[place])) preferred = place;
    }
  }
  operation.full_place = static_cast<uint8_t>(preferred < 0 ? 0 : preferred);
  for (uint8_t i = 0; i < set.count; ++i) ask_touch(operation, i);
  if (set.count == 0) retry_later(operation);
}

void Coordinator::State::ask_touch(Operation& operation, uint8_t place) {
  acceptor::Read read;
  read.configuration = operation.set.configuration;
  read.term = operation.term;
  if (mutated(Mutation::kFirstTouchWithoutTerm)) read.term = {};
  if (place == operation.full_place) {
    if (operation.command.is_read()) {
      read.form = operation.command.read_form();
      if (read.form == acceptor::ReadForm::kCommand) {
        read.arguments = operation.command.arguments();
        read.argument_count = operation.command.argument_count();
      }
    } else if (operation.is_plan_made && operation.plan.kind == redis::Plan::Kind::kRead) {
      read.form = acceptor::ReadForm::kCommand;
      read.arguments = operation.plan.arguments;
      read.argument_count = operation.plan.argument_count;
    }
  }
  ask(operation, place, read);
}

void Coordinator::State::on_touch_answer(Operation& operation, uint8_t place,
                                         const acceptor::Answer* answer) {
  Vote& vote = operation.votes[place];
  vote.is_outstanding = false;
  vote.kind = answer == nullptr ? Vote::Kind::kUnsent : Vote::Kind::kRefused;
  if (answer != nullptr) {
    switch (answer->kind) {
      case acceptor::AnswerKind::kOk: record_read(operation, place, *answer); break;
      case acceptor::AnswerKind::kStale:
      case acceptor::AnswerKind::kOtherConfiguration:
        if (on_stale(operation, place, answer->floor)) return;
        break;
      default: break;
    }
  }
  judge_touch(operation);
}

void Coordinator::State::judge_touch(Operation& operation) {
  if (operation.origin == Origin::kSweep) return judge_look(operation);
  if (is_over(operation)) {  // nothing has been proposed: whoever has the slot now does it
    count(operation, false);
    begin_step(operation, Stage::kRouting);
    return retry_later(operation);
  }
  const PlaceMask read = votes_of(operation, Vote::Kind::kRead);
  const bool anybody = read != 0 && mutated(Mutation::kFirstTouchAny);
  if (!operation.set.is_majority(read) && !anybody) {
    if (outstanding_of(operation) == 0) retry_later(operation);
    return;
  }
  uint8_t place = 0;
  PlaceMask agreeing = 0;
  if (anybody || mutated(Mutation::kForgetSettlement)) {
    while ((read & 1u << place) == 0) ++place;
    return conclude_touch(operation, place, operation.set.all());
  }
  const bool exactly = !operation.command.is_read();
  if (find_agreement(operation, exactly, place, agreeing)) {
    return conclude_touch(operation, place, agreeing);
  }
  if (outstanding_of(operation) == 0 || !operation.is_patient) return settle(operation);
  if (!operation.is_retry_armed) {
    operation.is_retry_armed = true;  // once in this step
    arm(hedges_, operation, limits::kHedgeDelay);
  }
}

void Coordinator::State::conclude_touch(Operation& operation, uint8_t place, PlaceMask agreeing) {
  const Vote& vote = operation.votes[place];
  const bool is_present = vote.type != acceptor::Type::kNone;
  Key& key = *operation.key;
  ++counters.first_touches;
  const bool wants_value =
      operation.command.is_read() ||
      (operation.is_plan_made && operation.plan.kind == redis::Plan::Kind::kRead);
  const bool has_value = (agreeing & 1u << operation.full_place) != 0 && operation.has_read_reply;
  if (!operation.command.is_read() || is_present) {
    key.base = {vote.version, vote.type, vote.expires_at_ms};
    key.is_known = true;
    key.known_term = operation.term;
  }
  operation.has_touched = true;
  if (is_present && expired(vote.expires_at_ms) && !mutated(Mutation::kServeExpired)) {
    if (!mutated(Mutation::kExpireWithoutCommit)) {
      return propose_deleted(operation, Purpose::kExpire);
    }
    operation.reply.clear();
    if (operation.command.is_read()) {
      operation.command.finish_read({}, {}, now_ms(), operation.reply);
      if (!operation.is_answered) succeed(operation);
      return finish(operation);
    }
  }
  if (wants_value && is_present && !has_value) return touch(operation, place);
  if (!operation.command.is_read()) return make_plan(operation);
  operation.reply.clear();
  operation.command.finish_read(
      {vote.version, vote.type, vote.expires_at_ms, {}},
      has_value ? std::string_view(operation.read_reply) : std::string_view(), now_ms(),
      operation.reply);
  if (!operation.is_answered) succeed(operation);
  finish(operation);
}

void Coordinator::State::settle(Operation& operation) {
  // The newest, where a blank register is "deleted, at its floor".
  int newest = -1;
  const auto version_of = [&](int place) {
    const Vote& vote = operation.votes[static_cast<size_t>(place)];
    return vote.is_blank ? vote.gc_floor : vote.version;
  };
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    const Vote& vote = operation.votes[i];
    if (vote.kind != Vote::Kind::kRead) continue;
    const bool newer = newest < 0 || version_of(i) > version_of(newest) ||
                       (version_of(i) == version_of(newest) && vote.is_blank);
    if (newer) newest = i;
  }
  ASSERT(newest >= 0);
  ++counters.settlements;
  const Vote& vote = operation.votes[static_cast<size_t>(newest)];
  if (vote.type == acceptor::Type::kNone) return propose_deleted(operation, Purpose::kSettle);
  operation.version = vote.version;
  begin_step(operation, Stage::kFetching);
  fetch_settled(operation);
}

void Coordinator::State::fetch_settled(Operation& operation) {
  unsigned holders = 0;
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    const Vote& vote = operation.votes[i];
    if (vote.kind == Vote::Kind::kRead && vote.version == operation.version) holders |= 1u << i;
  }
  holders &= ~static_cast<unsigned>(operation.fetched_from);
  if (holders == 0) return retry_later(operation);  // then a majority is read again
  fetch(operation, static_cast<PlaceMask>(holders));
}

void Coordinator::State::make_plan(Operation& operation) {
  Key& key = *operation.key;
  const bool is_known =
      key.is_known && (key.known_term == operation.term || mutated(Mutation::kKeepCache));
  const redis::BaseState base = is_known ? key.base : redis::BaseState{};
  const bool needs_base = operation.command.needs_base();
  if (needs_base && base.present() && expired(base.expires_at_ms)) {
    operation.is_plan_made = false;
    return propose_deleted(operation, Purpose::kExpire);
  }
  const bool has_read = operation.is_plan_made && operation.has_read_reply;
  operation.command.plan(base,
                         has_read ? std::string_view(operation.read_reply) : std::string_view(),
                         now_ms(), operation.plan);
  operation.is_plan_made = true;
  switch (operation.plan.kind) {
    case redis::Plan::Kind::kReply:
      if (!operation.has_touched && !mutated(Mutation::kReplyWithoutConfirmation)) {
        operation.is_plan_made = false;
        return touch(operation, -1);
      }
      operation.reply.assign(operation.plan.reply);
      if (!operation.is_answered) succeed(operation);
      return finish(operation);
    case redis::Plan::Kind::kRead: return touch(operation, -1);
    case redis::Plan::Kind::kFull:
      operation.state.form = operation.plan.form;
      operation.state.type = operation.plan.form == acceptor::Form::kString
                                 ? acceptor::Type::kString
                                 : acceptor::Type::kNone;
      operation.state.expires_at_ms = operation.plan.expires_at_ms;
      operation.state.recorded.clear();
      operation.state.payload.assign(operation.plan.payload);
      return propose_full(operation, Purpose::kClient);
    case redis::Plan::Kind::kDelta:
    case redis::Plan::Kind::kState: return propose_delta(operation);
  }
}

}  // namespace quorate::replicate
