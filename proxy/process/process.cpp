#include "proxy/process/process.h"

#include <openssl/rand.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <iostream>
#include <thread>

#include <nlohmann/json.hpp>

#include "proxy/admin/token.h"
#include "proxy/config/diff.h"
#include "proxy/config/reload.h"
#include "proxy/control/metrics.h"
#include "proxy/io/clock.h"
#include "proxy/io/log.h"
#include "proxy/process/process_usage.h"
#include "proxy/version.h"

namespace quorate::process {

namespace {

constexpr int kExitFailed = 1;
constexpr int kExitConfiguration = 3;

uint64_t random_seed() {
  uint64_t seed = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&seed), sizeof seed);
  return seed;
}

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

control::HealthRules health_rules(const config::PoolSettings& pool) {
  return {
      .eject_after = pool.eject_after, .readmit_after = pool.readmit_after, .min_up = pool.min_up};
}

std::string_view name_of(relay::LinkLoss loss) {
  switch (loss) {
    case relay::LinkLoss::kRefused: return "refused";
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
  uv_timer_init(&loop_, &drain_timer_);
  usage_timer_.data = drain_timer_.data = this;
}

Process::~Process() {
  workers_.clear();
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
}

int Process::run() {
  std::signal(SIGPIPE, SIG_IGN);
  const bool started = load_configuration() && bind_addresses() && bind_admin() && start_workers();
  if (started) {
    start_signals();
    write_ready_file();
    announce();
  } else {
    stop("could not start");
  }
  uv_run(&loop_, UV_RUN_DEFAULT);
  return exit_code_;
}

// --- start ---

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
  uint64_t clients = 0;
  uint64_t others = 64 + limits::kAdminConnections;
  for (const config::PoolSettings& pool : settings_.pools) {
    clients += pool.max_clients;
    // Both RESP versions, or text and binary; and the probe.
    others += pool.backends.size() *
              (2ull * worker_count_ * (pool.connections + pool.side_connections) + 1);
    others += pool.listen.size() * worker_count_;
  }
  if (clients + others <= limit) return;
  io::log_warn("fewer file descriptors than max_clients needs",
               {{"limit", limit},
                {"needed", clients + others},
                {"clients_possible", limit > others ? limit - others : 0},
                {"hint", "raise it with ulimit -n or LimitNOFILE=, or lower max_clients"}});
}

