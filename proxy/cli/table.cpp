#include "proxy/cli/table.h"

#include <algorithm>
#include <ostream>

namespace quorate::cli {

void Table::write(OutputForm form, std::ostream& out) const {
  std::vector<size_t> widths(heading_.size(), 0);
  const auto measure = [&widths](const std::vector<std::string>& row) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  };
  measure(heading_);
  for (const auto& row : rows_) measure(row);
  const auto write_row = [&](const std::vector<std::string>& row) {
    for (size_t i = 0; i < row.size(); ++i) {
      out << row[i];
      if (i + 1 == row.size()) break;
      if (form == OutputForm::kLines) {
        out << '\t';
      } else {
        out << std::string(widths[i] - row[i].size() + 2, ' ');
      }
    }
    out << '\n';
  };
  if (form == OutputForm::kTable) write_row(heading_);
  for (const auto& row : rows_) write_row(row);
}

}  // namespace quorate::cli
