#include "consensus/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace quorate::base {

void assertion_failed(const char* expression, const char* file, int line,
                      const char* function) noexcept {
  std::fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, expression);
  std::abort();
}

}  // namespace quorate::base
