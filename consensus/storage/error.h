// Why the disk could not do what was asked. There is no way on from any of these: the member stops,
// says so, and promises nothing more; what it had promised is still there.
#pragma once

#include <cstdint>
#include <string>

#include "consensus/base/result.h"

namespace quorate::storage {

enum class ErrorKind : uint8_t {
  kCorrupt,  ///< bytes that were on disk are not what was written: this member cannot be trusted
             ///< with its vote; remove it from the group and add it under a new id with an empty
             ///< disk
  kVersion,  ///< written by another version of the format
  kFull,     ///< no space, or over quota: make room and start again
  kLocked,   ///< another process has the directory
  kInput,    ///< any other failure to read, with the system's words
  kOutput,   ///< any other failure to write or to sync; nothing written since the last sync is safe
};

struct Error {
  ErrorKind kind{};
  std::string file;
  uint64_t offset = 0;  ///< in the file; kCorrupt only
  std::string what;
};

/// One line for the log.
std::string to_string(const Error& error);

template <class T>
using Result = base::Result<T, Error>;

struct Done {};
using Status = Result<Done>;

}  // namespace quorate::storage
