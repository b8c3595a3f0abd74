#include "proxy/process/discoverer.h"

#include <algorithm>
#include <cstring>

#include "backends/link/link.h"
#include "backends/redis/handshake.h"
#include "backends/wire/resp_write.h"
#include "proxy/io/clock.h"
#include "proxy/io/log.h"

namespace quorate::process {

namespace {

constexpr size_t kQuestions = 2;

std::vector<control::ServerAddress> seeds_of(const config::PoolSettings& pool) {
  std::vector<control::ServerAddress> seeds;
  for (const config::BackendSettings& backend : pool.backends) {
    seeds.push_back({backend.address.host, backend.address.port});
  }
  return seeds;
}

}  // namespace

struct Discoverer::Pool {
  Discoverer* owner;
  config::PoolSettings settings;
  control::Discovery discovery;
  std::map<control::ServerAddress, Asker*> askers;
  uv_timer_t* timer = new uv_timer_t{};  // freed when it is closed
  std::string told;                      // the problem that the log knows

  Pool(Discoverer& discoverer, const config::PoolSettings& from)
      : owner(&discoverer),
        settings(from),
        discovery({.seeds = seeds_of(from),
                   .asks_found = from.discovery == config::Discovery::kCluster,
                   .interval = from.discovery_interval}) {
    uv_timer_init(owner->loop_, timer);
    timer->data = this;
  }
  bool is_cluster() const { return settings.discovery == config::Discovery::kCluster; }
};

// One server's connection. Freed when its timer is closed.
struct Discoverer::Asker {
  uint64_t number;
  Pool* pool;
  control::ServerAddress address;
  link::Link link{0, link::Flavor::kResp2, link::LinkKind::kMain};  // handshake and framing
  io::Stream* stream = nullptr;
  uv_timer_t timer{};
  uint64_t round = 0;
  bool in_round = false;
  std::vector<std::string> replies;
  std::string partial;
};

Discoverer::Discoverer(uv_loop_t* loop, io::ReadBuffer& buffer, OnFound on_found)
    : loop_(loop), dialer_(loop, *this, buffer), on_found_(std::move(on_found)) {}

Discoverer::~Discoverer() { ASSERT(askers_.empty()); }

void Discoverer::set_pools(const config::Settings& settings) {
  for (const config::PoolSettings& from : settings.pools) {
    if (from.discovery == config::Discovery::kNone) continue;
    auto& pool = pools_[from.name];
    if (pool == nullptr) {
      pool = std::make_unique<Pool>(*this, from);
      schedule(*pool);
      continue;
    }
    pool->settings = from;
    pool->discovery.set_interval(from.discovery_interval);
  }
}

void Discoverer::hint(const std::string& name) {
  const auto pool = pools_.find(name);
  if (pool == pools_.end()) return;
  pool->second->discovery.hint(io::monotonic_now());
  schedule(*pool->second);
}

const control::FoundServers* Discoverer::found(const std::string& name) const {
  const auto pool = pools_.find(name);
  if (pool == pools_.end() || !pool->second->discovery.found()) return nullptr;
  return &*pool->second->discovery.found();
}

std::map<std::string, control::FoundServers> Discoverer::all_found() const {
  std::map<std::string, control::FoundServers> all;
  for (const auto& [name, pool] : pools_) {
    if (const auto* one = found(name)) all.emplace(name, *one);
  }
  return all;
}

void Discoverer::schedule(Pool& pool) {
  const base::Instant due = pool.discovery.next_round();
  if (due == base::kNever) return;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(due - io::monotonic_now()).count();
  uv_update_time(loop_);
  uv_timer_start(
      pool.timer,
      [](uv_timer_t* timer) {
        auto& one = *static_cast<Pool*>(timer->data);
        one.owner->begin_round(one);
      },
      static_cast<uint64_t>(std::max<int64_t>(wait, 0)), 0);
}

void Discoverer::begin_round(Pool& pool) {
  if (pool.discovery.next_round() == base::kNever) return;  // one is under way
  const auto asked = pool.discovery.begin_round(io::monotonic_now());
  forget_unasked(pool, asked);
  for (const control::ServerAddress& address : asked) ask(pool, address);
}

void Discoverer::forget_unasked(Pool& pool, const std::vector<control::ServerAddress>& asked) {
  std::erase_if(pool.askers, [&](const auto& one) {
    if (std::ranges::find(asked, one.first) != asked.end()) return false;
    drop(*one.second);
    free_asker(one.second);
    return true;
  });
}

void Discoverer::free_asker(Asker* asker) {
  asker->pool->owner->askers_.erase(asker->number);
  uv_close(reinterpret_cast<uv_handle_t*>(&asker->timer),
           [](uv_handle_t* handle) { delete static_cast<Asker*>(handle->data); });
}

void Discoverer::ask(Pool& pool, const control::ServerAddress& address) {
  Asker*& place = pool.askers[address];
  if (place == nullptr) {
    place = new Asker{.number = ++next_asker_, .pool = &pool, .address = address};
    uv_timer_init(loop_, &place->timer);
    place->timer.data = place;
    askers_[place->number] = place;
  }
  Asker& asker = *place;
  asker.in_round = true;
  asker.replies.clear();
  asker.partial.clear();
  ++asker.round;
  const base::Duration patience = pool.settings.probe_timeout;
  uv_update_time(loop_);
  uv_timer_start(
      &asker.timer,
      [](uv_timer_t* timer) {
        auto& late = *static_cast<Asker*>(timer->data);
        late.pool->owner->fail(late, "no answer in time");
      },
      static_cast<uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(patience).count()), 0);
  if (asker.stream != nullptr) return send_questions(asker);
  asker.link.open(io::monotonic_now(), asker.round);
  dialer_.dial(
      {.host = address.host, .port = address.port}, patience,
      [this, number = asker.number, round = asker.round](io::Stream* stream, const std::string&) {
        const auto found = askers_.find(number);
        if (found != askers_.end()) return on_dialed(*found->second, round, stream);
        if (stream != nullptr) stream->close();
      });
}

