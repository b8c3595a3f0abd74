#include "tests/conversation/raft/words.h"

namespace quorate::conversation {

using namespace raft;  // NOLINT: this file is about nothing else

namespace {

std::string at(Index index, Term term) {
  return std::to_string(index) + "@" + std::to_string(term);
}

std::string ids(const std::vector<MemberId>& list) {
  std::string text;
  for (const MemberId id : list) text += (text.empty() ? "" : ",") + say(id);
  return text;
}

std::string entries(const std::vector<EntryRef>& list) {
  std::string text;
  for (const EntryRef& entry : list) text += (text.empty() ? "" : " ") + say(*entry);
  return "[" + text + "]";
}

struct Say {
  std::string operator()(const PreVote& m) const {
    return "PreVote for-term=" + std::to_string(m.next_term) +
           " last=" + at(m.last_log_index, m.last_log_term);
  }
  std::string operator()(const PreVoteResponse& m) const {
    return std::string("PreVoteResponse ") + (m.granted ? "granted" : "refused");
  }
  std::string operator()(const RequestVote& m) const {
    return "RequestVote last=" + at(m.last_log_index, m.last_log_term) +
           (m.leadership_transfer ? " transfer" : "");
  }
  std::string operator()(const RequestVoteResponse& m) const {
    return std::string("RequestVoteResponse ") + (m.granted ? "granted" : "refused");
  }
  std::string operator()(const AppendEntries& m) const {
    return "AppendEntries prev=" + at(m.prev_log_index, m.prev_log_term) + " " +
           entries(m.entries) + " commit=" + std::to_string(m.leader_commit);
  }
  std::string operator()(const AppendEntriesResponse& m) const {
    return "AppendEntriesResponse match=" + std::to_string(m.match_index);
  }
  std::string operator()(const AppendEntriesRefused& m) const {
    return "AppendEntriesRefused prev=" + std::to_string(m.prev_log_index) +
           " conflict=" + at(m.conflict_index, m.conflict_term);
  }
  std::string operator()(const Heartbeat& m) const {
    return "Heartbeat commit=" + std::to_string(m.commit_index) +
           " round=" + std::to_string(m.round);
  }
  std::string operator()(const HeartbeatResponse& m) const {
    return "HeartbeatResponse round=" + std::to_string(m.round);
  }
  std::string operator()(const InstallSnapshot& m) const {
    return "InstallSnapshot " + at(m.snapshot.index, m.snapshot.term) + " " + say(m.configuration) +
           " bytes " + std::to_string(m.offset) + "+" + std::to_string(m.data.size()) + " of " +
           std::to_string(m.snapshot.size);
  }
  std::string operator()(const InstallSnapshotResponse& m) const {
    return "InstallSnapshotResponse " + std::to_string(m.snapshot_index) +
           (m.installed ? " installed" : " next=" + std::to_string(m.next_offset));
  }
  std::string operator()(const TimeoutNow&) const { return "TimeoutNow"; }
  std::string operator()(const ReadIndex&) const { return "ReadIndex"; }
  std::string operator()(const ReadIndexResponse& m) const {
    return "ReadIndexResponse " + (m.index ? std::to_string(*m.index) : std::string("refused"));
  }
  std::string operator()(const StaleTerm&) const { return "StaleTerm"; }

  std::string operator()(const Noop&) const { return ""; }
  std::string operator()(const Command& command) const { return ":" + command.bytes; }
  std::string operator()(const Configuration& configuration) const {
    return ":" + say(configuration);
  }

  std::string operator()(const Committed& end) const {
    return "committed at " + std::to_string(end.index);
  }
  std::string operator()(const Lost&) const { return "lost"; }
  std::string operator()(const Unknown&) const { return "unknown"; }
};

const char* say(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kNotLeader: return "not leader";
    case RefusalReason::kTransferring: return "transferring";
    case RefusalReason::kOverloaded: return "overloaded";
    case RefusalReason::kTooLarge: return "too large";
    case RefusalReason::kNotReady: return "not ready";
    case RefusalReason::kChangeInProgress: return "change in progress";
    case RefusalReason::kInvalidChange: return "invalid change";
    case RefusalReason::kNotCaughtUp: return "not caught up";
    case RefusalReason::kNotVoter: return "not a voter";
  }
  return "";
}

}  // namespace

std::string say(MemberId id) { return std::to_string(number(id)); }

std::string say(const Message& message) {
  return "t" + std::to_string(term_of(message)) + " " + std::visit(Say{}, message);
}

std::string say(const Entry& entry) {
  return at(entry.index, entry.term) + std::visit(Say{}, entry.data);
}

std::string say(const Configuration& c) {
  std::string text = "{" + ids(c.voters);
  if (c.joint()) text += " & " + ids(c.old_voters);
  for (const Learner& learner : c.learners) {
    text += " learner " + say(learner.id) + (learner.joining ? " joining" : "");
  }
  return text + "}";
}

std::string say(const Persist& order) {
  std::string text;
  if (order.hard_state) {
    const HardState& state = *order.hard_state;
    text += " term " + std::to_string(state.term) + (state.vote ? " vote " + say(*state.vote) : "");
  }
  if (order.snapshot != nullptr) {
    text += " snapshot " + at(order.snapshot->head.index, order.snapshot->head.term);
  }
  if (!order.entries.empty()) text += " " + entries(order.entries);
  return text;
}

std::string say(const ProposalOutcome& outcome) { return std::visit(Say{}, outcome); }

std::string say(const Refusal& refusal) {
  std::string text = say(refusal.reason);
  if (refusal.leader) text += ", the leader is " + say(*refusal.leader);
  return text;
}

}  // namespace quorate::conversation
