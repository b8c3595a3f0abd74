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
#include "proxy/control/descriptors.h"
#include "proxy/control/seed.h"
#include "proxy/io/clock.h"
#include "proxy/member/observer.h"
#include "proxy/member/random.h"
#include "proxy/member/voter.h"
#include "proxy/process/process_usage.h"
#include "proxy/process/ready_file.h"
#include "proxy/version.h"

namespace quorate::process {

namespace {

/// What takes longer is taken over by others, as if this process had died.
constexpr uint64_t kHandOverMs = 2000;
/// Who has not heard yet that slots have other owners still sends commands for them, and is told.
constexpr uint64_t kLingerMs = 300;
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

}  // namespace quorate::process
