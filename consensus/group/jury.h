// Jury: what the leader concludes from what all voters have seen. Evidence in, changes to propose
// out; nothing happens but by those.
//
//  - A backend is ejected when a majority of the voters (of both, while the group is changing) has
//    each seen `count` failures in a row, and each one's last look at it is fresh: not older than a
//    probe's interval and deadline and a little. What a voter saw is dated by the oldest moment at
//    which it can have been (Report), so that a late message proves nothing.
//  - It is used again when a majority has each seen `readmit_count` answers in a row; after a
//    second ejection without a steady time between not before a time off, which doubles.
//  - A session ends when nobody has heard of its process for its time. Here a late message counts
//    from when it came: in doubt the process lives.
// A new leader knows nothing: it waits for evidence, and nobody's time has passed. After it was
// itself held up (paused, swapped out) nobody's time has passed either. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/group/group.h"
#include "consensus/group/messages.h"
#include "consensus/group/options.h"
#include "consensus/raft/configuration.h"

namespace quorate::group {

class Jury {
 public:
  explicit Jury(const Options& options) : options_(options) {}

  // ---- Events.

  /// This member leads from now on.
  void begin(const cluster::ClusterMap& map, Instant now);
  /// The map has changed.
  void follow(const cluster::ClusterMap& map, Instant now);
  /// The leader did nothing for so long, so it heard nothing either.
  void forgive(Duration gap);
  /// REQUIRES: the report answers a Pulse of this leadership, sent at `stamp`.
  void on_report(MemberId from, const Report& report, Instant stamp, Instant now);
  void heard(SessionId session, Instant when, Index confirmed);
  void renewed(cluster::LeaseId lease, Instant now);

  // ---- What follows.

  using Subject = std::variant<BackendSerial, SessionId, cluster::LeaseId>;
  struct Proposal {
    Subject about;
    cluster::Change change;
  };
  /// What is to be proposed now. Nothing more about the same subject until ended().
  std::vector<Proposal> deliberate(const cluster::ClusterMap& map,
                                   const raft::Configuration& configuration, Instant now);
  void ended(const Subject& about) { proposed_.erase(about); }
  /// When time alone may change the answer.
  Instant next_deadline() const { return next_deadline_; }
  /// Whose processes have been heard, as this leader knows.
  std::vector<SessionStatus> sessions() const;
  /// Backends that would be ejected but may not, in words.
  std::vector<std::string> take_held() { return std::exchange(held_, {}); }

 private:
  struct Testimony {
    uint32_t failures = 0;
    uint32_t answers = 0;
    Instant seen{};
    std::string run_id;
  };
  struct Case {
    cluster::BackendState state{};
    Instant since{};  ///< in this state, as far as this leader knows
    std::map<MemberId, Testimony> testimonies;
    Instant noted{};    ///< its identity, last
    bool held = false;  ///< said so
  };

  std::vector<MemberId> witnesses(const Case& one, const raft::Configuration& configuration,
                                  bool (*holds)(const Testimony&, const cluster::DetectionRules&),
                                  const cluster::DetectionRules& rules, Instant now) const;
  std::optional<cluster::Change> judge(const cluster::ClusterMap& map,
                                       const cluster::Backend& backend, Case& one,
                                       const raft::Configuration& configuration, Instant now);
  std::optional<cluster::Change> identify(const cluster::Backend& backend, Case& one, Instant now);
  void judge_backends(const cluster::ClusterMap& map, const raft::Configuration& configuration,
                      Instant now, std::vector<Proposal>& proposals);
  void judge_sessions(const cluster::ClusterMap& map, Instant now,
                      std::vector<Proposal>& proposals);
  void judge_leases(const cluster::ClusterMap& map, Instant now, std::vector<Proposal>& proposals);
  void wake_at(Instant when) { next_deadline_ = std::min(next_deadline_, when); }

  Options options_;
  std::map<BackendSerial, Case> cases_;
  struct Hearing {
    Instant when{};
    Index confirmed = 0;  ///< 0: not heard by this leadership
  };
  std::map<SessionId, Hearing> heard_;
  std::map<cluster::LeaseId, Instant> renewed_;
  std::set<Subject> proposed_;
  Instant next_deadline_ = base::kNever;
  std::vector<std::string> held_;
};

}  // namespace quorate::group
