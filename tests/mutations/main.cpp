// The program `mutations`: plants one fault after the other, and shows which tests notice.
//
//   mutations [--seeds N] [NAME...]       all faults, or those named; the last line: caught N of M
//
// Expects the test programs, built with -DQUORATE_MUTATIONS, beside itself, and the conversations
// in the folder that it was built with. Raft and the layer above it have programs of their own. A
// fault counts as caught only by a test that fails, and that does not without it.
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "consensus/base/text.h"
#include "tests/mutations/group_faults.h"
#include "tests/mutations/mutations.h"

namespace quorate::mutations {
namespace {

struct Run {
  bool passed = false;
  std::vector<std::string> lines;
};

/// Runs a program with a fault planted. One that does not end is stopped, and has failed.
Run run(const std::string& command, int mutation) {
  const std::string line =
      "QUORATE_MUTATION=" + std::to_string(mutation) + " timeout 600 " + command + " 2>&1";
  Run result;
  FILE* pipe = ::popen(line.c_str(), "r");
  if (pipe == nullptr) return result;
  std::string text;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    if (c == '\n') {
      result.lines.push_back(std::exchange(text, {}));
    } else {
      text += static_cast<char>(c);
    }
  }
  const int status = ::pclose(pipe);
  result.passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return result;
}

/// The first line that says what went wrong, from where `mark` ends.
std::string first_with(const Run& result, const std::string& mark) {
  for (const std::string& line : result.lines) {
    const size_t at = line.find(mark);
    if (at != std::string::npos) return line.substr(at + mark.size());
  }
  return {};
}

class Judge {
 public:
  Judge(std::string folder, uint64_t seeds) : folder_(std::move(folder)), seeds_(seeds) {}

  /// What noticed the fault, one a line; nothing: it was not noticed.
  std::vector<std::string> catches(int mutation, bool of_group) const {
    std::vector<std::string> caught;
    const std::string layer = of_group ? "group_" : "";
    const Run simulation = run(
        folder_ + "/" + layer + "simulation_mutant --allow-zero --seeds " + std::to_string(seeds_),
        mutation);
    if (!simulation.passed) caught.push_back(describe_simulation(simulation));
    if (of_group) {
      const Run units = run(folder_ + "/group_unit_tests_mutant", mutation);
      if (!units.passed) caught.push_back("unit test: " + first_with(units, "TEST CASE:  "));
      return caught;
    }
    const Run conversations =
        run(folder_ + "/raft_conversations_mutant " QUORATE_CONVERSATIONS "/*.txt", mutation);
    if (!conversations.passed) caught.push_back(describe_conversations(conversations));
    const Run units = run(folder_ + "/raft_unit_tests_mutant", mutation);
    if (!units.passed) caught.push_back("unit test: " + first_with(units, "TEST CASE:  "));
    return caught;
  }

 private:
  static std::string describe_simulation(const Run& result) {
    const std::string after = first_with(result, "after ");
    const size_t seeds_end = after.find(" seeds: ");
    if (seeds_end != std::string::npos) {
      const size_t what = after.find("): ");
      return "simulation, " + after.substr(0, seeds_end) + " seeds: " + after.substr(what + 3);
    }
    const std::string assertion = first_with(result, "assertion failed: ");
    const std::string seed = first_with(result, "sim SEED=");
    return "simulation, " + seed + " seeds: ASSERT(" + assertion + ")";
  }

  static std::string describe_conversations(const Run& result) {
    const std::string place = first_with(result, QUORATE_CONVERSATIONS "/");
    if (!place.empty()) return "conversation: " + place.substr(0, place.find(": "));
    return "conversation: ASSERT(" + first_with(result, "assertion failed: ") + ")";
  }

  std::string folder_;
  uint64_t seeds_;
};

bool wanted(const std::vector<std::string>& names, std::string_view name) {
  for (const std::string& one : names) {
    if (one == name) return true;
  }
  return names.empty();
}

class Trial {
 public:
  Trial(const Judge& judge, const std::vector<std::string>& names) : judge_(judge), names_(names) {}

  void plant(int number, std::string_view name, std::string_view what, bool of_group) {
    if (!wanted(names_, name)) return;
    ++planted_;
    const std::vector<std::string> by = judge_.catches(number, of_group);
    if (!by.empty()) ++caught_;
    std::printf("%s %.*s: %.*s\n", by.empty() ? "MISSED" : "caught", static_cast<int>(name.size()),
                name.data(), static_cast<int>(what.size()), what.data());
    for (const std::string& line : by) std::printf("         %s\n", line.c_str());
    std::fflush(stdout);
  }
  bool end() const {
    std::printf("caught %zu of %zu\n", caught_, planted_);
    return caught_ == planted_;
  }

 private:
  const Judge& judge_;
  const std::vector<std::string>& names_;
  size_t planted_ = 0;
  size_t caught_ = 0;
};

int judge_all(const Judge& judge, const std::vector<std::string>& names) {
  for (const bool of_group : {false, true}) {
    const auto false_alarms = judge.catches(0, of_group);
    if (false_alarms.empty()) continue;
    std::printf("the tests fail without a fault: %s\n", false_alarms.front().c_str());
    return 1;
  }
  Trial trial(judge, names);
  for (const Fault& one : kFaults) {
    trial.plant(static_cast<int>(one.mutation), one.name, one.what, false);
  }
  for (const GroupFault& one : kGroupFaults) trial.plant(one.number, one.name, one.what, true);
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
