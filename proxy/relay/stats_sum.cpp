#include "proxy/relay/stats_sum.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "consensus/base/text.h"

namespace quorate::relay {

namespace {

// Of one process, or the same for all: a sum would say nothing. Of "items:3:age" the last word
// counts.
constexpr auto kNotAdded = std::to_array<std::string_view>(
    {"pid", "uptime", "time", "version", "libevent", "pointer_size", "hash_power_level",
     "hash_is_expanding", "slab_reassign_running", "lru_crawler_running", "accepting_conns",
     "chunk_size", "chunks_per_page", "age", "age_hot", "age_warm", "age_cold", "max_connections"});

bool is_added(std::string_view name) {
  const size_t colon = name.rfind(':');
  const std::string_view word = colon == std::string_view::npos ? name : name.substr(colon + 1);
  return std::ranges::find(kNotAdded, word) == kNotAdded.end();
}

/// rusage_user and rusage_system: seconds with six digits behind the point.
std::string add_seconds(std::string_view a, std::string_view b) {
  const auto micros = [](std::string_view text) -> int64_t {
    const size_t point = text.find('.');
    const auto whole = base::parse_integer<int64_t>(text.substr(0, point));
    const auto rest = base::parse_integer<int64_t>(text.substr(point + 1));
    return whole && rest ? *whole * 1'000'000 + *rest : 0;
  };
  const int64_t sum = micros(a) + micros(b);
  std::string rest = std::to_string(sum % 1'000'000);
  return std::to_string(sum / 1'000'000) + "." + std::string(6 - rest.size(), '0') + rest;
}

}  // namespace

void StatsSum::add(std::string_view name, std::string_view value) {
  const auto [place, is_new] = places_.try_emplace(std::string(name), lines_.size());
  if (is_new) {
    lines_.push_back({std::string(name), std::string(value)});
    return;
  }
  if (!adds_up_ || !is_added(name)) return;
  std::string& sum = lines_[place->second].value;
  if (name.starts_with("rusage_")) {
    sum = add_seconds(sum, value);
    return;
  }
  const auto so_far = base::parse_integer<uint64_t>(sum);
  const auto more = base::parse_integer<uint64_t>(value);
  if (so_far && more) sum = std::to_string(*so_far + *more);
}

}  // namespace quorate::relay