void Discoverer::on_dialed(Asker& asker, uint64_t round, io::Stream* stream) {
  if (asker.round != round || !asker.in_round) {
    if (stream != nullptr) stream->close();
    return;
  }
  if (stream == nullptr) return fail(asker, "cannot connect");
  asker.stream = stream;
  stream->owner = &asker;
  stream->tune(0);
  const config::PoolSettings& settings = asker.pool->settings;
  const config::BackendSettings& server = settings.backends.front();
  const bool cluster = asker.pool->is_cluster();
  const auto greeting = redis::greeting(
      link::Flavor::kResp2, {.user = cluster ? server.user : settings.sentinel_user,
                             .password = cluster ? server.password : settings.sentinel_password});
  asker.link.on_connected(chunks_, greeting.bytes, greeting.replies);
  stream->want_reading(true);
  send(asker);
}

void Discoverer::send_questions(Asker& asker) {
  std::string bytes;
  if (asker.pool->is_cluster()) {
    wire::append_command(bytes, {"CLUSTER", "INFO"});
    wire::append_command(bytes, {"CLUSTER", "SLOTS"});
  } else {
    const std::string& name = asker.pool->settings.sentinel_name;
    wire::append_command(bytes, {"SENTINEL", "MASTER", name});
    wire::append_command(bytes, {"SENTINEL", "REPLICAS", name});
  }
  asker.link.requests().append(chunks_, bytes);
  for (size_t i = 0; i < kQuestions; ++i) asker.link.push({.kind = link::PendingKind::kInternal});
  send(asker);
}

