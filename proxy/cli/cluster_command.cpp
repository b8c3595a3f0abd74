#include "proxy/cli/cluster_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <istream>
#include <ostream>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/exit_code.h"
#include "proxy/cli/follow_moves.h"
#include "proxy/cli/table.h"

namespace quorate::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string shown(const Json& value) {
  if (value.is_string()) return value.get<std::string>().empty() ? "-" : value.get<std::string>();
  return value.is_null() ? "-" : value.dump();
}

std::string at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? "-" : shown(*found);
}

void write(const Table& table, const Json& json, OutputForm form, std::ostream& out) {
  if (form == OutputForm::kJson) {
    out << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  } else {
    table.write(form, out);
  }
}

/// Why there is nothing to show; kExitOk if there is.
int problem_with(const AdminAnswer& answer, const std::string& admin, std::ostream& err) {
  if (answer.exit_code != kExitOk) return answer.exit_code;
  if (answer.status == 200 && answer.body.is_object()) return kExitOk;
  err << "quorate: " << admin << " answered " << answer.status << ": " << answer.text << "\n";
  return kExitFailed;
}

std::string backend_state(const Json& backend) {
  std::string state = at(backend, "state");
  if (backend.value("spare", false)) state += " (spare)";
  if (backend.contains("stands_in_for")) state += " for " + at(backend, "stands_in_for");
  if (backend.value("by_operator", false)) state += " by operator";
  return state;
}

/// "1024", or on the way "300/1024".
std::string slots_of(const Json& backend) {
  if (!backend.contains("slots")) return "-";
  const Json& slots = backend.at("slots");
  const std::string held = at(slots, "held");
  const std::string wanted = at(slots, "wanted");
  return held == wanted ? held : held + "/" + wanted;
}

void add_backends(Table& table, const Json& pool) {
  for (const Json& backend : pool.at("backends")) {
    table.add({at(pool, "name"), at(backend, "name"), at(backend, "address"),
               backend_state(backend), at(backend, "weight"), at(backend, "zone"),
               at(pool, "epoch"), at(backend, "connections"), slots_of(backend)});
  }
}

Table backend_table() {
  return Table(
      {"POOL", "NAME", "ADDRESS", "STATE", "WEIGHT", "ZONE", "EPOCH", "CONNECTIONS", "SLOTS"});
}

/// Of replicated pools: how their slots stand. Nothing if there are none.
void write_replication(const Json& status, OutputForm form, std::ostream& out) {
  Table table(
      {"POOL", "REPLICAS", "IN-PLACE", "MOVING", "WAITING", "HELD", "FROZEN", "OWNED-HERE"});
  bool some = false;
  for (const Json& pool : status.at("pools")) {
    if (!pool.contains("replication")) continue;
    some = true;
    const Json& replication = pool.at("replication");
    const Json& slots = replication.at("slots");
    table.add({at(pool, "name"), at(replication, "replicas"), at(slots, "in_place"),
               at(slots, "moving"), at(slots, "waiting"), at(slots, "held"), at(slots, "frozen"),
               at(replication, "owned_slots")});
  }
  if (!some) return;
  out << "\n";
  table.write(form, out);
}

/// Whether the proxy knows what its group decides; said if not.
int quorum_of(const Json& status, std::ostream& err) {
  const Json& cluster = status.at("cluster");
  if (at(cluster, "role") == "alone" || cluster.value("in_touch", false)) return kExitOk;
  err << "quorate: out of touch with its group (no leader answers): this is what was agreed last\n";
  return kExitNoQuorum;
}

int exit_code_of(int status) {
  switch (status) {
    case 200: return kExitOk;
    case 503: return kExitNoQuorum;
    default: return kExitFailed;
  }
}

Json body_of(const ChangeOptions& options, bool dry_run) {
  Json body;
  body["do"] = options.what;
  if (!options.name.empty()) body["name"] = options.name;
  if (!options.address.empty()) body["address"] = options.address;
  if (!options.pool.empty()) body["pool"] = options.pool;
  if (!options.zone.empty()) body["zone"] = options.zone;
  if (!options.new_name.empty()) body["new_name"] = options.new_name;
  if (options.replicas != 0) body["replicas"] = options.replicas;
  for (const auto& [key, figure] : options.figures) body[key] = figure;
  if (!options.on_eject.empty()) body["on_eject"] = options.on_eject;
  body["weight"] = options.weight;
  body["spare"] = options.spare;
  body["force"] = options.force;
  body["dry_run"] = dry_run;
  return body;
}

