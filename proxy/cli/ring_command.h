// `quorate ring where KEY --config FILE`: which backend owns a key in each pool, and how the ring
// came to it. Offline: it asks no server and assumes that no backend is ejected.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "proxy/cli/output_form.h"

namespace quorate::cli {

struct RingWhereOptions {
  std::vector<std::string> keys;
  std::string config_file;
  std::string pool;  ///< empty: all
  OutputForm form = OutputForm::kLines;
};

int run_ring_where(const RingWhereOptions& options, std::ostream& out, std::ostream& err);

}  // namespace quorate::cli
