// Direct reads: any proxy, one round trip, no lease. A majority that reports the same version has
// chosen it, and whatever was acknowledged before the read began is on a majority, which meets this
// one; so it is the newest (consistency.md §6.4). Everything else goes to the slot's owner.
#include "consensus/base/assert.h"
#include "proxy/replicate/state.h"

namespace quorate::replicate {

bool Coordinator::State::is_direct(const Operation& operation) const {
  return operation.origin == Origin::kClient && operation.command.is_read();
}

void Coordinator::State::start_direct(Operation& operation) {
  begin_step(operation, Stage::kReading);
  operation.set.assign(*table_, operation.key->slot);
  ReplicaSet& set = operation.set;
  operation.votes.fill({});
  operation.has_read_reply = false;
  if (!set.is_majority(set.all())) {
    if (!operation.is_answered) tell_no_quorum(operation);
    return finish(operation);
  }
  // As many as are needed, beginning somewhere else each time; those that did not take their last
  // request come last. In a joint phase all of them.
  unsigned asked = 0;
  const uint32_t first = rotation_++;
  const bool only_one = mutated(Mutation::kReadOne);
  for (int round = 0; round < 2; ++round) {
    for (uint8_t i = 0; i < set.count; ++i) {
      const auto place = static_cast<uint8_t>((first + i) % set.count);
      if ((asked & 1u << place) != 0 || is_avoided(set.places[place]) != (round == 1)) continue;
      if (asked != 0 && set.needed_next == 0 &&
          (only_one || set.is_majority(static_cast<PlaceMask>(asked)))) {
        break;
      }
      ask_direct(operation, place, asked == 0);
      asked |= 1u << place;
    }
  }
  if (set.count > set.needed) arm(hedges_, operation, limits::kHedgeDelay);
}

void Coordinator::State::ask_direct(Operation& operation, uint8_t place, bool full) {
  acceptor::Read read;
  read.configuration = operation.set.configuration;
  if (full) {
    operation.full_place = place;
    read.form = operation.command.read_form();
    if (read.form == acceptor::ReadForm::kCommand) {
      read.arguments = operation.command.arguments();
      read.argument_count = operation.command.argument_count();
    }
  }
  ask(operation, place, read);
}

void Coordinator::State::record_read(Operation& operation, uint8_t place,
                                     const acceptor::Answer& answer) {
  Vote& vote = operation.votes[place];
  vote.kind = Vote::Kind::kRead;
  vote.is_blank = answer.blank;
  vote.type = answer.blank ? acceptor::Type::kNone : answer.meta.type;
  vote.expires_at_ms = answer.blank ? 0 : answer.meta.expires_at_ms;
  vote.version = answer.blank ? base::Version{} : answer.meta.version;
  vote.gc_floor = answer.gc_floor;
  if (place == operation.full_place) {
    operation.read_reply.assign(answer.reply);
    operation.has_read_reply = true;
  }
}

void Coordinator::State::on_direct_answer(Operation& operation, uint8_t place,
                                          const acceptor::Answer* answer) {
  Vote& vote = operation.votes[place];
  vote.is_outstanding = false;
  if (answer == nullptr) {
    vote.kind = Vote::Kind::kUnsent;
  } else if (answer->kind == acceptor::AnswerKind::kOk) {
    record_read(operation, place, *answer);
    note_seen(operation.key->slot, answer->floor);
  } else {
    vote.kind = Vote::Kind::kRefused;
    if (answer->kind == acceptor::AnswerKind::kOtherConfiguration) {
      if (mutated(Mutation::kReaderIgnoresConfiguration)) record_read(operation, place, *answer);
      note_seen(operation.key->slot, answer->floor);
    }
  }
  judge_direct(operation);
}

PlaceMask Coordinator::State::agreeing_with(const Operation& operation, uint8_t place,
                                            bool exactly) {
  const Vote& mine = operation.votes[place];
  unsigned mask = 0;
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    const Vote& other = operation.votes[i];
    if (other.kind != Vote::Kind::kRead) continue;
    bool same = other.is_blank == mine.is_blank && other.version == mine.version;
    // Blank, where everything up to a floor has been seen, is the same as a tombstone below it.
    if (!exactly && !mine.is_blank && mine.type == acceptor::Type::kNone && other.is_blank) {
      same = mine.version <= other.gc_floor;
    }
    if (mutated(Mutation::kBlankIsOld) && !mine.is_blank && other.is_blank) same = true;
    if (same) mask |= 1u << i;
  }
  return static_cast<PlaceMask>(mask);
}

