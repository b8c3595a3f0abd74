// Who owns a slot, as far as this worker knows, and commands on their way to the owner.
//
// The table says whom the group has recorded; a fence that was seen with a higher term is newer
// news. A forward hops once: whoever gets it carries it out or says that it is not the owner, which
// is certain. A forward whose answer is lost is unknown, and never sent again; a read may be.
#include <algorithm>

#include "proxy/replicate/state.h"

namespace quorate::replicate {

bool Coordinator::State::is_reachable(cluster::SessionId session) const {
  if (session == self_) return true;
  return std::ranges::none_of(unreachable_, [&](const Unreachable& one) {
    return one.session == session && one.until > now_.instant;
  });
}

void Coordinator::State::mark_unreachable(cluster::SessionId session) {
  std::erase_if(unreachable_, [&](const Unreachable& one) {
    return one.session == session || one.until <= now_.instant;
  });
  unreachable_.push_back({session, now_.instant + limits::kUnreachableDelay});
}

cluster::SessionId Coordinator::State::owner_of(uint16_t slot) const {
  const cluster::SessionId believed = slots_[slot].owner;
  if (believed != cluster::SessionId{} && table_->find_session(believed) != nullptr) {
    return believed;
  }
  return table_->slot(slot).owner;
}

cluster::SessionId Coordinator::State::candidate_of(uint16_t slot, cluster::SessionId lost) {
  table_->candidates(slot, candidates_);
  for (const cluster::SessionId candidate : candidates_) {
    if (candidate != lost && is_reachable(candidate)) return candidate;
  }
  return {};
}

void Coordinator::State::note_seen(uint16_t slot, base::Term term) {
  Slot& state = slots_[slot];
  const bool is_news = term > state.seen;
  if (is_news) state.seen = term;
  const cluster::SessionId session{term.session};
  if (session == self_) return;
  if (state.stage == Slot::Stage::kNotOurs) {
    // The group's record is newer than a fence of a session that has ended.
    if (is_news && table_->find_session(session) != nullptr) state.owner = session;
  } else if (term > state.term && state.stage == Slot::Stage::kOwned) {
    lose(slot);  // also if it was seen while the term was being installed elsewhere
  }
}

void Coordinator::State::route(Operation& operation) {
  begin_step(operation, Stage::kRouting);
  const uint16_t slot = operation.key->slot;
  Slot& state = slots_[slot];
  if (operation.origin == Origin::kSweep) {
    return state.stage == Slot::Stage::kOwned && in_pass(slot) ? own(operation) : finish(operation);
  }
  cluster::SessionId to = owner_of(slot);
  if (to == cluster::SessionId{} || !is_reachable(to)) {
    const cluster::SessionId candidate = candidate_of(slot, to);
    if (candidate == self_ && self_ != cluster::SessionId{} && is_ours(slot) && !is_leaving_ &&
        state.stage == Slot::Stage::kNotOurs && begin_install(slot)) {
      ++counters.emergencies;
      state.owner = to = self_;
    } else if (candidate != cluster::SessionId{} && candidate != self_) {
      to = candidate;
    }
  }
  if (to == self_ && to != cluster::SessionId{} && is_ours(slot)) return own(operation);
  if (to == cluster::SessionId{}) return retry_later(operation);
  if (operation.origin == Origin::kGuest && !mutated(Mutation::kHopTwice)) {  // it hops once
    operation.reply = base::to_string(state.seen);
    answer(operation, End::kNotOwner, operation.reply);
    return finish(operation);
  }
  forward(operation, to);
}

void Coordinator::State::forward(Operation& operation, cluster::SessionId to) {
  begin_step(operation, Stage::kForwarded);
  operation.forwarded_to = to;
  operation.forward_stamp = ++forward_stamp_ == 0 ? ++forward_stamp_ : forward_stamp_;
  ++counters.forwards;
  output.forwarded.push_back({ForwardId{uint64_t{operation.forward_stamp} << 32 | operation.index},
                              to, operation.key->slot, slots_[operation.key->slot].seen,
                              &operation.command});
}

void Coordinator::State::on_forward(GuestId id, const redis::ReplicatedCommand& command,
                                    base::Term seen) {
  const std::string_view refused = "-TRYAGAIN the owner of the slot has too much to do\r\n";
  const uint16_t slot = table_ == nullptr ? uint16_t{0} : table_->slot_of(command.key());
  if (table_ == nullptr || !is_ours(slot) || self_ == cluster::SessionId{}) {
    output.guests_ended.push_back({id, End::kNotOwner, "0:0"});
    return;
  }
  if (guests_ >= limits::kOperations) {
    output.guests_ended.push_back({id, End::kFailed, refused});
    return;
  }
  note_seen(slot, seen);
  // The asker knows of the fence what is known here, and comes here nevertheless: whoever has set
  // the fence does not have the slot any more, and the group has recorded this one.
  if (table_->slot(slot).owner == self_ && seen == slots_[slot].seen && !is_leaving_) {
    slots_[slot].owner = self_;
  }
  Operation& operation = make(Origin::kGuest, static_cast<uint64_t>(id), command);
  // Shorter than the asker's, who is then told what is certain.
  operation.deadline = now_.instant + options_.request_timeout * 3 / 4;
  guest_deadlines_.push_back({operation.deadline, operation.ref(), 0});
  enqueue(operation);
  const cluster::SessionId owner = owner_of(slot);
  const bool to_another = owner != self_ && owner != cluster::SessionId{} && is_reachable(owner);
  if (!to_another || mutated(Mutation::kHopTwice)) return;
  // Said at once: it does not wait behind what this proxy has forwarded itself.
  operation.reply = base::to_string(slots_[slot].seen);
  answer(operation, End::kNotOwner, operation.reply);
  finish(operation);
}

void Coordinator::State::on_forward_reply(ForwardId id, End end, std::string_view reply) {
  const auto number = static_cast<uint64_t>(id);
  const auto index = static_cast<uint32_t>(number);
  const auto stamp = static_cast<uint32_t>(number >> 32);
  if (index >= operations_.size() || stamp == 0) return;
  Operation& operation = *operations_[index];
  if (operation.stage != Stage::kForwarded || operation.forward_stamp != stamp) return;
  operation.forward_stamp = 0;
  const uint16_t slot = operation.key->slot;
  switch (end) {
    case End::kNotOwner:
      if (const auto seen = base::parse_term(reply)) note_seen(slot, *seen);
      if (slots_[slot].owner == operation.forwarded_to) slots_[slot].owner = {};
      // Both believe that the other one has it, as the group's record and a fence crossed.
      if (cluster::SessionId{slots_[slot].seen.session} == self_ && is_ours(slot) && !is_leaving_) {
        slots_[slot].owner = self_;
      }
      begin_step(operation, Stage::kRouting);
      return retry_later(operation);
    case End::kNotDelivered:
      mark_unreachable(operation.forwarded_to);
      begin_step(operation, Stage::kRouting);
      return retry_later(operation);
    case End::kUnknown:
      if (mutated(Mutation::kForwardAgain)) return route(operation);
      [[fallthrough]];
    case End::kSucceeded:
    case End::kFailed:
      operation.reply.assign(reply);
      answer(operation, end, operation.reply);
      return finish(operation);
  }
}

void Coordinator::State::on_peer_lost(cluster::SessionId session) {
  mark_unreachable(session);
  for (const auto& operation : operations_) {
    if (operation->stage != Stage::kForwarded || operation->forwarded_to != session) continue;
    operation->forward_stamp = 0;
    if (operation->command.is_read() || mutated(Mutation::kForwardAgain)) {
      route(*operation);
      continue;
    }
    if (mutated(Mutation::kLostForwardIsFailed)) {
      fail(*operation, "TRYAGAIN");
    } else {
      tell_unknown(*operation);
    }
    finish(*operation);
  }
}

}  // namespace quorate::replicate
