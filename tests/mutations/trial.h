// Trials of planted faults: runs test programs built with -DQUORATE_MUTATIONS, and says which of
// them noticed.
#pragma once

#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quorate::mutations {

struct Run {
  bool passed = false;
  bool has_ended = false;  ///< by itself, before its time was up
  std::vector<std::string> lines;
};

/// Runs a program with a fault planted. One that does not end is stopped, and has failed. Its time
/// is the processor's: on a machine that others use, the one on the wall says little.
inline Run run(const std::string& command, int mutation, int seconds = 600) {
  const std::string line = "ulimit -St " + std::to_string(seconds) +
                           "; QUORATE_MUTATION=" + std::to_string(mutation) + " timeout " +
                           std::to_string(10 * seconds) + " " + command + " 2>&1";
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
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.passed = code == 0;
  result.has_ended = code != 124 && code != 128 + SIGXCPU;
  return result;
}

/// The first line that says what went wrong, from where `mark` ends.
inline std::string first_with(const Run& result, const std::string& mark) {
  for (const std::string& line : result.lines) {
    const size_t at = line.find(mark);
    if (at != std::string::npos) return line.substr(at + mark.size());
  }
  return {};
}

inline std::string describe_simulation(const Run& result) {
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

/// Counts what was planted and what was caught, and says both.
class Trial {
 public:
  /// `names`: those that are wanted; none: all.
  explicit Trial(const std::vector<std::string>& names) : names_(names) {}

  bool wants(std::string_view name) const {
    for (const std::string& one : names_) {
      if (one == name) return true;
    }
    return names_.empty();
  }
  /// `by`: what noticed it, one a line; nothing: it was not noticed.
  void planted(std::string_view name, std::string_view what, const std::vector<std::string>& by) {
    ++planted_;
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
  const std::vector<std::string>& names_;
  size_t planted_ = 0;
  size_t caught_ = 0;
};

}  // namespace quorate::mutations
