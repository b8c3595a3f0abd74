// WorkerReport: what one worker counted, copied for whoever asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backends/link/counters.h"
#include "consensus/cluster/topology.h"
#include "proxy/replicate/output.h"

namespace quorate::control {

struct WorkerReport {
  struct Pool {
    cluster::PoolId id;
    link::PoolCounters counters;
    replicate::Counters replication;  ///< of a pool that keeps replicas
    uint32_t owned_slots = 0;
    replicate::SweepProgress sweep;
  };
  struct Backend {
    cluster::BackendId id;
    bool down;
    link::BackendCounters counters;
    std::string server_version;  ///< empty: not known yet
    std::string last_refusal;    ///< why the last handshake was refused; empty: none was
  };

  uint32_t worker = 0;
  std::vector<Pool> pools;
  std::vector<Backend> backends;
  size_t buffered_bytes = 0;  ///< replies not yet sent, requests not yet answered
};

}  // namespace quorate::control
