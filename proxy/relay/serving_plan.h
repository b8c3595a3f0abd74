// ServingPlan: all that a worker needs to serve, as one immutable snapshot: pools, their settings,
// their backends and the placement of keys. The control thread builds it from the configuration and
// the ClusterMap and replaces it whole; workers take the pointer and never edit it.
//
// Pools and backends are named by dense ids that keep their meaning from plan to plan, so
// connections survive a new one. An entry that is gone is a nullptr.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backends/wire/acl.h"
#include "consensus/base/time.h"
#include "consensus/cluster/placement.h"
#include "consensus/cluster/replica_table.h"
#include "consensus/cluster/topology.h"

namespace quorate::relay {

struct BackendPlan {
  cluster::BackendId id{};
  cluster::PoolId pool{};
  cluster::BackendSerial serial{};  ///< the group's number; 0: nobody, a place without a backend
  std::string name;                 ///< what the ring hashes
  std::string label;                ///< as errors and metrics name it: "10.0.0.1:6379"
  std::string host;                 ///< a name or an address; empty: `path`
  uint16_t port{};
  std::string path;  ///< of a unix socket
  std::string user;
  std::string password;
  uint16_t database{};
  bool says_readonly = false;  ///< a node of a Redis Cluster that may be read from as a replica
  cluster::BackendState state{};
  std::string run_id;  ///< of the process that the group knows there; empty: of none

  bool is_nobody() const { return serial == cluster::BackendSerial{}; }
};

struct PoolPlan {
  cluster::PoolId id{};
  std::string name;
  cluster::Protocol protocol{};
  uint64_t epoch{};  ///< the group's: grows with every change of the ring
  bool replicated = false;
  uint32_t sweep_rate = 0;  ///< keys a second and worker, that a sweep looks at
  /// Where its keys live, and whose they are; nullptr: not replicated, or not known yet.
  std::shared_ptr<const cluster::ReplicaTable> replica_table;
  cluster::Placement placement;
  /// By Placement's member index: who answers for it, which may be a stand-in.
  std::vector<cluster::BackendId> members;
  /// Those that have keys of their own now: not one whose keys have other owners while it is
  /// ejected.
  std::set<cluster::BackendId> holders;

  base::Duration connect_timeout{};
  base::Duration request_timeout{};  ///< zero: none
  base::Duration client_idle_timeout{};
  base::Duration reconnect_backoff{};
  base::Duration reconnect_backoff_max{};
  base::Duration keepalive{};
  uint32_t connections = 1;
  uint32_t side_connections = 32;
  uint32_t pinned_connections = 1024;
  bool preconnect = true;
  uint32_t max_clients = 10000;
  uint32_t max_pipeline = 1024;
  uint64_t max_value{};
  uint64_t max_split{};
  uint64_t max_client_output{};
  std::string password;                         ///< of clients; empty: none is asked for
  std::shared_ptr<const wire::AclUsers> users;  ///< nullptr: only the unlimited default

  /// The servers say themselves who has which key: their redirections are followed, and what they
  /// refuse for the moment is asked again.
  bool follows_servers = false;
  /// They are a Redis Cluster: keys of a command must be of one slot, not only of one server.
  bool by_slot = false;
  bool reads_from_replicas = false;
  bool emulates_cluster = false;
  /// By member: those that have a copy of what it has. Empty: nobody is known to.
  std::vector<std::vector<cluster::BackendId>> replicas;

  /// Keys that have the same one may be named by one command.
  uint32_t group_of(std::string_view key, cluster::BackendId backend) const {
    return by_slot ? cluster::redis_cluster_slot(key) : backend;
  }
};

struct ServingPlan {
  uint64_t epoch{};
  cluster::SessionId session{};                        ///< this process's own in the group; 0: none
  std::vector<std::shared_ptr<const PoolPlan>> pools;  ///< by PoolId
  std::vector<std::shared_ptr<const BackendPlan>> backends;  ///< by BackendId
};

}  // namespace quorate::relay
