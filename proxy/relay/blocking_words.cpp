#include "proxy/relay/blocking_words.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "backends/wire/key_walk.h"
#include "consensus/base/text.h"

namespace quorate::relay {

using wire::RedisCommand;
using Milliseconds = std::chrono::milliseconds;

namespace {

constexpr int64_t kLongestMs = int64_t{100} * 365 * 24 * 3600 * 1000;

/// Where a command says how long it waits, and in which unit. 0: nobody knows.
struct TimeoutPlace {
  size_t index = 0;
  bool in_milliseconds = false;
};

TimeoutPlace timeout_place(RedisCommand command, std::span<const std::string_view> arguments) {
  switch (command) {
    case RedisCommand::kBlpop:
    case RedisCommand::kBrpop:
    case RedisCommand::kBzpopmin:
    case RedisCommand::kBzpopmax: return {arguments.size() - 1, false};
    case RedisCommand::kBlmove: return {5, false};
    case RedisCommand::kBrpoplpush: return {3, false};
    case RedisCommand::kBlmpop:
    case RedisCommand::kBzmpop: return {1, false};
    case RedisCommand::kWait: return {2, true};
    case RedisCommand::kXread:
    case RedisCommand::kXreadgroup:
      for (size_t i = 1; i + 1 < arguments.size(); ++i) {
        if (wire::is_option(arguments[i], "BLOCK")) return {i + 1, true};
      }
      return {};
    default: return {};
  }
}

/// Nothing: it is no number.
std::optional<double> seconds_of(std::string_view word) {
  const std::string text(word);
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  if (text.empty() || end != text.c_str() + text.size() || std::isnan(seconds)) return std::nullopt;
  return seconds;
}

}  // namespace

std::optional<Milliseconds> timeout_of(RedisCommand command,
                                       std::span<const std::string_view> arguments) {
  const TimeoutPlace place = timeout_place(command, arguments);
  if (place.index == 0) return Milliseconds::zero();
  const std::string_view text = arguments[place.index];
  if (place.in_milliseconds) {
    const auto number = base::parse_integer<int64_t>(text);
    if (!number || *number < 0) return std::nullopt;
    return Milliseconds(std::min(*number, kLongestMs));
  }
  const auto seconds = seconds_of(text);
  if (!seconds || !std::isfinite(*seconds) || *seconds < 0) return std::nullopt;
  return Milliseconds(
      static_cast<int64_t>(std::ceil(std::min(*seconds * 1000, static_cast<double>(kLongestMs)))));
}

std::string_view timeout_error(RedisCommand command, std::span<const std::string_view> arguments) {
  const TimeoutPlace place = timeout_place(command, arguments);
  if (place.in_milliseconds) {
    const bool is_number = base::parse_integer<int64_t>(arguments[place.index]).has_value();
    return is_number ? "ERR timeout is negative" : "ERR timeout is not an integer or out of range";
  }
  const bool is_number =
      seconds_of(arguments[place.index]).has_value();  // one too large is negative
  return is_number ? "ERR timeout is negative" : "ERR timeout is not a float or out of range";
}

std::string_view nothing_of(RedisCommand command, bool resp3) {
  if (command == RedisCommand::kWait) return ":0\r\n";
  return resp3 ? "_\r\n" : "*-1\r\n";
}

}  // namespace quorate::relay
