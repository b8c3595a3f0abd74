#include "proxy/cli/command_line.h"

int main(int argc, char** argv) { return quorate::cli::run_command_line(argc, argv); }
