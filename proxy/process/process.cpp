#include "proxy/process/process.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iostream>
#include <thread>

#include <nlohmann/json.hpp>

#include "proxy/admin/token.h"
#include "proxy/config/address.h"
#include "proxy/config/diff.h"
#include "proxy/config/reload.h"
#include "proxy/control/descriptors.h"
#include "proxy/control/metrics.h"
#include "proxy/control/seed.h"
#include "proxy/io/clock.h"
#include "proxy/member/group_log.h"
#include "proxy/member/observer.h"
#include "proxy/member/random.h"
#include "proxy/member/voter.h"
#include "proxy/process/pages.h"
#include "proxy/process/process_usage.h"
#include "proxy/process/ready_file.h"
#include "proxy/version.h"

namespace quorate::process {

namespace {

constexpr int kStepAttempts = 50;
constexpr uint64_t kStepPauseMs = 100;
/// What takes longer is taken over by others, as if this process had died.
constexpr uint64_t kHandOverMs = 2000;
/// Who has not heard yet that slots have other owners still sends commands for them, and is told.
constexpr uint64_t kLingerMs = 300;
constexpr base::Duration kWishWaits = std::chrono::seconds(1);
constexpr size_t kWishesAtOnce = 16;  ///< each tick
constexpr int kExitFailed = 1;
constexpr int kExitConfiguration = 3;

uint64_t random_seed() { return member::random_number(); }

std::string random_hex(size_t digits) {
  std::string text;
  while (text.size() < digits) {
    char part[17];
    std::snprintf(part, sizeof part, "%016llx", static_cast<unsigned long long>(random_seed()));
    text.append(part);
  }
  text.resize(digits);
  return text;
}

std::string os_name() {
  utsname name{};
  ::uname(&name);
  return std::string(name.sysname) + " " + name.release + " " + name.machine;
}

/// With a group, what this proxy sees is no verdict.
control::HealthRules health_rules(const config::PoolSettings& pool, bool alone) {
  // Servers that are found are not ejected: what they say of each other counts.
  const bool judges = alone && pool.discovery == config::Discovery::kNone;
  return {.eject_after = judges ? pool.eject_after : 0,
          .readmit_after = pool.readmit_after,
          .min_up = pool.min_up};
}

/// Of a backend whose pool this proxy's file does not have; no plan gives such an id.
constexpr cluster::BackendId kForeignBackend = 0x8000'0000;

bool keeps_replicas(const cluster::ClusterMap& map) {
  return std::ranges::any_of(map.pools,
                             [](const auto& entry) { return entry.second.rules.replicated(); });
}

std::string_view name_of(relay::LinkLoss loss) {
  switch (loss) {
    case relay::LinkLoss::kRefused: return "cannot connect";
    case relay::LinkLoss::kTimedOut: return "connect timed out";
    case relay::LinkLoss::kClosed: return "closed";
    case relay::LinkLoss::kStuck: return "no answer in time";
    case relay::LinkLoss::kProtocol: return "protocol broken";
    case relay::LinkLoss::kUnwanted: return "not needed any more";
  }
  return "?";
}

}  // namespace

Process::Process(RunOptions options) : options_(std::move(options)) {
  ASSERT(uv_loop_init(&loop_) == 0);
  mailbox_.open(&loop_);
  uv_timer_init(&loop_, &usage_timer_);
  uv_timer_init(&loop_, &facts_timer_);
  uv_timer_init(&loop_, &drain_timer_);
  usage_timer_.data = facts_timer_.data = drain_timer_.data = this;
}

Process::~Process() {
  workers_.clear();
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
}

int Process::run() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of that file, not the end
  const bool started = load_configuration() && bind_addresses() && bind_admin() &&
                       bind_peer_port() && start_membership() && start_workers() && say_ready();
  if (started) {
    start_signals();
    announce();
  } else {
    stop("could not start");
  }
  uv_run(&loop_, UV_RUN_DEFAULT);
  return exit_code_;
}

// --- start ---

/// Whoever typed the command looks at the terminal, wherever the log goes.
bool Process::cannot_start(std::string_view event, std::initializer_list<io::LogField> fields) {
  io::log_error(event, fields);
  if (!settings_.log.file.empty()) {
    std::cerr << "quorate: " << event;
    for (const io::LogField& field : fields) std::cerr << "; " << field.name << ": " << field.value;
    std::cerr << "\n";
  }
  exit_code_ = kExitFailed;
  return false;
}

bool Process::load_configuration() {
  auto loaded = config::load_file(options_.config_file, config::process_environment());
  const auto colour =
      ::isatty(STDERR_FILENO) != 0 ? config::Colour::kAlways : config::Colour::kNever;
  if (!loaded.ok()) {
    std::cerr << config::render(loaded.error(), colour);
    exit_code_ = kExitConfiguration;
    return false;
  }
  std::cerr << config::render(loaded.value().warnings, colour);
  settings_ = std::move(loaded).value().settings;
  if (!io::open_log(settings_.log)) {
    std::cerr << "quorate: cannot open log file " << settings_.log.file << "\n";
    exit_code_ = kExitFailed;
    return false;
  }
  worker_count_ = settings_.workers != 0 ? settings_.workers
                                         : static_cast<uint32_t>(uv_available_parallelism());
  facts_.version = kVersion;
  facts_.run_id = random_hex(40);
  facts_.os = os_name();
  facts_.process_id = ::getpid();
  facts_.workers = worker_count_;
  facts_.started = io::wall_now();
  facts_.resident_bytes = read_process_usage().resident_bytes;
  check_descriptor_limit();
  return true;
}

