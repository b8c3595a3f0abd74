// The file system as the log needs it: one directory, files that only grow, and the two syncs.
//
// What the two implementations share (posix_directory.h; the tests' simulated disk) is what POSIX
// promises and no more: until File::sync has succeeded, any part of what was appended may be
// missing after a crash, in any order; until Directory::sync has, so may the file itself, a rename
// or a removal. After a failed sync nobody knows what is on disk, whatever a later sync says.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/storage/error.h"

namespace quorate::storage {

class File {
 public:
  virtual ~File() = default;
  /// Appends all of `bytes`, or fails with some of them appended.
  virtual Status append(std::string_view bytes) = 0;
  virtual Status sync() = 0;
};

class Directory {
 public:
  virtual ~Directory() = default;
  /// The names of the files in it, ascending.
  virtual Result<std::vector<std::string>> list() = 0;
  virtual Result<std::string> read(const std::string& name) = 0;
  /// An empty file of that name, in place of any there is.
  virtual Result<std::unique_ptr<File>> create(const std::string& name) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& name) = 0;
  virtual Status sync() = 0;
};

}  // namespace quorate::storage
