// From TOML to Settings, or to everything that is wrong with it.
//
// Three levels, each only as far as the one before allows: syntax (the parser stops at its first
// error), schema (every unknown key, wrong type, unit, range and word), meaning (cross-checks among
// the values that were sound). All or nothing: a file with one error yields no settings.
// Called at start, at reload, by `quorate check` and by every command that takes --config.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/result.h"
#include "proxy/config/diagnostic.h"
#include "proxy/config/settings.h"
#include "proxy/config/substitution.h"

namespace quorate::config {

struct Loaded {
  Settings settings;
  std::vector<Diagnostic> warnings;  ///< what works, but probably not as it was meant
};

/// The error holds at least one Severity::kError, and the warnings too, in the order of the file.
using LoadResult = base::Result<Loaded, std::vector<Diagnostic>>;

/// `file_name` only names the text in messages.
LoadResult load(std::string_view text, std::string_view file_name, const Environment& environment);

/// The same for a file. One that cannot be read is one diagnostic without a line.
LoadResult load_file(const std::string& path, const Environment& environment);

}  // namespace quorate::config
