// A directory of the real file system, held by this process alone (flock) as long as the object is.
#pragma once

#include <memory>
#include <string>

#include "consensus/storage/directory.h"

namespace quorate::storage {

/// Creates the directory if it is missing; its parent must be there.
Result<std::unique_ptr<Directory>> open_directory(const std::string& path);

}  // namespace quorate::storage