void Process::check_descriptor_limit() {
  const uint64_t limit = raise_descriptor_limit();
  const control::DescriptorNeed need = control::descriptors_needed(settings_, worker_count_);
  if (need.all() <= limit) return;
  io::log_warn("fewer file descriptors than max_clients and pinned_connections need",
               {{"limit", limit},
                {"needed", need.all()},
                {"of_these_pinned", need.lent},
                {"clients_possible", limit > need.others ? limit - need.others : 0},
                {"hint",
                 "raise it with ulimit -n or LimitNOFILE=, or lower max_clients or "
                 "pinned_connections"}});
}

bool Process::bind_addresses() {
  map_ = std::make_shared<const cluster::ClusterMap>();
  plan_ = builder_.build(settings_, *map_);
  for (const config::PoolSettings& pool : settings_.pools) {
    for (const config::ListenAddress& address : pool.listen) {
      auto socket = io::ListeningSocket::bind({.host = address.host,
                                               .port = address.port,
                                               .path = address.path,
                                               .mode = pool.unix_mode.bits,
                                               .text = address.text()},
                                              worker_count_);
      if (!socket.ok()) {
        return cannot_start(socket.error(), {{"pool", pool.name}});
      }
      config::ListenAddress real = address;
      if (!real.is_unix()) real.port = socket.value().port();
      cluster::PoolId id = 0;
      while (plan_->pools[id] == nullptr || plan_->pools[id]->name != pool.name) ++id;
      bound_.push_back({.pool = pool.name,
                        .text = real.text(),
                        .socket = std::move(socket).value(),
                        .id = id,
                        .backlog = static_cast<int>(pool.backlog)});
    }
  }
  return true;
}

bool Process::bind_admin() {
  if (!settings_.admin.listen) return true;
  const auto& address = *settings_.admin.listen;
  auto socket = io::ListeningSocket::bind(
      {.host = address.host, .port = address.port, .path = {}, .text = address.text()}, 1);
  if (!socket.ok()) {
    return cannot_start(socket.error(),
                        {{"hint", "two proxies on one host need two admin.listen"}});
  }
  admin_socket_.emplace(std::move(socket).value());
  std::string token;
  auto created = admin::create_token(admin_socket_->port());
  if (created.ok()) {
    token = created.value();
  } else {
    // Without it nothing can be changed through the port; all else works.
    io::log_warn("no token for the admin port", {{"why", created.error()}});
    token = random_hex(48);
  }
  admin_.emplace(&loop_, buffer_, admin::make_admin_api(*this, std::move(token)));
  const int status = admin_->listen(admin_socket_->take(0));
  if (status == 0) return true;
  return cannot_start("cannot listen", {{"address", address.text()}, {"why", uv_strerror(status)}});
}

bool Process::bind_peer_port() {
  const config::ClusterSettings& cluster = settings_.cluster;
  if (!cluster.grouped() || cluster.role == config::MemberRole::kObserver) return true;
  const config::Address& address = *cluster.listen;
  auto socket = io::ListeningSocket::bind(
      {.host = address.host, .port = address.port, .path = {}, .text = address.text()}, 1);
  if (socket.ok()) {
    peer_socket_.emplace(std::move(socket).value());
    return true;
  }
  return cannot_start(socket.error(),
                      {{"hint", "[cluster] listen: members find each other there"}});
}

std::vector<cluster::DefinePool> Process::seeds() const {
  std::vector<cluster::DefinePool> seeds;
  for (const config::PoolSettings& pool : settings_.pools) {
    if (pool.discovery != config::Discovery::kNone) continue;  // each proxy finds them for itself
    seeds.push_back(control::seed_of(pool, settings_.cluster));
  }
  return seeds;
}

bool Process::start_membership() {
  const member::Upcalls upcalls{
      .on_map =
          [this](std::shared_ptr<const cluster::ClusterMap> map) { on_agreed(std::move(map)); },
      .on_probe_order = [this](const group::ProbeOrder& order) { on_probe_order(order); },
      .on_forward = [this](
                        uint64_t way_back,
                        std::string_view bytes) { return forwarding_.on_request(way_back, bytes); },
      .on_forward_reply = [this](raft::MemberId,
                                 std::string_view bytes) { return forwarding_.on_reply(bytes); },
      .on_member_lost = [this](raft::MemberId member) { forwarding_.on_member_lost(member); },
      .on_stopped = [this](const std::string&) { tell_facts(); }};
  prober_.emplace(&loop_, buffer_, random_seed(),
                  [this](const ProbeResult& result) { on_probe(result); });
  discoverer_.emplace(&loop_, buffer_, [this](const std::string& pool) { on_found(pool); });
  discoverer_->set_pools(settings_);
  if (!settings_.cluster.data_dir.empty()) {
    last_map_.emplace(&loop_, settings_.cluster.data_dir);
    if (auto map = last_map_->read()) on_map(std::move(map));
  }
  if (!settings_.cluster.grouped()) {
    auto alone = std::make_unique<member::Alone>(member::random_nonce(), upcalls);
    alone_ = alone.get();
    membership_ = std::move(alone);
    alone_->define(seeds());
  } else if (settings_.cluster.role == config::MemberRole::kObserver) {
    membership_ = std::make_unique<member::Observer>(&loop_, buffer_, settings_.cluster, upcalls);
  } else {
    auto voter = member::Voter::open(&loop_, buffer_, mailbox_, settings_.cluster, seeds(),
                                     peer_socket_->take(0), upcalls);
    if (!voter.ok()) {
      return cannot_start("cannot take part in the cluster", {{"why", voter.error()}});
    }
    membership_ = std::move(voter).value();
  }
  forwarding_.set_membership(membership_.get());
  if (std::ranges::any_of(settings_.pools, &config::PoolSettings::replicated)) {
    admission_.emplace(&loop_, buffer_);
  }
  tell_facts();
  return true;
}

