// `quorate member recover --force`: the last resort after a majority of the voters is gone for
// good. Works on the data directory of one stopped member; what that one knows becomes the cluster.
#pragma once

#include <iosfwd>
#include <string>

namespace quorate::cli {

struct RecoverOptions {
  std::string config_file;
  bool force = false;
};

int run_recover(const RecoverOptions& options, std::ostream& out, std::ostream& err);

}  // namespace quorate::cli
