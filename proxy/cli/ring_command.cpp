#include "proxy/cli/ring_command.h"

#include <fmt/format.h>

#include <ostream>

#include <nlohmann/json.hpp>

#include "consensus/cluster/placement.h"
#include "proxy/cli/exit_code.h"
#include "proxy/cli/table.h"
#include "proxy/config/load.h"

namespace quorate::cli {

namespace {

cluster::Placement placement_of(const config::PoolSettings& pool) {
  std::vector<cluster::PlacementMember> members;
  for (const config::BackendSettings& backend : pool.backends) {
    members.push_back({.name = backend.name,
                       .weight = backend.weight,
                       .on_ring = !backend.spare,
                       .zone = backend.zone});
  }
  return cluster::Placement::build(pool.placement_rules(), members);
}

}  // namespace

int run_ring_where(const RingWhereOptions& options, std::ostream& out, std::ostream& err) {
  const auto loaded = config::load_file(options.config_file, config::process_environment());
  if (!loaded.ok()) {
    err << config::render(loaded.error(), config::Colour::kNever);
    return kExitConfiguration;
  }
  Table table({"POOL", "KEY", "HASHED", "HASH", "TOKEN", "BACKEND", "ADDRESS"});
  auto json = nlohmann::ordered_json::array();
  bool found_pool = false;
  for (const config::PoolSettings& pool : loaded.value().settings.pools) {
    if (!options.pool.empty() && pool.name != options.pool) continue;
    found_pool = true;
    const cluster::Placement placement = placement_of(pool);
    const std::string hash_name(cluster::name_of(pool.hash));
    for (const std::string& key : options.keys) {
      const auto how = placement.explain(key);
      const std::string hash = fmt::format("{}:{:x}", hash_name, how.hash);
      const std::string token = how.token ? fmt::format("{:x}", *how.token) : "-";
      // A random distribution has no owner to tell.
      const config::BackendSettings* owner = how.member ? &pool.backends[*how.member] : nullptr;
      const std::string name = owner != nullptr ? owner->name : "any";
      const std::string address = owner != nullptr ? owner->address.text() : "any";
      table.add({pool.name, key, std::string(how.hashed), hash, token, name, address});
      json.push_back({{"pool", pool.name},
                      {"key", key},
                      {"hashed", how.hashed},
                      {"hash", hash},
                      {"token", token},
                      {"backend", name},
                      {"address", address}});
    }
  }
  if (!found_pool) {
    err << "quorate: no pool \"" << options.pool << "\" in " << options.config_file << "\n";
    return kExitFailed;
  }
  if (options.form == OutputForm::kJson) {
    out << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    table.write(options.form, out);
  }
  return kExitOk;
}

}  // namespace quorate::cli
