// `quorate import twemproxy nutcracker.yml`: twemproxy's configuration as quorate's TOML, with
// every key of every pool placed where twemproxy places it, and a comment wherever quorate behaves
// otherwise or a setting has no equivalent. Writes nothing anywhere; asks no server.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/result.h"
#include "proxy/config/diagnostic.h"
#include "proxy/config/twemproxy_yaml.h"

namespace quorate::config {

/// The TOML, or every error of the file, in its order. `file_name` is only quoted in the TOML.
base::Result<std::string, std::vector<ImportError>> import_twemproxy(std::string_view yaml_text,
                                                                     std::string_view file_name);

/// As they are shown, each with its line of the file; passwords are masked.
std::vector<Diagnostic> diagnostics_of(const std::vector<ImportError>& errors,
                                       std::string_view yaml_text, std::string_view file_name);

}  // namespace quorate::config
