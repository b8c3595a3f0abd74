#include "proxy/process/ready_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace quorate::process {

std::string write_ready_file(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".new";
  errno = 0;
  std::ofstream file(temporary);
  file << text;
  file.close();
  if (!file.fail() && std::rename(temporary.c_str(), path.c_str()) == 0) return {};
  return errno != 0 ? std::strerror(errno) : "it cannot be written";
}

}  // namespace quorate::process
