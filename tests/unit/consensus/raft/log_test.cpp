#include "consensus/raft/log.h"

#include <doctest/doctest.h>

namespace quorate::raft {
namespace {

Configuration voters(std::vector<MemberId> ids) {
  Configuration c;
  c.voters = std::move(ids);
  for (const MemberId id : c.voters) c.addresses[id] = "";
  return c;
}

constexpr MemberId kOne{1};
constexpr MemberId kTwo{2};
constexpr MemberId kThree{3};

void append(Log& log, Term term, EntryData data = Noop{}) {
  log.append(std::make_shared<const Entry>(Entry{term, log.last_index() + 1, std::move(data)}));
}

/// 1@1 {1}, 2@1, 3@3 {1,2}, 4@3, 5@4 {1,2,3}, 6@4
Log example() {
  Log log(0, 0, {});
  append(log, 1, voters({kOne}));
  append(log, 1);
  append(log, 3, voters({kOne, kTwo}));
  append(log, 3);
  append(log, 4, voters({kOne, kTwo, kThree}));
  append(log, 4);
  return log;
}

TEST_CASE("terms are known from the base to the end, and nowhere else") {
  Log log = example();
  CHECK(log.term_at(0) == 0);
  CHECK(log.term_at(6) == 4);
  CHECK(!log.term_at(7));
  log.compact_to(3);
  CHECK(!log.term_at(2));
  CHECK(log.term_at(3) == 3);
  CHECK(log.term_at(4) == 3);
  CHECK(log.last_index() == 6);
}

TEST_CASE("the ends of a term are found") {
  Log log = example();
  CHECK(log.first_of_term_at(4) == 3);
  CHECK(log.last_of_term(1) == 2);
  CHECK(log.last_of_term(4) == 6);
  CHECK(!log.last_of_term(2));
  CHECK(!log.last_of_term(5));
  log.compact_to(3);
  CHECK(log.first_of_term_at(4) == 4);
  CHECK(!log.last_of_term(1));
}

TEST_CASE("the last configuration in the log is in force, until it is truncated") {
  Log log = example();
  CHECK(log.configuration() == voters({kOne, kTwo, kThree}));
  CHECK(log.configuration_index() == 5);
  CHECK(log.previous_configuration() == voters({kOne, kTwo}));
  CHECK(log.configuration_at(4) == voters({kOne, kTwo}));
  CHECK(log.configuration_at(2) == voters({kOne}));
  log.truncate_from(5);
  CHECK(log.configuration() == voters({kOne, kTwo}));
  CHECK(log.configuration_index() == 3);
  log.truncate_from(1);
  CHECK(log.configuration() == Configuration{});
}

TEST_CASE("compaction keeps the configuration that is in force at the base") {
  for (Index base = 0; base <= 6; ++base) {
    Log log = example();
    const Configuration at_base = log.configuration_at(base);
    log.compact_to(base);
    CHECK(log.base_index() == base);
    CHECK(log.configuration_at(base) == at_base);
    CHECK(log.configuration() == voters({kOne, kTwo, kThree}));
    if (base < 6) log.truncate_from(base + 1);
    CHECK(log.configuration() == at_base);
    CHECK(log.previous_configuration() == at_base);
  }
}

TEST_CASE("after a snapshot the log begins again with its configuration") {
  Log log = example();
  log.reset(*make_snapshot(9, 5, voters({kTwo}), "state"));
  CHECK(log.base_index() == 9);
  CHECK(log.last_index() == 9);
  CHECK(log.last_term() == 5);
  CHECK(log.configuration() == voters({kTwo}));
  append(log, 5);
  CHECK(log.term_at(10) == 5);
}

}  // namespace
}  // namespace quorate::raft
