// What an operator asks through the admin port, turned into a request to the group.
//
//   {"do":"backend eject","pool":"cache","name":"a","force":false,"dry_run":true}
//
// Names become numbers by the map at hand; the group judges the rest again when it is applied.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "consensus/base/result.h"
#include "consensus/cluster/cluster_map.h"
#include "consensus/group/output.h"

namespace quorate::process {

struct OperatorCommand {
  std::string text;                       ///< one line: what will be done
  std::vector<std::string> consequences;  ///< one line each, for the plan that is shown first
  bool dry_run = false;
  std::vector<group::Request> steps;  ///< in this order, each after the one before is done
  /// The replicated pool whose slots begin to move when this is done; empty: none do.
  std::string moves_slots_of;
  std::string then;  ///< the command to be asked for when they have moved, as JSON; empty: none
};

/// Errors: a sentence for the operator.
base::Result<OperatorCommand, std::string> parse_operator_command(const std::string& json,
                                                                  const cluster::ClusterMap& map);

/// Whether a command is about members, or about what a cluster alone has agreed on.
bool needs_cluster(const std::string& json);

/// Which share of a pool's keys another map sends to another backend, 0 to 1; by sampling.
double moved_share(const cluster::ClusterMap& before, const cluster::ClusterMap& after,
                   cluster::PoolSerial pool);

}  // namespace quorate::process
