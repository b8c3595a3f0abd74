// YAML made fit to be shown beneath a message: what is said of a key that looks like a password is
// masked, on whatever lines it stands, whether the text is YAML or fails to be.
#pragma once

#include <string>
#include <string_view>

namespace quorate::config {

/// As many lines, and the same up to the values that are masked.
std::string without_passwords(std::string_view yaml);

}  // namespace quorate::config
