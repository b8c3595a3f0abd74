#include "proxy/cli/ring_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <ostream>

#include <nlohmann/json.hpp>

#include "proxy/cli/exit_code.h"
#include "proxy/cli/table.h"

namespace quorate::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kSampledKeys = 100'000;

std::string sampled_key(size_t number) { return fmt::format("key:{}", number); }

void write(const Table& table, const Json& json, OutputForm form, std::ostream& out) {
  if (form == OutputForm::kJson) {
    out << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  } else {
    table.write(form, out);
  }
}

std::string percent(size_t part, size_t whole) {
  return fmt::format("{:.2f}", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string owner_name(const PoolRing& ring, const std::string& key) {
  const auto owner = ring.owner(key);
  return owner ? ring.servers[*owner].name : "";
}

}  // namespace

int run_ring_where(const RingOptions& options, std::ostream& out, std::ostream& err) {
  int exit_code = kExitOk;
  const auto rings = load_rings(options.source, exit_code, err);
  Table table({"POOL", "KEY", "HASHED", "HASH", "TOKEN", "BACKEND", "ADDRESS"});
  Json json = Json::array();
  for (const PoolRing& ring : rings) {
    const std::string hash_name(cluster::name_of(ring.rules.hash));
    for (const std::string& key : options.keys) {
      const auto how = ring.placement.explain(key);
      const std::string hash = fmt::format("{}:{:x}", hash_name, how.hash);
      const std::string token = how.token ? fmt::format("{:x}", *how.token) : "-";
      // A random distribution has no owner to tell.
      const RingServer* owner = how.member ? &ring.servers[*how.member] : nullptr;
      const std::string name = owner != nullptr ? owner->name : "any";
      const std::string address = owner != nullptr ? owner->address : "any";
      table.add({ring.name, key, std::string(how.hashed), hash, token, name, address});
      Json line = {{"pool", ring.name}, {"key", key},      {"hashed", how.hashed}, {"hash", hash},
                   {"token", token},    {"backend", name}, {"address", address}};
      if (ring.epoch) line["epoch"] = *ring.epoch;
      json.push_back(std::move(line));
    }
  }
  if (exit_code == kExitOk) write(table, json, options.form, out);
  return exit_code;
}

int run_ring_show(const RingOptions& options, std::ostream& out, std::ostream& err) {
  int exit_code = kExitOk;
  const auto rings = load_rings(options.source, exit_code, err);
  Table table({"POOL", "EPOCH", "PLACE", "WEIGHT", "ZONE", "STATE", "ON-RING", "KEYS-%", "ANSWERS",
               "ADDRESS"});
  Json json = Json::array();
  for (const PoolRing& ring : rings) {
    std::vector<size_t> keys(ring.members.size(), 0);
    for (size_t i = 0; i < kSampledKeys; ++i) {
      if (const auto owner = ring.owner(sampled_key(i))) ++keys[*owner];
    }
    for (size_t i = 0; i < ring.members.size(); ++i) {
      const auto& member = ring.members[i];
      const RingServer& server = ring.servers[i];
      const std::string epoch = ring.epoch ? std::to_string(*ring.epoch) : "-";
      table.add({ring.name, epoch, member.name, std::to_string(member.weight),
                 member.zone.empty() ? "-" : member.zone, server.state,
                 member.on_ring ? "yes" : "no", percent(keys[i], kSampledKeys), server.name,
                 server.address});
      json.push_back({{"pool", ring.name},
                      {"epoch", ring.epoch ? Json(*ring.epoch) : Json(nullptr)},
                      {"place", member.name},
                      {"weight", member.weight},
                      {"zone", member.zone},
                      {"state", server.state},
                      {"on_ring", member.on_ring},
                      {"share", static_cast<double>(keys[i]) / kSampledKeys},
                      {"answers", server.name},
                      {"address", server.address}});
    }
  }
  if (exit_code == kExitOk) write(table, json, options.form, out);
  return exit_code;
}

int run_ring_diff(const RingOptions& options, std::ostream& out, std::ostream& err) {
  int exit_code = kExitOk;
  const auto before = load_rings(options.source, exit_code, err);
  if (exit_code != kExitOk) return exit_code;
  const RingSource other{options.other_file, {}, options.source.pool};
  const auto after = load_rings(other, exit_code, err);
  if (exit_code != kExitOk) return exit_code;
  Table table({"POOL", "FROM", "TO", "KEYS-%"});
  Json json = Json::array();
  const auto add = [&](const std::string& pool, const std::string& from, const std::string& to,
                       size_t count) {
    table.add({pool, from, to, percent(count, kSampledKeys)});
    json.push_back({{"pool", pool},
                    {"from", from},
                    {"to", to},
                    {"share", static_cast<double>(count) / kSampledKeys}});
  };
  for (const PoolRing& ring : after) {
    const auto old = std::ranges::find(before, ring.name, &PoolRing::name);
    if (old == before.end()) {
      add(ring.name, "-", "new", kSampledKeys);
      continue;
    }
    std::map<std::pair<std::string, std::string>, size_t> moved;
    for (size_t i = 0; i < kSampledKeys; ++i) {
      const std::string key = sampled_key(i);
      const std::string from = owner_name(*old, key);
      const std::string to = owner_name(ring, key);
      if (from != to) ++moved[{from, to}];
    }
    for (const auto& [way, count] : moved) add(ring.name, way.first, way.second, count);
  }
  write(table, json, options.form, out);
  return kExitOk;
}

}  // namespace quorate::cli
