#include "proxy/cli/command_line.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include "proxy/cli/check_command.h"
#include "proxy/cli/cluster_command.h"
#include "proxy/cli/exit_code.h"
#include "proxy/cli/import_command.h"
#include "proxy/cli/output_form.h"
#include "proxy/cli/playground_command.h"
#include "proxy/cli/recover_command.h"
#include "proxy/cli/reload_command.h"
#include "proxy/cli/ring_command.h"
#include "proxy/config/units.h"
#include "proxy/process/process.h"
#include "proxy/version.h"

namespace quorate::cli {

namespace {

constexpr const char* kFooter =
    "Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 unreachable, 5 no quorum.\n"
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

void add_admin_option(CLI::App& command, std::string& admin) {
  command.add_option("--admin", admin, "the admin address of any proxy of the cluster")
      ->capture_default_str();
}

void add_ring_commands(CLI::App& app, RingOptions& options, std::string& form, int& result) {
  auto* ring = app.add_subcommand("ring", "where keys live");
  ring->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, auto run) {
    auto* command = ring->add_subcommand(name, what);
    if (std::string_view(name) != "diff") {
      command->add_option("-c,--config", options.source.config_file,
                          "of a configuration file, asking nobody; else of a running proxy");
    }
    command->add_option("-p,--pool", options.source.pool, "only this pool");
    add_admin_option(*command, options.source.admin);
    add_output_option(*command, form);
    command->callback([&, run] {
      options.form = output_form(form);
      result = run(options, std::cout, std::cerr);
    });
    return command;
  };
  add("where", "the backend of a key, and why", run_ring_where)
      ->add_option("key", options.keys, "one or more keys")
      ->required();
  add("show", "every place on the ring, who answers for it, its share of the keys", run_ring_show);
  add("diff", "which keys would move, from the ring there is to that of a file", run_ring_diff)
      ->add_option("file", options.other_file, "the configuration to compare with")
      ->required();
}

/// `quorate NOUN VERB NAME`: one change.
CLI::App* add_change(CLI::App& noun, const std::string& verb, const char* what, bool dangerous,
                     ChangeOptions& options, int& result) {
  auto* command = noun.add_subcommand(verb, what);
  add_admin_option(*command, options.admin);
  command->add_flag("--dry-run", options.dry_run, "show what would be done, and stop");
  command->add_flag("-y,--yes", options.yes, "do not ask");
  command->add_flag("!--no-wait", options.wait,
                    "of a replicated pool: return at once; what is to move, moves all the same");
  const auto json = std::make_shared<std::string>();
  command->add_option("-o,--output", *json, "json: what was answered, a line for each step")
      ->check(CLI::IsMember({"json"}));
  const std::string words = noun.get_name() + " " + verb;
  command->callback([&options, &result, words, dangerous, json] {
    options.form = output_form(*json);
    options.what = words;
    options.dangerous = dangerous;
    options.interactive = is_terminal(STDIN_FILENO);
    options.terminal = is_terminal(STDERR_FILENO);
    result = run_change(options, std::cin, std::cout, std::cerr);
  });
  return command;
}

void add_backend_commands(CLI::App& backend, ChangeOptions& change, int& result) {
  auto* add = add_change(backend, "add", "a backend that joins the ring once it answers steadily",
                         false, change, result);
  add->add_option("address", change.address, "host:port or unix:/path")->required();
  add->add_option("-p,--pool", change.pool, "the pool; needed if there are several");
  add->add_option("--name", change.name, "what the ring hashes; else the address");
  add->add_option("--weight", change.weight, "its share of the keys")->capture_default_str();
  add->add_option("--zone", change.zone, "a rack, a data centre");
  add->add_flag("--spare", change.spare, "takes part only in an ejected one's place");
  const auto named = [&](const char* verb, const char* what, bool dangerous, bool forcible) {
    auto* command = add_change(backend, verb, what, dangerous, change, result);
    command->add_option("name", change.name, "its name on the ring, or its address")->required();
    command->add_option("-p,--pool", change.pool, "its pool, if the name is not enough");
    if (forcible) command->add_flag("--force", change.force, "even below the pool's min_up");
    return command;
  };
  named("remove", "take it off the ring for good", true, true);
  named("drain", "take it off the ring; it may come back (ready)", true, true);
  named("eject", "as if it had failed; it stays away until it is called (ready)", true, true);
  named("ready", "use it now", false, false);
  auto* replace = named("replace", "another server takes its place, and it goes", true, true);
  replace->add_option("address", change.address, "of the new one: host:port or unix:/path")
      ->required();
  replace->add_option("--name", change.new_name, "what the ring hashes for it; else the address");
  named("weight", "its share of the keys, from now on", true, false)
      ->add_option("weight", change.weight, "beside the weights of the others")
      ->required();
}

void add_pool_commands(CLI::App& pool, ChangeOptions& change, int& result) {
  auto* replicas =
      add_change(pool, "replicas", "how many backends keep each key of it", true, change, result);
  replicas->add_option("replicas", change.replicas, "3 or 5")->required();
  replicas->add_option("-p,--pool", change.pool, "the pool; needed if there are several");
  auto* set =
      add_change(pool, "set", "how it judges that a backend has failed", true, change, result);
  set->add_option("-p,--pool", change.pool, "the pool; needed if there are several");
  const auto time = [&](const char* option, const char* key, const char* what) {
    set->add_option_function<std::string>(
        option,
        [&change, key](const std::string& text) {
          const auto duration = config::parse_duration(text);
          if (!duration.ok()) throw CLI::ValidationError(text, duration.error());
          const auto count = duration.value() / std::chrono::milliseconds(1);
          change.figures[key] = static_cast<unsigned>(std::min<int64_t>(count, UINT32_MAX));
        },
        what);
  };
  const auto figure = [&](const char* option, const char* key, const char* what) {
    set->add_option_function<unsigned>(
        option, [&change, key](unsigned value) { change.figures[key] = value; }, what);
  };
  time("--probe-interval", "probe_interval_ms", "between two probes of a voter: \"200ms\"");
  time("--probe-timeout", "probe_timeout_ms", "for the answer to one: \"250ms\"");
  figure("--probe-failures", "probe_failures",
         "so many in a row, seen by a majority, eject a backend; 0: never");
  figure("--readmit-after", "readmit_after", "so many answers in a row bring it back");
  figure("--min-up", "min_up", "no ejection leaves fewer");
  set->add_option("--on-eject", change.on_eject, "keep, rehash or spare")
      ->check(CLI::IsMember({"keep", "rehash", "spare"}));
}

void add_member_commands(CLI::App& member, ChangeOptions& change, int& result) {
  auto* add = add_change(member, "add", "give a new member its number before it joins", false,
                         change, result);
  add->add_option("name", change.name, "its name")->required();
  add->add_option("address", change.address, "of its peer port")->required();
  const auto named = [&](const char* verb, const char* what, bool dangerous) {
    add_change(member, verb, what, dangerous, change, result)
        ->add_option("name", change.name, "its name, or its number")
        ->required();
  };
  named("promote", "let a learner that has caught up vote", false);
  named("remove", "out of the group for good; a dead one, too", true);
  named("transfer-leader", "let another voter lead", false);
}

void add_cluster_commands(CLI::App& app, ClusterOptions& options, ChangeOptions& change,
                          std::string& form, int& result) {
  const auto add_list = [&](CLI::App& to, const char* name, const char* what, auto run) {
    auto* command = to.add_subcommand(name, what);
    add_admin_option(*command, options.admin);
    add_output_option(*command, form);
    command->callback([&, run] {
      options.form = output_form(form);
      result = run(options, std::cout, std::cerr);
    });
  };
  add_list(app, "status", "a proxy, its group and its pools", run_status);
  auto* member = app.add_subcommand("member", "who takes part in the group");
  member->require_subcommand(1);
  add_list(*member, "list", "every member, as the leader sees it", run_member_list);
  add_member_commands(*member, change, result);
  auto* backend = app.add_subcommand("backend", "the servers behind the pools");
  backend->require_subcommand(1);
  add_list(*backend, "list", "every backend, and what is agreed of it", run_backend_list);
  add_backend_commands(*backend, change, result);
  auto* pool = app.add_subcommand("pool", "what the pools are");
  pool->require_subcommand(1);
  add_list(*pool, "list", "every pool, and what is agreed of it", run_pool_list);
  add_pool_commands(*pool, change, result);
}

void add_recover_command(CLI::App& member, RecoverOptions& options, int& result) {
  auto* recover = member.add_subcommand(
      "recover", "after the majority is lost for good: go on with what one stopped member knows");
  recover->add_option("-c,--config", options.config_file, "that member's configuration")
      ->required();
  recover->add_flag("--force", options.force, "without it, only says what would be done");
  recover->callback([&] { result = run_recover(options, std::cout, std::cerr); });
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
  playground_options.program = argv[0];
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

  std::string form;
  RingOptions ring_options;
  add_ring_commands(app, ring_options, form, result);
  ClusterOptions cluster_options;
  ChangeOptions change_options;
  add_cluster_commands(app, cluster_options, change_options, form, result);
  RecoverOptions recover_options;
  add_recover_command(*app.get_subcommand("member"), recover_options, result);

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
  twemproxy->callback(
      [&] { result = run_import_twemproxy(twemproxy_file, error_colour(), std::cout, std::cerr); });

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
