// The program `replicate_simulation`: runs seeds, says what happened, and how to repeat what went
// wrong.
//
//   replicate_simulation --seed N [--verbose]      one world; the last line: `seed=… trace=…`
//   replicate_simulation --seeds COUNT [--from N]  many; the last line is their sum
//       [--twice]                                  each a second time: the trace must be the same
//       [--mix NAME]                               of one family of worlds (profile.h)
//       [--allow-zero]                             what never happened is no failure
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>

#include "consensus/base/text.h"
#include "tests/simulation/replicate/world.h"

namespace quorate::replicate_simulation {
namespace {

struct Arguments {
  uint64_t from = 1;
  uint64_t seeds = 1;
  bool one = false;
  bool verbose = false;
  bool twice = false;
  bool allow_zero = false;
  Mix mix = Mix::kAny;
};

uint64_t current_seed = 0;
Mix current_mix = Mix::kAny;

struct Outcome {
  Counts counts;
  uint64_t trace = 0;
  std::string violation;
  std::string setting;
};

Outcome run(uint64_t seed, Mix mix, bool verbose) {
  current_seed = seed;
  current_mix = mix;
  World world(seed, mix, verbose);
  Outcome outcome;
  outcome.setting = describe(world.profile());
  try {
    world.run();
  } catch (const Violation& violation) {
    outcome.violation = violation.what;
  }
  outcome.counts = world.counts();
  outcome.trace = world.trace();
  return outcome;
}

std::string listed(const Counts& counts) {
  std::string text;
  for (size_t i = 0; i < kCountNames.size(); ++i) {
    text += " " + std::string(kCountNames[i]) + "=" + std::to_string(counts.of[i]);
  }
  return text;
}

void say_how_to_repeat() {
  const std::string_view mix = kMixNames[static_cast<size_t>(current_mix)];
  std::printf("repeat it: make replicate-sim SEED=%llu MIX=%.*s\n",
              static_cast<unsigned long long>(current_seed), static_cast<int>(mix.size()),
              mix.data());
}

void report(uint64_t seed, const Outcome& outcome) {
  std::printf("seed %llu (%s): %s\n", static_cast<unsigned long long>(seed),
              outcome.setting.c_str(), outcome.violation.c_str());
  say_how_to_repeat();
}

/// An ASSERT ends the process; say first which seed it was.
void on_abort(int) {
  say_how_to_repeat();
  std::fflush(stdout);
}

bool run_one(const Arguments& arguments) {
  const Outcome outcome = run(arguments.from, arguments.mix, arguments.verbose);
  std::printf("%s\n", outcome.setting.c_str());
  if (!outcome.violation.empty()) report(arguments.from, outcome);
  std::printf("seed=%llu trace=%016llx%s\n", static_cast<unsigned long long>(arguments.from),
              static_cast<unsigned long long>(outcome.trace), listed(outcome.counts).c_str());
  return outcome.violation.empty();
}

bool run_many(const Arguments& arguments) {
  Counts total;
  for (uint64_t i = 0; i < arguments.seeds; ++i) {
    const uint64_t seed = arguments.from + i;
    const Outcome outcome = run(seed, arguments.mix, false);
    if (!outcome.violation.empty()) {
      std::printf("after %llu seeds: ", static_cast<unsigned long long>(i + 1));
      report(seed, outcome);
      return false;
    }
    if (arguments.twice && run(seed, arguments.mix, false).trace != outcome.trace) {
      std::printf("seed %llu: another trace on a second run\n",
                  static_cast<unsigned long long>(seed));
      return false;
    }
    total.add(outcome.counts);
  }
  bool complete = true;
  for (size_t i = 0; i < kCountNames.size(); ++i) {
    if (total.of[i] > 0) continue;
    complete = false;
    std::printf("never happened: %.*s\n", static_cast<int>(kCountNames[i].size()),
                kCountNames[i].data());
  }
  std::printf("seeds=%llu..%llu%s\n", static_cast<unsigned long long>(arguments.from),
              static_cast<unsigned long long>(arguments.from + arguments.seeds - 1),
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
    } else if (word == "--seeds") {
      if (!number(arguments.seeds)) return false;
    } else if (word == "--from") {
      if (!number(arguments.from)) return false;
    } else if (word == "--verbose") {
      arguments.verbose = true;
    } else if (word == "--twice") {
      arguments.twice = true;
    } else if (word == "--allow-zero") {
      arguments.allow_zero = true;
    } else if (word == "--mix") {
      const auto mix = i + 1 < argc ? mix_named(argv[++i]) : std::nullopt;
      if (!mix) return false;
      arguments.mix = *mix;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace
}  // namespace quorate::replicate_simulation

int main(int argc, char** argv) {
  using namespace quorate::replicate_simulation;  // NOLINT
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fprintf(stderr,
                 "usage: replicate_simulation --seed N [--verbose] | --seeds COUNT [--from N] "
                 "[--mix NAME] [--twice] [--allow-zero]\n");
    return 2;
  }
  std::signal(SIGABRT, on_abort);
  const bool fine = arguments.one ? run_one(arguments) : run_many(arguments);
  return fine ? 0 : 1;
}
