// Configuration: who belongs to the group, who votes, and how one turns into the next.
//
// Voters change by joint consensus (§4.3), not one server at a time (§4.1). Why:
//  - replacing a dead member is one decision. One at a time, three voters with one dead would pass
//    through four (quorum three, of which one is dead) or two (quorum two, no failure left);
//  - there is one path, C_old → C_old,new → C_new, for every change of voters, and it is tested as
//  one;
//  - the flaw that was found in single-server changes after the dissertation (raft-dev, July 2015:
//    two leaders each with an uncommitted change, whose majorities need not meet) cannot arise, as
//    C_old,new asks a majority of C_old as well. The remedy is kept nevertheless: a leader starts a
//    change only after it has committed an entry of its own term, and one change at a time.
// Learners do not vote (§4.2.1); a change of learners only moves no majority and is one entry.
//
// As in the paper a configuration is in force from the moment it is in a member's log, committed or
// not. Addresses travel with it, so that a group that starts again can find itself from its logs.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "consensus/base/result.h"
#include "consensus/raft/ids.h"

namespace quorate::raft {

inline constexpr size_t kMaxVoters = 15;
inline constexpr size_t kMaxMembers = 64;
inline constexpr size_t kMaxAddressBytes = 512;

struct Learner {
  MemberId id{};
  bool joining = false;  ///< the leader makes it a voter as soon as it has caught up

  bool operator==(const Learner&) const = default;
};

struct Configuration {
  std::vector<MemberId> voters;               ///< ascending; C_new while joint
  std::vector<MemberId> old_voters;           ///< ascending; C_old while joint, otherwise empty
  std::vector<Learner> learners;              ///< ascending
  std::map<MemberId, std::string> addresses;  ///< of every member, and of nobody else; opaque here

  bool joint() const { return !old_voters.empty(); }
  /// Votes in C_new, or in C_old while joint.
  bool is_voter(MemberId id) const;
  const Learner* find_learner(MemberId id) const;
  bool contains(MemberId id) const { return addresses.contains(id); }
  std::vector<MemberId> members() const;  ///< all of them, ascending

  bool operator==(const Configuration&) const = default;
};

// One step of a change; the steps of one change take effect together.
struct AddLearner {
  MemberId id{};
  std::string address;
  bool joining = false;
};
struct Promote {  ///< a learner becomes a voter
  MemberId id{};
};
struct Remove {  ///< of voters and of learners
  MemberId id{};
};
using Change = std::vector<std::variant<AddLearner, Promote, Remove>>;

enum class ChangeError : uint8_t {
  kEmpty,          ///< nothing would change
  kJoint,          ///< a change of voters is under way
  kAlreadyMember,  ///< AddLearner of a member
  kNotLearner,     ///< Promote of somebody who is not a learner
  kNotMember,      ///< Remove of somebody who is not a member
  kNoVoter,        ///< nobody would be left to vote
  kTooMany,        ///< more than kMaxVoters or kMaxMembers
  kBadAddress,     ///< longer than kMaxAddressBytes
};

/// The configuration to enter: joint if the voters change, otherwise at once the next one.
base::Result<Configuration, ChangeError> enter(const Configuration& from, const Change& change);

/// C_new of a joint configuration. REQUIRES: from.joint().
Configuration leave_joint(const Configuration& from);

/// Whether it is one that the functions above could have made; for bytes from outside.
bool valid(const Configuration& configuration);

}  // namespace quorate::raft
