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

/// Which backends are ejected is the plan's; up means: neither ejected nor down on every worker.
std::string render_metrics(const relay::ServingPlan& plan, const std::vector<WorkerReport>& reports,
                           const ProcessUsage& usage, std::string_view version);

}  // namespace quorate::control
