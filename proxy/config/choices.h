// The words that stand for an enumeration in the file, in messages and in metrics.
#pragma once

#include <span>
#include <string_view>

#include "consensus/base/assert.h"
#include "proxy/config/settings.h"

namespace quorate::config {

template <class Enumeration>
struct Choice {
  std::string_view text;
  Enumeration value;
};

/// Every value of an enumeration with its word, in the order in which messages list them.
template <class Enumeration>
std::span<const Choice<Enumeration>> choices();

template <>
std::span<const Choice<Protocol>> choices<Protocol>();
template <>
std::span<const Choice<HashKind>> choices<HashKind>();
template <>
std::span<const Choice<Distribution>> choices<Distribution>();
template <>
std::span<const Choice<LogLevel>> choices<LogLevel>();
template <>
std::span<const Choice<LogFormat>> choices<LogFormat>();
template <>
std::span<const Choice<OnEject>> choices<OnEject>();
template <>
std::span<const Choice<MemberRole>> choices<MemberRole>();
template <>
std::span<const Choice<Consistency>> choices<Consistency>();
template <>
std::span<const Choice<Discovery>> choices<Discovery>();
template <>
std::span<const Choice<Reads>> choices<Reads>();

template <class Enumeration>
std::string_view choice_text(Enumeration value) {
  for (const auto& choice : choices<Enumeration>()) {
    if (choice.value == value) return choice.text;
  }
  ASSERT(!"an enumerator without a word");
  return {};
}

}  // namespace quorate::config