bool Coordinator::State::find_agreement(const Operation& operation, bool exactly, uint8_t& place,
                                        PlaceMask& agreeing) {
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    if (operation.votes[i].kind != Vote::Kind::kRead) continue;
    const PlaceMask mask = agreeing_with(operation, i, exactly);
    if (!operation.set.is_majority(mask)) continue;
    place = i;
    agreeing = mask;
    return true;
  }
  return false;
}

namespace {

/// What a blank or present register stands for, to be compared with others of the same key.
base::Version effective_version(const Vote& vote) {
  return vote.is_blank ? vote.gc_floor : vote.version;
}

}  // namespace

void Coordinator::State::judge_direct(Operation& operation) {
  uint8_t place = 0;
  PlaceMask agreeing = 0;
  const PlaceMask read = votes_of(operation, Vote::Kind::kRead);
  if (mutated(Mutation::kReadOne) && read != 0) {
    return conclude_direct(operation, operation.full_place, operation.set.all());
  }
  if (mutated(Mutation::kMaximumOfMajority) && operation.set.is_majority(read)) {
    uint8_t best = operation.full_place;
    for (uint8_t i = 0; i < operation.set.count; ++i) {
      if ((read & 1u << i) != 0 &&
          effective_version(operation.votes[i]) >= effective_version(operation.votes[best])) {
        best = i;
      }
    }
    return conclude_direct(operation, best, static_cast<PlaceMask>(1u << best));
  }
  if (find_agreement(operation, false, place, agreeing)) {
    return conclude_direct(operation, place, agreeing);
  }
  if (outstanding_of(operation) != 0) return;
  bool asked_more = false;
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    if (operation.votes[i].kind != Vote::Kind::kNotAsked) continue;
    ask_direct(operation, i, false);
    asked_more = true;
  }
  if (!asked_more) not_conclusive(operation);
}

void Coordinator::State::conclude_direct(Operation& operation, uint8_t place, PlaceMask agreeing) {
  const Vote& vote = operation.votes[place];
  // Expiry is a state of its own, and its owner's to write: this proxy's clock decides nothing.
  const bool is_present = vote.type != acceptor::Type::kNone;
  if (is_present && expired(vote.expires_at_ms)) return not_conclusive(operation);
  // What a command says of a key that is not there, the server knows best.
  const bool is_told = is_present || operation.command.read_form() == acceptor::ReadForm::kCommand;
  if (is_told && ((agreeing & 1u << operation.full_place) == 0 || !operation.has_read_reply)) {
    if (++operation.attempts >= limits::kDirectAttempts) return not_conclusive(operation);
    rotation_ = place;  // ask that one for the value
    return start_direct(operation);
  }
  operation.read_version = vote.version;
  for (uint8_t i = 0; i < operation.set.count; ++i) {
    const bool counts = (agreeing & 1u << i) != 0 && operation.votes[i].is_blank;
    if (counts && operation.votes[i].gc_floor > operation.read_version) {
      operation.read_version = operation.votes[i].gc_floor;
    }
  }
  operation.reply.clear();
  operation.command.finish_read(
      {vote.version, vote.type, vote.expires_at_ms, {}},
      is_told ? std::string_view(operation.read_reply) : std::string_view(), now_ms(),
      operation.reply);
  ++operation.step;
  operation.stage = Stage::kReady;
  look_at(*operation.key);
}

void Coordinator::State::not_conclusive(Operation& operation) {
  ++counters.inconclusive_reads;
  begin_step(operation, Stage::kInconclusive);
  look_at(*operation.key);
}

}  // namespace quorate::replicate
