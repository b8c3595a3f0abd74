#include "proxy/member/identity_file.h"

#include <fmt/format.h>

#include <algorithm>

#include <nlohmann/json.hpp>

namespace quorate::member {

namespace {

constexpr int kFormatVersion = 1;

base::Failure<storage::Error> malformed() {
  return base::Failure{storage::Error{storage::ErrorKind::kCorrupt, std::string(kIdentityFile), 0,
                                      "does not say who this member is"}};
}

}  // namespace

std::string hex(const cluster::Nonce& nonce) {
  return fmt::format("{:016x}{:016x}", nonce.high, nonce.low);
}

storage::Result<std::optional<Identity>> read_identity(storage::Directory& directory) {
  auto names = directory.list();
  if (!names) return base::Failure{names.error()};
  if (std::ranges::find(names.value(), kIdentityFile) == names.value().end()) {
    return std::optional<Identity>();
  }
  auto bytes = directory.read(std::string(kIdentityFile));
  if (!bytes) return base::Failure{bytes.error()};
  const auto json = nlohmann::json::parse(bytes.value(), nullptr, false);
  Identity identity;
  try {
    if (json.at("version").get<int>() != kFormatVersion) return malformed();
    identity.id = raft::MemberId{json.at("id").get<uint64_t>()};
    identity.cluster = {json.at("cluster_high").get<uint64_t>(),
                        json.at("cluster_low").get<uint64_t>()};
    identity.name = json.at("name").get<std::string>();
  } catch (const nlohmann::json::exception&) {
    return malformed();
  }
  if (raft::number(identity.id) == 0) return malformed();
  return std::optional(std::move(identity));
}

storage::Status write_identity(storage::Directory& directory, const Identity& identity) {
  const nlohmann::ordered_json json = {{"version", kFormatVersion},
                                       {"id", raft::number(identity.id)},
                                       {"name", identity.name},
                                       {"cluster", hex(identity.cluster)},
                                       {"cluster_high", identity.cluster.high},
                                       {"cluster_low", identity.cluster.low}};
  const std::string name(kIdentityFile);
  auto file = directory.create(name + ".new");
  if (!file) return base::Failure{file.error()};
  if (auto done = file.value()->append(json.dump(2) + "\n"); !done) return done;
  if (auto done = file.value()->sync(); !done) return done;
  if (auto done = directory.rename(name + ".new", name); !done) return done;
  return directory.sync();
}

}  // namespace quorate::member
