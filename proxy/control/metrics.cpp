#include "proxy/control/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace quorate::control {

namespace {

/// A label's value, escaped as the format asks.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out.push_back('\\');
    if (c == '\n') {
      out.append("\\n");
    } else {
      out.push_back(c);
    }
  }
  return out;
}

struct PoolSum {
  std::string labels;
  link::PoolCounters counters;
  replicate::Counters replication;
  uint32_t owned_slots = 0;
  uint32_t slots_in_sync = 0;
  const cluster::PoolMotion* motion = nullptr;  ///< of a replicated pool
};
struct BackendSum {
  std::string labels;
  const cluster::BackendSlots* slots = nullptr;
  bool ejected = false;
  bool down = false;
  link::BackendCounters counters;
};

void add(link::PoolCounters& sum, const link::PoolCounters& more) {
  sum.clients += more.clients;
  sum.blocked += more.blocked;
  sum.clients_accepted += more.clients_accepted;
  sum.clients_refused += more.clients_refused;
  sum.clients_cut_off += more.clients_cut_off;
  sum.commands += more.commands;
  sum.own_errors += more.own_errors;
  sum.bytes_in += more.bytes_in;
  sum.bytes_out += more.bytes_out;
}

void add(link::BackendCounters& sum, const link::BackendCounters& more) {
  sum.requests += more.requests;
  sum.replies += more.replies;
  sum.request_bytes += more.request_bytes;
  sum.reply_bytes += more.reply_bytes;
  sum.unavailable += more.unavailable;
  sum.unknown += more.unknown;
  sum.timed_out += more.timed_out;
  sum.retried += more.retried;
  sum.connects += more.connects;
  sum.connect_failures += more.connect_failures;
  sum.connections_lost += more.connections_lost;
  sum.in_flight += more.in_flight;
  sum.connected += more.connected;
  for (size_t i = 0; i < sum.latency.buckets.size(); ++i) {
    sum.latency.buckets[i] += more.latency.buckets[i];
  }
  sum.latency.sum_us += more.latency.sum_us;
}

class Page {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    fmt::format_to(out(), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  template <class Value>
  void sample(std::string_view labels, Value value, std::string_view suffix = {}) {
    if (labels.empty()) {
      fmt::format_to(out(), "{}{} {}\n", name_, suffix, value);
    } else {
      fmt::format_to(out(), "{}{}{{{}}} {}\n", name_, suffix, labels, value);
    }
  }
  std::string take() { return std::move(text_); }

 private:
  std::back_insert_iterator<std::string> out() { return std::back_inserter(text_); }
  std::string text_;
  std::string_view name_;
};

void render_histogram(Page& page, const std::string& labels,
                      const link::LatencyHistogram& histogram) {
  uint64_t count = 0;
  for (size_t i = 0; i < link::LatencyHistogram::kBounds; ++i) {
    count += histogram.buckets[i];
    const double bound = static_cast<double>(link::LatencyHistogram::bound_us(i)) / 1e6;
    page.sample(fmt::format("{},le=\"{}\"", labels, bound), count, "_bucket");
  }
  count += histogram.buckets[link::LatencyHistogram::kBounds];
  page.sample(labels + ",le=\"+Inf\"", count, "_bucket");
  page.sample(labels, static_cast<double>(histogram.sum_us) / 1e6, "_sum");
  page.sample(labels, count, "_count");
}

void render_process(Page& page, const ProcessUsage& usage, std::string_view version) {
  page.family("quorate_build_info", "gauge", "Always 1; the version is a label.");
  page.sample(fmt::format("version=\"{}\"", version), 1);
  page.family("process_cpu_seconds_total", "counter", "User and system CPU time spent.");
  page.sample({}, usage.cpu_seconds);
  page.family("process_start_time_seconds", "gauge", "Start time since the Unix epoch.");
  page.sample({}, usage.start_time_seconds);
  page.family("process_resident_memory_bytes", "gauge", "Resident memory size.");
  page.sample({}, usage.resident_bytes);
  page.family("process_open_fds", "gauge", "Open file descriptors.");
  page.sample({}, usage.open_descriptors);
  page.family("process_max_fds", "gauge", "File descriptors the process may open.");
  page.sample({}, usage.max_descriptors);
}

void render_group(Page& page, const GroupReport& group) {
  page.family("quorate_member_role", "gauge", "Always 1; the role in the group is a label.");
  page.sample(fmt::format("role=\"{}\"", escaped(group.role)), 1);
  const auto gauge = [&page](std::string_view name, std::string_view help, auto value) {
    page.family(name, "gauge", help);
    page.sample({}, value);
  };
  gauge("quorate_raft_term", "The election's number.", group.term);
  gauge("quorate_raft_is_leader", "1 if this member leads.", group.leads ? 1 : 0);
  gauge("quorate_group_in_touch", "1 if a leader, or the voter that is followed, answers.",
        group.in_touch ? 1 : 0);
  gauge("quorate_member_stopped", "1 if the member had to stop; the pools are served on.",
        group.stopped ? 1 : 0);
  gauge("quorate_group_applied_index", "The last change that was applied.", group.applied);
  gauge("quorate_group_behind_entries", "Changes that are known to be committed and not applied.",
        group.behind);
  gauge("quorate_group_epoch", "The last epoch that any pool was given.", group.epoch);
}

/// Of pools that keep replicas. Nothing if there are none.
void render_replication(Page& page, const std::vector<PoolSum>& pools,
                        const std::vector<BackendSum>& backends) {
  const auto is_replicated = [](const PoolSum& pool) { return pool.motion != nullptr; };
  if (std::ranges::none_of(pools, is_replicated)) return;
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                        auto sample) {
    page.family(name, type, help);
    for (const PoolSum& pool : pools) {
      if (is_replicated(pool)) sample(pool);
    }
  };
  each("quorate_replication_slots", "gauge",
       "Slots of the pool, as the group has them, by what is to happen to them.",
       [&](const PoolSum& pool) {
         const cluster::SlotCounts& slots = pool.motion->slots;
         page.sample(pool.labels + ",state=\"in_place\"", slots.in_place);
         page.sample(pool.labels + ",state=\"moving\"", slots.moving);
         page.sample(pool.labels + ",state=\"waiting\"", slots.waiting);
         page.sample(pool.labels + ",state=\"held\"", slots.held);
         page.sample(pool.labels + ",state=\"frozen\"", slots.frozen);
       });
  each("quorate_replication_unserved_slots", "gauge",
       "Slots without an owner, or without a majority that is there.",
       [&](const PoolSum& pool) { page.sample(pool.labels, pool.motion->unserved); });
  each("quorate_replication_owned_slots", "gauge", "Slots that this proxy owns.",
       [&](const PoolSum& pool) { page.sample(pool.labels, pool.owned_slots); });
  each(
      "quorate_replication_slots_in_sync", "gauge",
      "Of the slots that this proxy owns, those of which the last sweep saw everything everywhere.",
      [&](const PoolSum& pool) { page.sample(pool.labels, pool.slots_in_sync); });
  for (const ReplicationFigure& figure : kReplicationFigures) {
    const std::string name = fmt::format("quorate_replication_{}_total", figure.name);
    each(name, "counter", figure.help,
         [&](const PoolSum& pool) { page.sample(pool.labels, pool.replication.*figure.counter); });
  }
  page.family("quorate_backend_slots", "gauge",
              "Slots of a replicated pool that the backend holds, that are on their way to it, and "
              "that belong to it.");
  for (const BackendSum& backend : backends) {
    if (backend.slots == nullptr) continue;
    page.sample(backend.labels + ",kind=\"held\"", backend.slots->held);
    page.sample(backend.labels + ",kind=\"arriving\"", backend.slots->arriving);
    page.sample(backend.labels + ",kind=\"wanted\"", backend.slots->wanted);
  }
}

}  // namespace

