#include "proxy/process/operator_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "consensus/cluster/cluster_change.h"
#include "consensus/cluster/slot_members.h"
#include "proxy/config/address.h"

namespace quorate::process {

namespace {

using base::Failure;
using nlohmann::json;

constexpr size_t kSampledKeys = 20'000;

template <class Value>
using Parsed = base::Result<Value, std::string>;

/// What answers for each sampled key.
std::vector<cluster::BackendSerial> sampled_servers(const cluster::ClusterMap& map,
                                                    cluster::PoolSerial serial) {
  const auto pool = map.pools.find(serial);
  if (pool == map.pools.end()) return {};
  const cluster::PoolView view = cluster::view_of(map, pool->second);
  std::vector<cluster::PlacementMember> members;
  for (const cluster::BackendView& one : view.members) members.push_back(one.member);
  const auto placement = cluster::Placement::build(view.rules, members);
  if (placement.empty()) return {};
  std::vector<cluster::BackendSerial> servers;
  for (size_t i = 0; i < kSampledKeys; ++i) {
    const auto member = placement.explain(fmt::format("key:{}", i)).member;
    servers.push_back(member ? view.members[*member].server : cluster::BackendSerial{});
  }
  return servers;
}

Parsed<const cluster::Pool*> pool_named(const cluster::ClusterMap& map, const std::string& name) {
  if (name.empty() && map.pools.size() == 1) return &map.pools.begin()->second;
  const cluster::Pool* pool = map.find_pool(name);
  if (pool != nullptr) return pool;
  std::string known;
  for (const auto& [serial, one] : map.pools) known += (known.empty() ? "" : ", ") + one.rules.name;
  return Failure{(name.empty() ? std::string("which pool?") : "there is no pool \"" + name + "\"") +
                 " There are: " + (known.empty() ? "none" : known)};
}

/// Which share of the places of its slots another map fills with another backend.
double moved_places(const cluster::ClusterMap& before, const cluster::ClusterMap& after,
                    const cluster::Pool& pool) {
  const auto was = cluster::places_of_slots(before, pool);
  const auto is = cluster::places_of_slots(after, after.pools.at(pool.serial));
  size_t places = 0;
  size_t moved = 0;
  for (size_t slot = 0; slot < is.size(); ++slot) {
    places += is[slot].size();
    for (const cluster::BackendSerial one : is[slot]) {
      moved += std::ranges::binary_search(was[slot], one) ? 0 : 1;
    }
  }
  return places == 0 ? 0 : static_cast<double>(moved) / static_cast<double>(places);
}

/// By the name it has on the ring, or by its address, if that is one backend's only.
Parsed<const cluster::Backend*> backend_named(const cluster::ClusterMap& map,
                                              const std::string& pool_name,
                                              const std::string& name) {
  if (!pool_name.empty() && map.find_pool(pool_name) == nullptr) {
    return Failure{"there is no pool \"" + pool_name + "\""};
  }
  std::vector<const cluster::Backend*> found;
  for (const auto& [serial, backend] : map.backends) {
    const bool in_pool = pool_name.empty() || map.pools.at(backend.pool).rules.name == pool_name;
    const bool named = backend.rules.name == name || backend.rules.address == name;
    if (in_pool && named && backend.state != cluster::BackendState::kRemoved) {
      found.push_back(&backend);
    }
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) return Failure{"there is no backend \"" + name + "\""};
  return Failure{"\"" + name + "\" is " + std::to_string(found.size()) +
                 " backends: say which pool, and the name it has there"};
}

Parsed<const cluster::Member*> member_named(const cluster::ClusterMap& map,
                                            const std::string& name) {
  if (const cluster::Member* member = map.find_member(name)) return member;
  for (const auto& [id, member] : map.members) {
    if (std::to_string(raft::number(id)) == name) return &member;
  }
  return Failure{"there is no member \"" + name + "\""};
}

class Parser {
 public:
  Parser(const json& body, const cluster::ClusterMap& map) : body_(body), map_(map) {}

