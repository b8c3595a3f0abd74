#include "proxy/cli/command_line.h"

#include <unistd.h>

#include <iostream>

#include <CLI/CLI.hpp>

#include "proxy/cli/check_command.h"
#include "proxy/cli/exit_code.h"
#include "proxy/cli/import_command.h"
#include "proxy/cli/output_form.h"
#include "proxy/cli/playground_command.h"
#include "proxy/cli/reload_command.h"
#include "proxy/cli/ring_command.h"
#include "proxy/process/process.h"
#include "proxy/version.h"

namespace quorate::cli {

namespace {

constexpr const char* kFooter =
    "Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 unreachable.\n"
    "Configuration: conf/quorate.toml names every key, its unit and its default.";

bool is_terminal(int descriptor) { return ::isatty(descriptor) != 0; }

config::Colour error_colour() {
  return is_terminal(STDERR_FILENO) ? config::Colour::kAlways : config::Colour::kNever;
}

OutputForm output_form(const std::string& wanted) {
  if (wanted == "json") return OutputForm::kJson;
  return is_terminal(STDOUT_FILENO) ? OutputForm::kTable : OutputForm::kLines;
}

void add_output_option(CLI::App& command, std::string& form) {
  command
      .add_option("-o,--output", form, "json; without it a table on a terminal, plain lines else")
      ->check(CLI::IsMember({"json"}));
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app{"quorate: a drop-in Redis and memcached endpoint in front of the servers you have."};
  app.name("quorate");
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("quorate ") + kVersion);
  app.require_subcommand(1);
  int result = kExitOk;

  process::RunOptions run_options;
  auto* run = app.add_subcommand("run", "serve the pools of a configuration");
  run->add_option("-c,--config", run_options.config_file, "the configuration, TOML")->required();
  run->add_option("--ready-file", run_options.ready_file,
                  "written (JSON: pid and addresses) once clients are accepted");
  run->callback([&] { result = process::Process(run_options).run(); });

  PlaygroundOptions playground_options;
  auto* playground = app.add_subcommand(
      "playground", "real servers on this machine behind a proxy, to try it out");
  playground->add_option("--ready-file", playground_options.ready_file,
                         "written (JSON: pids and addresses) once everything answers");
  playground->add_flag("--json", playground_options.json, "print the addresses as JSON");
  playground->callback([&] { result = run_playground(playground_options, std::cout, std::cerr); });

  CheckOptions check_options;
  auto* check = app.add_subcommand("check", "is a configuration right? Every error at once");
  check->add_option("file", check_options.file, "the configuration, TOML")->required();
  check->add_flag("--print", check_options.print, "write it back with every default filled in");
  check->add_flag("--online", check_options.online, "connect to every backend, too");
  check->callback([&] {
    check_options.table = is_terminal(STDOUT_FILENO);
    check_options.colour = error_colour();
    result = run_check(check_options, std::cout, std::cerr);
  });

  auto* ring = app.add_subcommand("ring", "where keys live");
  ring->require_subcommand(1);
  RingWhereOptions where_options;
  std::string where_form;
  auto* where = ring->add_subcommand("where", "the backend of a key, and why; asks no server");
  where->add_option("key", where_options.keys, "one or more keys")->required();
  where->add_option("-c,--config", where_options.config_file, "the configuration, TOML")
      ->required();
  where->add_option("-p,--pool", where_options.pool, "only this pool");
  add_output_option(*where, where_form);
  where->callback([&] {
    where_options.form = output_form(where_form);
    result = run_ring_where(where_options, std::cout, std::cerr);
  });

  ReloadOptions reload_options;
  auto* reload =
      app.add_subcommand("reload", "tell a running proxy to read its configuration again");
  reload->add_option("--admin", reload_options.admin, "its admin address")->capture_default_str();
  reload->callback([&] { result = run_reload(reload_options, std::cout, std::cerr); });

  auto* import = app.add_subcommand("import", "another program's configuration, as quorate's");
  import->require_subcommand(1);
  std::string twemproxy_file;
  auto* twemproxy =
      import->add_subcommand("twemproxy", "nutcracker.yml: the same keys on the same servers");
  twemproxy->add_option("file", twemproxy_file, "nutcracker.yml")->required();
  twemproxy->callback([&] { result = run_import_twemproxy(twemproxy_file, std::cout, std::cerr); });

  auto* version = app.add_subcommand("version", "which quorate this is");
  version->callback([] { std::cout << "quorate " << kVersion << "\n"; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, std::cout, std::cerr);
    return code == 0 ? kExitOk : kExitUsage;
  }
  return result;
}

}  // namespace quorate::cli