bool Process::start_workers() {
  const io::Worker::Upcalls upcalls{
      .on_link_events =
          [this](uint32_t worker, std::vector<relay::LinkEvent> events) {
            mailbox_.post(
                [this, worker, events = std::move(events)] { on_link_events(worker, events); });
          },
      .on_drained = [this](uint32_t) { mailbox_.post([this] { on_worker_drained(); }); },
      .on_handed_over = [this](uint32_t) { mailbox_.post([this] { on_handed_over(); }); },
      .on_gathering =
          [this](uint32_t worker, relay::Relay::Gathering gathering) {
            mailbox_.post([this, worker, gathering = std::move(gathering)] {
              ask_all_workers(worker, gathering);
            });
          },
      .on_forwards =
          [this](std::vector<relay::Forward> forwards) {
            forwarding_.deliver(std::move(forwards));
          },
      .on_wishes =
          [this](std::vector<relay::Relay::Wish> wishes) {
            mailbox_.post([this, wishes = std::move(wishes)] { on_wishes(wishes); });
          }};
  for (uint32_t number = 0; number < worker_count_; ++number) {
    workers_.push_back(std::make_unique<io::Worker>(number, random_seed(), facts_, upcalls));
    for (Bound& bound : bound_) {
      const int status = workers_.back()->listen(bound.socket.take(number), bound.socket.is_tcp(),
                                                 bound.id, bound.backlog, bound.text);
      if (status == 0) continue;
      return cannot_start("cannot listen", {{"address", bound.text}, {"why", uv_strerror(status)}});
    }
  }
  update_targets();
  for (auto& worker : workers_) worker->start(plan_);
  uv_timer_start(
      &usage_timer_,
      [](uv_timer_t* timer) {
        static_cast<Process*>(timer->data)
            ->facts_.resident_bytes.store(read_process_usage().resident_bytes,
                                          std::memory_order_relaxed);
      },
      1000, 1000);
  uv_timer_start(
      &facts_timer_, [](uv_timer_t* timer) { static_cast<Process*>(timer->data)->on_tick(); }, 100,
      100);
  return true;
}

void Process::start_signals() {
  signals_.resize(3);
  const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
  for (size_t i = 0; i < signals_.size(); ++i) {
    uv_signal_init(&loop_, &signals_[i]);
    signals_[i].data = this;
    uv_signal_start(
        &signals_[i],
        [](uv_signal_t* handle, int number) {
          static_cast<Process*>(handle->data)->on_signal(number);
        },
        numbers[i]);
  }
}

bool Process::say_ready() {
  if (options_.ready_file.empty()) return true;
  nlohmann::ordered_json ready;
  ready["pid"] = ::getpid();
  if (admin_socket_) ready["admin"] = admin_socket_->port();
  if (peer_socket_) ready["peer"] = peer_socket_->port();
  for (const Bound& bound : bound_) ready["pools"][bound.pool].push_back(bound.text);
  const std::string why = write_ready_file(options_.ready_file, ready.dump() + "\n");
  return why.empty() ||
         cannot_start("cannot write the ready file", {{"file", options_.ready_file}, {"why", why}});
}

void Process::announce() {
  for (const Bound& bound : bound_) {
    io::log_info("listening", {{"pool", bound.pool}, {"address", bound.text}});
  }
  io::log_info("started",
               {{"version", kVersion},
                {"workers", worker_count_},
                {"admin", admin_socket_ ? std::to_string(admin_socket_->port()) : "none"}});
}

// --- end ---

void Process::on_signal(int number) {
  if (number == SIGHUP) {
    io::open_log(settings_.log);
    const auto outcome = reload();
    if (!outcome.diagnostics.empty()) std::cerr << outcome.diagnostics;
    return;
  }
  if (phase_ != Phase::kServing) return stop("second signal");
  begin_drain();
}

uint64_t Process::connected_clients() const {
  uint64_t clients = 0;
  for (const auto& count : facts_.pool_clients) clients += count.load(std::memory_order_relaxed);
  return clients;
}

/// Slots go to another proxy before clients do, so that no command has to wait for a takeover.
void Process::begin_drain() {
  phase_ = Phase::kDraining;
  io::log_info("draining", {{"clients", connected_clients()}});
  const bool others = std::ranges::any_of(map_->sessions, [this](const auto& entry) {
    return entry.second.coordinator && entry.first != plan_->session;
  });
  if (!keeps_replicas(*map_) || !others) return drain_workers();
  for (auto& worker : workers_) worker->hand_over();
  uv_timer_start(
      &drain_timer_, [](uv_timer_t* timer) { static_cast<Process*>(timer->data)->drain_workers(); },
      kHandOverMs, 0);
}

