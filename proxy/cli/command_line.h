// The command line: every command with its options, --help and exit code. Parses with CLI11 and
// calls the command; decides nothing itself.
#pragma once

namespace quorate::cli {

int run_command_line(int argc, char** argv);

}  // namespace quorate::cli
