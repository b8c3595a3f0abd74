// What a leader of three does with its own conclusions while it hands its leadership over.
#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "consensus/group/group.h"
#include "consensus/group/messages.h"

namespace quorate::group {
namespace {

using namespace std::chrono_literals;

constexpr MemberId kMembers[] = {MemberId{1}, MemberId{2}, MemberId{3}};

/// Three voters on a wire without delay, their disks quick. All probes of one moment end alike.
class Three {
 public:
  Three() {
    raft::Configuration three;
    for (const MemberId id : kMembers) {
      three.voters.push_back(id);
      three.addresses[id] = "voter-" + std::to_string(raft::number(id)) + ":1";
    }
    const raft::Persist order = raft::founding(three);
    const raft::Durable disk{*order.hard_state, nullptr, order.entries};
    for (const MemberId id : kMembers) {
      const Self self{.name = three.addresses[id], .address = three.addresses[id]};
      groups_[id] = std::make_unique<Group>(id, self, Options{}, disk, raft::number(id), now_);
    }
    pass(2s);
    REQUIRE(leader_.has_value());
  }

  void pass(Duration time) {
    const Instant end = now_ + time;
    for (; now_ < end; now_ += 1ms) {
      for (auto& [id, group] : groups_) group->on_time(now_);
      settle();
    }
  }
  Group& leader() { return *groups_.at(*leader_); }
  MemberId follower() const { return kMembers[0] == *leader_ ? kMembers[1] : kMembers[0]; }
  void request(Request what) {
    leader().request(RequestId{1}, std::move(what), now_);
    settle();
  }

  std::optional<MemberId> deaf;  ///< hears nothing
  bool answers = true;           ///< every backend, to every probe
  int ejections = 0;

 private:
  void settle() {
    for (bool more = true; more;) {
      more = false;
      for (auto& [id, group] : groups_) more |= settle(id, *group);
    }
  }
  bool settle(MemberId id, Group& group) {
    Output output = group.take_output();
    bool more = output.more || output.persist.has_value();
    if (output.persist) group.on_persisted(output.persist->sequence, now_);
    for (const ProbeOrder& order : output.probes) {
      group.on_probe({.probe = order.probe, .answered = answers, .latency = 1ms}, now_);
      more = true;
    }
    for (const MemberEnvelope& envelope : output.to_members) {
      if (envelope.to == deaf || id == deaf) continue;
      REQUIRE(groups_.at(envelope.to)->on_message(id, *envelope.bytes, now_));
      more = true;
    }
    if (group.status().leads) leader_ = id;
    if (output.map != nullptr) {
      for (const auto& [serial, backend] : output.map->backends) {
        ejections += backend.state == cluster::BackendState::kEjected;
      }
    }
    return more;
  }

  Instant now_{1s};
  std::map<MemberId, std::unique_ptr<Group>> groups_;
  std::optional<MemberId> leader_;
};

TEST_CASE("what was concluded while the leader was handing over is not done later") {
  Three three;
  cluster::PoolRules rules{.name = "cache", .min_up = 1};
  rules.detection = {.interval_ms = 20, .deadline_ms = 20, .count = 2};
  three.request(cluster::DefinePool{
      .rules = rules,
      .backends = {{.name = "a", .address = "a:1"}, {.name = "b", .address = "b:1"}}});
  three.pass(500ms);
  REQUIRE(three.leader().map().backends.size() == 2);

  // Its target hears nothing, so it waits: within that time the backends fail, and answer again.
  three.deaf = three.follower();
  three.request(TransferLeadership{three.follower()});
  three.answers = false;
  three.pass(80ms);
  three.answers = true;
  three.pass(1s);
  CHECK(three.leader().status().leads);
  CHECK(three.ejections == 0);

  // Nothing keeps it from doing so when it is free.
  three.answers = false;
  three.pass(300ms);
  CHECK(three.ejections > 0);
}

}  // namespace
}  // namespace quorate::group
