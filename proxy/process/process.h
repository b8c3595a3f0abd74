// Process: `quorate run`. The control thread: it starts the workers, takes part in the group,
// probes the backends, makes the plan from what was agreed on, serves the admin port, and listens
// to signals.
//
//   process.cpp           its start and its end
//   process_backends.cpp  the map, the plan, the backends
//   process_admin.cpp     what the admin port asks
//
//   SIGTERM, SIGINT   drain: stop accepting, finish what was accepted, exit 0; again: at once
//   SIGHUP            read the configuration again, all or nothing; open the log file again
#pragma once

#include <uv.h>

#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/admin/admin_api.h"
#include "proxy/admin/http_server.h"
#include "proxy/config/load.h"
#include "proxy/control/health.h"
#include "proxy/control/plan_builder.h"
#include "proxy/io/log.h"
#include "proxy/io/worker.h"
#include "proxy/member/alone.h"
#include "proxy/member/last_map.h"
#include "proxy/member/membership.h"
#include "proxy/process/admission.h"
#include "proxy/process/discoverer.h"
#include "proxy/process/forwarding.h"
#include "proxy/process/mover.h"
#include "proxy/process/operator_command.h"
#include "proxy/process/prober.h"

namespace quorate::process {

struct RunOptions {
  std::string config_file;
  std::string ready_file;  ///< written, with the addresses, once clients are accepted; may be empty
};

class Process final : private admin::Operations {
 public:
  explicit Process(RunOptions options);
  ~Process() override;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Serves until told to stop. Returns the exit code.
  int run();

 private:
  struct Bound {
    std::string pool;
    std::string text;  // where it really listens
    io::ListeningSocket socket;
    cluster::PoolId id;
    int backlog;
  };
  /// A command of an operator, under way.
  struct Steps {
    OperatorCommand command;
    size_t next = 0;
    int attempts = 0;  ///< of this step
    std::function<void(int, std::string)> answer;
  };
  enum class Phase : uint8_t { kServing, kDraining, kStopping };

  bool load_configuration();
  bool bind_addresses();
  bool bind_admin();
  bool bind_peer_port();
  bool start_membership();
  bool start_workers();
  void start_signals();
  void check_descriptor_limit();
  bool say_ready();
  bool cannot_start(std::string_view event, std::initializer_list<io::LogField> fields);
  void announce();

  void on_signal(int number);
  void begin_drain();
  void on_handed_over();
  void drain_workers();
  void stop(std::string_view why);
  void on_worker_drained();
  uint64_t connected_clients() const;
  void on_agreed(std::shared_ptr<const cluster::ClusterMap> map);
  void on_map(std::shared_ptr<const cluster::ClusterMap> map);
  void log_map_changes(const cluster::ClusterMap& before, const cluster::ClusterMap& after);
  void on_probe_order(const group::ProbeOrder& order);
  void on_probe(const ProbeResult& result);
  std::string run_id_for_map(const ProbeResult& result) const;
  void note_identity(const ProbeResult& result);
  void on_found(const std::string& pool);
  void on_link_events(uint32_t worker, const std::vector<relay::LinkEvent>& events);
  void apply_health();
  void eject(cluster::BackendId id);
  void readmit(cluster::BackendId id);
  void on_wishes(const std::vector<relay::Relay::Wish>& wishes);
  void grant_wishes();
  void on_tick();
  void tell_facts();
  std::vector<cluster::DefinePool> seeds() const;
  void carry_out(Steps steps);
  void later(uint64_t milliseconds, std::function<void()> what);
  void publish_plan();
  void update_targets();
  void add_foreign_targets(std::vector<ProbeTarget>& targets) const;
  std::optional<cluster::BackendId> backend_of(cluster::BackendSerial serial) const;
  cluster::BackendSerial serial_of(cluster::BackendId id) const;
  void ask_all_workers(uint32_t asker, const relay::Relay::Gathering& gathering);
  void gather(std::function<void(std::vector<control::WorkerReport>)> answer);
  std::map<cluster::PoolSerial, cluster::PoolMotion> motions();
  std::string label_of(cluster::BackendId id) const;
  std::string pool_of(cluster::BackendId id) const;
  member::Standing standing() const;
  static bool keeps_replicas(const cluster::ClusterMap& map);

  admin::Readiness readiness() override;
  void metrics(std::function<void(std::string)> answer) override;
  void status(std::function<void(std::string)> answer) override;
  void members(std::function<void(std::string)> answer) override;
  std::string ring() override;
  void change(const std::string& body, std::function<void(int, std::string)> answer) override;
  admin::ReloadOutcome reload() override;

  const RunOptions options_;
  config::Settings settings_;
  relay::ProcessFacts facts_;
  control::PlanBuilder builder_;
  control::Health health_;
  std::shared_ptr<const relay::ServingPlan> plan_;
  std::shared_ptr<const cluster::ClusterMap> map_;
  std::unique_ptr<member::Membership> membership_;
  member::Alone* alone_ = nullptr;           ///< membership_, if it is one without a cluster
  std::optional<member::LastMap> last_map_;  ///< if there is a data directory
  uint32_t worker_count_ = 1;

  uv_loop_t loop_{};
  io::Mailbox mailbox_;
  io::ReadBuffer buffer_;
  std::vector<uv_signal_t> signals_;
  uv_timer_t usage_timer_{};
  uv_timer_t facts_timer_{};
  uv_timer_t drain_timer_{};
  std::optional<Prober> prober_;
  std::optional<Admission> admission_;  ///< if a pool keeps replicas
  Mover mover_;
  cluster::Reconfiguration reconfiguration_;  ///< for what the pages say
  std::optional<Discoverer> discoverer_;
  std::optional<admin::HttpServer> admin_;
  std::optional<io::ListeningSocket> admin_socket_;
  std::optional<io::ListeningSocket> peer_socket_;
  std::vector<Bound> bound_;
  struct Wish {
    replicate::Output::Wish wish;
    base::Instant since{};
  };
  std::map<std::pair<cluster::PoolSerial, uint16_t>, Wish> wishes_;  ///< of slots
  bool gives_away_ = false;
  std::vector<std::unique_ptr<io::Worker>> workers_;
  Forwarding forwarding_{workers_, mailbox_};
  uint32_t drained_workers_ = 0;
  uint32_t handed_over_ = 0;
  bool workers_drain_ = false;
  Phase phase_ = Phase::kServing;
  int exit_code_ = 0;
};

}  // namespace quorate::process
