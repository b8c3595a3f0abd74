// `quorate check FILE [--print] [--online]`: is a configuration right, what does it come to, and do
// its backends answer. Main parses the command line and passes what it found.
//
// On `out` only what was asked for: the verdict, the normalised TOML (--print), the backends
// (--online). Errors and warnings go to `err`.
#pragma once

#include <iosfwd>
#include <string>

#include "proxy/cli/exit_code.h"
#include "proxy/config/diagnostic.h"
#include "proxy/config/substitution.h"

namespace quorate::cli {

struct CheckOptions {
  std::string file;
  bool print = false;   ///< write the settings back as TOML, secrets redacted
  bool online = false;  ///< connect to every backend
  bool table = false;   ///< `out` is a terminal: align columns under a heading
  config::Colour colour = config::Colour::kNever;
  config::Environment environment = config::process_environment();
};

/// kExitOk (warnings do not count), kExitFailed when a backend of --online has a problem,
/// kExitUsage without a file name, kExitConfiguration when the file cannot be read or has an error.
int run_check(const CheckOptions& options, std::ostream& out, std::ostream& err);

}  // namespace quorate::cli