/// False: it could not be, and the asker has failed.
bool Discoverer::send(Asker& asker) {
  std::string bytes;
  asker.link.visit_unsent([&bytes](const char* part, size_t size) {
    bytes.append(part, size);
    return true;
  });
  const uv_buf_t buffer = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
  const ssize_t written = asker.stream->is_writing() ? 0 : asker.stream->try_write(&buffer, 1);
  // A few bytes that a socket does not take are as bad as no answer.
  if (written != static_cast<ssize_t>(bytes.size())) {
    fail(asker, "cannot write");
    return false;
  }
  asker.link.on_sent(chunks_, bytes.size());
  return true;
}

void Discoverer::on_read(io::Stream& stream, const char* bytes, size_t count) {
  auto& asker = *static_cast<Asker*>(stream.owner);
  link::Link& link = asker.link;
  const uint64_t number = asker.number;
  const size_t carried = link.carry.size();
  char* begin = const_cast<char*>(bytes) - carried;
  if (carried > 0) std::memcpy(begin, link.carry.data(), carried);
  link.begin_bytes(begin, bytes + count);
  link::ReplyPiece piece;
  while (true) {
    const auto result = link.next_piece(piece);
    if (result == link::ReadResult::kMore) break;
    if (result == link::ReadResult::kBroken) return fail(asker, "does not speak RESP");
    asker.partial.append(piece.bytes, piece.size);
    if (asker.partial.size() > limits::kDiscoveryAnswerBytes) return fail(asker, "says too much");
    if (!piece.last) continue;
    take(asker, std::exchange(asker.partial, {}));
    // Who is asked may be another one by now, or not be asked any more.
    if (!askers_.contains(number) || asker.stream != &stream) return;
  }
  link.end_bytes(chunks_);
}

void Discoverer::take(Asker& asker, std::string reply) {
  link::Link& link = asker.link;
  if (link.state() == link::LinkState::kHandshake) {
    const auto verdict = redis::judge_greeting_reply(link.flavor(), reply);
    if (!verdict.refusal.empty()) return fail(asker, verdict.refusal);
    link.greeting_answered();
    if (link.greeting_replies_left() != 0) return;
    link.become_ready();
    return send_questions(asker);
  }
  if (link.pendings().empty()) return fail(asker, "an answer that was not asked for");
  link.pop();
  asker.replies.push_back(std::move(reply));
  if (asker.replies.size() < kQuestions) return;
  finish(asker, asker.pool->is_cluster()
                    ? control::read_cluster(asker.address, asker.replies[0], asker.replies[1])
                    : control::read_sentinel(asker.replies[0], asker.replies[1]));
}

void Discoverer::fail(Asker& asker, std::string problem) {
  drop(asker);
  control::DiscoveryAnswer answer;
  answer.problem = std::move(problem);
  finish(asker, std::move(answer));
}

void Discoverer::finish(Asker& asker, control::DiscoveryAnswer answer) {
  if (!asker.in_round) return;
  asker.in_round = false;
  uv_timer_stop(&asker.timer);
  Pool& pool = *asker.pool;
  const bool changed = pool.discovery.on_answer(asker.address, std::move(answer));
  const std::string& problem = pool.discovery.problem();
  if (problem != pool.told) {
    pool.told = problem;
    if (problem.empty()) {
      io::log_info("servers found again", {{"pool", pool.settings.name}});
    } else {
      io::log_warn("servers cannot be asked", {{"pool", pool.settings.name}, {"why", problem}});
    }
  }
  schedule(pool);
  if (changed) on_found_(pool.settings.name);
}

void Discoverer::drop(Asker& asker) {
  if (asker.stream != nullptr) asker.stream->close();
  asker.stream = nullptr;
  asker.link.close(chunks_);
}

void Discoverer::on_end(io::Stream& stream, int status) {
  auto& asker = *static_cast<Asker*>(stream.owner);
  fail(asker, status == UV_EOF ? "closed by the server" : std::string(uv_strerror(status)));
}

void Discoverer::close() {
  dialer_.close();
  for (auto& [name, pool] : pools_) {
    forget_unasked(*pool, {});
    uv_close(reinterpret_cast<uv_handle_t*>(pool->timer),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
  }
  pools_.clear();
}

}  // namespace quorate::process