std::string render_metrics(const relay::ServingPlan& plan, const std::vector<WorkerReport>& reports,
                           const GroupReport& group,
                           const std::map<cluster::PoolSerial, cluster::PoolMotion>& motions,
                           const ProcessUsage& usage, std::string_view version) {
  std::vector<PoolSum> pools(plan.pools.size());
  std::vector<BackendSum> backends(plan.backends.size());
  for (size_t id = 0; id < pools.size(); ++id) {
    if (plan.pools[id] == nullptr) continue;
    pools[id].labels = fmt::format("pool=\"{}\"", escaped(plan.pools[id]->name));
    const auto& table = plan.pools[id]->replica_table;
    if (table == nullptr) continue;
    const auto motion = motions.find(table->pool());
    if (motion != motions.end()) pools[id].motion = &motion->second;
  }
  for (size_t id = 0; id < backends.size(); ++id) {
    const auto& backend = plan.backends[id];
    if (backend == nullptr || backend->is_nobody()) continue;
    backends[id].labels =
        fmt::format("{},backend=\"{}\"", pools[backend->pool].labels, escaped(backend->label));
    backends[id].ejected = backend->state == cluster::BackendState::kEjected;
    backends[id].down = !reports.empty();
    const cluster::PoolMotion* motion = pools[backend->pool].motion;
    if (motion == nullptr) continue;
    const auto slots = motion->backends.find(backend->serial);
    if (slots != motion->backends.end()) backends[id].slots = &slots->second;
  }
  for (const WorkerReport& report : reports) {
    for (const auto& pool : report.pools) {
      if (pool.id >= pools.size()) continue;
      add(pools[pool.id].counters, pool.counters);
      pools[pool.id].owned_slots += pool.owned_slots;
      pools[pool.id].slots_in_sync += pool.sweep.slots_in_sync;
      for (const ReplicationFigure& figure : kReplicationFigures) {
        pools[pool.id].replication.*figure.counter += pool.replication.*figure.counter;
      }
    }
    for (const auto& backend : report.backends) {
      if (backend.id >= backends.size()) continue;
      add(backends[backend.id].counters, backend.counters);
      backends[backend.id].down = backends[backend.id].down && backend.down;
    }
  }

  Page page;
  render_process(page, usage, version);
  render_group(page, group);
  const auto per_pool = [&](std::string_view name, std::string_view type, std::string_view help,
                            auto member) {
    page.family(name, type, help);
    for (const PoolSum& pool : pools) {
      if (!pool.labels.empty()) page.sample(pool.labels, pool.counters.*member);
    }
  };
  using Pool = link::PoolCounters;
  per_pool("quorate_clients", "gauge", "Client connections.", &Pool::clients);
  per_pool("quorate_blocked_clients", "gauge", "Client connections in a blocking command.",
           &Pool::blocked);
  per_pool("quorate_clients_accepted_total", "counter", "Client connections accepted.",
           &Pool::clients_accepted);
  per_pool("quorate_clients_refused_total", "counter", "Client connections above max_clients.",
           &Pool::clients_refused);
  per_pool("quorate_clients_cut_off_total", "counter",
           "Client connections closed because too much was held for them.", &Pool::clients_cut_off);
  per_pool("quorate_commands_total", "counter", "Commands of clients.", &Pool::commands);
  per_pool("quorate_own_errors_total", "counter", "Error replies made by the proxy itself.",
           &Pool::own_errors);
  per_pool("quorate_client_received_bytes_total", "counter", "Bytes from clients.",
           &Pool::bytes_in);
  per_pool("quorate_client_sent_bytes_total", "counter", "Bytes to clients.", &Pool::bytes_out);
  page.family("quorate_ring_epoch", "gauge", "Grows with every change of the pool's ring.");
  for (size_t id = 0; id < pools.size(); ++id) {
    if (plan.pools[id] != nullptr) page.sample(pools[id].labels, plan.pools[id]->epoch);
  }

  const auto each_backend = [&backends](const std::function<void(const BackendSum&)>& visit) {
    for (const BackendSum& backend : backends) {
      if (!backend.labels.empty()) visit(backend);
    }
  };
  const auto per_backend = [&](std::string_view name, std::string_view type, std::string_view help,
                               auto member) {
    page.family(name, type, help);
    each_backend([&](const BackendSum& one) { page.sample(one.labels, one.counters.*member); });
  };
  using Backend = link::BackendCounters;
  page.family("quorate_backend_up", "gauge", "1 if the backend's commands are sent to it.");
  each_backend(
      [&](const BackendSum& one) { page.sample(one.labels, one.ejected || one.down ? 0 : 1); });
  page.family("quorate_backend_ejected", "gauge", "1 if the backend is ejected.");
  each_backend([&](const BackendSum& one) { page.sample(one.labels, one.ejected ? 1 : 0); });
  per_backend("quorate_backend_connections", "gauge", "Connections ready for requests.",
              &Backend::connected);
  per_backend("quorate_backend_in_flight", "gauge", "Requests without a reply, queued ones too.",
              &Backend::in_flight);
  per_backend("quorate_backend_requests_total", "counter", "Requests.", &Backend::requests);
  per_backend("quorate_backend_replies_total", "counter", "Requests answered in time.",
              &Backend::replies);
  page.family("quorate_backend_errors_total", "counter",
              "Requests without a reply: unavailable (not executed), timeout (reads), unknown "
              "(writes that may have been executed).");
  each_backend([&](const BackendSum& one) {
    page.sample(one.labels + ",kind=\"unavailable\"", one.counters.unavailable);
    page.sample(one.labels + ",kind=\"timeout\"", one.counters.timed_out);
    page.sample(one.labels + ",kind=\"unknown\"", one.counters.unknown);
  });
  per_backend("quorate_backend_retries_total", "counter", "Reads asked a second time.",
              &Backend::retried);
  per_backend("quorate_backend_request_bytes_total", "counter", "Bytes of requests.",
              &Backend::request_bytes);
  per_backend("quorate_backend_reply_bytes_total", "counter", "Bytes of replies.",
              &Backend::reply_bytes);
  per_backend("quorate_backend_connects_total", "counter", "Connections that became ready.",
              &Backend::connects);
  per_backend("quorate_backend_connect_failures_total", "counter",
              "Connections refused, not made in time, or refused in the handshake.",
              &Backend::connect_failures);
  per_backend("quorate_backend_connections_lost_total", "counter",
              "Connections lost after they were ready.", &Backend::connections_lost);
  page.family("quorate_backend_latency_seconds", "histogram",
              "From a command's arrival to its reply.");
  each_backend(
      [&](const BackendSum& one) { render_histogram(page, one.labels, one.counters.latency); });

  render_replication(page, pools, backends);
  page.family("quorate_worker_buffered_bytes", "gauge",
              "Held for clients that have not read, and for backends that have not answered.");
  for (const WorkerReport& report : reports) {
    page.sample(fmt::format("worker=\"{}\"", report.worker), report.buffered_bytes);
  }
  return page.take();
}

}  // namespace quorate::control
