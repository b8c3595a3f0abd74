// ASSERT: always on, in every build. For bugs only: bytes from a socket, a file or an operator are
// validated, and answered with a Result, before they can reach an assertion.
#pragma once

namespace quorate::base {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line,
                                   const char* function) noexcept;

}  // namespace quorate::base

#define ASSERT(expression)                                                          \
  do {                                                                              \
    if (!(expression)) [[unlikely]] {                                               \
      ::quorate::base::assertion_failed(#expression, __FILE__, __LINE__, __func__); \
    }                                                                               \
  } while (false)
