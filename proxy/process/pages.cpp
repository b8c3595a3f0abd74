#include "proxy/process/pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include <nlohmann/json.hpp>

#include "proxy/control/metrics.h"
#include "proxy/io/clock.h"
#include "proxy/member/group_log.h"

namespace quorate::process {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json group_json(const StatusPage& page) {
  const member::Standing& standing = page.standing;
  Json group;
  group["role"] = standing.role;
  if (standing.role != "alone") {
    group["name"] = standing.cluster;
    group["member"] = standing.member;
    group["id"] = standing.id;
    group["leader"] = standing.leader;
    if (!standing.voter.empty()) group["voter"] = standing.voter;
    if (!standing.problem.empty()) group["problem"] = standing.problem;
    group["in_touch"] = standing.in_touch;
    if (!standing.stopped.empty()) group["stopped"] = standing.stopped;
  }
  group["leads"] = standing.leads;
  group["term"] = standing.term != 0 ? Json(standing.term) : Json();
  group["generation"] = page.map.generation;
  group["applied"] = standing.applied;
  group["behind"] = standing.behind ? Json(*standing.behind) : Json();
  group["epoch"] = page.map.epoch;
  if (!page.differences.empty()) group["differences"] = page.differences;
  return group;
}

Json backend_json(const StatusPage& page, const relay::BackendPlan& plan) {
  Json json;
  const auto agreed = page.map.backends.find(plan.serial);
  json["address"] = agreed != page.map.backends.end() ? agreed->second.rules.address : plan.label;
  json["name"] = plan.name;
  const bool serves = plan.state == cluster::BackendState::kUp;
  json["state"] = !serves                            ? to_string(plan.state)
                  : !page.health.was_probed(plan.id) ? "unknown"
                  : page.health.answers(plan.id)     ? "up"
                                                     : "failing";
  if (agreed != page.map.backends.end()) {
    const cluster::Backend& backend = agreed->second;
    json["weight"] = backend.rules.weight;
    if (!backend.rules.zone.empty()) json["zone"] = backend.rules.zone;
    if (backend.rules.spare) json["spare"] = true;
    if (backend.by_operator) json["by_operator"] = true;
    if (const auto motion = page.motions.find(backend.pool); motion != page.motions.end()) {
      json["admitted"] = static_cast<bool>(backend.incarnation);
      if (const auto slots = motion->second.backends.find(plan.serial);
          slots != motion->second.backends.end()) {
        json["slots"] = {{"held", slots->second.held},
                         {"arriving", slots->second.arriving},
                         {"wanted", slots->second.wanted}};
      }
      const auto objection = page.objections.find(plan.serial);
      if (objection != page.objections.end() && !objection->second.empty()) {
        json["objection"] = objection->second;
      }
    }
    if (!backend.run_id.empty()) json["run_id"] = backend.run_id;
    const auto place = page.map.backends.find(backend.stands_in_for);
    if (place != page.map.backends.end()) json["stands_in_for"] = place->second.rules.name;
  }
  uint64_t connections = 0;
  uint64_t requests = 0;
  for (const auto& report : page.reports) {
    for (const auto& one : report.backends) {
      if (one.id != plan.id) continue;
      connections += one.counters.connected;
      requests += one.counters.requests;
      if (!one.server_version.empty()) json["version"] = one.server_version;
      if (!one.last_refusal.empty()) json["last_refusal"] = one.last_refusal;
    }
  }
  json["connections"] = connections;
  json["requests"] = requests;
  return json;
}

/// Of a replicated pool: how it stands in the group, and what this proxy does for it.
Json replication_json(const StatusPage& page, const cluster::Pool& pool, cluster::PoolId id) {
  const cluster::PoolMotion& motion = page.motions.at(pool.serial);
  Json json;
  json["consistency"] = to_string(pool.rules.consistency);
  json["replicas"] = pool.rules.replicas;
  json["slots"] = {{"total", cluster::kSlots},      {"in_place", motion.slots.in_place},
                   {"moving", motion.slots.moving}, {"waiting", motion.slots.waiting},
                   {"held", motion.slots.held},     {"frozen", motion.slots.frozen},
                   {"unserved", motion.unserved}};
  uint32_t owned = 0;
  replicate::SweepProgress sweep;
  replicate::Counters sum;
  for (const auto& report : page.reports) {
    for (const auto& one : report.pools) {
      if (one.id != id) continue;
      owned += one.owned_slots;
      sweep.slots += one.sweep.slots;
      sweep.slots_in_sync += one.sweep.slots_in_sync;
      sweep.slots_joint += one.sweep.slots_joint;
      sweep.slots_moved += one.sweep.slots_moved;
      sweep.is_under_way = sweep.is_under_way || one.sweep.is_under_way;
      for (const auto& figure : control::kReplicationFigures) {
        sum.*figure.counter += one.replication.*figure.counter;
      }
    }
  }
  json["owned_slots"] = owned;
  json["sweep"] = {{"slots", sweep.slots},
                   {"in_sync", sweep.slots_in_sync},
                   {"moving", sweep.slots_joint},
                   {"copied", sweep.slots_moved},
                   {"under_way", sweep.is_under_way}};
  json["counts"] = Json::object();
  for (const auto& figure : control::kReplicationFigures) {
    json["counts"][figure.name] = sum.*figure.counter;
  }
  return json;
}

/// What `quorate pool set` changes.
Json rules_json(const cluster::PoolRules& rules) {
  return {{"consistency", to_string(rules.consistency)},
          {"replicas", rules.replicas},
          {"on_eject", to_string(rules.on_eject)},
          {"min_up", rules.min_up},
          {"probe_interval_ms", rules.detection.interval_ms},
          {"probe_timeout_ms", rules.detection.deadline_ms},
          {"probe_failures", rules.detection.count},
          {"readmit_after", rules.detection.readmit_count}};
}

Json pool_json(const StatusPage& page, const relay::PoolPlan& pool) {
  Json json;
  json["name"] = pool.name;
  json["protocol"] = pool.protocol == cluster::Protocol::kRedis ? "redis" : "memcached";
  json["epoch"] = pool.epoch;
  if (const auto listen = page.listen.find(pool.id); listen != page.listen.end()) {
    json["listen"] = listen->second;
  }
  uint64_t clients = 0;
  for (const auto& report : page.reports) {
    for (const auto& one : report.pools) {
      if (one.id == pool.id) clients += one.counters.clients;
    }
  }
  json["clients"] = clients;
  if (const cluster::Pool* agreed = page.map.find_pool(pool.name); agreed != nullptr) {
    if (page.standing.role != "alone") json["rules"] = rules_json(agreed->rules);
    if (page.motions.contains(agreed->serial)) {
      json["replication"] = replication_json(page, *agreed, pool.id);
    }
  }
  std::vector<const relay::BackendPlan*> backends;
  for (const auto& backend : page.plan.backends) {
    if (backend != nullptr && backend->pool == pool.id && !backend->is_nobody()) {
      backends.push_back(backend.get());
    }
  }
  std::ranges::sort(backends, {}, &relay::BackendPlan::serial);
  json["backends"] = Json::array();
  for (const relay::BackendPlan* backend : backends) {
    json["backends"].push_back(backend_json(page, *backend));
  }
  return json;
}

std::string word_for(group::Refused::Reason reason) {
  switch (reason) {
    case group::Refused::Reason::kInvalid: return "invalid";
    case group::Refused::Reason::kNoLeader: return "no_leader";
    case group::Refused::Reason::kBusy: return "busy";
    case group::Refused::Reason::kRejected: return "rejected";
  }
  return "invalid";
}

}  // namespace

