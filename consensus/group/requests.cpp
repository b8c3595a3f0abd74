// Requests: from this process, its observers, other members, the jury; to the leader, and back.
//
//             ┌── no leader, it cannot be reached, or does not take it now ────┐   certainly not
//             done ▼                                                                │
//   start ─► kWaiting ──► this member leads ──► kProposed ──► committed ──► applied, or rejected
//             │       └─► another one does ───► kForwarded ──► its answer, or in time: unknown
//             └── in time: refused
//
// A forwarded request names the term that it is for and is carried out once by who led it, however
// often it arrives: so "refused" is certain. Unknown is what a lost connection or silence leaves,
// or a leader that has begun another life since.
#include <algorithm>

#include "consensus/cluster/cluster_codec.h"
#include "consensus/group/mutation.h"
#include "consensus/group/state.h"

namespace quorate::group {
namespace {

using Reason = Refused::Reason;

constexpr Duration kRetryInterval = std::chrono::milliseconds(25);
constexpr Duration kOwnRetryInterval = std::chrono::milliseconds(200);
constexpr size_t kForwardsKept = 4096;

const char* to_text(raft::ChangeError error) {
  switch (error) {
    case raft::ChangeError::kEmpty: return "nothing would change";
    case raft::ChangeError::kJoint: return "another change of the members is under way";
    case raft::ChangeError::kAlreadyMember: return "it belongs to the group already";
    case raft::ChangeError::kNotLearner: return "only a learner can be promoted";
    case raft::ChangeError::kNotMember: return "it does not belong to the group";
    case raft::ChangeError::kNoVoter: return "nobody would be left to vote";
    case raft::ChangeError::kTooMany: return "the group would have too many members";
    case raft::ChangeError::kBadAddress: return "not an address";
  }
  return "it is not possible";
}

}  // namespace

void Group::State::start(Origin origin, Request what) {
  if (pending_.size() >= options_.max_requests) {
    return finish(origin, Refused{Reason::kBusy, "too many requests are under way"});
  }
  const uint64_t id = ++last_request_;
  pending_.emplace(id, Pending{.origin = origin,
                               .what = std::move(what),
                               .deadline = now_ + options_.request_timeout});
  next_expiry_ = std::min(next_expiry_, now_ + options_.request_timeout);
  route(id);
}

void Group::State::route(uint64_t id) {
  Pending& pending = pending_.at(id);
  if (leads_) return carry_out(id, pending);
  // A forward hops once; and what the jury or a leader wants is not another one's business.
  const bool stays = std::holds_alternative<OfMember>(pending.origin) ||
                     std::holds_alternative<Jury::Subject>(pending.origin);
  if (stays) return finish(id, Refused{Reason::kNoLeader, "this member does not lead"});
  // What cannot be sent is not sent: it waits for this leader to be heard again, or for the next.
  if (!leader_ || unreachable_.contains(*leader_)) {
    pending.stage = Stage::kWaiting;
    next_retry_ = std::min(next_retry_, now_ + kRetryInterval);
    return;
  }
  pending.stage = Stage::kForwarded;
  pending.target = *leader_;
  send(*leader_, Forward{term_, life_, id, pending.what});
}

// ---- On the leader.

void Group::State::carry_out(uint64_t id, Pending& pending) {
  std::visit([&](const auto& what) { carry_out(id, pending, what); }, pending.what);
}

void Group::State::carry_out(uint64_t id, Pending& pending, const cluster::Change& change) {
  if (const auto refusal = cluster::validate(map_, change)) {
    return finish(id, Refused{Reason::kInvalid, refusal->text});
  }
  const auto index = raft_.propose(raft::ProposalId{id}, cluster::encode(change), now_);
  if (!index) return refuse(id, pending, index.error());
  await(id, pending, index.value());
}

void Group::State::carry_out(uint64_t id, Pending& pending, const raft::Change& change) {
  for (const auto& step : change) {
    // Numbers come from the map, so that none is given twice.
    const auto* add = std::get_if<raft::AddLearner>(&step);
    if (add == nullptr || map_.members.contains(add->id)) continue;
    return finish(id, Refused{Reason::kInvalid, "there is no such member: add it first"});
  }
  const auto index = raft_.change_membership(raft::ProposalId{id}, change, now_);
  if (!index) return refuse(id, pending, index.error());
  await(id, pending, index.value());
}

/// It has been proposed; the core ends it.
void Group::State::await(uint64_t id, Pending& pending, Index index) {
  pending.stage = Stage::kProposed;
  pending.deadline = base::kNever;
  pending.index = index;
  proposed_[index] = id;
}

void Group::State::carry_out(uint64_t id, Pending& pending, const TransferLeadership& transfer) {
  if (transfer.target == self_) return finish(id, Done{});
  const auto term = raft_.transfer_leadership(transfer.target, now_);
  if (!term) return refuse(id, pending, term.error());
  pending.stage = Stage::kTransfer;
  pending.target = transfer.target;
  pending.term = term.value();
  pending.deadline = now_ + 4 * options_.raft.election_timeout;
  next_expiry_ = std::min(next_expiry_, pending.deadline);
}

void Group::State::refuse(uint64_t id, Pending& pending, const raft::Refusal& refusal) {
  switch (refusal.reason) {
    case raft::RefusalReason::kNotLeader:
    case raft::RefusalReason::kTransferring:
    case raft::RefusalReason::kNotReady:
      // What the jury concluded is not kept: its evidence ages, and it concludes again.
      if (std::holds_alternative<OfMember>(pending.origin) ||
          std::holds_alternative<Jury::Subject>(pending.origin)) {
        return finish(id, Refused{Reason::kNoLeader, "the leader is changing"});
      }
      pending.stage = Stage::kWaiting;
      next_retry_ = std::min(next_retry_, now_ + kRetryInterval);
      return;
    case raft::RefusalReason::kOverloaded:
      return finish(id, Refused{Reason::kBusy, "too much is waiting to be committed"});
    case raft::RefusalReason::kTooLarge:
      return finish(id, Refused{Reason::kInvalid, "the change is too large"});
    case raft::RefusalReason::kChangeInProgress:
      return finish(id, Refused{Reason::kBusy, "another change of the members is under way"});
    case raft::RefusalReason::kInvalidChange:
      return finish(id, Refused{Reason::kInvalid,
                                to_text(refusal.change_error.value_or(raft::ChangeError::kEmpty))});
    case raft::RefusalReason::kNotCaughtUp:
      return finish(id, Refused{Reason::kBusy, "the member is too far behind to vote"});
    case raft::RefusalReason::kNotVoter:
      return finish(id, Refused{Reason::kInvalid, "only a voter can lead"});
  }
}

void Group::State::handle(MemberId from, const Forward& message) {
  Forwards& known = forwards_[from];
  if (known.life != message.life) known = {message.life, {}};
  // The one before may have been carried out; its answer is, or was, under way.
  const bool forgotten =
      known.seen.size() >= kForwardsKept && message.request < *known.seen.begin();
  const bool again = forgotten || !known.seen.insert(message.request).second;
  if (again && !mutated(Mutation::kForwardTwice)) return;
  if (known.seen.size() > kForwardsKept) known.seen.erase(known.seen.begin());
  const OfMember origin{from, message.life, message.request};
  if (!leads_ || message.term != term_) {
    if (message.term <= last_life_term_) return finish(origin, Unknown{});
    return finish(origin, Refused{Reason::kNoLeader, "this member does not lead"});
  }
  start(origin, message.what);
}

void Group::State::take_ended(const raft::ProposalEnd& end) {
  const uint64_t id = raft::number(end.id);
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  if (std::holds_alternative<raft::Committed>(end.outcome)) {
    // What became of it is known, unless this member skipped the entry by a snapshot.
    const auto& applied = found->second.applied;
    return finish(id, applied ? *applied : Outcome(Unknown{}));
  }
  if (std::holds_alternative<raft::Lost>(end.outcome)) {
    return finish(id, Refused{Reason::kNoLeader, "the leader has changed"});
  }
  finish(id, Unknown{});
}

// ---- Elsewhere.

void Group::State::handle(MemberId, const ForwardEnd& message) {
  const auto found = pending_.find(message.request);
  if (message.life != life_ || found == pending_.end()) return;
  Pending& pending = found->second;
  if (pending.stage != Stage::kForwarded) return;
  const auto* refused = std::get_if<Refused>(&message.outcome);
  if (refused != nullptr && refused->reason == Reason::kNoLeader) {
    // Certainly not done: it may be asked of somebody else, under another number.
    Pending again = std::move(pending);
    pending_.erase(found);
    again.stage = Stage::kWaiting;
    pending_.emplace(++last_request_, std::move(again));
    next_retry_ = std::min(next_retry_, now_ + kRetryInterval);
    return;
  }
  finish(message.request, message.outcome);
}

void Group::State::give_up_forwarded(MemberId target) {
  std::vector<uint64_t> lost;
  for (const auto& [id, pending] : pending_) {
    if (pending.stage == Stage::kForwarded && pending.target == target) lost.push_back(id);
  }
  for (const uint64_t id : lost) finish(id, Unknown{});
}

// ---- Ends.

void Group::State::finish(uint64_t id, Outcome outcome) {
  const auto found = pending_.find(id);
  const Origin origin = found->second.origin;
  const auto proposed = proposed_.find(found->second.index);
  if (proposed != proposed_.end() && proposed->second == id) proposed_.erase(proposed);
  pending_.erase(found);
  if (std::holds_alternative<Unknown>(outcome) && mutated(Mutation::kUnknownMeansRefused)) {
    outcome = Refused{Reason::kBusy, "it took too long"};
  }
  finish(origin, std::move(outcome));
}

void Group::State::finish(const Origin& origin, Outcome outcome) {
  if (const auto* local = std::get_if<Local>(&origin)) {
    ended_.push_back({local->id, std::move(outcome)});
  } else if (const auto* observer = std::get_if<OfObserver>(&origin)) {
    feed_.send(observer->connection, ProposeEnd{observer->request, std::move(outcome)});
  } else if (const auto* member = std::get_if<OfMember>(&origin)) {
    send(member->member, ForwardEnd{member->life, member->request, std::move(outcome)});
  } else if (const auto* own = std::get_if<Own>(&origin)) {
    finish_own(*own, outcome);
  } else {
    jury_.ended(std::get<Jury::Subject>(origin));
    deliberate_wanted_ = true;
  }
}

void Group::State::retry_waiting() {
  next_retry_ = base::kNever;
  std::vector<uint64_t> waiting;
  for (const auto& [id, pending] : pending_) {
    if (pending.stage == Stage::kWaiting) waiting.push_back(id);
  }
  for (const uint64_t id : waiting) route(id);
}

void Group::State::expire_requests() {
  if (now_ >= next_retry_) retry_waiting();
  if (now_ < next_expiry_) return;
  next_expiry_ = base::kNever;
  std::vector<uint64_t> over;
  for (const auto& [id, pending] : pending_) {
    if (now_ >= pending.deadline) {
      over.push_back(id);
    } else {
      next_expiry_ = std::min(next_expiry_, pending.deadline);
    }
  }
  for (const uint64_t id : over) {
    const Pending& pending = pending_.at(id);
    if (pending.stage == Stage::kWaiting) {
      finish(id, Refused{Reason::kNoLeader, "no leader is reached"});
    } else {
      finish(id, Unknown{});
    }
  }
}

/// Another term has begun: leadership was handed over, if to whom was asked for.
void Group::State::end_transfers() {
  std::vector<uint64_t> over;
  for (const auto& [id, pending] : pending_) {
    if (pending.stage == Stage::kTransfer && term_ > pending.term && leader_) over.push_back(id);
  }
  for (const uint64_t id : over) {
    const bool reached = leader_ == pending_.at(id).target;
    finish(id,
           reached ? Outcome(Done{}) : Outcome(Refused{Reason::kBusy, "another member leads now"}));
  }
}

// ---- What this process wants for itself.

/// The cluster's id, a name for a member that has none, a session.
void Group::State::mind_own_affairs() {
  if (map_.index < std::max<Index>(own_index_, 1) || now_ < next_own_ || removed_) return;
  const auto want = [&](Own own, cluster::Change change) {
    if (own_.insert(own).second) start(own, std::move(change));
  };
  const auto member = map_.members.find(self_);
  if (leads_ && !map_.cluster && !own_.contains(Own::kFound)) {
    want(Own::kFound, cluster::FoundCluster{{random_.next(), random_.next() | 1}});
  }
  if (member == map_.members.end()) return;
  if (member->second.name.empty() && !process_.name.empty() && !name_refused_) {
    want(Own::kDescribe, cluster::DescribeMember{self_, process_.name, member->second.address});
  }
  if (process_.wants_session && session_ == SessionId{} && process_.nonce) {
    want(Own::kSession, cluster::OpenSession{.nonce = process_.nonce,
                                             .member = self_,
                                             .name = process_.name,
                                             .address = process_.address,
                                             .coordinator = process_.coordinator,
                                             .ttl_ms = process_.session_ttl_ms});
  }
}

void Group::State::finish_own(Own own, const Outcome& outcome) {
  own_.erase(own);
  if (const auto* done = std::get_if<Done>(&outcome)) {
    own_index_ = std::max(own_index_, done->index);
    return;
  }
  next_own_ = now_ + kOwnRetryInterval;
  const auto* refused = std::get_if<Refused>(&outcome);
  const bool for_good = refused != nullptr && refused->reason != Reason::kNoLeader &&
                        refused->reason != Reason::kBusy;
  // Another member has the name: that is for an operator to settle.
  if (own == Own::kDescribe && for_good) name_refused_ = true;
}

}  // namespace quorate::group
