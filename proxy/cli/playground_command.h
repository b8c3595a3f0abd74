// `quorate playground`: real redis-server and memcached processes on loopback with a proxy in
// front, one command through each, and lines to paste. Everything ends with it.
#pragma once

#include <iosfwd>
#include <string>

namespace quorate::cli {

struct PlaygroundOptions {
  std::string program;     ///< this one, as it was invoked: for the lines to paste
  std::string ready_file;  ///< written once everything answers; may be empty
  bool json = false;
};

int run_playground(const PlaygroundOptions& options, std::ostream& out, std::ostream& err);

}  // namespace quorate::cli
