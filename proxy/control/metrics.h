// Metrics: the reports of all workers, added up and written in Prometheus' text format. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "consensus/cluster/reconfiguration.h"
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

/// What a coordinator counts, by the names that people read.
struct ReplicationFigure {
  const char* name;  ///< of quorate_replication_…_total
  const char* help;
  uint64_t replicate::Counters::*counter;
};
inline constexpr ReplicationFigure kReplicationFigures[] = {
    {"direct_reads", "Reads answered by a majority of backends that agreed.",
     &replicate::Counters::direct_reads},
    {"inconclusive_reads", "Reads that went on to the slot's owner.",
     &replicate::Counters::inconclusive_reads},
    {"hedged_reads", "Reads that asked one more backend, as an answer was slow.",
     &replicate::Counters::hedged_reads},
    {"writes", "Versions that were proposed and chosen.", &replicate::Counters::writes},
    {"forwards", "Commands sent to the slot's owner.", &replicate::Counters::forwards},
    {"takeovers", "Slots taken, under a term of this proxy.", &replicate::Counters::takeovers},
    {"emergency_takeovers", "Slots taken without waiting for the group.",
     &replicate::Counters::emergencies},
    {"self_bumps", "Terms raised to give up a write that could not be finished.",
     &replicate::Counters::self_bumps},
    {"depositions", "Slots lost to a higher term.", &replicate::Counters::depositions},
    {"first_touches", "States of keys read from a majority by the owner.",
     &replicate::Counters::first_touches},
    {"settlements", "States written again, as no majority had them.",
     &replicate::Counters::settlements},
    {"repairs", "States sent to backends that lagged behind.", &replicate::Counters::transfers},
    {"stale_bases", "Writes that met a backend with another version.",
     &replicate::Counters::need_state},
    {"stale_versions", "Writes that met a backend with a later version.",
     &replicate::Counters::old_sequence},
    {"expiries", "Keys deleted as their time had come.", &replicate::Counters::expiries},
    {"late_installs", "Fences raised after the majority's.", &replicate::Counters::lazy_installs},
    {"sweeps", "Passes over all keys of slots that came to their end.",
     &replicate::Counters::sweeps},
    {"swept_keys", "Keys that sweeps looked at.", &replicate::Counters::keys_looked_at},
    {"mended_keys", "Of these, written again, as a backend had something else.",
     &replicate::Counters::keys_mended},
    {"forgotten_deletes", "Marks of deleted keys that were dropped from a backend.",
     &replicate::Counters::forgotten},
    {"purged_keys", "Keys dropped from backends where they do not belong any more.",
     &replicate::Counters::purged},
    {"unknown_ends", "Commands of which it is not known whether they took effect.",
     &replicate::Counters::unknown_ends},
    {"failed_ends", "Commands that certainly had no effect, now or later.",
     &replicate::Counters::failed_ends},
};

/// Which backends are ejected is the plan's; up means: neither ejected nor down on every worker.
std::string render_metrics(const relay::ServingPlan& plan, const std::vector<WorkerReport>& reports,
                           const GroupReport& group,
                           const std::map<cluster::PoolSerial, cluster::PoolMotion>& motions,
                           const ProcessUsage& usage, std::string_view version);

}  // namespace quorate::control
