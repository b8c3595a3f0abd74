// Metrics: the reports of all workers, added up and written in Prometheus' text format. Pure.
#pragma once

#include <string>
#include <vector>

#include "proxy/control/report.h"
#include "proxy/relay/serving_plan.h"

namespace quorate::control {

/// What the process as a whole uses; from */io.
struct ProcessUsage {
  double cpu_seconds = 0;
  double start_time_seconds = 0;
  uint64_t resident_bytes = 0;
  uint64_t open_descriptors = 0;
  uint64_t max_descriptors = 0;
};

/// How the process stands to its group (proxy/member/membership.h).
struct GroupReport {
  std::string role;
  bool leads = false;
  bool in_touch = false;
  bool stopped = false;
  uint64_t term = 0;
  uint64_t applied = 0;
  uint64_t behind = 0;
  uint64_t epoch = 0;  ///< the last that any pool was given
};

/// Which backends are ejected is the plan's; up means: neither ejected nor down on every worker.
std::string render_metrics(const relay::ServingPlan& plan, const std::vector<WorkerReport>& reports,
                           const GroupReport& group, const ProcessUsage& usage,
                           std::string_view version);

}  // namespace quorate::control