void Process::on_handed_over() {
  if (++handed_over_ != workers_.size() || workers_drain_) return;
  uv_timer_start(
      &drain_timer_, [](uv_timer_t* timer) { static_cast<Process*>(timer->data)->drain_workers(); },
      kLingerMs, 0);
}

void Process::drain_workers() {
  if (phase_ == Phase::kStopping || std::exchange(workers_drain_, true)) return;
  for (auto& worker : workers_) worker->drain();
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(settings_.drain_timeout);
  uv_timer_start(
      &drain_timer_,
      [](uv_timer_t* timer) { static_cast<Process*>(timer->data)->stop("drain_timeout"); },
      static_cast<uint64_t>(limit.count()), 0);
}

void Process::on_worker_drained() {
  if (++drained_workers_ == workers_.size() && phase_ == Phase::kDraining) stop("drained");
}

void Process::stop(std::string_view why) {
  if (phase_ == Phase::kStopping) return;
  const bool serving = !workers_.empty();
  phase_ = Phase::kStopping;
  if (serving) io::log_info("stopping", {{"why", why}, {"clients_cut_off", connected_clients()}});
  for (auto& worker : workers_) worker->stop();
  for (auto& worker : workers_) worker->join();
  if (membership_) membership_->close();
  if (last_map_) last_map_->close();
  if (prober_) prober_->close();
  if (admission_) admission_->close();
  if (discoverer_) discoverer_->close();
  if (admin_) admin_->close();
  if (admin_socket_) admin::remove_token(admin_socket_->port());
  for (uv_signal_t& signal : signals_) uv_close(reinterpret_cast<uv_handle_t*>(&signal), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&usage_timer_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&facts_timer_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&drain_timer_), nullptr);
  mailbox_.close();
}

// --- backends ---

void Process::on_agreed(std::shared_ptr<const cluster::ClusterMap> map) {
  if (last_map_ && !last_map_->is_news(*map)) return;
  if (last_map_) last_map_->keep(map);
  on_map(std::move(map));
}

void Process::on_map(std::shared_ptr<const cluster::ClusterMap> map) {
  const auto before = std::exchange(map_, std::move(map));
  log_map_changes(*before, *map_);
  if (phase_ == Phase::kStopping) return;
  // Members come and go without the workers, and so do sessions, unless they own slots.
  const bool owners = before->sessions != map_->sessions && keeps_replicas(*map_);
  if (before->pools == map_->pools && before->backends == map_->backends && !owners) return;
  publish_plan();
  update_targets();
}

void Process::log_map_changes(const cluster::ClusterMap& before, const cluster::ClusterMap& after) {
  for (const auto& [serial, backend] : after.backends) {
    const auto old = before.backends.find(serial);
    if (old == before.backends.end()) continue;
    const cluster::Pool& pool = after.pools.at(backend.pool);
    if (!old->second.run_id.empty() && old->second.run_id != backend.run_id) {
      io::log_info("backend has restarted", {{"pool", pool.rules.name},
                                             {"backend", backend.rules.address},
                                             {"run_id", backend.run_id}});
    }
    if (old->second.state == backend.state) continue;
    const bool ejected = backend.state == cluster::BackendState::kEjected;
    const bool back = backend.state == cluster::BackendState::kUp &&
                      old->second.state == cluster::BackendState::kEjected;
    const std::string event = ejected ? "backend ejected"
                              : back  ? "backend readmitted"
                                      : std::string("backend ") + to_string(backend.state);
    if (ejected) {
      io::log_warn(
          event,
          {{"pool", pool.rules.name}, {"backend", backend.rules.address}, {"epoch", pool.epoch}});
    } else {
      io::log_info(
          event,
          {{"pool", pool.rules.name}, {"backend", backend.rules.address}, {"epoch", pool.epoch}});
    }
  }
}

void Process::update_targets() {
  const bool ordered = membership_ != nullptr && membership_->orders_probes();
  std::vector<ProbeTarget> targets;
  for (const config::PoolSettings& pool : settings_.pools) {
    for (const auto& plan : plan_->pools) {
      if (plan == nullptr || plan->name != pool.name) continue;
      std::vector<cluster::BackendId> backends;
      for (const auto& backend : plan_->backends) {
        if (backend == nullptr || backend->pool != plan->id || backend->is_nobody()) continue;
        backends.push_back(backend->id);
        targets.push_back({.backend = backend,
                           .protocol = pool.protocol,
                           .interval = ordered && pool.discovery == config::Discovery::kNone
                                           ? base::Duration::zero()
                                           : pool.probe_interval,
                           .timeout = pool.probe_timeout});
      }
      health_.set_pool(plan->id, health_rules(pool, alone_ != nullptr), backends);
    }
  }
  if (ordered) add_foreign_targets(targets);
  prober_->set_targets(targets);
}

