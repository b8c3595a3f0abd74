#include "proxy/config/units.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <span>

#include "consensus/base/assert.h"
#include "consensus/base/text.h"

namespace quorate::config {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// Largest first, as the texts are written.
constexpr std::array<Unit, 5> kDurationUnits{{
    {"h", 3'600'000'000'000},
    {"m", 60'000'000'000},
    {"s", 1'000'000'000},
    {"ms", 1'000'000},
    {"us", 1'000},
}};
constexpr std::array<Unit, 4> kSizeUnits{{
    {"GiB", 1ULL << 30},
    {"MiB", 1ULL << 20},
    {"KiB", 1ULL << 10},
    {"B", 1},
}};

// What people write elsewhere, and its word here.
struct Habit {
  std::string_view written;
  std::string_view unit;
};
constexpr std::array<Habit, 18> kHabits{{
    {"sec", "s"},
    {"secs", "s"},
    {"second", "s"},
    {"seconds", "s"},
    {"min", "m"},
    {"mins", "m"},
    {"minute", "m"},
    {"minutes", "m"},
    {"hour", "h"},
    {"hours", "h"},
    {"msec", "ms"},
    {"usec", "us"},
    {"k", "KiB"},
    {"kb", "KiB"},
    {"mb", "MiB"},
    {"gb", "GiB"},
    {"g", "GiB"},
    {"bytes", "B"},
}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string list_of(std::span<const Unit> units) {
  std::string list;
  for (auto unit = units.rbegin(); unit != units.rend(); ++unit) {
    if (!list.empty()) list += ' ';
    list.append("\"").append(unit->name).append("\"");
  }
  return list;
}

std::string meant_unit(std::string_view written, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (base::equal_ignoring_case(written, unit.name)) return std::string(unit.name);
  }
  for (const Habit& habit : kHabits) {
    if (!base::equal_ignoring_case(written, habit.written)) continue;
    for (const Unit& unit : units) {
      if (unit.name == habit.unit) return std::string(unit.name);
    }
  }
  // "64M": a lone letter is a unit's first.
  for (const Unit& unit : units) {
    if (written.size() == 1 && base::equal_ignoring_case(written, unit.name.substr(0, 1))) {
      return std::string(unit.name);
    }
  }
  return {};
}

std::string unknown_unit(std::string_view number, std::string_view written,
                         std::span<const Unit> units) {
  const std::string meant = meant_unit(written, units);
  std::string message = "unknown unit \"" + std::string(written) + "\"";
  if (!meant.empty()) return message + "; did you mean \"" + std::string(number) + meant + "\"?";
  return message + "; the units are " + list_of(units);
}

// The sum of number × factor, or why `text` is none. `what` is "duration" or "size".
base::Result<uint64_t, std::string> parse(std::string_view text, std::span<const Unit> units,
                                          std::string_view what, std::string_view example,
                                          uint64_t limit) {
  const std::string article = "a " + std::string(what);
  const std::string as_in = ", as in \"" + std::string(example) + "\"";
  size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  const std::string_view number = text.substr(0, digits);
  const std::string_view unit = text.substr(digits);
  if (text.starts_with('-')) return base::Failure{article + " cannot be negative"};
  if (digits == 0) return base::Failure{article + " is a number and a unit" + as_in};
  if (unit.empty()) return base::Failure{article + " needs a unit" + as_in};
  if (unit[0] == '.' || unit[0] == ',') {
    return base::Failure{article + " is a whole number; write it in a smaller unit" + as_in};
  }
  if (unit[0] == ' ' || unit[0] == '\t') {
    return base::Failure{"no blank between the number and its unit" + as_in};
  }
  for (const Unit& known : units) {
    if (unit != known.name) continue;
    const auto count = base::parse_integer<uint64_t>(number);
    if (!count || *count > limit / known.factor) {
      return base::Failure{article + " of " + std::string(number) + std::string(unit) +
                           " is too large"};
    }
    return *count * known.factor;
  }
  if (std::any_of(unit.begin(), unit.end(), is_digit)) {
    return base::Failure{article + " is one number and one unit" + as_in};
  }
  return base::Failure{unknown_unit(number, unit, units)};
}

std::string text_of(uint64_t value, std::span<const Unit> units, std::string_view zero) {
  if (value == 0) return std::string(zero);
  for (const Unit& unit : units) {
    if (value % unit.factor == 0) return std::to_string(value / unit.factor).append(unit.name);
  }
  ASSERT(!"a value finer than its smallest unit");
  return {};
}

}  // namespace

base::Result<base::Duration, std::string> parse_duration(std::string_view text) {
  auto parsed = parse(text, kDurationUnits, "duration", "50ms",
                      static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  if (!parsed) return base::Failure{parsed.error()};
  return base::Duration(static_cast<int64_t>(parsed.value()));
}

base::Result<uint64_t, std::string> parse_size(std::string_view text) {
  return parse(text, kSizeUnits, "size", "64KiB", std::numeric_limits<uint64_t>::max());
}

std::string duration_text(base::Duration duration) {
  ASSERT(duration.count() >= 0);
  return text_of(static_cast<uint64_t>(duration.count()), kDurationUnits, "0s");
}

std::string size_text(uint64_t bytes) { return text_of(bytes, kSizeUnits, "0B"); }

}  // namespace quorate::config
