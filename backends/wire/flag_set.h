// FlagSet: a set of enumerators in one word, and the words a server spells them with. Serves the
// command table at compile time and the answers of COMMAND INFO at run time with the same names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "consensus/base/assert.h"

namespace quorate::wire {

/// Specialized for each enumeration: `static constexpr std::array words`, in enumerators' order.
template <class Flag>
struct FlagWords;

template <class Flag>
class FlagSet {
 public:
  constexpr FlagSet() = default;
  constexpr FlagSet(std::initializer_list<Flag> flags) {
    for (const Flag flag : flags) add(flag);
  }

  constexpr bool has(Flag flag) const { return (bits_ & bit(flag)) != 0; }
  constexpr void add(Flag flag) { bits_ |= bit(flag); }

  /// Adds the flag that a server spells `word`; false if there is none (a newer server's).
  constexpr bool add_word(std::string_view word) {
    const auto& words = FlagWords<Flag>::words;
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i] != word) continue;
      add(static_cast<Flag>(i));
      return true;
    }
    return false;
  }

  /// The set that a server spells "write denyoom fast". REQUIRES: every word is known.
  static constexpr FlagSet of_words(std::string_view text) {
    FlagSet flags;
    while (!text.empty()) {
      const size_t space = text.find(' ');
      ASSERT(flags.add_word(text.substr(0, space)));
      text = space == std::string_view::npos ? std::string_view{} : text.substr(space + 1);
    }
    return flags;
  }

  friend constexpr bool operator==(FlagSet, FlagSet) = default;

 private:
  static_assert(FlagWords<Flag>::words.size() <= 32);
  static constexpr uint32_t bit(Flag flag) { return 1u << static_cast<uint32_t>(flag); }

  uint32_t bits_ = 0;
};

}  // namespace quorate::wire