/// A voter judges every backend, also those of pools that it does not serve. It has no password for
/// them, but an answer is an answer.
void Process::add_foreign_targets(std::vector<ProbeTarget>& targets) const {
  for (const auto& [serial, agreed] : map_->backends) {
    const cluster::Pool& pool = map_->pools.at(agreed.pool);
    if (backend_of(serial) || agreed.state == cluster::BackendState::kRemoved) continue;
    auto backend = std::make_shared<relay::BackendPlan>();
    backend->id = kForeignBackend | cluster::number(serial);
    backend->serial = serial;
    backend->label = agreed.rules.address;
    if (const auto address = config::parse_address(agreed.rules.address); address.ok()) {
      backend->host = address.value().host;
      backend->port = address.value().port;
      backend->path = address.value().path;
    }
    targets.push_back({.backend = std::move(backend),
                       .protocol = pool.rules.protocol,
                       .interval = base::Duration::zero(),
                       .timeout = base::Duration::zero()});
  }
}

std::optional<cluster::BackendId> Process::backend_of(cluster::BackendSerial serial) const {
  for (const auto& backend : plan_->backends) {
    if (backend != nullptr && backend->serial == serial) return backend->id;
  }
  return std::nullopt;
}

/// None: no plan has it any more.
cluster::BackendSerial Process::serial_of(cluster::BackendId id) const {
  if (id >= kForeignBackend) return cluster::BackendSerial{id & ~kForeignBackend};
  const bool known = id < plan_->backends.size() && plan_->backends[id] != nullptr;
  return known ? plan_->backends[id]->serial : cluster::BackendSerial{};
}

/// Of the replicated pools.
std::map<cluster::PoolSerial, cluster::PoolMotion> Process::motions() {
  std::map<cluster::PoolSerial, cluster::PoolMotion> motions;
  for (const auto& [serial, pool] : map_->pools) {
    if (pool.rules.replicated()) motions[serial] = reconfiguration_.motion_of(*map_, pool);
  }
  return motions;
}

std::string Process::label_of(cluster::BackendId id) const {
  return id < plan_->backends.size() && plan_->backends[id] != nullptr ? plan_->backends[id]->label
                                                                       : "?";
}

std::string Process::pool_of(cluster::BackendId id) const {
  if (id >= plan_->backends.size() || plan_->backends[id] == nullptr) return "?";
  return plan_->pools[plan_->backends[id]->pool]->name;
}

void Process::on_probe_order(const group::ProbeOrder& order) {
  const auto known = backend_of(order.backend);
  const cluster::BackendId id = known ? *known : kForeignBackend | cluster::number(order.backend);
  prober_->ask(id, order.probe, order.deadline - io::monotonic_now());
}

/// The process behind a backend, for the map. Of what keeps replicas, Admission says who is there.
std::string Process::run_id_for_map(const ProbeResult& result) const {
  const auto agreed = map_->backends.find(serial_of(result.backend));
  const bool admitted =
      agreed == map_->backends.end() || map_->pools.at(agreed->second.pool).rules.replicated();
  return admitted ? std::string() : result.run_id;
}

/// Without a group nobody else does it.
void Process::note_identity(const ProbeResult& result) {
  const auto agreed = map_->backends.find(serial_of(result.backend));
  if (result.run_id.empty() || agreed == map_->backends.end()) return;
  if (agreed->second.run_id == result.run_id) return;
  const cluster::NoteIdentity change{agreed->first, agreed->second.run_id, result.run_id};
  alone_->request(cluster::Change(change), [](const group::Outcome&) {});
}

void Process::on_probe(const ProbeResult& result) {
  if (result.order != 0) {
    const bool refused_only =
        result.backend >= kForeignBackend && result.failure.find("NOAUTH") != std::string::npos;
    membership_->on_probe({.probe = result.order,
                           .answered = result.answered || refused_only,
                           .latency = result.latency,
                           .run_id = run_id_for_map(result),
                           .failure = result.failure});
  }
  if (result.backend >= kForeignBackend) return;
  if (alone_ != nullptr) note_identity(result);
  const bool first = !health_.was_probed(result.backend);
  const bool answered_before = health_.answers(result.backend);
  health_.on_probe(result.backend, result.answered);
  if (!result.answered && (first || answered_before)) {
    io::log_warn("probe failed", {{"pool", pool_of(result.backend)},
                                  {"backend", label_of(result.backend)},
                                  {"why", result.failure}});
  } else if (result.answered && !first && !answered_before) {
    io::log_info("probe answered",
                 {{"pool", pool_of(result.backend)}, {"backend", label_of(result.backend)}});
  }
  apply_health();
}