  Parsed<OperatorCommand> parse() {
    command_.dry_run = flag("dry_run");
    const std::string what = text("do");
    const size_t space = what.find(' ');
    const std::string noun = what.substr(0, space);
    const std::string verb = space == std::string::npos ? "" : what.substr(space + 1);
    std::string problem = "\"" + what + "\" is not known to this version";
    if (noun == "backend") problem = backend(verb, problem);
    if (noun == "member") problem = member(verb, problem);
    if (noun == "pool" && verb == "replicas") problem = replicas();
    if (noun == "pool" && verb == "set") problem = set_rules();
    if (!problem.empty()) return Failure{problem};
    return std::move(command_);
  }

 private:
  std::string text(const char* key) const {
    const auto found = body_.find(key);
    return found != body_.end() && found->is_string() ? found->get<std::string>() : "";
  }
  uint32_t figure(const char* key) const {
    const auto found = body_.find(key);
    return found != body_.end() && found->is_number_unsigned() ? found->get<uint32_t>() : 0;
  }
  bool flag(const char* key) const {
    const auto found = body_.find(key);
    return found != body_.end() && found->is_boolean() && found->get<bool>();
  }

  std::string backend(const std::string& verb, const std::string& unknown) {
    if (verb == "add") return add_backend();
    const auto found = backend_named(map_, text("pool"), text("name"));
    if (!found.ok()) return found.error();
    const cluster::BackendSerial serial = found.value()->serial;
    const bool force = flag("force");
    const auto cause = force ? cluster::Cause::kOperatorForced : cluster::Cause::kOperator;
    if (verb == "eject") return change(cluster::EjectBackend{serial, cause, false, {}});
    if (verb == "ready") return change(cluster::ReadyBackend{serial, cause, {}});
    if (verb == "drain") return change(cluster::DrainBackend{serial, force});
    if (verb == "weight") return weigh(*found.value());
    if (verb == "replace") return replace(*found.value(), force);
    if (verb == "remove" && keeps_slots(*found.value())) return empty(*found.value(), force);
    if (verb == "remove") {
      // Its place is given up first, so that the floor is heard.
      if (found.value()->state != cluster::BackendState::kUp) {
        return change(cluster::RemoveBackend{serial});
      }
      std::string problem = change(cluster::DrainBackend{serial, force});
      command_.steps.emplace_back(cluster::Change(cluster::RemoveBackend{serial}));
      command_.text += ", then remove it";
      return problem;
    }
    return unknown;
  }

  bool keeps_slots(const cluster::Backend& backend) const {
    const cluster::Pool& pool = map_.pools.at(backend.pool);
    return std::ranges::any_of(pool.member_sets, [&](const cluster::SlotMembers& members) {
      return members.contains(backend.serial);
    });
  }

  void remove_when_empty(const cluster::Backend& backend) {
    command_.then = json{{"do", "backend remove"},
                         {"pool", map_.pools.at(backend.pool).rules.name},
                         {"name", backend.rules.name}}
                        .dump();
  }

  /// Out of a replicated pool: what it holds goes to others first.
  std::string empty(const cluster::Backend& backend, bool force) {
    remove_when_empty(backend);
    if (backend.state != cluster::BackendState::kDraining) {
      std::string problem = change(cluster::DrainBackend{backend.serial, force});
      command_.text += ", and remove it when it holds nothing";
      return problem;
    }
    const cluster::Pool& pool = map_.pools.at(backend.pool);
    command_.text =
        "remove " + pool.rules.name + "/" + backend.rules.name + " when it holds nothing";
    command_.moves_slots_of = pool.rules.name;
    return {};
  }

  /// A new one comes and the old one goes at once, so that what moves, moves once.
  std::string replace(const cluster::Backend& old, bool force) {
    const cluster::Pool& pool = map_.pools.at(old.pool);
    const auto parsed = config::parse_address(text("address"));
    if (!parsed.ok()) return parsed.error();
    cluster::BackendRules rules = old.rules;
    rules.address = parsed.value().text();
    rules.name = text("new_name").empty() ? config::default_backend_name(
                                                parsed.value(), pool.rules.placement.distribution)
                                          : text("new_name");
    if (std::string problem = change(cluster::AddBackend{old.pool, rules}); !problem.empty()) {
      return problem;
    }
    remove_when_empty(old);
    // Whether it may go is judged when the new one is there.
    command_.steps.emplace_back(cluster::Change(cluster::DrainBackend{old.serial, force}));
    command_.text += ", drain " + pool.rules.name + "/" + old.rules.name + ", then remove it";
    return {};
  }