bool Process::bind_addresses() {
  plan_ = builder_.build(settings_, {});
  for (const config::PoolSettings& pool : settings_.pools) {
    for (const config::ListenAddress& address : pool.listen) {
      auto socket = io::ListeningSocket::bind({.host = address.host,
                                               .port = address.port,
                                               .path = address.path,
                                               .mode = pool.unix_mode.bits,
                                               .text = address.text()},
                                              worker_count_);
      if (!socket.ok()) {
        io::log_error(socket.error(), {{"pool", pool.name}});
        exit_code_ = kExitFailed;
        return false;
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
    io::log_error(socket.error(), {{"hint", "two proxies on one host need two admin.listen"}});
    exit_code_ = kExitFailed;
    return false;
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
  io::log_error("cannot listen", {{"address", address.text()}, {"why", uv_strerror(status)}});
  exit_code_ = kExitFailed;
  return false;
}

bool Process::start_workers() {
  const io::Worker::Upcalls upcalls{
      .on_link_events =
          [this](uint32_t worker, std::vector<relay::LinkEvent> events) {
            mailbox_.post(
                [this, worker, events = std::move(events)] { on_link_events(worker, events); });
          },
      .on_drained = [this](uint32_t) { mailbox_.post([this] { on_worker_drained(); }); },
      .on_gathering =
          [this](uint32_t worker, relay::Relay::Gathering gathering) {
            mailbox_.post([this, worker, gathering = std::move(gathering)] {
              ask_all_workers(worker, gathering);
            });
          }};
  for (uint32_t number = 0; number < worker_count_; ++number) {
    workers_.push_back(std::make_unique<io::Worker>(number, random_seed(), facts_, upcalls));
    for (Bound& bound : bound_) {
      const int status = workers_.back()->listen(bound.socket.take(number), bound.socket.is_tcp(),
                                                 bound.id, bound.backlog, bound.text);
      if (status == 0) continue;
      io::log_error("cannot listen", {{"address", bound.text}, {"why", uv_strerror(status)}});
      exit_code_ = kExitFailed;
      return false;
    }
  }
  prober_.emplace(&loop_, buffer_, random_seed(),
                  [this](const ProbeResult& result) { on_probe(result); });
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

void Process::write_ready_file() {
  if (options_.ready_file.empty()) return;
  nlohmann::ordered_json ready;
  ready["pid"] = ::getpid();
  if (admin_socket_) ready["admin"] = admin_socket_->port();
  for (const Bound& bound : bound_) ready["pools"][bound.pool].push_back(bound.text);
  // Renamed into place: whoever waits for the file never reads half of it.
  const std::string temporary = options_.ready_file + ".new";
  std::ofstream(temporary) << ready.dump() << "\n";
  std::rename(temporary.c_str(), options_.ready_file.c_str());
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

void Process::begin_drain() {
  phase_ = Phase::kDraining;
  io::log_info("draining", {{"clients", connected_clients()}});
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
  if (prober_) prober_->close();
  if (admin_) admin_->close();
  if (admin_socket_) admin::remove_token(admin_socket_->port());
  for (uv_signal_t& signal : signals_) uv_close(reinterpret_cast<uv_handle_t*>(&signal), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&usage_timer_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&drain_timer_), nullptr);
  mailbox_.close();
}

// --- backends ---

void Process::update_targets() {
  std::vector<ProbeTarget> targets;
  for (const config::PoolSettings& pool : settings_.pools) {
    for (const auto& plan : plan_->pools) {
      if (plan == nullptr || plan->name != pool.name) continue;
      health_.set_pool(plan->id, health_rules(pool), plan->members);
      for (const cluster::BackendId id : plan->members) {
        targets.push_back({.backend = plan_->backends[id],
                           .protocol = pool.protocol,
                           .interval = pool.probe_interval,
                           .timeout = pool.probe_timeout});
      }
    }
  }
  prober_->set_targets(targets);
}

std::string Process::label_of(cluster::BackendId id) const {
  return id < plan_->backends.size() && plan_->backends[id] != nullptr ? plan_->backends[id]->label
                                                                       : "?";
}

std::string Process::pool_of(cluster::BackendId id) const {
  if (id >= plan_->backends.size() || plan_->backends[id] == nullptr) return "?";
  return plan_->pools[plan_->backends[id]->pool]->name;
}

void Process::on_probe(const ProbeResult& result) {
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
      case relay::LinkEvent::Kind::kFailed: break;
    }
    if (event.failures_in_a_row > 0) {
      health_.on_traffic(event.upstream, event.failures_in_a_row);
    }
  }
  apply_health();
}

void Process::apply_health() {
  const auto changes = health_.take_changes();
  if (changes.empty() || phase_ == Phase::kStopping) return;
  for (const control::HealthChange& change : changes) {
    if (change.ejected) {
      io::log_warn("backend ejected", {{"pool", pool_of(change.backend)},
                                       {"backend", label_of(change.backend)},
                                       {"failures", change.failures}});
    } else {
      io::log_info("backend readmitted",
                   {{"pool", pool_of(change.backend)}, {"backend", label_of(change.backend)}});
    }
  }
  publish_plan();
}

void Process::publish_plan() {
  plan_ = builder_.build(settings_, health_.ejected());
  for (auto& worker : workers_) worker->adopt(plan_);
}

// --- what the admin port asks ---

admin::Readiness Process::readiness() {
  admin::Readiness result{.ready = phase_ == Phase::kServing, .lines = {}};
  if (!result.ready) result.lines.emplace_back("[-]draining");
  for (const auto& pool : plan_->pools) {
    if (pool == nullptr) continue;
    size_t tried = 0;
    size_t answering = 0;
    for (const cluster::BackendId id : pool->members) {
      tried += health_.was_probed(id) ? 1 : 0;
      answering += health_.answers(id) ? 1 : 0;
    }
    const bool ready = tried == pool->members.size();
    result.ready = result.ready && ready;
    result.lines.push_back((ready ? "[+]pool " : "[-]pool ") + pool->name + ": " +
                           std::to_string(answering) + " of " +
                           std::to_string(pool->members.size()) + " backends answer");
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
    answer(control::render_metrics(*plan_, reports, usage, kVersion));
  });
}

void Process::status(std::function<void(std::string)> answer) {
  gather([this, answer = std::move(answer)](const std::vector<control::WorkerReport>& reports) {
    nlohmann::ordered_json body;
    body["version"] = kVersion;
    body["pid"] = facts_.process_id;
    body["workers"] = worker_count_;
    body["uptime_seconds"] = (io::wall_now() - facts_.started).count() / 1'000'000;
    body["phase"] = phase_ == Phase::kServing ? "serving" : "draining";
    body["pools"] = nlohmann::ordered_json::array();
    for (const auto& pool : plan_->pools) {
      if (pool == nullptr) continue;
      nlohmann::ordered_json entry;
      entry["name"] = pool->name;
      entry["protocol"] = pool->protocol == cluster::Protocol::kRedis ? "redis" : "memcached";
      entry["epoch"] = pool->epoch;
      for (const Bound& bound : bound_) {
        if (bound.id == pool->id) entry["listen"].push_back(bound.text);
      }
      uint64_t clients = 0;
      for (const auto& report : reports) {
        for (const auto& one : report.pools) {
          if (one.id == pool->id) clients += one.counters.clients;
        }
      }
      entry["clients"] = clients;
      for (const cluster::BackendId id : pool->members) {
        nlohmann::ordered_json backend;
        backend["address"] = plan_->backends[id]->label;
        const bool ejected = plan_->backends[id]->state == cluster::BackendState::kEjected;
        backend["state"] = ejected                   ? "ejected"
                           : !health_.was_probed(id) ? "unknown"
                           : health_.answers(id)     ? "up"
                                                     : "failing";
        uint64_t connections = 0;
        uint64_t requests = 0;
        for (const auto& report : reports) {
          for (const auto& one : report.backends) {
            if (one.id != id) continue;
            connections += one.counters.connected;
            requests += one.counters.requests;
            if (!one.server_version.empty()) backend["version"] = one.server_version;
            if (!one.last_refusal.empty()) backend["last_refusal"] = one.last_refusal;
          }
        }
        backend["connections"] = connections;
        backend["requests"] = requests;
        entry["backends"].push_back(std::move(backend));
      }
      body["pools"].push_back(std::move(entry));
    }
    answer(body.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  });
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
  publish_plan();
  update_targets();
  publish_plan();  // a backend that is not judged any more is not ejected any more
  io::log_info("reloaded", {{"changes", outcome.changes.size()}});
  return outcome;
}

}  // namespace quorate::process
