// A value as a word ("2s", ring, 127.0.0.1:6379), and the same as TOML writes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "proxy/config/choices.h"
#include "proxy/config/settings.h"
#include "proxy/config/units.h"

namespace quorate::config {

/// A TOML basic string: quoted, with what needs it escaped.
std::string toml_string(std::string_view text);

std::string octal_text(FileMode mode);

/// Scalars as operators say them; texts are quoted, so that an empty one shows.
template <class T>
std::string text_of(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_same_v<T, uint32_t>) {
    return std::to_string(value);
  } else if constexpr (std::is_same_v<T, uint64_t>) {
    return size_text(value);
  } else if constexpr (std::is_same_v<T, Duration>) {
    return duration_text(value);
  } else if constexpr (std::is_same_v<T, FileMode>) {
    return octal_text(value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return toml_string(value);
  } else if constexpr (std::is_same_v<T, Address>) {
    return value.text();
  } else if constexpr (std::is_same_v<T, std::optional<Address>>) {
    return value ? value->text() : "\"\"";
  } else if constexpr (std::is_same_v<T, std::vector<Founder>>) {
    std::string list;
    for (const Founder& one : value) list += (list.empty() ? "" : ", ") + one.text();
    return "[" + list + "]";
  } else {
    static_assert(std::is_enum_v<T>);
    return std::string(choice_text(value));
  }
}

/// A TOML string that means `text` also after substitution: each "${" in it is written "$${".
std::string literal(std::string_view text);

/// Scalars as TOML: what is neither a number nor a boolean is a string.
template <class T>
std::string toml_of(const T& value) {
  if constexpr (std::is_same_v<T, std::optional<Address>>) {
    return literal(value ? value->text() : "");
  } else if constexpr (std::is_same_v<T, std::string>) {
    return literal(value);
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, uint32_t>) {
    return text_of(value);
  } else {
    return literal(text_of(value));
  }
}

}  // namespace quorate::config
