// The network between members: bytes that are delayed, lost, doubled and overtaken, and links that
// are cut in one direction or both. What is under way on a link that is cut does not arrive.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "consensus/raft/ids.h"
#include "tests/simulation/raft/profile.h"

namespace quorate::simulation {

using raft::MemberId;

class Network {
 public:
  using Deliver = std::function<void(MemberId from, MemberId to, const std::string& bytes)>;

  Network(World& world, const Profile& profile, Deliver deliver)
      : world_(world), profile_(profile), deliver_(std::move(deliver)) {}

  void send(MemberId from, MemberId to, std::string bytes);
  void cut(MemberId from, MemberId to) { cuts_.insert({from, to}); }
  /// All links work, and lose and delay nothing any more.
  void heal_for_good();
  void heal() { cuts_.clear(); }
  bool is_cut(MemberId from, MemberId to) const { return cuts_.contains({from, to}); }
  bool whole() const { return cuts_.empty(); }

 private:
  using Link = std::pair<MemberId, MemberId>;

  Duration draw_delay();
  void send_once(Link link, const std::string& bytes);

  World& world_;
  Profile profile_;
  Deliver deliver_;
  std::set<Link> cuts_;
  std::map<Link, Instant> last_arrival_;
};

}  // namespace quorate::simulation
