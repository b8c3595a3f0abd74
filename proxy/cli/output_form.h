// How a command writes what it found.
#pragma once

#include <cstdint>

namespace quorate::cli {

enum class OutputForm : uint8_t {
  kTable,  ///< a terminal: aligned, under a heading
  kLines,  ///< a pipe: one line each, fields separated by a tab
  kJson,
};

}  // namespace quorate::cli
