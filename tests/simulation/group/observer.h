// An observer of the simulated world: a Follower, its connection, and lives that end.
#pragma once

#include <memory>

#include "consensus/group/follower.h"
#include "tests/simulation/group/lines.h"
#include "tests/simulation/group/oracle.h"
#include "tests/simulation/group/process.h"

namespace quorate::group_simulation {

class Observer : public Process {
 public:
  struct Outside {
    /// Connects `from` to a voter.
    std::function<ConnectionId(const std::string& from, const std::string& voter, LineEnd end)>
        connect;
    std::function<void(const std::string& at, const group::RequestEnd& end)> ended;
    std::function<void(const std::string& at)> died;
    std::function<void(const std::string& who, const ClusterMap& map)> published;
  };

  Observer(World& world, const Setting& setting, Oracle& oracle, Lines& lines, Outside outside,
           std::string name, std::vector<std::string> voters, std::optional<uint32_t> ttl_ms);

  const std::string& name() const { return name_; }
  const group::Follower& follower() const { return *follower_; }
  cluster::Nonce nonce() const { return nonce_; }
  bool wants_session() const { return ttl_ms_.has_value(); }

  void start();
  void stop(bool silently);
  void request(group::RequestId id, group::Request what);
  void traffic(BackendSerial backend);

 private:
  void pump();
  void carry_out(group::FollowerOutput& output);
  void connect(const std::string& voter);

  const Setting& setting_;
  Oracle& oracle_;
  Lines& lines_;
  Outside outside_;
  std::string name_;
  std::vector<std::string> voters_;
  std::optional<uint32_t> ttl_ms_;  ///< of its session; none: it opens none

  std::unique_ptr<group::Follower> follower_;
  cluster::Nonce nonce_;
  std::optional<ConnectionId> line_;
  std::shared_ptr<const ClusterMap> shown_;
  std::string followed_;
};

}  // namespace quorate::group_simulation
