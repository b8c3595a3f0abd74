// KeyWalk: which arguments of a command are keys, found without allocation.
//
// Follows what the command itself would touch. Most commands are told by their key specifications;
// SORT, GEORADIUS, XREAD and MIGRATE are parsed by hand, because their options may look like keys
// and their keys like options. Where Redis' own COMMAND GETKEYS differs, the tests say so and why.
//
// Not found: keys that only the server can name, such as those SORT makes from BY and GET patterns,
// or those a script uses without declaring them.
//
// Invariant: every position is within the arguments, and with an error there is none. A built-in
// command with kNoKeys or kInvalidNumkeys is one that every server refuses, so any may be given it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

#include "backends/wire/redis_commands.h"

namespace quorate::wire {

enum class KeyError : uint8_t {
  kNone,
  kNoKeys,          ///< the command has keys, but these arguments name none
  kInvalidNumkeys,  ///< the number of keys is no number, negative, zero or beyond the arguments
  kAskServer,       ///< only the server can tell: COMMAND GETKEYS
};

struct KeyPosition {
  uint32_t index;  ///< into the arguments
  FlagSet<KeyFlag> flags;
};

class KeyWalk {
 public:
  /// Most key specifications that a command may have; one with more asks the server.
  static constexpr size_t kMaxSpecs = 4;

  /// REQUIRES: `args` begin with the name of `spec`. Their number need not fit its arity.
  KeyWalk(const CommandSpec& spec, std::span<const std::string_view> args) {
    if (spec.single_key != 0 && spec.single_key < args.size()) [[likely]] {
      add_range(spec.single_key, spec.single_key, 1, spec.first_key_spec->flags);
    } else {
      resolve(spec, args);
    }
  }

  KeyError error() const { return error_; }
  bool empty() const { return range_count_ == 0; }
  /// How many keys; a key named twice counts twice.
  size_t size() const;
  /// Position of the first. REQUIRES: not empty().
  uint32_t front() const { return ranges_[0].first; }

  class Iterator;
  Iterator begin() const;
  std::default_sentinel_t end() const { return {}; }

 private:
  using Args = std::span<const std::string_view>;

  struct Range {
    uint32_t first;
    uint32_t last;  ///< inclusive
    uint32_t step;
    FlagSet<KeyFlag> flags;
  };

  void resolve(const CommandSpec& spec, Args args);
  void resolve_specs(const CommandSpec& spec, Args args);
  void resolve_spec(const KeySpec& spec, bool needs_a_key, Args args);
  void resolve_range(const KeySpec& spec, int64_t first, Args args);
  void resolve_counted(const KeySpec& spec, int64_t first, bool needs_a_key, Args args);
  void resolve_sort(const CommandSpec& spec, Args args);
  void resolve_georadius(const CommandSpec& spec, size_t first_option, Args args);
  void resolve_xread(const CommandSpec& spec, Args args);
  void resolve_migrate(const CommandSpec& spec, Args args);

  void add_range(uint32_t first, uint32_t last, uint32_t step, FlagSet<KeyFlag> flags) {
    ranges_[range_count_++] = {first, last, step, flags};
  }
  void add_key(size_t position, FlagSet<KeyFlag> flags) {
    add_range(static_cast<uint32_t>(position), static_cast<uint32_t>(position), 1, flags);
  }
  void fail(KeyError error) { error_ = error; }

  std::array<Range, kMaxSpecs> ranges_;  // the first range_count_ mean something
  uint32_t range_count_ = 0;
  KeyError error_ = KeyError::kNone;
};

class KeyWalk::Iterator {
 public:
  using value_type = KeyPosition;
  using difference_type = std::ptrdiff_t;

  Iterator() = default;
  Iterator(const Range* range, const Range* end) : range_(range), end_(end) { enter(); }

  KeyPosition operator*() const { return {index_, range_->flags}; }
  Iterator& operator++() {
    if (index_ + range_->step <= range_->last) {
      index_ += range_->step;
    } else {
      ++range_;
      enter();
    }
    return *this;
  }
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const { return range_ == end_; }

 private:
  void enter() {
    if (range_ != end_) index_ = range_->first;
  }

  const Range* range_ = nullptr;
  const Range* end_ = nullptr;
  uint32_t index_ = 0;
};

inline KeyWalk::Iterator KeyWalk::begin() const {
  return {ranges_.data(), ranges_.data() + range_count_};
}

/// Whether `arg` is this option, as a server compares: case ignored, and only up to a zero byte.
bool is_option(std::string_view arg, std::string_view option);

}  // namespace quorate::wire