void Process::on_link_events(uint32_t worker, const std::vector<relay::LinkEvent>& events) {
  if (phase_ == Phase::kStopping) return;  // the membership is closed
  for (const relay::LinkEvent& event : events) {
    const std::string label = label_of(event.upstream);
    const std::string pool = pool_of(event.upstream);
    switch (event.kind) {
      case relay::LinkEvent::Kind::kDown:
        io::log_warn(
            "backend down",
            {{"pool", pool}, {"backend", label}, {"why", name_of(event.loss)}, {"worker", worker}});
        break;
      case relay::LinkEvent::Kind::kUp:
        io::log_info("backend up", {{"pool", pool}, {"backend", label}, {"worker", worker}});
        break;
      case relay::LinkEvent::Kind::kLost:
        io::log_info(
            "connection lost",
            {{"pool", pool}, {"backend", label}, {"why", name_of(event.loss)}, {"worker", worker}});
        break;
      case relay::LinkEvent::Kind::kFailed:
      case relay::LinkEvent::Kind::kMoved: break;
    }
    const bool follows = event.upstream < plan_->backends.size() &&
                         plan_->backends[event.upstream] != nullptr &&
                         plan_->pools[plan_->backends[event.upstream]->pool]->follows_servers;
    if (follows) {
      if (event.kind != relay::LinkEvent::Kind::kUp) discoverer_->hint(pool);
      continue;
    }
    if (event.failures_in_a_row == 0 || event.upstream >= plan_->backends.size()) continue;
    if (alone_ != nullptr) {
      health_.on_traffic(event.upstream, event.failures_in_a_row);
    } else if (plan_->backends[event.upstream] != nullptr) {
      membership_->on_traffic(plan_->backends[event.upstream]->serial, event.failures_in_a_row);
    }
  }
  apply_health();
}

/// Without a group, Health's verdicts are proposed to the map, which has the last word: the floor
/// and the zones hold there.
void Process::apply_health() {
  const auto changes = health_.take_changes();
  if (alone_ == nullptr || phase_ == Phase::kStopping) return;
  for (const control::HealthChange& change : changes) {
    change.ejected ? eject(change.backend) : readmit(change.backend);
  }
  std::vector<cluster::BackendId> joined;
  for (const auto& backend : plan_->backends) {
    const bool joins = backend != nullptr && backend->state == cluster::BackendState::kJoining;
    if (joins && health_.steady(backend->id)) joined.push_back(backend->id);
  }
  for (const cluster::BackendId id : joined) readmit(id);
}

void Process::eject(cluster::BackendId id) {
  const cluster::EjectBackend change{
      plan_->backends[id]->serial, cluster::Cause::kEvidence, false, {raft::MemberId{1}}};
  alone_->request(cluster::Change(change), [this, id](const group::Outcome& outcome) {
    if (std::holds_alternative<group::Done>(outcome)) return;
    health_.forget_ejection(id);
    io::log_debug("backend not ejected",
                  {{"backend", label_of(id)}, {"why", member::text_of(outcome)}});
  });
}

void Process::readmit(cluster::BackendId id) {
  const cluster::ReadyBackend change{
      plan_->backends[id]->serial, cluster::Cause::kEvidence, {raft::MemberId{1}}};
  alone_->request(cluster::Change(change), [](const group::Outcome&) {});
}

void Process::on_found(const std::string& name) {
  if (phase_ == Phase::kStopping) return;
  std::string text;
  for (const control::FoundPrimary& primary : discoverer_->found(name)->primaries) {
    text += (text.empty() ? "" : " ") + primary.address.text();
    for (const control::ServerAddress& replica : primary.replicas) text += "<" + replica.text();
  }
  io::log_info("servers found", {{"pool", name}, {"servers", text}});
  publish_plan();
  update_targets();
}

void Process::publish_plan() {
  const auto session = membership_ != nullptr ? membership_->session() : cluster::SessionId{};
  plan_ = builder_.build(settings_, *map_, discoverer_->all_found(), session);
  for (auto& worker : workers_) worker->adopt(plan_);
}

/// What coordinators want of the group waits a little: most of it follows from the end of a session
/// anyway, which is one change.
void Process::on_wishes(const std::vector<relay::Relay::Wish>& wishes) {
  using Kind = replicate::Output::Wish::Kind;
  for (const relay::Relay::Wish& one : wishes) {
    if (one.wish.kind == Kind::kGiveAway) {
      gives_away_ = true;
    } else if (one.wish.kind == Kind::kEndMove) {
      mover_.end_move(one.pool, one.wish.slot, one.wish.configuration);
    } else {
      wishes_[{one.pool, one.wish.slot}] = {one.wish, io::monotonic_now()};
    }
  }
}

void Process::grant_wishes() {
  using Kind = replicate::Output::Wish::Kind;
  if (std::exchange(gives_away_, false)) {
    membership_->request(
        cluster::Change(cluster::EndSession{plan_->session, cluster::SessionEnd::kLeft}),
        [](const group::Outcome&) {});
  }
  const base::Instant now = io::monotonic_now();
  size_t granted = 0;
  for (auto it = wishes_.begin(); it != wishes_.end() && granted < kWishesAtOnce;) {
    const auto& [where, wish] = *it;
    if (now - wish.since < kWishWaits) {
      ++it;
      continue;
    }
    const auto pool = map_->pools.find(where.first);
    const bool raise = wish.wish.kind == Kind::kRaiseConfiguration;
    const bool is_so =
        pool == map_->pools.end() || !pool->second.rules.replicated() ||
        (!raise && cluster::run_of(pool->second, where.second).owner == wish.wish.owner);
    if (!is_so) {
      cluster::Change change = cluster::SetSlotOwner{where.first, where.second, 1, wish.wish.owner};
      if (raise) change = cluster::RaiseSlotConfiguration{where.first, where.second, 1};
      membership_->request(std::move(change), [](const group::Outcome&) {});
      ++granted;
    }
    it = wishes_.erase(it);
  }
}

