// The schema: every key of the file in one table, with its type, range, default and what a reload
// can do about it. Reading, "did you mean", printing, comparing and the test that holds
// conf/quorate.toml to the truth all walk this table, so a key cannot be known to one of them only.
//
// A key's type is the type of the member it fills; its default is that member's in a fresh
// Settings. Cross-checks between keys are meaning.h's.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proxy/config/settings.h"

namespace quorate::config {

/// When a changed value takes effect.
enum class Reload : uint8_t {
  kLive,     ///< at once, for everybody
  kDrain,    ///< for new connections; old ones finish what they have in flight and are replaced
  kRestart,  ///< not before the process starts again
};

/// A pool is a set of listening sockets, and those are opened at start.
inline constexpr Reload kPoolAddedOrRemoved = Reload::kRestart;

/// Inclusive; durations in nanoseconds, sizes in bytes. `zero`: 0 is allowed below `least` too.
struct Range {
  uint64_t least = 0;
  uint64_t most = std::numeric_limits<uint64_t>::max();
  bool zero = false;

  bool holds(uint64_t value) const {
    return (value >= least && value <= most) || (zero && value == 0);
  }
};

/// What a text must be; says what is wrong with it, or nothing.
using TextRule = std::string (*)(std::string_view text);

/// A pointer to the member that a key fills; each kind of table lists the types it has.
template <class Owner, class... Types>
using MemberOf = std::variant<Types Owner::*...>;

template <class Owner>
struct Members;
template <>
struct Members<Settings> {
  using Type = MemberOf<Settings, uint32_t, Duration>;
};
template <>
struct Members<LogSettings> {
  using Type = MemberOf<LogSettings, LogLevel, LogFormat, std::string>;
};
template <>
struct Members<AdminSettings> {
  using Type = MemberOf<AdminSettings, std::optional<Address>>;
};
template <>
struct Members<ClusterSettings> {
  using Type = MemberOf<ClusterSettings, bool, uint32_t, Duration, std::string, MemberRole,
                        std::optional<Address>, std::vector<Founder>, std::vector<Address>>;
};
template <>
struct Members<PoolSettings> {
  using Type = MemberOf<PoolSettings, bool, uint32_t, uint64_t, Duration, FileMode, std::string,
                        Protocol, Consistency, HashKind, Distribution, OnEject, Discovery, Reads,
                        std::vector<Address>, std::vector<BackendSettings>>;
};
template <>
struct Members<BackendSettings> {
  using Type = MemberOf<BackendSettings, bool, uint32_t, std::string, Address>;
};

/// What is known of a key whatever table it stands in.
struct KeyTraits {
  Reload reload = Reload::kLive;
  Range range{};                  ///< numbers, durations and sizes
  std::string_view range_note{};  ///< what a message about the range adds
  TextRule rule = nullptr;        ///< texts
  bool required = false;
  bool may_be_empty = false;       ///< lists
  bool secret = false;             ///< never shown, wherever it came from
  bool moves_keys = false;         ///< a change sends some keys of the pool to other backends
  std::optional<Protocol> only{};  ///< the protocol that has this key
};

template <class Owner>
struct Key {
  std::string_view name;
  typename Members<Owner>::Type member;  ///< the type of the value follows from it
  KeyTraits traits{};
};

/// The keys of one kind of table, in the order of conf/quorate.toml.
template <class Owner>
std::span<const Key<Owner>> keys_of();

template <>
std::span<const Key<Settings>> keys_of<Settings>();
template <>
std::span<const Key<LogSettings>> keys_of<LogSettings>();
template <>
std::span<const Key<AdminSettings>> keys_of<AdminSettings>();
template <>
std::span<const Key<ClusterSettings>> keys_of<ClusterSettings>();
template <>
std::span<const Key<PoolSettings>> keys_of<PoolSettings>();
template <>
std::span<const Key<BackendSettings>> keys_of<BackendSettings>();

template <class Owner>
std::vector<std::string_view> names_of_keys() {
  std::vector<std::string_view> names;
  for (const Key<Owner>& key : keys_of<Owner>()) names.push_back(key.name);
  return names;
}

/// The key here that says what another program's key of that name says ("servers" is "backends"),
/// or nothing.
std::string_view foreign_key(std::string_view name);

/// Where a key that is unknown in one table is at home, for messages: "[log]", or nothing.
std::string home_of_key(std::string_view name);

/// "0..1024", "1ms to 1h, or 0s": a range in the words of the key's type.
std::string range_text(const Range& range, std::string (*text_of)(uint64_t));

}  // namespace quorate::config
