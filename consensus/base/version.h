// Version: which of two states of a replicated key is the newer one, and who may write it.
//
//   Term     (T, S): T = configuration of the slot * 2^16 + bump, S = the session that owns it.
//            What a slot's fence in a backend holds; one session has it, and no other ever.
//   Version  (T, S, C): C is counted by the owner, so that no version is ever given to two values.
//
// Ordered field by field: a newer configuration outranks everything of an older one. As text, in
// fences and metas, "T:S" and "T:S:C" in decimal. T and C have 48 bits: a server's Lua keeps
// numbers as doubles, which are exact up to 2^53.
#pragma once

#include <charconv>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/base/text.h"

namespace quorate::base {

struct Term {
  uint64_t number = 0;   ///< 48 bits; 0: none yet
  uint32_t session = 0;  ///< SessionId

  static constexpr Term of(uint32_t configuration, uint16_t bump, uint32_t session) {
    return {uint64_t{configuration} << 16 | bump, session};
  }
  constexpr uint32_t configuration() const { return static_cast<uint32_t>(number >> 16); }
  constexpr uint16_t bump() const { return static_cast<uint16_t>(number & 0xFFFF); }

  auto operator<=>(const Term&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct Version {
  Term term;
  uint64_t counter = 0;  ///< 48 bits

  /// Whether it stands for "nothing was ever there".
  constexpr bool is_zero() const { return *this == Version{}; }
  auto operator<=>(const Version&) const = default;  // NOLINT(modernize-use-nullptr)
};

inline constexpr uint64_t kMaxCounter = (uint64_t{1} << 48) - 1;
inline constexpr uint64_t kMaxTermNumber = (uint64_t{1} << 48) - 1;
/// Longest text of a Version.
inline constexpr size_t kVersionText = 15 + 1 + 10 + 1 + 15;

/// Writes "T:S" or "T:S:C" to `out`, which has room for kVersionText; returns the end.
inline char* write_text(char* out, const Term& term) {
  char* end = std::to_chars(out, out + 20, term.number).ptr;
  *end++ = ':';
  return std::to_chars(end, end + 20, term.session).ptr;
}
inline char* write_text(char* out, const Version& version) {
  char* end = write_text(out, version.term);
  *end++ = ':';
  return std::to_chars(end, end + 20, version.counter).ptr;
}

inline std::string to_string(const Term& term) {
  char text[64];
  return {text, write_text(text, term)};
}
inline std::string to_string(const Version& version) {
  char text[64];
  return {text, write_text(text, version)};
}

/// Exactly "T:S", within the bounds above; else nothing.
inline std::optional<Term> parse_term(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto number = parse_integer<uint64_t>(text.substr(0, colon));
  const auto session = parse_integer<uint32_t>(text.substr(colon + 1));
  if (!number || !session || *number > kMaxTermNumber) return std::nullopt;
  return Term{*number, *session};
}

/// Exactly "T:S:C", within the bounds above; else nothing.
inline std::optional<Version> parse_version(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto term = parse_term(text.substr(0, colon));
  const auto counter = parse_integer<uint64_t>(text.substr(colon + 1));
  if (!term || !counter || *counter > kMaxCounter) return std::nullopt;
  return Version{*term, *counter};
}

}  // namespace quorate::base
