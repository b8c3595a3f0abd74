#include "proxy/cli/import_command.h"

#include <ostream>

#include "proxy/cli/exit_code.h"
#include "proxy/config/substitution.h"
#include "proxy/config/twemproxy_import.h"

namespace quorate::cli {

namespace {

constexpr size_t kLongestFile = size_t{16} << 20;

}  // namespace

int run_import_twemproxy(const std::string& file, config::Colour colour, std::ostream& out,
                         std::ostream& err) {
  const auto text = config::read_file(file, kLongestFile);
  if (!text.ok()) {
    err << file << ": error: " << text.error() << "\n";
    return kExitConfiguration;
  }
  const auto imported = config::import_twemproxy(text.value(), file);
  if (!imported.ok()) {
    err << config::render(config::diagnostics_of(imported.error(), text.value(), file), colour);
    return kExitConfiguration;
  }
  out << imported.value();
  return kExitOk;
}

}  // namespace quorate::cli
