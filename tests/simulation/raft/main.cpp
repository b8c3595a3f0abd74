// The program `simulation`: runs seeds, says what happened, and how to repeat what went wrong.
//
//   simulation --seed N [--verbose]       one world; the last line: `seed=… trace=…` and the counts
//   simulation --seeds COUNT [--from N]   many; the last line is their sum
//       [--twice]                         each seed a second time: the trace must be the same
//       [--traces]                        a line for each seed, to be compared between compilers
//       [--allow-zero]                    what never happened is no failure
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/text.h"
#include "tests/simulation/raft/cluster.h"

namespace quorate::simulation {
namespace {

struct Arguments {
  uint64_t from = 1;
  uint64_t seeds = 1;
  bool one = false;
  bool verbose = false;
  bool twice = false;
  bool traces = false;
  bool allow_zero = false;
};

struct Outcome {
  uint64_t trace = 0;
  uint64_t events = 0;
  Counts counts;
  std::string violation;  ///< empty: none
  std::string profile;
};

uint64_t current_seed = 0;

Outcome run(uint64_t seed, bool verbose) {
  current_seed = seed;
  Outcome outcome;
  World world(seed, verbose);
  const Profile profile = draw_profile(world.random);
  outcome.profile = describe(profile);
  try {
    Cluster cluster(world, profile);
    cluster.run();
  } catch (const Violation& violation) {
    outcome.violation = violation.what;
  }
  outcome.trace = world.trace_hash();
  outcome.events = world.events_run();
  outcome.counts = world.counts;
  return outcome;
}

std::string listed(const Counts& counts) {
  std::string text;
  for (size_t i = 0; i < kCountNames.size(); ++i) {
    text += " " + std::string(kCountNames[i]) + "=" + std::to_string(counts[static_cast<Count>(i)]);
  }
  return text;
}

void report_violation(uint64_t seed, const Outcome& outcome) {
  std::printf("seed %llu (%s): %s\n", static_cast<unsigned long long>(seed),
              outcome.profile.c_str(), outcome.violation.c_str());
  std::printf("repeat it: make sim SEED=%llu\n", static_cast<unsigned long long>(seed));
}

/// An ASSERT of the core ends the process; say first which seed it was.
void on_abort(int) {
  std::printf("repeat it: make sim SEED=%llu\n", static_cast<unsigned long long>(current_seed));
  std::fflush(stdout);
}

bool run_one(const Arguments& arguments) {
  const Outcome outcome = run(arguments.from, arguments.verbose);
  std::printf("%s\n", outcome.profile.c_str());
  if (!outcome.violation.empty()) report_violation(arguments.from, outcome);
  std::printf("seed=%llu trace=%016llx events=%llu%s\n",
              static_cast<unsigned long long>(arguments.from),
              static_cast<unsigned long long>(outcome.trace),
              static_cast<unsigned long long>(outcome.events), listed(outcome.counts).c_str());
  return outcome.violation.empty();
}

bool run_many(const Arguments& arguments) {
  Counts total;
  uint64_t events = 0;
  uint64_t traces = 0;
  for (uint64_t i = 0; i < arguments.seeds; ++i) {
    const uint64_t seed = arguments.from + i;
    const Outcome outcome = run(seed, false);
    if (!outcome.violation.empty()) {
      std::printf("after %llu seeds: ", static_cast<unsigned long long>(i + 1));
      report_violation(seed, outcome);
      return false;
    }
    if (arguments.twice && run(seed, false).trace != outcome.trace) {
      std::printf("seed %llu: another trace on a second run\n",
                  static_cast<unsigned long long>(seed));
      return false;
    }
    if (arguments.traces) {
      std::printf("%llu %016llx\n", static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(outcome.trace));
    }
    total.add(outcome.counts);
    events += outcome.events;
    traces = digest(outcome.trace, traces);
  }
  std::vector<std::string_view> never;
  for (size_t i = 0; i < kCountNames.size(); ++i) {
    if (total[static_cast<Count>(i)] == 0) never.push_back(kCountNames[i]);
  }
  for (const std::string_view name : never) {
    std::printf("never happened: %.*s\n", static_cast<int>(name.size()), name.data());
  }
  std::printf("seeds=%llu..%llu traces=%016llx events=%llu%s\n",
              static_cast<unsigned long long>(arguments.from),
              static_cast<unsigned long long>(arguments.from + arguments.seeds - 1),
              static_cast<unsigned long long>(traces), static_cast<unsigned long long>(events),
              listed(total).c_str());
  return never.empty() || arguments.allow_zero;
}

bool parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto number = [&](uint64_t& value) {
      const auto parsed = i + 1 < argc ? base::parse_integer<uint64_t>(argv[++i]) : std::nullopt;
      if (parsed) value = *parsed;
      return parsed.has_value();
    };
    if (word == "--seed") {
      arguments.one = true;
      if (!number(arguments.from)) return false;
    } else if (word == "--seeds") {
      if (!number(arguments.seeds)) return false;
    } else if (word == "--from") {
      if (!number(arguments.from)) return false;
    } else if (word == "--verbose") {
      arguments.verbose = true;
    } else if (word == "--twice") {
      arguments.twice = true;
    } else if (word == "--traces") {
      arguments.traces = true;
    } else if (word == "--allow-zero") {
      arguments.allow_zero = true;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace
}  // namespace quorate::simulation

int main(int argc, char** argv) {
  using namespace quorate::simulation;  // NOLINT
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fprintf(stderr,
                 "usage: simulation --seed N [--verbose] | --seeds COUNT [--from N] "
                 "[--twice] [--traces] [--allow-zero]\n");
    return 2;
  }
  std::signal(SIGABRT, on_abort);
  const bool fine = arguments.one ? run_one(arguments) : run_many(arguments);
  return fine ? 0 : 1;
}
