// `quorate reload`: tells a running proxy to read its configuration again, and prints what changed.
// All or nothing; the proxy answers when it is done.
#pragma once

#include <iosfwd>
#include <string>

namespace quorate::cli {

struct ReloadOptions {
  std::string admin = "127.0.0.1:9180";
};

int run_reload(const ReloadOptions& options, std::ostream& out, std::ostream& err);

}  // namespace quorate::cli
