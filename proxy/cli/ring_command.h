// `quorate ring …`: where keys live. From a running proxy: as its group has agreed; or from a file,
// asking nobody and assuming that nothing is ejected.
//
//   where KEY…   which backend owns a key in each pool, and how the ring came to it
//   show         every place on the ring, who answers for it, and its share of the keys
//   diff FILE    which share of the keys the file's rings would send elsewhere
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "proxy/cli/output_form.h"
#include "proxy/cli/pool_ring.h"

namespace quorate::cli {

struct RingOptions {
  RingSource source;
  std::vector<std::string> keys;  ///< where
  std::string other_file;         ///< diff
  OutputForm form = OutputForm::kLines;
};

int run_ring_where(const RingOptions& options, std::ostream& out, std::ostream& err);
int run_ring_show(const RingOptions& options, std::ostream& out, std::ostream& err);
int run_ring_diff(const RingOptions& options, std::ostream& out, std::ostream& err);

}  // namespace quorate::cli
