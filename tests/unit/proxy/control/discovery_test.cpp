#include "proxy/control/discovery.h"

#include <doctest/doctest.h>

namespace quorate::control {
namespace {

using namespace std::chrono_literals;

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

std::string info(const std::string& state, int epoch) {
  return bulk("cluster_state:" + state +
              "\r\ncluster_size:1\r\ncluster_current_epoch:" + std::to_string(epoch) + "\r\n");
}

std::string node(const std::string& host, int port) {
  return "*3\r\n" + bulk(host) + ":" + std::to_string(port) + "\r\n" + bulk("id");
}

std::string range(int first, int last, const std::string& nodes, int count) {
  return "*" + std::to_string(2 + count) + "\r\n:" + std::to_string(first) +
         "\r\n:" + std::to_string(last) + "\r\n" + nodes;
}

DiscoveryAnswer answer(uint64_t epoch, uint16_t port, bool certain = true) {
  DiscoveryAnswer made;
  made.certain = certain;
  made.epoch = epoch;
  made.found.primaries = {{.address = {"h", port}, .replicas = {}, .slots = {{0, 16383}}}};
  return made;
}

uint16_t port_of(const Discovery& discovery) {
  return discovery.found()->primaries.front().address.port;
}

Discovery three() {
  return Discovery({.seeds = {{"a", 1}, {"b", 1}, {"c", 1}}, .asks_found = false, .interval = 1s});
}

}  // namespace

TEST_CASE("a node's answer: primaries with their slots and replicas") {
  const std::string slots = "*3\r\n" + range(0, 99, node("10.0.0.1", 1) + node("10.0.0.2", 2), 2) +
                            range(200, 299, node("10.0.0.1", 1), 1) +
                            range(100, 199, node("", 7), 1);
  const auto read = read_cluster({"seed", 9}, info("ok", 12), slots);
  CHECK(read.problem.empty());
  CHECK(read.certain);
  CHECK(read.epoch == 12);
  REQUIRE(read.found.primaries.size() == 2);
  const FoundPrimary& first = read.found.primaries[0];
  CHECK(first.address == ServerAddress{"10.0.0.1", 1});
  CHECK(first.replicas == std::vector<ServerAddress>{{"10.0.0.2", 2}});
  CHECK(first.slots == std::vector<SlotRange>{{0, 99}, {200, 299}});
  CHECK(read.found.primaries[1].address == ServerAddress{"seed", 7});
}

TEST_CASE("what is no answer is a problem, and slots that there are not are left out") {
  CHECK(read_cluster({}, "-NOAUTH x\r\n", "*0\r\n").problem == "NOAUTH x");
  CHECK_FALSE(read_cluster({}, info("ok", 1), ":1\r\n").problem.empty());
  CHECK_FALSE(read_cluster({}, info("ok", 1), "*0\r\n").problem.empty());
  const std::string wild =
      "*2\r\n" + range(0, 16384, node("h", 1), 1) + range(5, 4, node("h", 1), 1);
  CHECK_FALSE(read_cluster({}, info("ok", 1), wild).problem.empty());
  CHECK_FALSE(read_cluster({}, info("fail", 1), "*1\r\n" + range(0, 9, node("h", 1), 1)).certain);
}

TEST_CASE("a sentinel's answer: the primary, and the replicas that are there") {
  const auto list = [](std::vector<std::string> words) {
    std::string text = "*" + std::to_string(words.size()) + "\r\n";
    for (const auto& word : words) text += bulk(word);
    return text;
  };
  const auto replica = [&](const std::string& port, const std::string& flags) {
    return list({"ip", "h", "port", port, "flags", flags, "master-link-status", "ok"});
  };
  const auto read = read_sentinel(
      list({"name", "main", "ip", "h", "port", "1", "flags", "master", "config-epoch", "3"}),
      "*2\r\n" + replica("3", "slave") + replica("2", "s_down,slave"));
  CHECK(read.problem.empty());
  CHECK(read.epoch == 3);
  CHECK(read.found.primaries.front().address == ServerAddress{"h", 1});
  CHECK(read.found.primaries.front().replicas == std::vector<ServerAddress>{{"h", 3}});
  CHECK(read_sentinel("-ERR No such master with that name\r\n", "*0\r\n").problem ==
        "ERR No such master with that name");
}

TEST_CASE("a higher epoch counts at once, an equal one when all have answered") {
  Discovery discovery = three();
  CHECK(discovery.begin_round(base::Instant{}).size() == 3);
  CHECK(discovery.next_round() == base::kNever);
  CHECK(discovery.on_answer({"a", 1}, answer(5, 1)));
  CHECK(port_of(discovery) == 1);
  CHECK_FALSE(discovery.on_answer({"b", 1}, answer(5, 2)));
  CHECK(port_of(discovery) == 1);
  CHECK(discovery.on_answer({"c", 1}, answer(5, 2)));  // two of three say so
  CHECK(port_of(discovery) == 2);
  CHECK(discovery.next_round() == base::Instant{} + 1s);
}

TEST_CASE("one that is behind, or cut off, does not count") {
  Discovery discovery = three();
  discovery.begin_round(base::Instant{});
  discovery.on_answer({"a", 1}, answer(5, 1));
  discovery.on_answer({"b", 1}, answer(4, 2));
  discovery.on_answer({"c", 1}, answer(9, 3, false));
  CHECK(port_of(discovery) == 1);
  for (int round = 1; round <= 5; ++round) {
    CHECK(port_of(discovery) == 1);
    discovery.begin_round(base::Instant{} + round * 1s);
    for (const char* name : {"a", "b", "c"}) discovery.on_answer({name, 1}, answer(4, 2));
  }
  CHECK(port_of(discovery) == 2);  // nobody knew better: the cluster was made anew
}

TEST_CASE("without anybody in touch what there is serves, and a silent round changes nothing") {
  Discovery discovery = three();
  discovery.begin_round(base::Instant{});
  discovery.on_answer({"a", 1}, answer(5, 1, false));
  DiscoveryAnswer silence;
  silence.problem = "cannot connect";
  discovery.on_answer({"b", 1}, silence);
  CHECK(discovery.on_answer({"c", 1}, silence));
  CHECK(port_of(discovery) == 1);
  CHECK(discovery.problem().empty());
  discovery.begin_round(base::Instant{} + 1s);
  for (const char* name : {"a", "b", "c"}) CHECK_FALSE(discovery.on_answer({name, 1}, silence));
  CHECK(port_of(discovery) == 1);
  CHECK(discovery.problem() == "a:1: cannot connect");
}

TEST_CASE("a hint makes the next round come soon, but not at once behind the last") {
  Discovery discovery = three();
  discovery.begin_round(base::Instant{} + 10s);
  for (const char* name : {"a", "b", "c"}) discovery.on_answer({name, 1}, answer(5, 1));
  discovery.hint(base::Instant{} + 10s);
  CHECK(discovery.next_round() == base::Instant{} + 10s + 50ms);
}

}  // namespace quorate::control
