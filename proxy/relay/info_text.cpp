#include "proxy/relay/info_text.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "consensus/base/text.h"

namespace quorate::relay {

namespace {

constexpr auto kSums = std::to_array<std::string_view>({
    "used_memory",
    "used_memory_rss",
    "used_memory_peak",
    "used_memory_overhead",
    "used_memory_startup",
    "used_memory_dataset",
    "used_memory_lua",
    "used_memory_vm_eval",
    "used_memory_vm_functions",
    "used_memory_vm_total",
    "used_memory_scripts",
    "used_memory_scripts_eval",
    "used_memory_functions",
    "maxmemory",
    "allocator_allocated",
    "allocator_active",
    "allocator_resident",
    "mem_clients_normal",
    "mem_clients_slaves",
    "mem_aof_buffer",
    "mem_replication_backlog",
    "lazyfree_pending_objects",
    "lazyfreed_objects",
    "rdb_changes_since_last_save",
    "instantaneous_ops_per_sec",
    "expired_keys",
    "evicted_keys",
    "evicted_clients",
    "keyspace_hits",
    "keyspace_misses",
    "pubsub_channels",
    "pubsub_patterns",
    "pubsubshard_channels",
    "total_forks",
    "tracking_total_keys",
    "tracking_total_items",
    "tracking_total_prefixes",
    "unexpected_error_replies",
    "total_error_replies",
    "total_reads_processed",
    "total_writes_processed",
    "active_defrag_hits",
    "active_defrag_misses",
});
/// True of all if of any.
constexpr auto kMaxima = std::to_array<std::string_view>({
    "loading",
    "async_loading",
    "rdb_bgsave_in_progress",
    "aof_rewrite_in_progress",
    "aof_rewrite_scheduled",
    "mem_not_counted_for_evict",
    "active_defrag_running",
});
/// Sections whose lines differ from server to server.
constexpr auto kOpenSections =
    std::to_array<std::string_view>({"Keyspace", "Commandstats", "Errorstats", "Latencystats"});

template <size_t kCount>
bool is_one_of(const std::array<std::string_view, kCount>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

std::string human(uint64_t bytes) {
  constexpr std::string_view kUnits = "BKMGTP";
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f%c" : "%.2f%c", value, kUnits[unit]);
  return text;
}

/// "keys=3,expires=1,avg_ttl=9" of two servers: counts are added, averages are of both alike.
std::string merged_fields(std::string_view one, std::string_view other) {
  std::string merged;
  while (!one.empty()) {
    const auto cut = [](std::string_view& text) {
      const size_t comma = text.find(',');
      const std::string_view field = text.substr(0, comma);
      text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
      return field;
    };
    const std::string_view a = cut(one);
    const std::string_view b = cut(other);
    const size_t equals = a.find('=');
    if (!merged.empty()) merged.push_back(',');
    const auto number_of = [](std::string_view text) {
      return base::parse_integer<int64_t>(text).value_or(-1);  // none of these figures is negative
    };
    const std::string_view label = equals == std::string_view::npos ? a : a.substr(0, equals + 1);
    const int64_t first = number_of(a.substr(label.size()));
    const int64_t second = b.starts_with(label) ? number_of(b.substr(label.size())) : -1;
    if (first < 0 || second < 0) {
      merged.append(a);
    } else {
      const bool is_average = a.starts_with("avg_") && first != 0 && second != 0;
      merged.append(label).append(std::to_string((first + second) / (is_average ? 2 : 1)));
    }
  }
  return merged;
}

}  // namespace

InfoText InfoText::parse(std::string_view text) {
  InfoText info;
  while (!text.empty()) {
    const size_t end = text.find("\r\n");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    if (line.starts_with("# ")) {
      info.sections_.push_back({std::string(line.substr(2)), {}});
    } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
      if (info.sections_.empty()) continue;
      info.sections_.back().lines.emplace_back(line.substr(0, colon), line.substr(colon + 1));
    }
  }
  return info;
}

InfoText::Section* InfoText::section(std::string_view name) {
  const auto found = std::ranges::find(sections_, name, &Section::name);
  return found == sections_.end() ? nullptr : &*found;
}

std::string* InfoText::find(std::string_view name) {
  for (Section& section : sections_) {
    for (auto& [line_name, value] : section.lines) {
      if (line_name == name) return &value;
    }
  }
  return nullptr;
}

void InfoText::set(std::string_view name, std::string_view value) {
  if (std::string* line = find(name)) *line = value;
}

void InfoText::put(std::string_view section_name, std::string_view name, std::string_view value) {
  if (std::string* line = find(name)) {
    *line = value;
  } else if (Section* target = section(section_name)) {
    target->lines.emplace_back(name, value);
  }
}

void InfoText::remove(std::string_view name) {
  for (Section& section : sections_) {
    std::erase_if(section.lines, [name](const auto& line) { return line.first == name; });
  }
}

void InfoText::merge(const InfoText& other) {
  for (const Section& theirs : other.sections_) {
    const bool is_open = is_one_of(kOpenSections, theirs.name);
    for (const auto& [name, value] : theirs.lines) {
      std::string* ours = find(name);
      if (ours == nullptr) {
        if (is_open) put(theirs.name, name, value);
        continue;
      }
      if (is_open) {
        *ours = merged_fields(*ours, value);
        continue;
      }
      const auto a = base::parse_integer<uint64_t>(*ours);
      const auto b = base::parse_integer<uint64_t>(value);
      if (!a || !b) continue;
      if (is_one_of(kSums, name)) *ours = std::to_string(*a + *b);
      if (is_one_of(kMaxima, name)) *ours = std::to_string(std::max(*a, *b));
    }
  }
  for (const std::string_view name :
       {"used_memory", "used_memory_rss", "used_memory_peak", "maxmemory", "used_memory_scripts"}) {
    const std::string* bytes = find(name);
    const auto count = bytes != nullptr ? base::parse_integer<uint64_t>(*bytes) : std::nullopt;
    if (count) set(std::string(name) + "_human", human(*count));
  }
}

std::string InfoText::render() const {
  std::string text;
  for (const Section& section : sections_) {
    if (!text.empty()) text.append("\r\n");
    text.append("# ").append(section.name).append("\r\n");
    for (const auto& [name, value] : section.lines) {
      text.append(name).append(":").append(value).append("\r\n");
    }
  }
  return text;
}

}  // namespace quorate::relay
