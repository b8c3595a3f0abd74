#include "proxy/cli/recover_command.h"

#include <ostream>

#include "consensus/storage/posix_directory.h"
#include "proxy/cli/exit_code.h"
#include "proxy/config/load.h"
#include "proxy/io/clock.h"
#include "proxy/member/recovery.h"

namespace quorate::cli {

namespace {

void say(const member::RecoveryReport& report, std::ostream& out) {
  out << "keep     " << report.kept << ": log up to " << report.last_index << ", term "
      << report.term << ", snapshot at " << report.snapshot_index << "\n";
  for (const std::string& member : report.removed) out << "remove   " << member << "\n";
  for (const std::string& pool : report.pools) out << "pool     " << pool << "\n";
  out << "begin    generation " << report.generation << ", every number and epoch raised\n"
      << "may lose what the removed members acknowledged and this one never received\n"
      << "may do   what this one received and nobody acknowledged\n"
      << "first    make sure that the removed members never run again: empty their data_dir\n";
}

}  // namespace

int run_recover(const RecoverOptions& options, std::ostream& out, std::ostream& err) {
  const auto loaded = config::load_file(options.config_file, config::process_environment());
  if (!loaded.ok()) {
    err << config::render(loaded.error(), config::Colour::kNever);
    return kExitConfiguration;
  }
  const config::ClusterSettings& cluster = loaded.value().settings.cluster;
  const auto address = cluster.own_address();
  if (!cluster.grouped() || cluster.data_dir.empty() || !address) {
    err << "quorate: " << options.config_file << " is not a voter's\n";
    return kExitConfiguration;
  }
  auto directory = storage::open_directory(cluster.data_dir);
  if (!directory) {
    err << "quorate: " << storage::to_string(directory.error()) << "\n";
    return kExitFailed;
  }
  const auto report =
      member::recover(*directory.value(), address->text(), io::wall_now(), options.force);
  if (!report.ok()) {
    err << "quorate: " << cluster.data_dir << ": " << report.error() << "\n";
    return kExitFailed;
  }
  say(report.value(), out);
  if (options.force) {
    out << "done: start this member; others join it with an empty data_dir\n";
    return kExitOk;
  }
  err << "quorate: nothing was changed; --force does it\n";
  return kExitUsage;
}

}  // namespace quorate::cli
