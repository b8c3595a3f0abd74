#include "proxy/config/nearest.h"

#include <algorithm>
#include <vector>

#include "consensus/base/text.h"

namespace quorate::config {
namespace {

// Longer words than any key are not a slip of the fingers, and would cost quadratic time.
constexpr size_t kLongestWord = 64;

// The first word that begins with at least its half in `wrong`: "fnv1a" for "fnv1a_64".
std::string_view completed(std::string_view wrong, std::span<const std::string_view> known) {
  for (std::string_view word : known) {
    if (wrong.size() < word.size() && 2 * wrong.size() >= word.size() &&
        base::equal_ignoring_case(wrong, word.substr(0, wrong.size()))) {
      return word;
    }
  }
  return {};
}

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the table suffice: a swap looks two rows back.
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> above(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const char left = base::ascii_lower(a[i - 1]);
      const char right = base::ascii_lower(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (left == right ? 0 : 1)});
      if (i > 1 && j > 1 && left == base::ascii_lower(b[j - 2]) &&
          base::ascii_lower(a[i - 2]) == right) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

std::string_view nearest(std::string_view wrong, std::span<const std::string_view> known) {
  if (wrong.size() > kLongestWord) return {};
  std::string_view best;
  size_t best_distance = SIZE_MAX;
  for (std::string_view word : known) {
    const size_t allowed = std::clamp<size_t>(std::max(wrong.size(), word.size()) / 3, 1, 3);
    const size_t distance = edit_distance(wrong, word);
    // A word of which nothing is left is not near, however short it is.
    if (distance > allowed || distance >= std::max(wrong.size(), word.size())) continue;
    // Of two as near, the longer has more of what was written: "fnv1a64" lacks the "_" of
    // "fnv1a_64"; to be "fnv1_64" it would have to lose a letter, too.
    if (distance < best_distance || (distance == best_distance && word.size() > best.size())) {
      best = word;
      best_distance = distance;
    }
  }
  return best.empty() ? completed(wrong, known) : best;
}

}  // namespace quorate::config
