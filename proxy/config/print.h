// A Settings back as TOML, normalised: every key that applies, in the order of the reference file,
// in one spelling. Without secrets, what is printed loads to equal settings; with secrets it does
// not load at all, because each is printed as "${redacted}".
#pragma once

#include <string>

#include "proxy/config/settings.h"

namespace quorate::config {

std::string to_toml(const Settings& settings);

}  // namespace quorate::config
