// `quorate import twemproxy FILE`: another program's configuration on standard output, as TOML.
#pragma once

#include <iosfwd>
#include <string>

#include "proxy/config/diagnostic.h"

namespace quorate::cli {

int run_import_twemproxy(const std::string& file, config::Colour colour, std::ostream& out,
                         std::ostream& err);

}  // namespace quorate::cli
