#include "backends/wire/key_walk.h"

#include <algorithm>
#include <optional>

#include "consensus/base/text.h"

namespace quorate::wire {
namespace {

/// Where the keys begin; nothing if the keyword does not occur. Like the server, never looks at the
/// last argument, behind which no key could stand.
std::optional<int64_t> begin_of_keys(const BeginSearch& begin,
                                     std::span<const std::string_view> args) {
  if (begin.kind == BeginSearch::Kind::kIndex) return begin.position;
  const auto count = static_cast<int64_t>(args.size());
  if (begin.position >= 0) {
    for (int64_t i = begin.position; i < count - 1; ++i) {
      if (is_option(args[static_cast<size_t>(i)], begin.keyword)) return i + 1;
    }
  } else {
    const int64_t start = std::min(count + begin.position, count - 1);
    for (int64_t i = start; i > 1; --i) {
      if (is_option(args[static_cast<size_t>(i)], begin.keyword)) return i + 1;
    }
  }
  return std::nullopt;
}

bool must_have_keys(const CommandSpec& spec) {
  return spec.key_spec_count != 0 && !spec.flags.has(CommandFlag::kNoMandatoryKeys) &&
         !std::ranges::all_of(spec.key_specs(),
                              [](const KeySpec& key) { return key.flags.has(KeyFlag::kNotKey); });
}

/// The number as the server reads it: no sign, no leading zero, nothing around it.
std::optional<int64_t> parse_numkeys(std::string_view text) {
  if (text.empty() || text[0] == '-' || (text[0] == '0' && text.size() > 1)) return std::nullopt;
  return base::parse_integer<int64_t>(text);
}

/// Where XREAD and XREADGROUP have the word STREAMS; 0 if their options are no valid ones.
size_t find_streams(std::span<const std::string_view> args) {
  for (size_t i = 1; i < args.size(); ++i) {
    const std::string_view arg = args[i];
    if (is_option(arg, "STREAMS")) return i;
    if (is_option(arg, "COUNT") || is_option(arg, "BLOCK")) {
      i += 1;
    } else if (is_option(arg, "GROUP")) {
      i += 2;
    } else if (!is_option(arg, "NOACK")) {
      return 0;
    }
  }
  return 0;
}

}  // namespace

bool is_option(std::string_view arg, std::string_view option) {
  if (arg.size() < option.size()) return false;
  if (arg.size() > option.size() && arg[option.size()] != '\0') return false;
  return base::equal_ignoring_case(arg.substr(0, option.size()), option);
}

size_t KeyWalk::size() const {
  size_t count = 0;
  for (size_t i = 0; i < range_count_; ++i) {
    count += (ranges_[i].last - ranges_[i].first) / ranges_[i].step + 1;
  }
  return count;
}

void KeyWalk::resolve(const CommandSpec& spec, Args args) {
  if (spec.asks_server) return fail(KeyError::kAskServer);
  switch (spec.id) {
    case RedisCommand::kSort: resolve_sort(spec, args); break;
    case RedisCommand::kSortRo:
      if (args.size() > 1) add_key(1, spec.first_key_spec[0].flags);
      break;
    case RedisCommand::kGeoradius: resolve_georadius(spec, 6, args); break;
    case RedisCommand::kGeoradiusbymember: resolve_georadius(spec, 5, args); break;
    case RedisCommand::kXread:
    case RedisCommand::kXreadgroup: resolve_xread(spec, args); break;
    case RedisCommand::kMigrate: resolve_migrate(spec, args); break;
    default: resolve_specs(spec, args); break;
  }
  if (error_ == KeyError::kNone && range_count_ == 0 && must_have_keys(spec))
    fail(KeyError::kNoKeys);
  if (error_ != KeyError::kNone) range_count_ = 0;
}

void KeyWalk::resolve_specs(const CommandSpec& spec, Args args) {
  const bool needs_a_key = must_have_keys(spec);
  for (const KeySpec& key_spec : spec.key_specs()) resolve_spec(key_spec, needs_a_key, args);
}

void KeyWalk::resolve_spec(const KeySpec& spec, bool needs_a_key, Args args) {
  if (spec.flags.has(KeyFlag::kNotKey)) return;
  const auto first = begin_of_keys(spec.begin, args);
  if (!first) return;
  if (spec.find.kind == FindKeys::Kind::kCounted) {
    resolve_counted(spec, *first, needs_a_key, args);
  } else {
    resolve_range(spec, *first, args);
  }
}

// An empty range is no error: PFMERGE with a destination alone is a valid command.
void KeyWalk::resolve_range(const KeySpec& spec, int64_t first, Args args) {
  const auto count = static_cast<int64_t>(args.size());
  int64_t last = first + spec.find.last;
  if (spec.find.last < 0) {
    const bool is_divided = spec.find.limit > 1;
    last = is_divided ? first + (count - first) / spec.find.limit + spec.find.last
                      : count + spec.find.last;
  }
  if (first >= count || last < first || last >= count) return;
  add_range(static_cast<uint32_t>(first), static_cast<uint32_t>(last),
            static_cast<uint32_t>(spec.find.step), spec.flags);
}

void KeyWalk::resolve_counted(const KeySpec& spec, int64_t first, bool needs_a_key, Args args) {
  const auto count = static_cast<int64_t>(args.size());
  const int64_t count_position = first + spec.find.count_offset;
  if (count_position >= count) return fail(KeyError::kInvalidNumkeys);
  const auto numkeys = parse_numkeys(args[static_cast<size_t>(count_position)]);
  const int64_t fewest = needs_a_key ? 1 : 0;
  if (!numkeys || *numkeys < fewest || *numkeys > count) return fail(KeyError::kInvalidNumkeys);
  if (*numkeys == 0) return;
  const int64_t first_key = first + spec.find.first_offset;
  const int64_t last_key = first_key + (*numkeys - 1) * spec.find.step;
  if (last_key >= count) return fail(KeyError::kInvalidNumkeys);
  add_range(static_cast<uint32_t>(first_key), static_cast<uint32_t>(last_key),
            static_cast<uint32_t>(spec.find.step), spec.flags);
}

// SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA] [STORE key]: the
// last STORE counts, and an option's argument is never an option.
void KeyWalk::resolve_sort(const CommandSpec& spec, Args args) {
  if (args.size() < 2) return;
  add_key(1, spec.first_key_spec[0].flags);
  size_t store_key = 0;
  for (size_t i = 2; i + 1 < args.size(); ++i) {
    if (is_option(args[i], "LIMIT")) {
      i += 2;
    } else if (is_option(args[i], "BY") || is_option(args[i], "GET")) {
      i += 1;
    } else if (is_option(args[i], "STORE")) {
      store_key = ++i;
    }
  }
  if (store_key != 0) add_key(store_key, spec.first_key_spec[2].flags);
}

// The command obeys the last STORE or STOREDIST. Both kinds are reported when both are there, as
// COMMAND GETKEYS does: the one too many can only refuse what makes no sense.
void KeyWalk::resolve_georadius(const CommandSpec& spec, size_t first_option, Args args) {
  if (args.size() < 2) return;
  add_key(1, spec.first_key_spec[0].flags);
  size_t store_key = 0;
  size_t store_distance_key = 0;
  for (size_t i = first_option; i + 1 < args.size(); ++i) {
    if (is_option(args[i], "STORE")) {
      store_key = ++i;
    } else if (is_option(args[i], "STOREDIST")) {
      store_distance_key = ++i;
    }
  }
  if (store_key != 0) add_key(store_key, spec.first_key_spec[1].flags);
  if (store_distance_key != 0) add_key(store_distance_key, spec.first_key_spec[2].flags);
}

// The first half of what follows STREAMS. A group or a consumer may be called STREAMS; only where
// the options are invalid anyway does the plain search for the word decide.
void KeyWalk::resolve_xread(const CommandSpec& spec, Args args) {
  const size_t streams = find_streams(args);
  if (streams == 0) return resolve_specs(spec, args);
  resolve_range(spec.first_key_spec[0], static_cast<int64_t>(streams) + 1, args);
}

// MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH p] [AUTH2 u p] [KEYS key ...]
void KeyWalk::resolve_migrate(const CommandSpec& spec, Args args) {
  if (args.size() < 6) return;
  const FlagSet<KeyFlag> flags = spec.first_key_spec[0].flags;
  for (size_t i = 6; i + 1 < args.size(); ++i) {
    if (is_option(args[i], "KEYS")) {
      if (!args[3].empty()) return;
      return add_range(static_cast<uint32_t>(i + 1), static_cast<uint32_t>(args.size() - 1), 1,
                       flags);
    }
    if (is_option(args[i], "AUTH")) {
      i += 1;
    } else if (is_option(args[i], "AUTH2")) {
      i += 2;
    }
  }
  add_key(3, flags);
}

}  // namespace quorate::wire