void Process::on_tick() {
  tell_facts();
  if (phase_ != Phase::kStopping) grant_wishes();
  if (admission_ && phase_ == Phase::kServing) {
    const base::Instant now = io::monotonic_now();
    admission_->on_tick(*membership_, plan_, now);
    const auto answers = [this](cluster::BackendSerial serial) {
      const auto id = backend_of(serial);
      return !id || health_.answers(*id);
    };
    mover_.on_tick(*membership_, settings_.cluster.moving_slots, answers, now);
  }
}

/// What is served counts, also before the membership has come so far again.
member::Standing Process::standing() const {
  member::Standing standing = membership_->standing();
  standing.applied = std::max(standing.applied, map_->index);
  return standing;
}

void Process::tell_facts() {
  if (membership_ == nullptr) return;
  const member::Standing now = standing();
  const relay::GroupFacts facts{.role = now.role,
                                .member = now.member,
                                .cluster = now.cluster,
                                .leader = now.leader,
                                .term = now.term,
                                .applied = now.applied,
                                .behind = now.behind.value_or(0),
                                .in_touch = now.in_touch};
  if (facts != *facts_.group.load()) {
    facts_.group.store(std::make_shared<const relay::GroupFacts>(facts));
  }
}

// --- what the admin port asks ---

admin::Readiness Process::readiness() {
  admin::Readiness result{.ready = phase_ == Phase::kServing, .lines = {}};
  if (!result.ready) result.lines.emplace_back("[-]draining");
  bool in_touch = true;
  if (alone_ == nullptr) {
    const bool known = static_cast<bool>(map_->cluster);
    result.ready = result.ready && known;
    in_touch = standing().in_touch;
    result.lines.push_back(cluster_line(standing(), known));
  }
  const auto all_motions = motions();
  for (const auto& pool : plan_->pools) {
    if (pool == nullptr) continue;
    size_t count = 0;
    size_t tried = 0;
    size_t answering = 0;
    for (const auto& backend : plan_->backends) {
      if (backend == nullptr || backend->pool != pool->id || backend->is_nobody()) continue;
      ++count;
      tried += health_.was_probed(backend->id) ? 1 : 0;
      answering += health_.answers(backend->id) ? 1 : 0;
    }
    if (pool->follows_servers && discoverer_->found(pool->name) == nullptr) {
      result.ready = false;
      result.lines.push_back("[-]pool " + pool->name + ": its servers are not found yet");
      continue;
    }
    if (!pool->follows_servers && map_->find_pool(pool->name) == nullptr) {
      result.ready = false;
      result.lines.push_back("[-]pool " + pool->name +
                             (in_touch ? ": the cluster does not know it yet"
                                       : ": not served before the cluster is in reach"));
      continue;
    }
    const bool ready = tried == count;
    result.ready = result.ready && ready;
    result.lines.push_back((ready ? "[+]pool " : "[-]pool ") + pool->name + ": " +
                           std::to_string(answering) + " of " + std::to_string(count) +
                           " backends answer");
    const auto motion = all_motions.find(map_->find_pool(pool->name)->serial);
    if (motion == all_motions.end()) continue;
    // Nothing at all is served before the first backends are admitted; what is lost later, this
    // proxy cannot help.
    const bool serves = motion->second.unserved < cluster::kSlots;
    result.ready = result.ready && serves;
    result.lines.push_back(slots_line(pool->name, motion->second));
  }
  return result;
}

