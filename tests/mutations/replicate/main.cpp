// The program `replicate_mutations`: plants one fault of versioned writes after the other, and
// shows which cases and which simulated worlds notice.
//
//   replicate_mutations [--quick] [--seeds N] [NAME...]     the last line: caught N of M
//
// --quick: a fault that a case has shown is not simulated as well.
//
// Expects replicate_cases_mutant and replicate_simulation_mutant beside itself. A fault counts as
// caught only by a test that fails, and that does not without it; one whose time is up shows
// nothing.
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "consensus/base/text.h"
#include "tests/mutations/replicate/faults.h"
#include "tests/mutations/trial.h"

namespace quorate::mutations {
namespace {

class Judge {
 public:
  Judge(std::string folder, uint64_t seeds) : folder_(std::move(folder)), seeds_(seeds) {}

  /// What noticed the fault; nothing: it was not noticed.
  std::vector<std::string> by_cases(int mutation) const {
    const Run cases = run(folder_ + "/replicate_cases_mutant", mutation, 10);
    if (cases.passed || !cases.has_ended) return {};
    return {"case: " + first_with(cases, "TEST CASE:  ")};
  }
  std::vector<std::string> by_simulation(int mutation, std::string_view mix) const {
    const Run simulation = run(folder_ + "/replicate_simulation_mutant --allow-zero --mix " +
                                   std::string(mix) + " --seeds " + std::to_string(seeds_),
                               mutation);
    if (simulation.passed || !simulation.has_ended) return {};
    return {std::string(mix) + " " + describe_simulation(simulation)};
  }

 private:
  std::string folder_;
  uint64_t seeds_;
};

/// What fails without a fault.
std::vector<std::string> false_alarms(const Judge& judge, bool is_quick) {
  std::vector<std::string> alarms = judge.by_cases(0);
  std::set<std::string_view> mixes;
  for (const ReplicateFault& one : kReplicateFaults) mixes.insert(one.mix);
  if (is_quick) mixes = {"any"};
  for (const std::string_view mix : mixes) {
    const std::vector<std::string> more = judge.by_simulation(0, mix);
    alarms.insert(alarms.end(), more.begin(), more.end());
  }
  return alarms;
}

int judge_all(const Judge& judge, bool is_quick, const std::vector<std::string>& names) {
  for (const std::string& alarm : false_alarms(judge, is_quick)) {
    std::printf("the tests fail without a fault: %s\n", alarm.c_str());
    return 1;
  }
  Trial trial(names);
  for (const ReplicateFault& one : kReplicateFaults) {
    if (!trial.wants(one.name)) continue;
    std::vector<std::string> by = judge.by_cases(one.number);
    if (by.empty() || !is_quick) {
      const std::vector<std::string> more = judge.by_simulation(one.number, one.mix);
      by.insert(by.end(), more.begin(), more.end());
    }
    trial.planted(one.name, one.what, by);
  }
  return trial.end() ? 0 : 1;
}

}  // namespace
}  // namespace quorate::mutations

int main(int argc, char** argv) {
  using namespace quorate::mutations;  // NOLINT
  uint64_t seeds = 3000;
  bool is_quick = false;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto number = word == "--seeds" && i + 1 < argc
                            ? quorate::base::parse_integer<uint64_t>(argv[i + 1])
                            : std::nullopt;
    if (number) {
      seeds = *number;
      ++i;
    } else if (word == "--quick") {
      is_quick = true;
    } else {
      names.push_back(word);
    }
  }
  const std::string folder = std::filesystem::path(argv[0]).parent_path().string();
  return judge_all(Judge(folder.empty() ? "." : folder, seeds), is_quick, names);
}