std::string StatusPage::json() const {
  Json body;
  body["version"] = facts.version;
  body["pid"] = facts.process_id;
  body["workers"] = facts.workers;
  body["uptime_seconds"] = (io::wall_now() - facts.started).count() / 1'000'000;
  body["phase"] = phase;
  body["cluster"] = group_json(*this);
  body["pools"] = Json::array();
  for (const auto& pool : plan.pools) {
    if (pool != nullptr) body["pools"].push_back(pool_json(*this, *pool));
  }
  return text_of(body);
}

std::string ring_json(const cluster::ClusterMap& map) {
  Json body;
  body["index"] = map.index;
  body["pools"] = Json::array();
  for (const auto& [serial, pool] : map.pools) {
    const cluster::PoolView view = cluster::view_of(map, pool);
    Json json;
    json["name"] = view.name;
    json["epoch"] = view.epoch;
    json["hash"] = cluster::name_of(view.rules.hash);
    json["distribution"] = cluster::name_of(view.rules.distribution);
    json["hash_tag"] = view.rules.hash_tag;
    json["points"] = view.rules.points;
    json["members"] = Json::array();
    for (const cluster::BackendView& one : view.members) {
      const cluster::Backend& server = map.backends.at(one.server);
      json["members"].push_back({{"name", one.member.name},
                                 {"weight", one.member.weight},
                                 {"zone", one.member.zone},
                                 {"on_ring", one.member.on_ring},
                                 {"state", to_string(one.state)},
                                 {"refuses", one.refuses},
                                 {"server", server.rules.name},
                                 {"address", server.rules.address}});
    }
    body["pools"].push_back(std::move(json));
  }
  return text_of(body);
}

