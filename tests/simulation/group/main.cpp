// The program `group_simulation`: runs seeds, says what happened, and how to repeat what went
// wrong.
//
//   group_simulation --seed N [--verbose]       one town; the last line: `seed=… trace=…`, counts
//   group_simulation --seeds COUNT [--from N]   many; the last line is their sum
//       [--twice]                               each a second time: the trace must be the same
//       [--traces]                              a line for each seed, to compare compilers
//       [--allow-zero]                          what never happened is no failure
//   group_simulation --crowd N                  how a change of the ring spreads to N observers;
//                                               slower than it may be, it is a violation
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>

#include "consensus/base/text.h"
#include "tests/simulation/group/town.h"

namespace quorate::group_simulation {
namespace {

struct Arguments {
  uint64_t from = 1;
  uint64_t seeds = 1;
  uint64_t crowd = 0;
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
  Measures measures;
  std::string violation;  ///< empty: none
  std::string setting;
};

/// What a crowd may take, at the 99th percentile.
constexpr Duration kSpreadLimit = ms(100);

uint64_t current_seed = 0;

Duration percentile(std::vector<Duration> times, size_t percent) {
  std::ranges::sort(times);
  return times[std::min(times.size() - 1, times.size() * percent / 100)];
}

std::string crowd_violation(const std::vector<Duration>& spreads) {
  if (spreads.empty()) return "no change has spread";
  return percentile(spreads, 99) < kSpreadLimit ? "" : "a change spreads too slowly";
}

Outcome run(uint64_t seed, bool verbose, uint64_t crowd) {
  current_seed = seed;
  Outcome outcome;
  World world(seed, verbose);
  const Setting setting =
      crowd > 0 ? crowd_setting(static_cast<uint32_t>(crowd)) : draw_setting(world.random);
  outcome.setting = describe(setting);
  try {
    Town town(world, setting);
    try {
      town.run();
    } catch (const Violation& violation) {
      outcome.violation = violation.what;
    }
    outcome.measures = town.measures();
  } catch (const Violation& violation) {
    outcome.violation = violation.what;
  }
  if (crowd > 0 && outcome.violation.empty()) {
    outcome.violation = crowd_violation(outcome.measures.spreads);
  }
  outcome.trace = world.trace_hash();
  outcome.events = world.events_run();
  outcome.counts = world.counted;
  return outcome;
}

std::string listed(const Counts& counts) {
  std::string text;
  for (size_t i = 0; i < kCountNames.size(); ++i) {
    text += " " + std::string(kCountNames[i]) + "=" + std::to_string(counts[static_cast<Count>(i)]);
  }
  return text;
}

/// How long `what` took: half of the times, 99 of 100, and at most.
void print_times(const char* what, const std::vector<Duration>& times) {
  if (times.empty()) return;
  const auto at = [&](size_t percent) {
    return static_cast<double>(percentile(times, percent).count()) / 1e6;
  };
  std::printf("%s: n=%zu p50=%.1f ms p99=%.1f ms max=%.1f ms (virtual)\n", what, times.size(),
              at(50), at(99), at(100));
}

void append(std::vector<Duration>& to, const std::vector<Duration>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

void add(Measures& total, const Measures& one) {
  append(total.ejections, one.ejections);
  append(total.first_ejections, one.first_ejections);
  append(total.sessions, one.sessions);
  append(total.spreads, one.spreads);
}

void print(const Measures& measures) {
  print_times("backend dies -> ejection committed", measures.first_ejections);
  print_times("backend dies -> every proxy knows", measures.ejections);
  print_times("proxy dies -> its session has ended", measures.sessions);
  print_times("change committed -> each process has it", measures.spreads);
}

void report_violation(uint64_t seed, const Outcome& outcome) {
  std::printf("seed %llu (%s): %s\n", static_cast<unsigned long long>(seed),
              outcome.setting.c_str(), outcome.violation.c_str());
  std::printf("repeat it: make group-sim SEED=%llu\n", static_cast<unsigned long long>(seed));
}

/// An ASSERT ends the process; say first which seed it was.
void on_abort(int) {
  std::printf("repeat it: make group-sim SEED=%llu\n",
              static_cast<unsigned long long>(current_seed));
  std::fflush(stdout);
}

bool run_one(const Arguments& arguments) {
  const Outcome outcome = run(arguments.from, arguments.verbose, arguments.crowd);
  std::printf("%s\n", outcome.setting.c_str());
  if (!outcome.violation.empty()) report_violation(arguments.from, outcome);
  print(outcome.measures);
  std::printf("seed=%llu trace=%016llx events=%llu%s\n",
              static_cast<unsigned long long>(arguments.from),
              static_cast<unsigned long long>(outcome.trace),
              static_cast<unsigned long long>(outcome.events), listed(outcome.counts).c_str());
  return outcome.violation.empty();
}

bool run_many(const Arguments& arguments) {
  Counts total;
  Measures measures;
  uint64_t events = 0;
  uint64_t traces = 0;
  for (uint64_t i = 0; i < arguments.seeds; ++i) {
    const uint64_t seed = arguments.from + i;
    const Outcome outcome = run(seed, false, 0);
    if (!outcome.violation.empty()) {
      std::printf("after %llu seeds: ", static_cast<unsigned long long>(i + 1));
      report_violation(seed, outcome);
      return false;
    }
    if (arguments.twice && run(seed, false, 0).trace != outcome.trace) {
      std::printf("seed %llu: another trace on a second run\n",
                  static_cast<unsigned long long>(seed));
      return false;
    }
    if (arguments.traces) {
      std::printf("%llu %016llx\n", static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(outcome.trace));
    }
    total.add(outcome.counts);
    add(measures, outcome.measures);
    events += outcome.events;
    traces = digest(outcome.trace, traces);
  }
  bool complete = true;
  for (size_t i = 0; i < kCountNames.size(); ++i) {
    if (total[static_cast<Count>(i)] > 0) continue;
    complete = false;
    std::printf("never happened: %.*s\n", static_cast<int>(kCountNames[i].size()),
                kCountNames[i].data());
  }
  print(measures);
  std::printf("seeds=%llu..%llu traces=%016llx events=%llu%s\n",
              static_cast<unsigned long long>(arguments.from),
              static_cast<unsigned long long>(arguments.from + arguments.seeds - 1),
              static_cast<unsigned long long>(traces), static_cast<unsigned long long>(events),
              listed(total).c_str());
  return complete || arguments.allow_zero;
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
    } else if (word == "--crowd") {
      arguments.one = true;
      if (!number(arguments.crowd)) return false;
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
}  // namespace quorate::group_simulation

int main(int argc, char** argv) {
  using namespace quorate::group_simulation;  // NOLINT
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fprintf(stderr,
                 "usage: group_simulation --seed N [--verbose] | --seeds COUNT [--from N] "
                 "[--twice] [--traces] [--allow-zero] | --crowd N\n");
    return 2;
  }
  std::signal(SIGABRT, on_abort);
  const bool fine = arguments.one ? run_one(arguments) : run_many(arguments);
  return fine ? 0 : 1;
}
