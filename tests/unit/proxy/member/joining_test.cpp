#include "proxy/member/joining.h"

#include <doctest/doctest.h>

#include "proxy/member/identity_file.h"
#include "tests/simulation/raft/simulated_disk.h"

namespace quorate::member {

TEST_CASE("questions and answers survive the wire") {
  const auto registered = decode_question(encode(Question(Register{"d", "10.0.0.4:7400"})));
  REQUIRE(registered.ok());
  CHECK(std::get<Register>(registered.value()).address == "10.0.0.4:7400");
  const auto admit = decode_question(encode(Question(Admit{raft::MemberId{7}, "h:1", false})));
  REQUIRE(admit.ok());
  CHECK(std::get<Admit>(admit.value()).id == raft::MemberId{7});
  CHECK(!std::get<Admit>(admit.value()).joining);
  CHECK(std::holds_alternative<ListMembers>(
      decode_question(encode(Question(ListMembers{}))).value()));

  const Identity identity{raft::MemberId{UINT64_MAX}, {UINT64_MAX, 1}, "d"};
  const auto told = decode_registered(encode_registered(identity));
  REQUIRE(told.ok());
  CHECK(told.value().id == identity.id);
  CHECK(told.value().cluster == identity.cluster);
  CHECK(!decode_admitted(encode_admitted()));

  MemberTable table;
  table.term = 3;
  table.rows.push_back({"a", 1, "h:1", "leader", 9, 0, 0.25});
  table.rows.push_back({"o", 0, "", "observer", {}, {}, {}});
  const auto same = decode_table(encode_table(table));
  REQUIRE(same.ok());
  CHECK(same.value().rows[0].last_contact_seconds == 0.25);
  CHECK(!same.value().rows[1].applied);
}

TEST_CASE("an error in place of an answer is told as it is") {
  CHECK(decode_registered(encode_error("no such luck")).error() == "no such luck");
  CHECK(decode_admitted(encode_error("no such luck")) == "no such luck");
  CHECK(decode_table(encode_error("no such luck")).error() == "no such luck");
}

TEST_CASE("what is no answer is not understood, whatever it is") {
  for (const char* text : {"", "{", "[]", "7", "null", "{}", R"({"id":"x"})", R"({"error":1})",
                           R"({"op":"dance"})", R"({"op":"admit","id":-1})"}) {
    INFO(text);
    CHECK(!decode_question(text).ok());
    CHECK(!decode_registered(text).ok());
    CHECK(decode_admitted(text).has_value());
    CHECK(!decode_table(text).ok());
  }
}

TEST_CASE("who a data directory belongs to is known after the power failed") {
  for (uint64_t seed = 1; seed < 50; ++seed) {
    simulation::SimulatedDisk disk(seed);
    CHECK(!read_identity(disk).value());
    const Identity first{raft::MemberId{4}, {}, "d"};
    REQUIRE(write_identity(disk, first).ok());
    disk.lose_power();
    REQUIRE(read_identity(disk).value());
    CHECK(read_identity(disk).value()->id == first.id);
    // Interrupted anywhere, the second one is there whole, or the first one still is.
    disk.crash_after(seed % 6);
    const Identity second{raft::MemberId{4}, {1, 2}, "d"};
    const bool written = write_identity(disk, second).ok();
    disk.lose_power();
    const auto found = read_identity(disk);
    REQUIRE(found.ok());
    REQUIRE(found.value());
    if (written) CHECK(found.value()->cluster == second.cluster);
  }
}

TEST_CASE("a damaged file is an error, not another member") {
  simulation::SimulatedDisk disk(1);
  for (const char* text : {"", "{}", "not json", R"({"version":2,"id":1})",
                           R"({"version":1,"id":0,"cluster_high":0,"cluster_low":0,"name":"a"})"}) {
    REQUIRE(write_identity(disk, {raft::MemberId{1}, {}, "a"}).ok());
    disk.replace(std::string(kIdentityFile), text);
    INFO(text);
    CHECK(!read_identity(disk).ok());
  }
}

}  // namespace quorate::member
