// What the admin port shows, as JSON: the status, the rings, the end of a change. Pure.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "consensus/cluster/reconfiguration.h"
#include "proxy/control/health.h"
#include "proxy/control/report.h"
#include "proxy/member/membership.h"
#include "proxy/process/operator_command.h"
#include "proxy/relay/process_facts.h"
#include "proxy/relay/serving_plan.h"

namespace quorate::process {

struct StatusPage {
  const relay::ProcessFacts& facts;
  std::string phase;
  const relay::ServingPlan& plan;
  const cluster::ClusterMap& map;
  member::Standing standing;
  const control::Health& health;
  const std::vector<control::WorkerReport>& reports;
  std::map<cluster::PoolSerial, cluster::PoolMotion> motions;  ///< of replicated pools
  std::map<cluster::BackendSerial, std::string> objections;    ///< why they hold no replicas
  std::map<cluster::PoolId, std::vector<std::string>> listen;
  std::vector<std::string> differences;  ///< between the file and what was agreed on

  std::string json() const;
};

/// Everything that it takes to place a key as this proxy does.
std::string ring_json(const cluster::ClusterMap& map);

/// `outcome`: "done" "planned" "invalid" "rejected" "no_leader" "busy" "unknown".
std::string outcome_json(const OperatorCommand& command, const std::string& outcome,
                         const std::string& text);
/// Status and body for how a command ended.
std::pair<int, std::string> page_of(const OperatorCommand& command, const group::Outcome& outcome);

/// A line of /readyz?verbose. `known`: something was ever agreed on.
std::string cluster_line(const member::Standing& standing, bool known);
/// Another one, of a replicated pool.
std::string slots_line(const std::string& pool, const cluster::PoolMotion& motion);

}  // namespace quorate::process
