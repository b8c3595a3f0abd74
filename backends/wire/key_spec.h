// Key specifications: how a Redis command says which of its arguments are keys, in the two steps
// that Redis 7 describes them with: where to begin, and how many follow from there.
//
// Only data. KeyWalk (key_walk.h) applies it to arguments; the command table and the answers of
// COMMAND INFO are where it comes from. Positions count from 0, the command's name.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "backends/wire/flag_set.h"

namespace quorate::wire {

/// What a command does with the keys of one specification.
enum class KeyFlag : uint8_t {
  kRo,             ///< reads value or metadata
  kRw,             ///< reads and changes the value
  kOw,             ///< overwrites without regard to what was there
  kRm,             ///< deletes
  kAccess,         ///< returns or copies data of the value
  kUpdate,         ///< changes data of the value
  kInsert,         ///< adds data, changes none
  kDelete,         ///< removes data or the value
  kNotKey,         ///< a channel that merely hashes like a key
  kIncomplete,     ///< there may be keys which the specification does not find
  kVariableFlags,  ///< the other flags depend on the arguments
};

template <>
struct FlagWords<KeyFlag> {
  static constexpr auto words =
      std::to_array<std::string_view>({"RO", "RW", "OW", "RM", "access", "update", "insert",
                                       "delete", "not_key", "incomplete", "variable_flags"});
};

/// Where the search for keys begins.
struct BeginSearch {
  enum class Kind : uint8_t {
    kUnknown,  ///< cannot be told without knowing the command
    kIndex,    ///< at `position`
    kKeyword,  ///< after `keyword`, searched from `position` on; from the end backwards if negative
  };

  Kind kind = Kind::kUnknown;
  int32_t position = 0;
  std::string_view keyword;
};

/// How the keys follow from there.
struct FindKeys {
  enum class Kind : uint8_t {
    kUnknown,
    kRange,    ///< up to `last`, every `step`-th argument
    kCounted,  ///< as many as the argument `count_offset` behind the beginning says
  };

  Kind kind = Kind::kUnknown;
  int32_t step = 1;
  int32_t last = 0;          ///< range: relative to the beginning; negative: to the end (-1: last)
  int32_t limit = 0;         ///< range with last == -1: only the first 1/limit of the rest, if > 1
  int32_t count_offset = 0;  ///< counted: of the number, relative to the beginning
  int32_t first_offset = 0;  ///< counted: of the first key, relative to the beginning
};

struct KeySpec {
  FlagSet<KeyFlag> flags;
  BeginSearch begin;
  FindKeys find;

  /// The position of its key if it is exactly one, always there; else 0.
  constexpr uint16_t fixed_position() const {
    const bool is_fixed = begin.kind == BeginSearch::Kind::kIndex &&
                          find.kind == FindKeys::Kind::kRange && find.last == 0 &&
                          !flags.has(KeyFlag::kNotKey) && !flags.has(KeyFlag::kIncomplete);
    return is_fixed && begin.position <= UINT16_MAX ? static_cast<uint16_t>(begin.position) : 0;
  }
};

}  // namespace quorate::wire
