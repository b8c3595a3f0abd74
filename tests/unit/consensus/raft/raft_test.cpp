// What correct members do not bring about, but a broken network or a broken peer may.
#include "consensus/raft/raft.h"

#include <doctest/doctest.h>

namespace quorate::raft {
namespace {

constexpr MemberId kSelf{1};
constexpr MemberId kPeer{2};

EntryRef entry(Index index, Term term, EntryData data = Noop{}) {
  return std::make_shared<const Entry>(Entry{term, index, std::move(data)});
}

Configuration pair() {
  Configuration c;
  c.voters = {kSelf, kPeer};
  c.addresses = {{kSelf, ""}, {kPeer, ""}};
  return c;
}

/// A follower with entries 1@1 to 2@1 and 3@2 to 5@2.
Raft follower() {
  Durable durable;
  durable.hard_state.term = 2;
  durable.entries = {entry(1, 1, pair()), entry(2, 1), entry(3, 2), entry(4, 2), entry(5, 2)};
  return Raft(kSelf, Options{}, durable, 1, Instant{});
}

/// All that it wants to send once everything is on disk.
std::vector<Message> answers(Raft& raft) {
  std::vector<Message> sent;
  const auto take = [&] {
    Output output = raft.take_output();
    for (Envelope& envelope : output.send) sent.push_back(std::move(envelope.message));
    return output.persist ? output.persist->sequence : 0;
  };
  const uint64_t sequence = take();
  if (sequence != 0) raft.on_persisted(sequence, Instant{});
  take();
  raft.check_invariants();
  return sent;
}

TEST_CASE(
    "a follower commits no further than the entries of the message, whatever it has after them") {
  Raft raft = follower();
  raft.on_message(kPeer, AppendEntries{3, 1, 1, 5, {entry(2, 1)}}, Instant{});
  CHECK(raft.status().commit == 2);
  const auto sent = answers(raft);
  REQUIRE(sent.size() == 1);
  CHECK(std::get<AppendEntriesResponse>(sent[0]).match_index == 2);
}

TEST_CASE("an append that reaches back before the commit index is taken from there on") {
  Raft raft = follower();
  raft.on_message(kPeer, AppendEntries{2, 5, 2, 4, {}}, Instant{});
  CHECK(raft.status().commit == 4);
  raft.on_message(kPeer, AppendEntries{2, 1, 1, 5, {entry(2, 1), entry(3, 2)}}, Instant{});
  CHECK(raft.status().last == 5);
  CHECK(raft.status().commit == 4);
  CHECK(std::get<AppendEntriesResponse>(answers(raft).back()).match_index == 4);
}

TEST_CASE("entries that no leader's log can hold in that place are not taken") {
  Raft raft = follower();
  raft.on_message(kPeer, AppendEntries{2, 5, 2, 5, {}}, Instant{});
  raft.on_message(kPeer, AppendEntries{2, 4, 1, 6, {entry(5, 1), entry(6, 1)}}, Instant{});
  CHECK(raft.status().last == 5);
  CHECK(raft.status().commit == 5);
}

TEST_CASE("a heartbeat commits no more than there is") {
  Raft raft = follower();
  raft.on_message(kPeer, Heartbeat{2, 100, 1}, Instant{});
  CHECK(raft.status().commit == 5);
  CHECK(std::holds_alternative<HeartbeatResponse>(answers(raft).at(0)));
}

TEST_CASE("answers that nobody asked for change nothing") {
  Raft raft = follower();
  for (const Message& message : std::vector<Message>{
           AppendEntriesResponse{2, 5}, AppendEntriesRefused{2, 5, 3, 2}, HeartbeatResponse{2, 9},
           InstallSnapshotResponse{2, 5, 0, true}, RequestVoteResponse{2, true},
           PreVoteResponse{2, 3, true}, ReadIndexResponse{2, 7, 5}, StaleTerm{2}}) {
    raft.on_message(kPeer, message, Instant{});
    CHECK(answers(raft).empty());
    CHECK(raft.status().role == RoleName::kFollower);
    CHECK(raft.status().commit == 0);
  }
}

TEST_CASE("whoever claims a term that is over is told so") {
  for (const Message& message : std::vector<Message>{
           RequestVote{1, 9, 1, false}, AppendEntries{1, 0, 0, 0, {}}, Heartbeat{1, 0, 1},
           InstallSnapshot{1, {9, 1, 0, 0}, pair(), 0, ""}, ReadIndex{1, 7}}) {
    Raft raft = follower();
    raft.on_message(kPeer, message, Instant{});
    const auto sent = answers(raft);
    REQUIRE(sent.size() == 1);
    CHECK(std::get<StaleTerm>(sent[0]).term == 2);
  }
}

TEST_CASE("a snapshot that is larger than the limit is not taken in") {
  Raft raft = follower();
  const SnapshotHead huge{9, 2, Options{}.max_snapshot_bytes + 1, 0};
  raft.on_message(kPeer, InstallSnapshot{2, huge, pair(), 0, "piece"}, Instant{});
  const auto sent = answers(raft);
  REQUIRE(sent.size() == 1);
  CHECK(!std::get<InstallSnapshotResponse>(sent[0]).installed);
  CHECK(raft.status().commit == 0);
}

TEST_CASE("a snapshot whose bytes are not those that were announced is asked for again") {
  Raft raft = follower();
  raft.on_message(kPeer, InstallSnapshot{2, {9, 2, 5, 12345}, pair(), 0, "bytes"}, Instant{});
  const auto sent = answers(raft);
  REQUIRE(sent.size() == 1);
  CHECK(std::get<InstallSnapshotResponse>(sent[0]).next_offset == 0);
  CHECK(!std::get<InstallSnapshotResponse>(sent[0]).installed);
  CHECK(raft.status().last == 5);
}

}  // namespace
}  // namespace quorate::raft
