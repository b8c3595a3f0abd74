// "Did you mean": the known word nearest to one that is not known.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace quorate::config {

/// Damerau-Levenshtein distance in its optimal-string-alignment form: insertions, deletions,
/// substitutions and swaps of neighbours count one each; ASCII case counts nothing.
size_t edit_distance(std::string_view a, std::string_view b);

/// The nearest of `known` within a third of the longer word (at least 1, at most 3), the earlier
/// one on a tie; else the first that `wrong` is the longer half of; empty when there is none.
std::string_view nearest(std::string_view wrong, std::span<const std::string_view> known);

}  // namespace quorate::config
