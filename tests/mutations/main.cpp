// The program `mutations`: plants one fault after the other, and shows which tests notice.
//
//   mutations [--seeds N] [NAME...]       all faults, or those named; the last line: caught N of M
//                                         (N seeds of Raft; a third as many of the layer above)
//
// Expects the test programs, built with -DQUORATE_MUTATIONS, beside itself, and the conversations
// in the folder that it was built with. Raft and the layer above it have programs of their own;
// versioned writes are replicate/'s. A fault counts as caught only by a test that fails, and that
// does not without it.
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "consensus/base/text.h"
#include "tests/mutations/group_faults.h"
#include "tests/mutations/mutations.h"
#include "tests/mutations/trial.h"

namespace quorate::mutations {
namespace {

class Judge {
 public:
  Judge(std::string folder, uint64_t seeds) : folder_(std::move(folder)), seeds_(seeds) {}

  /// What noticed the fault, one a line; nothing: it was not noticed.
  std::vector<std::string> catches(int mutation, bool of_group) const {
    std::vector<std::string> caught;
    // A world of the group takes several times as long as one of Raft alone.
    const std::string layer = of_group ? "group_" : "";
    const uint64_t seeds = of_group ? seeds_ / 3 : seeds_;
    const Run simulation = run(
        folder_ + "/" + layer + "simulation_mutant --allow-zero --seeds " + std::to_string(seeds),
        mutation);
    if (noticed(simulation)) caught.push_back(describe_simulation(simulation));
    if (of_group) {
      const Run units = run(folder_ + "/group_unit_tests_mutant", mutation);
      if (noticed(units)) caught.push_back("unit test: " + first_with(units, "TEST CASE:  "));
      return caught;
    }
    const Run conversations =
        run(folder_ + "/raft_conversations_mutant " QUORATE_CONVERSATIONS "/[!C]*.txt", mutation);
    if (noticed(conversations)) caught.push_back(describe_conversations(conversations));
    const Run units = run(folder_ + "/raft_unit_tests_mutant", mutation);
    if (noticed(units)) caught.push_back("unit test: " + first_with(units, "TEST CASE:  "));
    return caught;
  }

 private:
  /// One that is not done when its time is up has noticed nothing, it is only slow.
  static bool noticed(const Run& run) { return !run.passed && run.has_ended; }
  static std::string describe_conversations(const Run& result) {
    const std::string place = first_with(result, QUORATE_CONVERSATIONS "/");
    if (!place.empty()) return "conversation: " + place.substr(0, place.find(": "));
    return "conversation: ASSERT(" + first_with(result, "assertion failed: ") + ")";
  }

  std::string folder_;
  uint64_t seeds_;
};

int judge_all(const Judge& judge, const std::vector<std::string>& names) {
  for (const bool of_group : {false, true}) {
    const auto false_alarms = judge.catches(0, of_group);
    if (false_alarms.empty()) continue;
    std::printf("the tests fail without a fault: %s\n", false_alarms.front().c_str());
    return 1;
  }
  Trial trial(names);
  for (const Fault& one : kFaults) {
    if (!trial.wants(one.name)) continue;
    trial.planted(one.name, one.what, judge.catches(static_cast<int>(one.mutation), false));
  }
  for (const GroupFault& one : kGroupFaults) {
    if (trial.wants(one.name)) trial.planted(one.name, one.what, judge.catches(one.number, true));
  }
  return trial.end() ? 0 : 1;
}

}  // namespace
}  // namespace quorate::mutations

int main(int argc, char** argv) {
  using namespace quorate::mutations;  // NOLINT
  uint64_t seeds = 3000;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto number = word == "--seeds" && i + 1 < argc
                            ? quorate::base::parse_integer<uint64_t>(argv[i + 1])
                            : std::nullopt;
    if (number) {
      seeds = *number;
      ++i;
    } else {
      names.push_back(word);
    }
  }
  const std::string folder = std::filesystem::path(argv[0]).parent_path().string();
  return judge_all(Judge(folder.empty() ? "." : folder, seeds), names);
}
