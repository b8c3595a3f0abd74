#include "consensus/raft/configuration.h"

#include <algorithm>
#include <set>

#include "consensus/base/assert.h"

namespace quorate::raft {
namespace {

using base::Failure;
using Step = Change::value_type;

bool has(const std::vector<MemberId>& ids, MemberId id) {
  return std::binary_search(ids.begin(), ids.end(), id);
}

void insert(std::vector<MemberId>& ids, MemberId id) {
  ids.insert(std::lower_bound(ids.begin(), ids.end(), id), id);
}

bool by_id(const Learner& a, const Learner& b) { return a.id < b.id; }

/// Returns whether there was such a learner.
bool erase_learner(std::vector<Learner>& learners, MemberId id) {
  return std::erase_if(learners, [id](const Learner& l) { return l.id == id; }) > 0;
}

struct TakeStep {
  Configuration& to;

  base::Result<bool, ChangeError> operator()(const AddLearner& step) const {
    if (to.contains(step.id)) return Failure{ChangeError::kAlreadyMember};
    if (step.address.size() > kMaxAddressBytes) return Failure{ChangeError::kBadAddress};
    const Learner learner{step.id, step.joining};
    const auto place = std::lower_bound(to.learners.begin(), to.learners.end(), learner, by_id);
    to.learners.insert(place, learner);
    to.addresses.emplace(step.id, step.address);
    return true;
  }

  base::Result<bool, ChangeError> operator()(const Promote& step) const {
    if (!erase_learner(to.learners, step.id)) return Failure{ChangeError::kNotLearner};
    insert(to.voters, step.id);
    return true;
  }

  base::Result<bool, ChangeError> operator()(const Remove& step) const {
    const bool voted = std::erase(to.voters, step.id) > 0;
    if (!voted && !erase_learner(to.learners, step.id)) return Failure{ChangeError::kNotMember};
    return true;
  }
};

/// Addresses of those who left; the voters of C_old are needed for as long as it is joint.
void drop_addresses_of_strangers(Configuration& c) {
  std::erase_if(c.addresses, [&c](const auto& entry) {
    return !c.is_voter(entry.first) && c.find_learner(entry.first) == nullptr;
  });
}

bool ascending(const std::vector<MemberId>& ids) {
  return std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) == ids.end();
}

}  // namespace

bool Configuration::is_voter(MemberId id) const { return has(voters, id) || has(old_voters, id); }

const Learner* Configuration::find_learner(MemberId id) const {
  const auto found = std::lower_bound(learners.begin(), learners.end(), Learner{id}, by_id);
  return found != learners.end() && found->id == id ? &*found : nullptr;
}

std::vector<MemberId> Configuration::members() const {
  std::vector<MemberId> ids;
  ids.reserve(addresses.size());
  for (const auto& [id, address] : addresses) ids.push_back(id);
  return ids;
}

base::Result<Configuration, ChangeError> enter(const Configuration& from, const Change& change) {
  if (from.joint()) return Failure{ChangeError::kJoint};
  Configuration to = from;
  for (const Step& step : change) {
    const auto taken = std::visit(TakeStep{to}, step);
    if (!taken) return Failure{taken.error()};
  }
  if (to.voters.empty()) return Failure{ChangeError::kNoVoter};
  if (to.voters.size() > kMaxVoters) return Failure{ChangeError::kTooMany};
  if (to.voters != from.voters) to.old_voters = from.voters;
  drop_addresses_of_strangers(to);
  if (to == from) return Failure{ChangeError::kEmpty};
  if (to.addresses.size() > kMaxMembers) return Failure{ChangeError::kTooMany};
  return to;
}

Configuration leave_joint(const Configuration& from) {
  ASSERT(from.joint());
  Configuration to = from;
  to.old_voters.clear();
  drop_addresses_of_strangers(to);
  return to;
}

bool valid(const Configuration& c) {
  if (!ascending(c.voters) || !ascending(c.old_voters)) return false;
  if (c.voters.size() > kMaxVoters || c.old_voters.size() > kMaxVoters) return false;
  if (c.voters.empty() && (c.joint() || !c.learners.empty())) return false;
  if (c.joint() && c.voters == c.old_voters) return false;
  std::set<MemberId> members(c.voters.begin(), c.voters.end());
  members.insert(c.old_voters.begin(), c.old_voters.end());
  for (const Learner& learner : c.learners) {
    if (!members.insert(learner.id).second) return false;
  }
  if (!std::is_sorted(c.learners.begin(), c.learners.end(), by_id)) return false;
  if (members.size() != c.addresses.size() || members.size() > kMaxMembers) return false;
  return std::all_of(c.addresses.begin(), c.addresses.end(), [&](const auto& entry) {
    return members.contains(entry.first) && entry.second.size() <= kMaxAddressBytes;
  });
}

}  // namespace quorate::raft
