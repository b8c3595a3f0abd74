#include "consensus/storage/error.h"

namespace quorate::storage {

std::string to_string(const Error& error) {
  std::string line = error.file;
  if (error.kind == ErrorKind::kCorrupt) line += ", offset " + std::to_string(error.offset);
  return line + ": " + error.what;
}

}  // namespace quorate::storage