void Process::gather(std::function<void(std::vector<control::WorkerReport>)> answer) {
  struct Gathering {
    std::vector<control::WorkerReport> reports;
    std::function<void(std::vector<control::WorkerReport>)> answer;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->answer = std::move(answer);
  for (auto& worker : workers_) {
    worker->report([this, gathering](control::WorkerReport report) {
      mailbox_.post([this, gathering, report = std::move(report)]() mutable {
        gathering->reports.push_back(std::move(report));
        if (gathering->reports.size() == workers_.size()) {
          gathering->answer(std::move(gathering->reports));
        }
      });
    });
  }
}

void Process::ask_all_workers(uint32_t asker, const relay::Relay::Gathering& gathering) {
  auto answers = std::make_shared<std::vector<session::ClientAnswer>>();
  for (auto& worker : workers_) {
    worker->answer(gathering.question,
                   [this, asker, gathering, answers](session::ClientAnswer answer) {
                     mailbox_.post([this, asker, gathering, answers, answer = std::move(answer)] {
                       answers->push_back(answer);
                       if (answers->size() < workers_.size()) return;
                       workers_[asker]->gathered(gathering, std::move(*answers));
                     });
                   });
  }
}

void Process::metrics(std::function<void(std::string)> answer) {
  gather([this, answer = std::move(answer)](const std::vector<control::WorkerReport>& reports) {
    control::ProcessUsage usage = read_process_usage();
    usage.start_time_seconds = static_cast<double>(facts_.started.count()) / 1e6;
    const member::Standing now = standing();
    const control::GroupReport group{.role = now.role,
                                     .leads = now.leads,
                                     .in_touch = now.in_touch,
                                     .stopped = !now.stopped.empty(),
                                     .term = now.term,
                                     .applied = now.applied,
                                     .behind = now.behind.value_or(0),
                                     .epoch = map_->epoch};
    answer(control::render_metrics(*plan_, reports, group, motions(), usage, kVersion));
  });
}

void Process::status(std::function<void(std::string)> answer) {
  gather([this, answer = std::move(answer)](const std::vector<control::WorkerReport>& reports) {
    StatusPage page{.facts = facts_,
                    .phase = phase_ == Phase::kServing ? "serving" : "draining",
                    .plan = *plan_,
                    .map = *map_,
                    .standing = standing(),
                    .health = health_,
                    .reports = reports,
                    .motions = motions(),
                    .objections = {},
                    .listen = {},
                    .differences = {}};
    for (const auto& [serial, backend] : map_->backends) {
      if (admission_) page.objections[serial] = admission_->objection_to(serial);
    }
    for (const Bound& bound : bound_) page.listen[bound.id].push_back(bound.text);
    if (alone_ == nullptr && map_->cluster) {
      page.differences = control::differences(settings_, *map_);
    }
    answer(page.json());
  });
}

void Process::members(std::function<void(std::string)> answer) {
  membership_->list_members([answer = std::move(answer)](const member::MemberTable& table) {
    answer(member::encode_table(table) + "\n");
  });
}

std::string Process::ring() { return ring_json(*map_); }

void Process::change(const std::string& body, std::function<void(int, std::string)> answer) {
  if (alone_ != nullptr && needs_cluster(body)) {
    return answer(409, outcome_json({}, "invalid",
                                    "this proxy is in no cluster: its file says what its pools "
                                    "are, and quorate reload reads it again"));
  }
  auto parsed = parse_operator_command(body, *map_);
  if (!parsed.ok()) return answer(409, outcome_json({}, "invalid", parsed.error()));
  OperatorCommand& command = parsed.value();
  if (command.dry_run) return answer(200, outcome_json(command, "planned", {}));
  // What was asked is under way already.
  if (command.steps.empty()) return answer(200, outcome_json(command, "done", {}));
  carry_out({.command = std::move(command), .next = 0, .attempts = 0, .answer = std::move(answer)});
}

/// The steps of a command, one after the other. A step that the one before has made possible may be
/// refused for a moment yet (a member that leaves is in the group until all have heard of it).
void Process::carry_out(Steps steps) {
  if (phase_ == Phase::kStopping) return;
  const group::Request request = steps.command.steps[steps.next];
  membership_->request(request, [this, steps = std::move(steps)](const group::Outcome& outcome) {
    Steps after = steps;
    if (std::holds_alternative<group::Done>(outcome)) {
      after.attempts = 0;
      if (++after.next < after.command.steps.size()) return carry_out(std::move(after));
    } else if (std::holds_alternative<group::Refused>(outcome) && after.next > 0 &&
               ++after.attempts < kStepAttempts) {
      return later(kStepPauseMs, [this, after = std::move(after)] { carry_out(after); });
    }
    io::log_info("operator's change",
                 {{"what", after.command.text}, {"outcome", member::text_of(outcome)}});
    const auto [status, text] = page_of(after.command, outcome);
    after.answer(status, text);
  });
}

void Process::later(uint64_t milliseconds, std::function<void()> what) {
  struct Timer {
    uv_timer_t handle{};
    std::function<void()> what;
  };
  auto* timer = new Timer{.handle = {}, .what = std::move(what)};
  uv_timer_init(&loop_, &timer->handle);
  timer->handle.data = timer;
  uv_timer_start(
      &timer->handle,
      [](uv_timer_t* handle) {
        static_cast<Timer*>(handle->data)->what();
        uv_close(reinterpret_cast<uv_handle_t*>(handle),
                 [](uv_handle_t* closed) { delete static_cast<Timer*>(closed->data); });
      },
      milliseconds, 0);
}

admin::ReloadOutcome Process::reload() {
  admin::ReloadOutcome outcome;
  auto loaded = config::load_file(options_.config_file, config::process_environment());
  if (!loaded.ok()) {
    outcome.diagnostics = config::render(loaded.error(), config::Colour::kNever);
    io::log_error("reload refused, the old configuration stays",
                  {{"file", options_.config_file}, {"errors", loaded.error().size()}});
    return outcome;
  }
  outcome.ok = true;
  outcome.diagnostics = config::render(loaded.value().warnings, config::Colour::kNever);
  const config::Settings& wanted = loaded.value().settings;
  for (const config::Change& change : config::diff(settings_, wanted)) {
    outcome.changes.push_back(config::render(change));
    io::log_info("reload", {{"change", config::render(change)}});
  }
  const config::LogSettings old_log = settings_.log;
  settings_ = config::live_settings(settings_, wanted);
  if (!(settings_.log == old_log) && !io::open_log(settings_.log)) {
    io::log_error("cannot open log file", {{"file", settings_.log.file}});
    settings_.log = old_log;
  }
  discoverer_->set_pools(settings_);
  if (alone_ != nullptr) {
    alone_->define(seeds());
  } else if (map_->cluster) {
    for (const std::string& difference : control::differences(settings_, *map_)) {
      outcome.diagnostics += "warning: " + difference + "\n";
    }
  }
  publish_plan();
  update_targets();
  // A pool that began anew has everybody up; a backend that is not judged any more is not ejected.
  for (const cluster::BackendId id : std::set(health_.ejected())) eject(id);
  apply_health();
  io::log_info("reloaded", {{"changes", outcome.changes.size()}});
  return outcome;
}

}  // namespace quorate::process
