// What the program's exit codes mean; the same for every command.
#pragma once

namespace quorate::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitConfiguration = 3,
  kExitUnreachable = 4,
  kExitNoQuorum = 5,
};

}  // namespace quorate::cli
