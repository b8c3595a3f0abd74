// A group of members whose every step is taken by hand: each message, each write, each time-out.
// Keeps a transcript of what happened. The state machine is the list of applied commands.
//
// The core under test is the real one; disk and network are made of what its Output says. After
// every event the core's invariants are checked, and every message passes the codec.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "consensus/raft/raft.h"

namespace quorate::conversation {

using raft::Index;
using raft::MemberId;
using raft::Term;

class Group {
 public:
  raft::Options options;

  // ---- Members.

  void start_founder(MemberId id, const raft::Configuration& configuration);
  void start_empty(MemberId id);
  /// With these terms as its log: entry 1 is the configuration, the others commands named after
  /// their term and index.
  void start_with_log(MemberId id, const raft::Configuration& configuration,
                      const std::vector<Term>& terms, Term current_term);
  /// Loses all that is not on its disk.
  void crash(MemberId id);
  void restart(MemberId id);

  // ---- Events.

  /// Lets the time pass until this member wants on_time, and tells only this member.
  void time_out(MemberId id);
  /// Lets the time pass, without telling anybody.
  void pass(base::Duration duration) { now_ += duration; }
  /// Lets the time pass for everybody, with messages delivered at once.
  void run(base::Duration duration);
  void propose(MemberId id, const std::string& command);
  void change(MemberId id, const raft::Change& change);
  void transfer(MemberId id, MemberId target);
  void read(MemberId id);
  /// The state machine's state becomes a snapshot.
  void snapshot(MemberId id);
  void connection_lost(MemberId id, MemberId other);

  // ---- Network and disk.

  /// Delivers what is under way now from one member to another.
  void deliver(MemberId from, MemberId to);
  /// Delivers what is under way now.
  void deliver();
  /// Delivers until nothing is under way.
  void settle();
  void drop(MemberId from, MemberId to);
  /// Everything under way arrives twice; and the last first.
  void repeat(MemberId from, MemberId to);
  void reverse(MemberId from, MemberId to);
  void drop();
  void cut(MemberId from, MemberId to) { cuts_.insert({from, to}); }
  void heal() { cuts_.clear(); }
  /// Writes stay unfinished until the disk is released.
  void hold_disk(MemberId id);
  void release_disk(MemberId id);

  // ---- What happened.

  std::string take_transcript() { return std::exchange(transcript_, {}); }
  void line(const std::string& text) { transcript_ += text + "\n"; }
  void be_quiet(bool quiet) { quiet_ = quiet; }
  std::vector<MemberId> members() const;
  const raft::Raft& core(MemberId id) const { return *members_.at(id).core; }
  bool running(MemberId id) const { return members_.at(id).core != nullptr; }
  const std::vector<std::string>& state(MemberId id) const { return members_.at(id).applied; }

 private:
  struct Member {
    std::unique_ptr<raft::Raft> core;
    raft::Durable disk;
    std::deque<raft::Persist> unwritten;
    bool disk_held = false;
    std::vector<std::string> applied;  ///< commands
    Index applied_index = 0;
    uint64_t lives = 0;
  };

  void boot(MemberId id, raft::Durable disk);
  void after_event(MemberId id);
  void carry_out(MemberId id, Member& member, raft::Output output);
  void write(MemberId id, Member& member);
  void hand_over(MemberId from, MemberId to, const raft::Message& message);
  void note_changes(MemberId id, const raft::Status& before);

  base::Instant now_{};
  std::map<MemberId, Member> members_;
  std::map<MemberId, raft::Status> seen_;
  std::map<std::pair<MemberId, MemberId>, std::deque<raft::Message>> links_;
  std::set<std::pair<MemberId, MemberId>> cuts_;
  std::map<raft::ProposalId, std::string> proposals_;
  uint64_t reads_ = 0;
  bool quiet_ = false;
  std::string transcript_;
};

}  // namespace quorate::conversation