/// What was answered, as it came: a line.
void write_line(const Json& answered, std::ostream& out) {
  out << answered.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n" << std::flush;
}

/// Asks for the change, or for its plan. Says why not.
int ask(const ChangeOptions& options, const Json& body, Json& answered, std::ostream& out,
        std::ostream& err) {
  const AdminAnswer answer = admin_post(options.admin, "/api/v1/change", body.dump(), err);
  if (answer.exit_code != kExitOk) return answer.exit_code;
  if (!answer.body.is_object() || !answer.body.contains("ok")) {
    err << "quorate: " << options.admin << " answered " << answer.status << ": " << answer.text
        << "\n";
    return kExitFailed;
  }
  answered = answer.body;
  if (answered.value("ok", false)) return kExitOk;
  if (options.form == OutputForm::kJson) write_line(answered, out);
  err << "quorate: " << at(answered, "text") << "\n";
  return exit_code_of(answer.status);
}

void show_plan(const Json& plan, std::ostream& out) {
  out << "plan: " << at(plan, "what") << "\n";
  for (const Json& line : plan.at("consequences")) out << "  - " << shown(line) << "\n";
}

}  // namespace

int run_status(const ClusterOptions& options, std::ostream& out, std::ostream& err) {
  const AdminAnswer answer = admin_get(options.admin, "/api/v1/status", err);
  if (const int problem = problem_with(answer, options.admin, err); problem != kExitOk) {
    return problem;
  }
  const Json& status = answer.body;
  const Json& cluster = status.at("cluster");
  if (options.form == OutputForm::kJson) {
    out << status.dump(2) << "\n";
    return quorum_of(status, err);
  }
  Table table({"CLUSTER", "MEMBER", "ROLE", "LEADER", "TERM", "APPLIED", "TRAILS-BY", "EPOCH"});
  table.add({at(cluster, "name"), at(cluster, "member"), at(cluster, "role"),
             cluster.value("leads", false) ? "this one" : at(cluster, "leader"),
             at(cluster, "term"), at(cluster, "applied"), at(cluster, "behind"),
             at(cluster, "epoch")});
  table.write(options.form, out);
  Table backends = backend_table();
  for (const Json& pool : status.at("pools")) add_backends(backends, pool);
  out << "\n";
  backends.write(options.form, out);
  write_replication(status, options.form, out);
  if (cluster.contains("differences")) {
    for (const Json& line : cluster.at("differences")) err << "warning: " << shown(line) << "\n";
  }
  if (cluster.contains("stopped"))
    err << "warning: member stopped: " << at(cluster, "stopped") << "\n";
  return quorum_of(status, err);
}

int run_backend_list(const ClusterOptions& options, std::ostream& out, std::ostream& err) {
  const AdminAnswer answer = admin_get(options.admin, "/api/v1/status", err);
  if (const int problem = problem_with(answer, options.admin, err); problem != kExitOk) {
    return problem;
  }
  Table table = backend_table();
  Json rows = Json::array();
  for (const Json& pool : answer.body.at("pools")) {
    add_backends(table, pool);
    for (Json backend : pool.at("backends")) {
      backend["pool"] = pool.at("name");
      backend["epoch"] = pool.at("epoch");
      rows.push_back(std::move(backend));
    }
  }
  write(table, rows, options.form, out);
  return quorum_of(answer.body, err);
}