  cluster::DefinePool as_it_is(const cluster::Pool& pool) const {
    cluster::DefinePool definition{.rules = pool.rules, .backends = {}};
    for (const auto& [serial, backend] : map_.backends) {
      if (backend.pool == pool.serial && backend.state != cluster::BackendState::kRemoved) {
        definition.backends.push_back(backend.rules);
      }
    }
    return definition;
  }

  std::string weigh(const cluster::Backend& backend) {
    const cluster::Pool& pool = map_.pools.at(backend.pool);
    cluster::DefinePool definition = as_it_is(pool);
    const auto rules =
        std::ranges::find(definition.backends, backend.rules.name, &cluster::BackendRules::name);
    rules->weight = figure("weight");
    std::string problem = change(definition);
    command_.text = fmt::format("weigh {}/{} {} instead of {}", pool.rules.name, backend.rules.name,
                                rules->weight, backend.rules.weight);
    return problem;
  }

  std::string replicas() {
    const auto pool = pool_named(map_, text("pool"));
    if (!pool.ok()) return pool.error();
    const cluster::PoolRules& before = pool.value()->rules;
    cluster::DefinePool definition = as_it_is(*pool.value());
    definition.rules.replicas = figure("replicas");
    std::string problem = change(definition);
    command_.text = fmt::format("keep {} replicas of what is in pool {} instead of {}",
                                definition.rules.replicas, before.name, before.replicas);
    return problem;
  }

  /// How failures are judged. The text names what differs.
  std::string set_rules() {
    const auto pool = pool_named(map_, text("pool"));
    if (!pool.ok()) return pool.error();
    cluster::DefinePool definition = as_it_is(*pool.value());
    cluster::PoolRules& rules = definition.rules;
    std::string differences;
    const auto differs = [&](const char* key, const auto& before, const auto& after) {
      if (before == after) return;
      differences +=
          fmt::format("{}{} {} instead of {}", differences.empty() ? "" : ", ", key, after, before);
    };
    const auto set = [&](const char* key, uint32_t& figure) {
      const auto found = body_.find(key);
      if (found == body_.end() || !found->is_number_unsigned()) return;
      const uint32_t before = std::exchange(
          figure, static_cast<uint32_t>(std::min<uint64_t>(found->get<uint64_t>(), UINT32_MAX)));
      differs(key, before, figure);
    };
    set("probe_interval_ms", rules.detection.interval_ms);
    set("probe_timeout_ms", rules.detection.deadline_ms);
    set("probe_failures", rules.detection.count);
    set("readmit_after", rules.detection.readmit_count);
    set("min_up", rules.min_up);
    if (const std::string word = text("on_eject"); !word.empty()) {
      const auto known = {cluster::OnEject::kKeep, cluster::OnEject::kRehash,
                          cluster::OnEject::kSpare};
      const auto* const wanted =
          std::ranges::find(known, word, [](auto one) { return std::string(to_string(one)); });
      if (wanted == known.end()) return "on_eject is \"keep\", \"rehash\" or \"spare\"";
      const auto before = std::exchange(rules.on_eject, *wanted);
      differs("on_eject", std::string(to_string(before)), word);
    }
    if (differences.empty()) {
      command_.text = "pool " + rules.name + " is so already";
      return {};
    }
    std::string problem = change(definition);
    command_.text = "pool " + rules.name + ": " + differences;
    return problem;
  }

  std::string add_backend() {
    const auto pool = pool_named(map_, text("pool"));
    if (!pool.ok()) return pool.error();
    const std::string address = text("address");
    const auto parsed = config::parse_address(address);
    if (!parsed.ok()) return parsed.error();
    cluster::BackendRules rules;
    rules.address = parsed.value().text();
    rules.name = text("name").empty()
                     ? config::default_backend_name(parsed.value(),
                                                    pool.value()->rules.placement.distribution)
                     : text("name");
    rules.zone = text("zone");
    const auto weight = body_.find("weight");
    if (weight != body_.end() && weight->is_number_unsigned()) rules.weight = *weight;
    rules.spare = flag("spare");
    command_.consequences.emplace_back(
        pool.value()->rules.replicated()
            ? "it is emptied, its slots move to it, and then it is ready"
            : "it joins the ring when a majority of voters has seen it answer steadily");
    return change(cluster::AddBackend{pool.value()->serial, rules});
  }

