#include "proxy/cli/pool_ring.h"

#include <ostream>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/exit_code.h"
#include "proxy/config/choices.h"
#include "proxy/config/load.h"

namespace quorate::cli {

namespace {

std::vector<PoolRing> rings_of_file(const std::string& file, int& exit_code, std::ostream& err) {
  const auto loaded = config::load_file(file, config::process_environment());
  if (!loaded.ok()) {
    err << config::render(loaded.error(), config::Colour::kNever);
    exit_code = kExitConfiguration;
    return {};
  }
  std::vector<PoolRing> rings;
  for (const config::PoolSettings& pool : loaded.value().settings.pools) {
    if (pool.discovery != config::Discovery::kNone) {
      err << "pool " << pool.name
          << " finds its servers itself; a running proxy tells where a key is: QUORATE ROUTE key\n";
      continue;
    }
    PoolRing ring;
    ring.name = pool.name;
    ring.rules = pool.placement_rules();
    for (const config::BackendSettings& backend : pool.backends) {
      if (backend.spare) continue;
      ring.members.push_back(
          {.name = backend.name, .weight = backend.weight, .on_ring = true, .zone = backend.zone});
      ring.servers.push_back({backend.name, backend.address.text(), "-"});
    }
    rings.push_back(std::move(ring));
  }
  return rings;
}

PoolRing ring_of(const nlohmann::ordered_json& pool) {
  PoolRing ring;
  ring.name = pool.at("name");
  ring.epoch = pool.at("epoch").get<uint64_t>();
  ring.rules.hash_tag = pool.at("hash_tag");
  ring.rules.points = pool.at("points");
  for (const auto& choice : config::choices<cluster::HashKind>()) {
    if (choice.text == pool.at("hash").get<std::string>()) ring.rules.hash = choice.value;
  }
  const auto distribution = cluster::distribution_named(pool.at("distribution").get<std::string>());
  if (distribution) ring.rules.distribution = *distribution;
  for (const auto& member : pool.at("members")) {
    ring.members.push_back({.name = member.at("name"),
                            .weight = member.at("weight"),
                            .on_ring = member.at("on_ring"),
                            .zone = member.at("zone")});
    ring.servers.push_back({member.at("server"), member.at("address"), member.at("state")});
  }
  return ring;
}

std::vector<PoolRing> rings_of_proxy(const std::string& admin, int& exit_code, std::ostream& err) {
  const AdminAnswer answer = admin_get(admin, "/api/v1/ring", err);
  exit_code = answer.exit_code;
  if (exit_code != kExitOk) return {};
  std::vector<PoolRing> rings;
  try {
    for (const auto& pool : answer.body.at("pools")) rings.push_back(ring_of(pool));
  } catch (const nlohmann::json::exception&) {
    err << "quorate: " << admin << " answered " << answer.status << ", which is not understood\n";
    exit_code = kExitFailed;
    return {};
  }
  return rings;
}

}  // namespace

std::optional<uint32_t> PoolRing::owner(const std::string& key) const {
  return placement.empty() ? std::nullopt : placement.explain(key).member;
}

std::vector<PoolRing> load_rings(const RingSource& source, int& exit_code, std::ostream& err) {
  exit_code = kExitOk;
  std::vector<PoolRing> rings = source.config_file.empty()
                                    ? rings_of_proxy(source.admin, exit_code, err)
                                    : rings_of_file(source.config_file, exit_code, err);
  if (exit_code != kExitOk) return {};
  std::erase_if(rings, [&](const PoolRing& ring) {
    return !source.pool.empty() && ring.name != source.pool;
  });
  for (PoolRing& ring : rings) {
    if (!cluster::problem_with(ring.rules, ring.members)) {
      ring.placement = cluster::Placement::build(ring.rules, ring.members);
    }
  }
  if (rings.empty()) {
    const std::string where = source.config_file.empty() ? source.admin : source.config_file;
    err << "quorate: no pool \"" << source.pool << "\" in " << where << "\n";
    exit_code = kExitFailed;
  }
  return rings;
}

}  // namespace quorate::cli