int run_pool_list(const ClusterOptions& options, std::ostream& out, std::ostream& err) {
  const AdminAnswer answer = admin_get(options.admin, "/api/v1/status", err);
  if (const int problem = problem_with(answer, options.admin, err); problem != kExitOk) {
    return problem;
  }
  Table table({"POOL", "PROTOCOL", "CONSISTENCY", "REPLICAS", "UP", "MIN-UP", "ON-EJECT",
               "PROBE-INTERVAL", "PROBE-TIMEOUT", "PROBE-FAILURES", "READMIT-AFTER", "EPOCH"});
  Json rows = Json::array();
  for (const Json& pool : answer.body.at("pools")) {
    const Json& backends = pool.at("backends");
    const auto up = std::ranges::count_if(
        backends, [](const Json& backend) { return at(backend, "state") == "up"; });
    // What a proxy that decides alone has of these is in its file.
    const Json rules = pool.value("rules", Json::object());
    const auto time = [&](const char* key) {
      return rules.contains(key) ? at(rules, key) + "ms" : "-";
    };
    table.add({at(pool, "name"), at(pool, "protocol"), at(rules, "consistency"),
               at(rules, "replicas"), fmt::format("{}/{}", up, backends.size()),
               at(rules, "min_up"), at(rules, "on_eject"), time("probe_interval_ms"),
               time("probe_timeout_ms"), at(rules, "probe_failures"), at(rules, "readmit_after"),
               at(pool, "epoch")});
    Json row = {{"name", pool.at("name")}, {"protocol", pool.at("protocol")}};
    row.update(rules);
    row["up"] = up;
    row["backends"] = backends.size();
    row["epoch"] = pool.at("epoch");
    rows.push_back(std::move(row));
  }
  write(table, rows, options.form, out);
  return quorum_of(answer.body, err);
}

int run_member_list(const ClusterOptions& options, std::ostream& out, std::ostream& err) {
  const AdminAnswer answer = admin_get(options.admin, "/api/v1/members", err);
  if (const int problem = problem_with(answer, options.admin, err); problem != kExitOk) {
    return problem;
  }
  const Json& rows = answer.body.at("members");
  if (rows.empty()) {
    err << "quorate: no leader answers\n";
    return kExitNoQuorum;
  }
  Table table({"NAME", "ID", "ADDR", "STATE", "TERM", "APPLIED", "TRAILS-BY", "LAST-CONTACT"});
  for (const Json& row : rows) {
    const Json& contact = row.at("last_contact");
    table.add({at(row, "name"), at(row, "id"), at(row, "address"), at(row, "state"),
               at(answer.body, "term"), at(row, "applied"), at(row, "behind"),
               contact.is_number() ? fmt::format("{:.3f}s", contact.get<double>()) : "-"});
  }
  write(table, rows, options.form, out);
  return kExitOk;
}

int run_change(const ChangeOptions& options, std::istream& in, std::ostream& out,
               std::ostream& err) {
  Json answered;
  if (options.dry_run || (options.dangerous && !options.yes)) {
    if (const int problem = ask(options, body_of(options, true), answered, out, err);
        problem != kExitOk) {
      return problem;
    }
    if (options.dry_run && options.form == OutputForm::kJson) {
      write_line(answered, out);
      return kExitOk;
    }
    show_plan(answered, options.dry_run ? out : err);
    if (options.dry_run) return kExitOk;
    if (!options.interactive) {
      err << "quorate: nothing was changed; --yes does it without asking\n";
      return kExitUsage;
    }
    err << "do it? [y/N] " << std::flush;
    std::string reply;
    std::getline(in, reply);
    if (reply != "y" && reply != "yes") {
      err << "nothing was changed\n";
      return kExitFailed;
    }
  }
  Json body = body_of(options, false);
  while (true) {
    if (const int problem = ask(options, body, answered, out, err); problem != kExitOk)
      return problem;
    if (options.form == OutputForm::kJson) {
      write_line(answered, out);
    } else {
      out << at(answered, "what");
      if (answered.value("epoch", uint64_t{0}) != 0) out << ", epoch " << at(answered, "epoch");
      out << "\n" << std::flush;
    }
    if (!options.wait || !answered.contains("moves_slots_of")) return kExitOk;
    const int followed = follow_moves({options.admin, at(answered, "moves_slots_of"),
                                       answered.value("index", uint64_t{0}), options.terminal},
                                      err);
    if (followed != kExitOk || !answered.contains("then")) return followed;
    body = answered.at("then");
  }
}

}  // namespace quorate::cli
