// Child: a program started by this one, that dies with it: on purpose in the destructor, and by the
// kernel's hand (PR_SET_PDEATHSIG) if this process is killed.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "consensus/base/result.h"

namespace quorate::cli {

class Child {
 public:
  /// `output`: a file for what it prints. Must be called on the thread that lives longest: the
  /// kernel ends the child when that thread ends. Errors: a sentence for the operator.
  static base::Result<Child, std::string> start(const std::vector<std::string>& command,
                                                const std::string& output);

  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) = delete;
  ~Child();

  pid_t pid() const { return pid_; }
  /// True as long as it has not ended.
  bool runs();
  /// SIGTERM, and SIGKILL to what has not ended after `patience_ms`.
  void end(int patience_ms);

 private:
  explicit Child(pid_t pid) : pid_(pid) {}

  pid_t pid_;  // 0: ended and waited for
};

/// The lowest port from `wanted` on that nobody listens on, on loopback.
uint16_t free_port(uint16_t wanted);

}  // namespace quorate::cli
