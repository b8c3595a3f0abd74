// StatsSum: the statistics of several memcached servers, told as if they were one: counts are added
// up, settings and the like are the first server's, names keep the order in which they first came.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace quorate::relay {

class StatsSum {
 public:
  struct Line {
    std::string name;
    std::string value;
  };

  /// `topic` is what was asked for ("", "settings", "items", …): settings are not added up.
  explicit StatsSum(std::string_view topic) : adds_up_(topic != "settings") {}

  void add(std::string_view name, std::string_view value);
  const std::vector<Line>& lines() const { return lines_; }

 private:
  const bool adds_up_;
  std::vector<Line> lines_;
  std::unordered_map<std::string, size_t> places_;
};

}  // namespace quorate::relay
