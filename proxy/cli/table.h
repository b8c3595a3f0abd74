// Rows under a heading, aligned; or bare, separated by tabs.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "proxy/cli/output_form.h"

namespace quorate::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> heading) : heading_(std::move(heading)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// REQUIRES: not kJson.
  void write(OutputForm form, std::ostream& out) const;

 private:
  std::vector<std::string> heading_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace quorate::cli
