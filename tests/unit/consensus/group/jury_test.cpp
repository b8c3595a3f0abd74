// What the leader concludes from reports.
#include "consensus/group/jury.h"

#include "tests/unit/consensus/cluster/maps.h"

namespace quorate::group {
namespace {

using namespace std::chrono_literals;

constexpr MemberId kOne{1};
constexpr MemberId kTwo{2};
constexpr MemberId kThree{3};

raft::Configuration three() {
  raft::Configuration c;
  c.voters = {kOne, kTwo, kThree};
  c.addresses = {{kOne, "a"}, {kTwo, "b"}, {kThree, "c"}};
  return c;
}

struct Court {
  cluster::ClusterMap map = cluster::map_with_pool(cluster::OnEject::kKeep);
  raft::Configuration configuration = three();
  Jury jury{Options{}};
  Instant now{10s};

  Court() { jury.begin(map, now); }
  BackendSerial a() const { return cluster::named(map, "a"); }

  /// From a voter that looked `age` ago, in answer to a stamp of `stamp_age` ago.
  void report(MemberId from, uint32_t failures, uint32_t answers, Duration age = 10ms,
              Duration stamp_age = 0ms) {
    Report report;
    report.sights = {{a(), failures, answers, age, ""}};
    jury.on_report(from, report, now - stamp_age, now);
  }
  std::vector<Jury::Proposal> verdicts() { return jury.deliberate(map, configuration, now); }
  void carry_out(const std::vector<Jury::Proposal>& proposals) {
    for (const Jury::Proposal& proposal : proposals) {
      cluster::done(map, proposal.change);
      jury.follow(map, now);
      jury.ended(proposal.about);
    }
  }
};

TEST_CASE("a majority that has each seen enough failures ejects, a minority does not") {
  Court court;
  court.report(kOne, 2, 0);
  CHECK(court.verdicts().empty());
  court.report(kTwo, 1, 0);
  CHECK(court.verdicts().empty());
  court.report(kThree, 5, 0);
  const auto verdicts = court.verdicts();
  REQUIRE(verdicts.size() == 1);
  const auto& eject = std::get<cluster::EjectBackend>(verdicts.front().change);
  CHECK(eject.witnesses == std::vector{kOne, kThree});
  CHECK(court.verdicts().empty());  // proposed already
}

TEST_CASE("evidence that is too old counts for nothing") {
  Court court;
  court.report(kOne, 2, 0);
  court.now += 900ms;
  court.report(kTwo, 2, 0);
  CHECK(court.verdicts().empty());
  court.report(kOne, 4, 0);
  CHECK(court.verdicts().size() == 1);
}

TEST_CASE("a report that was under way for long is as old as the stamp that it answers") {
  Court court;
  court.report(kOne, 2, 0);
  court.report(kTwo, 2, 0, 10ms, 900ms);
  CHECK(court.verdicts().empty());
}

TEST_CASE("who does not vote is no witness; while the group changes, both majorities must see it") {
  Court court;
  court.configuration.voters = {kOne, kTwo};
  court.configuration.learners = {{kThree, false}};
  court.report(kOne, 2, 0);
  court.report(kThree, 2, 0);
  CHECK(court.verdicts().empty());
  court.configuration = three();
  court.configuration.voters = {kThree};
  court.configuration.old_voters = {kOne, kTwo};
  CHECK(court.verdicts().empty());
  court.report(kTwo, 2, 0);
  CHECK(court.verdicts().size() == 1);
}

TEST_CASE("after a second ejection in a row it stays away for a time that doubles") {
  Court court;
  court.map.pools.begin()->second.rules.detection.backoff_ms = 2000;
  Duration expected[] = {0s, 2s, 4s};
  for (const Duration time_off : expected) {
    for (const MemberId id : {kOne, kTwo}) court.report(id, 2, 0);
    court.carry_out(court.verdicts());
    const Instant ejected = court.now;
    while (court.map.backends.at(court.a()).state == cluster::BackendState::kEjected) {
      court.now += 100ms;
      for (const MemberId id : {kOne, kTwo}) court.report(id, 0, 3);
      court.carry_out(court.verdicts());
      REQUIRE(court.now < ejected + 60s);
    }
    CHECK(court.now - ejected >= time_off);
    CHECK(court.now - ejected <= time_off + 200ms);
  }
}

TEST_CASE("it is used again only by a majority that has seen it answer steadily") {
  Court court;
  for (const MemberId id : {kOne, kTwo}) court.report(id, 2, 0);
  court.carry_out(court.verdicts());
  court.report(kOne, 0, 3);
  court.report(kTwo, 0, 2);
  court.report(kThree, 1, 0);
  CHECK(court.verdicts().empty());
  court.report(kTwo, 0, 3);
  const auto verdicts = court.verdicts();
  REQUIRE(verdicts.size() == 1);
  CHECK(std::holds_alternative<cluster::ReadyBackend>(verdicts.front().change));
}

TEST_CASE("how far a session's process is, the leader knows from whichever voter it follows") {
  Court court;
  cluster::done(court.map, cluster::OpenSession{.nonce = {1, 1}});
  cluster::done(court.map, cluster::OpenSession{.nonce = {2, 2}});
  court.jury.follow(court.map, court.now);
  CHECK(court.jury.sessions().empty());
  Report report;
  report.sessions = {{SessionId{1}, 50ms, 17}, {SessionId{9}, 0ms, 3}};
  court.jury.on_report(kTwo, report, court.now, court.now);
  // What another voter had of it before does not count.
  report.sessions = {{SessionId{1}, 300ms, 12}};
  court.jury.on_report(kThree, report, court.now, court.now);
  const auto sessions = court.jury.sessions();
  REQUIRE(sessions.size() == 1);
  CHECK(sessions[0].session == SessionId{1});
  CHECK(sessions[0].confirmed == 17);
  CHECK(sessions[0].heard >= court.now - 50ms);
}

TEST_CASE("sessions end when their time is over, and not for what the leader missed itself") {
  Court court;
  cluster::done(court.map, cluster::OpenSession{.nonce = {1, 1}});
  cluster::done(court.map, cluster::OpenSession{.nonce = {2, 2}, .ttl_ms = 5000});
  court.jury.follow(court.map, court.now);
  court.now += 600ms;
  court.jury.heard(SessionId{1}, court.now, 0);
  court.now += 600ms;
  CHECK(court.verdicts().empty());
  CHECK(court.jury.next_deadline() == court.now + 100ms + Duration(1));
  court.jury.forgive(3s);
  court.now += 3s;
  CHECK(court.verdicts().empty());
  court.now += 200ms;
  auto verdicts = court.verdicts();
  REQUIRE(verdicts.size() == 1);
  const auto& lost = std::get<cluster::EndSession>(verdicts.front().change);
  CHECK(lost.session == SessionId{1});
  CHECK(lost.cause == cluster::SessionEnd::kLost);
  court.now += 5s;
  verdicts = court.verdicts();
  REQUIRE(verdicts.size() == 1);
  CHECK(std::get<cluster::EndSession>(verdicts.front().change).cause ==
        cluster::SessionEnd::kExpired);
}

}  // namespace
}  // namespace quorate::group
