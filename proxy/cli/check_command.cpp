#include "proxy/cli/check_command.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>
#include <ostream>
#include <thread>
#include <vector>

#include "proxy/cli/inspect_backend.h"
#include "proxy/config/load.h"
#include "proxy/config/print.h"
#include "proxy/config/utf8.h"

namespace quorate::cli {
namespace {

constexpr size_t kMostThreads = 16;

std::string counted(size_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

void report(const std::vector<config::Diagnostic>& diagnostics, const CheckOptions& options,
            std::ostream& err) {
  if (diagnostics.empty()) return;
  err << config::render(diagnostics, options.colour);
  const auto errors = static_cast<size_t>(std::count_if(
      diagnostics.begin(), diagnostics.end(),
      [](const config::Diagnostic& one) { return one.severity == config::Severity::kError; }));
  const size_t warnings = diagnostics.size() - errors;
  std::string counts;
  if (errors > 0) counts = counted(errors, "error");
  if (warnings > 0) counts += (counts.empty() ? "" : ", ") + counted(warnings, "warning");
  err << options.file << ": " << counts << "\n";
}

std::string verdict(const config::Settings& settings) {
  size_t backends = 0;
  for (const config::PoolSettings& pool : settings.pools) backends += pool.backends.size();
  return "valid, " + counted(settings.pools.size(), "pool") + ", " + counted(backends, "backend");
}

// ---- --online

struct Visit {
  const config::PoolSettings* pool = nullptr;
  const config::BackendSettings* backend = nullptr;
  Inspection found;
};

std::vector<Visit> visits_of(const config::Settings& settings) {
  std::vector<Visit> visits;
  for (const config::PoolSettings& pool : settings.pools) {
    for (const config::BackendSettings& backend : pool.backends) {
      visits.push_back({&pool, &backend, {}});
    }
  }
  return visits;
}

// A few at a time, so that one backend that does not answer costs its time-out only once.
void inspect_all(std::vector<Visit>& visits) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < visits.size(); i = next++) {
      Visit& visit = visits[i];
      const bool redis = visit.pool->protocol == config::Protocol::kRedis;
      visit.found =
          (redis ? inspect_redis : inspect_memcached)(*visit.backend, visit.pool->connect_timeout);
    }
  };
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < std::min(kMostThreads, visits.size()); ++i) threads.emplace_back(work);
}

using Row = std::array<std::string, 6>;

// What a server says goes to a terminal: nothing in it may steer that.
Row row_of(const Visit& visit) {
  const auto or_dash = [](const std::string& text) {
    return text.empty() ? "-" : config::printable(text);
  };
  const bool hidden = visit.backend->secrets.contains("address");
  return {visit.pool->name,
          hidden ? "(secret)" : visit.backend->address.text(),
          or_dash(visit.found.version),
          or_dash(visit.found.role),
          or_dash(visit.found.eviction_policy),
          visit.found.ok() ? "ok" : config::printable(visit.found.problem)};
}

void write_table(const std::vector<Row>& rows, std::ostream& out) {
  std::array<size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == row.size();
      out << row[i] << (last ? "\n" : std::string(widths[i] - row[i].size() + 2, ' '));
    }
  }
}

void write_lines(const std::vector<Row>& rows, std::ostream& out) {
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) out << row[i] << (i + 1 == row.size() ? '\n' : '\t');
  }
}

int check_online(const config::Settings& settings, const CheckOptions& options, std::ostream& out) {
  std::vector<Visit> visits = visits_of(settings);
  inspect_all(visits);
  std::vector<Row> rows;
  if (options.table) rows.push_back({"POOL", "BACKEND", "VERSION", "ROLE", "EVICTION", "STATE"});
  std::transform(visits.begin(), visits.end(), std::back_inserter(rows), row_of);
  (options.table ? write_table : write_lines)(rows, out);
  const bool all_ok = std::all_of(visits.begin(), visits.end(),
                                  [](const Visit& visit) { return visit.found.ok(); });
  return all_ok ? kExitOk : kExitFailed;
}

}  // namespace

int run_check(const CheckOptions& options, std::ostream& out, std::ostream& err) {
  if (options.file.empty()) {
    err << "quorate check: no configuration file is named\n";
    return kExitUsage;
  }
  const auto loaded = config::load_file(options.file, options.environment);
  if (!loaded) {
    report(loaded.error(), options, err);
    return kExitConfiguration;
  }
  report(loaded.value().warnings, options, err);
  const config::Settings& settings = loaded.value().settings;
  if (options.print) out << config::to_toml(settings);
  if (options.online) return check_online(settings, options, out);
  if (!options.print) out << options.file << ": " << verdict(settings) << "\n";
  return kExitOk;
}

}  // namespace quorate::cli
