// The file that says that a program is ready: whoever waits for it finds it whole.
#pragma once

#include <string>
#include <string_view>

namespace quorate::process {

/// Written beside `path` and renamed into place. Why that was not possible; "" when it was.
std::string write_ready_file(const std::string& path, std::string_view text);

}  // namespace quorate::process