  std::string member(const std::string& verb, const std::string& unknown) {
    if (verb == "add") {
      const auto address = config::parse_address(text("address"));
      if (!address.ok()) return address.error();
      command_.consequences.push_back("start it with [cluster] member = \"" + text("name") +
                                      "\" and join = [\"…\"]; it votes once it has caught up");
      return change(cluster::AddMember{text("name"), address.value().text()});
    }
    const auto found = member_named(map_, text("name"));
    if (!found.ok()) return found.error();
    const cluster::Member& member = *found.value();
    const std::string who = member.name + " (" + std::to_string(raft::number(member.id)) + ")";
    if (verb == "promote") {
      command_.text = "promote member " + who + " to voter";
      command_.steps.emplace_back(raft::Change{raft::Promote{member.id}});
      return {};
    }
    if (verb == "transfer-leader") {
      command_.text = "transfer leadership to " + who;
      command_.steps.emplace_back(group::TransferLeadership{member.id});
      return {};
    }
    if (verb == "remove") {
      remove(member, who);
      return {};
    }
    return unknown;
  }

  void remove(const cluster::Member& member, const std::string& who) {
    command_.text = "remove member " + who;
    const auto voters = std::ranges::count_if(map_.members, [](const auto& entry) {
      return entry.second.role == cluster::MemberRole::kVoter;
    });
    if (member.role == cluster::MemberRole::kVoter) {
      command_.consequences.push_back(
          fmt::format("{} voters are left; {} of them have to agree from then on", voters - 1,
                      (voters - 1) / 2 + 1));
      command_.consequences.emplace_back(
          "its number is never used again: to come back, it joins with an empty data_dir");
    }
    if (member.role != cluster::MemberRole::kObserver) {
      command_.steps.emplace_back(raft::Change{raft::Remove{member.id}});
    }
    command_.steps.emplace_back(cluster::Change(cluster::RemoveMember{member.id}));
  }

  std::string change(const cluster::Change& change) {
    if (const auto refusal = cluster::validate(map_, change)) return refusal->text;
    command_.text = cluster::describe(map_, change);
    command_.steps.emplace_back(change);
    cluster::ClusterMap after = map_;
    if (!cluster::apply(after, after.index + 1, change)) return {};
    for (const auto& [serial, pool] : map_.pools) {
      if (pool.rules.replicated()) {
        const double share = moved_places(map_, after, pool);
        if (share == 0) continue;
        command_.moves_slots_of = pool.rules.name;
        command_.consequences.push_back(
            fmt::format("copies {:.1f} % of what pool {} holds", share * 100, pool.rules.name));
        continue;
      }
      if (!command_.dry_run) continue;
      const double share = moved_share(map_, after, serial);
      if (share == 0) continue;
      command_.consequences.push_back(
          fmt::format("moves {:.1f} % of the keys of pool {}", share * 100, pool.rules.name));
    }
    return {};
  }

  const json& body_;
  const cluster::ClusterMap& map_;
  OperatorCommand command_;
};

}  // namespace

double moved_share(const cluster::ClusterMap& before, const cluster::ClusterMap& after,
                   cluster::PoolSerial pool) {
  const auto was = sampled_servers(before, pool);
  const auto is = sampled_servers(after, pool);
  if (was.empty() || is.empty()) return was.size() == is.size() ? 0 : 1;
  size_t moved = 0;
  for (size_t i = 0; i < was.size(); ++i) moved += was[i] != is[i] ? 1 : 0;
  return static_cast<double>(moved) / static_cast<double>(was.size());
}

bool needs_cluster(const std::string& text) {
  const json body = json::parse(text, nullptr, false);
  if (!body.is_object()) return false;
  const auto what = body.find("do");
  if (what == body.end() || !what->is_string()) return false;
  const auto words = what->get<std::string>();
  return words.starts_with("member ") || words.starts_with("pool ");
}

base::Result<OperatorCommand, std::string> parse_operator_command(const std::string& text,
                                                                  const cluster::ClusterMap& map) {
  const json body = json::parse(text, nullptr, false);
  if (!body.is_object()) return Failure{std::string("the body is no JSON object")};
  return Parser(body, map).parse();
}

}  // namespace quorate::process