std::string outcome_json(const OperatorCommand& command, const std::string& outcome,
                         const std::string& text) {
  Json body;
  body["ok"] = outcome == "done" || outcome == "planned";
  body["outcome"] = outcome;
  body["what"] = command.text;
  body["consequences"] = command.consequences;
  if (!command.moves_slots_of.empty()) body["moves_slots_of"] = command.moves_slots_of;
  if (!command.then.empty()) body["then"] = Json::parse(command.then);
  body["text"] = text;
  return text_of(body);
}

std::pair<int, std::string> page_of(const OperatorCommand& command, const group::Outcome& outcome) {
  const std::string text = member::text_of(outcome);
  if (const auto* refused = std::get_if<group::Refused>(&outcome)) {
    const bool later = refused->reason == group::Refused::Reason::kNoLeader ||
                       refused->reason == group::Refused::Reason::kBusy;
    return {later ? 503 : 409, outcome_json(command, word_for(refused->reason), text)};
  }
  if (const auto* done = std::get_if<group::Done>(&outcome)) {
    Json body = Json::parse(outcome_json(command, "done", text));
    body["index"] = done->index;
    body["id"] = done->id;
    body["epoch"] = done->epoch;
    return {200, text_of(body)};
  }
  return {504, outcome_json(command, "unknown", text)};
}

std::string cluster_line(const member::Standing& standing, bool known) {
  const std::string who = "cluster " + standing.cluster + ": ";
  std::string at = fmt::format("applied {}", standing.applied);
  if (standing.term != 0) at = fmt::format("term {}, ", standing.term) + at;
  if (standing.behind) at += fmt::format(", trails by {}", *standing.behind);
  const std::string problem = standing.problem.empty() ? "" : " (" + standing.problem + ")";
  if (!known && !standing.stopped.empty()) {
    return "[-]" + who + "this member has stopped (" + standing.stopped + "); no pool is served";
  }
  if (!known) return "[-]" + who + "nothing is known yet, no pool is served" + problem;
  if (!standing.stopped.empty()) {
    return "[!]" + who + "this member has stopped (" + standing.stopped +
           "); serving with what was agreed last, " + at;
  }
  if (!standing.in_touch) {
    return "[!]" + who + "out of touch; serving with what was agreed last, " + at + problem;
  }
  const std::string leader = standing.leads                ? "leads"
                             : standing.role == "observer" ? "follows " + standing.voter
                                                           : "leader is " + standing.leader;
  return "[+]" + who + standing.role + " " + standing.member + ", " + leader + ", " + at;
}

std::string slots_line(const std::string& pool, const cluster::PoolMotion& motion) {
  const cluster::SlotCounts& slots = motion.slots;
  std::string line =
      fmt::format("pool {}: {} of {} slots in place", pool, slots.in_place, cluster::kSlots);
  const auto add = [&line](uint32_t count, std::string_view what) {
    if (count > 0) line += fmt::format(", {} {}", count, what);
  };
  add(slots.moving, "move");
  add(slots.waiting, "wait to move");
  add(slots.held, "wait for a backend");
  add(slots.frozen, "have lost their majority");
  add(motion.unserved, "cannot be written now");
  const bool all = motion.unserved == cluster::kSlots;
  return (all ? "[-]" : motion.unserved > 0 || slots.left() > 0 ? "[!]" : "[+]") + line;
}

}  // namespace quorate::process
