#include "proxy/process/prober.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "backends/link/link.h"
#include "backends/memcached/handshake.h"
#include "backends/redis/handshake.h"
#include "backends/redis/identity.h"
#include "proxy/io/clock.h"

namespace quorate::process {

namespace {

/// So often in a row a server is asked who it is, if it never says.
constexpr uint32_t kAsksForIdentity = 3;

}  // namespace

// One backend's probe. Freed when its timer is closed.
struct Prober::Probe {
  Prober* prober;
  ProbeTarget target;
  link::Link link;  // for its handshake and its framing
  io::Stream* stream = nullptr;
  uv_timer_t timer{};
  uint64_t round = 0;  // grows; an answer to an earlier one finds it changed
  bool in_round = false;
  uint64_t order = 0;  // of this round
  base::Instant began{};
  std::string server_version;
  std::string run_id;  // of this connection
  bool asks_who = false;
  uint32_t unanswered = 0;  // how often in a row it did not say who it is

  Probe(Prober& owner, ProbeTarget to)
      : prober(&owner),
        target(std::move(to)),
        link(target.backend->id,
             target.protocol == cluster::Protocol::kRedis ? link::Flavor::kResp2
                                                          : link::Flavor::kMemcachedText,
             link::LinkKind::kMain) {}
};

Prober::Prober(uv_loop_t* loop, io::ReadBuffer& buffer, uint64_t seed, OnResult on_result)
    : loop_(loop), dialer_(loop, *this, buffer), random_(seed), on_result_(std::move(on_result)) {}

Prober::~Prober() { ASSERT(probes_.empty()); }

void Prober::schedule(Probe& probe, base::Duration wait, void (*then)(uv_timer_t*)) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  uv_update_time(probe.prober->loop_);
  uv_timer_start(&probe.timer, then, static_cast<uint64_t>(std::max<int64_t>(ms, 0)), 0);
}

void Prober::set_targets(const std::vector<ProbeTarget>& targets) {
  std::map<cluster::BackendId, Probe*> kept;
  for (const ProbeTarget& target : targets) {
    const auto existing = probes_.find(target.backend->id);
    if (existing != probes_.end()) {
      existing->second->target = target;
      kept.insert(*existing);
      probes_.erase(existing);
      continue;
    }
    auto* probe = new Probe(*this, target);
    uv_timer_init(loop_, &probe->timer);
    probe->timer.data = probe;
    kept[target.backend->id] = probe;
    if (target.interval == base::Duration::zero()) continue;
    // The first round at once; later ones spread by their own first answer's time.
    schedule(*probe, base::Duration::zero(), [](uv_timer_t* timer) {
      auto& due = *static_cast<Probe*>(timer->data);
      due.prober->begin_round(due);
    });
  }
  for (auto& [id, probe] : probes_) {
    if (probe->stream != nullptr) probe->stream->close();
    probe->link.close(chunks_);
    uv_close(reinterpret_cast<uv_handle_t*>(&probe->timer),
             [](uv_handle_t* handle) { delete static_cast<Probe*>(handle->data); });
  }
  probes_ = std::move(kept);
}

void Prober::ask(cluster::BackendId id, uint64_t order, base::Duration timeout) {
  const auto found = probes_.find(id);
  if (found == probes_.end()) return;
  Probe& probe = *found->second;
  end_round(probe, "no answer in time");
  probe.order = order;
  probe.target.timeout = timeout;
  begin_round(probe);
}

void Prober::close() {
  dialer_.close();
  set_targets({});
}

void Prober::begin_round(Probe& probe) {
  ++probe.round;
  probe.in_round = true;
  probe.began = io::monotonic_now();
  schedule(probe, probe.target.timeout, [](uv_timer_t* timer) {
    auto& late = *static_cast<Probe*>(timer->data);
    late.prober->end_round(late, "no answer in time");
  });
  if (probe.stream != nullptr) {
    probe.link.requests().append(chunks_, probe.target.protocol == cluster::Protocol::kRedis
                                              ? "*1\r\n$4\r\nPING\r\n"
                                              : "version\r\n");
    probe.link.push({.kind = link::PendingKind::kInternal});
    return send(probe);
  }
  probe.link.open(io::monotonic_now(), probe.round);
  const relay::BackendPlan& backend = *probe.target.backend;
  dialer_.dial({.host = backend.host, .port = backend.port, .path = backend.path},
               probe.target.timeout,
               [this, id = backend.id, round = probe.round](io::Stream* stream, std::string why) {
                 on_dialed(id, round, stream, std::move(why));
               });
}

void Prober::on_dialed(cluster::BackendId id, uint64_t round, io::Stream* stream, std::string why) {
  const auto found = probes_.find(id);
  if (found == probes_.end() || found->second->round != round || !found->second->in_round) {
    if (stream != nullptr) stream->close();
    return;
  }
  Probe& probe = *found->second;
  if (stream == nullptr) return end_round(probe, std::move(why));
  probe.stream = stream;
  forget_connection(probe);
  stream->owner = &probe;
  stream->tune(0);
  const relay::BackendPlan& backend = *probe.target.backend;
  const link::Credentials credentials{
      .user = backend.user, .password = backend.password, .database = backend.database};
  const auto greeting = probe.target.protocol == cluster::Protocol::kRedis
                            ? redis::greeting(probe.link.flavor(), credentials)
                            : memcached::greeting(probe.link.flavor(), credentials);
  probe.link.on_connected(chunks_, greeting.bytes, greeting.replies);
  stream->want_reading(true);
  send(probe);
}

void Prober::send(Probe& probe) {
  std::string bytes;
  probe.link.visit_unsent([&bytes](const char* part, size_t size) {
    bytes.append(part, size);
    return true;
  });
  const uv_buf_t buffer = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
  const ssize_t written = probe.stream->is_writing() ? 0 : probe.stream->try_write(&buffer, 1);
  // A few bytes that a socket does not take are as bad as no answer.
  if (written != static_cast<ssize_t>(bytes.size())) return end_round(probe, "cannot write");
  probe.link.on_sent(chunks_, bytes.size());
}

void Prober::on_read(io::Stream& stream, const char* bytes, size_t count) {
  auto& probe = *static_cast<Probe*>(stream.owner);
  link::Link& link = probe.link;
  const uint64_t opening = link.opening();
  const size_t carried = link.carry.size();
  char* begin = const_cast<char*>(bytes) - carried;
  if (carried > 0) std::memcpy(begin, link.carry.data(), carried);
  link.begin_bytes(begin, bytes + count);
  link::ReplyPiece piece;
  while (true) {
    const auto result = link.next_piece(piece);
    if (result == link::ReadResult::kMore) break;
    if (result == link::ReadResult::kBroken || !piece.whole()) {
      return end_round(probe, "does not speak the pool's protocol");
    }
    judge(probe, piece.view());
    if (probe.stream != &stream || link.opening() != opening) return;
  }
  link.end_bytes(chunks_);
}

void Prober::judge(Probe& probe, std::string_view reply) {
  link::Link& link = probe.link;
  const bool redis = probe.target.protocol == cluster::Protocol::kRedis;
  if (link.state() == link::LinkState::kHandshake) {
    const auto verdict = redis ? redis::judge_greeting_reply(link.flavor(), reply)
                               : memcached::judge_greeting_reply(link.flavor(), reply);
    if (!verdict.refusal.empty()) return end_round(probe, verdict.refusal);
    if (!verdict.server_version.empty()) probe.server_version = verdict.server_version;
    link.greeting_answered();
    if (link.greeting_replies_left() != 0) return;
    link.become_ready();
    if (!redis) return end_round(probe, {});
    // HELLO is answered while data is still loading; PING says whether commands are.
    link.requests().append(chunks_, "*1\r\n$4\r\nPING\r\n");
    link.push({.kind = link::PendingKind::kInternal});
    return send(probe);
  }
  if (link.pendings().empty()) return end_round(probe, "an answer that was not asked for");
  link.pop();
  if (std::exchange(probe.asks_who, false)) {  // asked before any PING that may wait, too
    probe.run_id = redis::read_identity(reply).run_id;
    probe.unanswered = 0;
    return;
  }
  if (redis && !reply.starts_with("+PONG")) {
    return end_round(probe, std::string(reply.substr(0, reply.find("\r\n"))));
  }
  if (redis && probe.run_id.empty()) ask_who(probe);
  end_round(probe, {});
}

/// No part of any round: whoever does not answer it, or closes, is none the worse for it.
void Prober::ask_who(Probe& probe) {
  if (probe.unanswered >= kAsksForIdentity) return;
  probe.asks_who = true;
  probe.link.requests().append(chunks_, "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n");
  probe.link.push({.kind = link::PendingKind::kInternal});
  send(probe);
}

void Prober::forget_connection(Probe& probe) {
  probe.run_id.clear();
  if (std::exchange(probe.asks_who, false)) ++probe.unanswered;
}

void Prober::on_end(io::Stream& stream, int status) {
  auto& probe = *static_cast<Probe*>(stream.owner);
  const std::string why =
      status == UV_EOF ? "closed by the server" : std::string(uv_strerror(status));
  if (probe.in_round) return end_round(probe, why);
  // Between two rounds: the next one connects anew, and finds out.
  stream.close();
  probe.stream = nullptr;
  probe.link.close(chunks_);
  forget_connection(probe);
}

void Prober::end_round(Probe& probe, std::string failure) {
  if (!probe.in_round) return;
  probe.in_round = false;
  if (!failure.empty()) {
    if (probe.stream != nullptr) probe.stream->close();
    probe.stream = nullptr;
    probe.link.close(chunks_);
    forget_connection(probe);
  }
  // A little jitter, so that many proxies do not ask at the same instant.
  const int64_t interval = probe.target.interval.count();
  uv_timer_stop(&probe.timer);
  if (interval > 0)
    schedule(probe, base::Duration{interval - random_.between(0, interval / 10)},
             [](uv_timer_t* timer) {
               auto& due = *static_cast<Probe*>(timer->data);
               due.prober->begin_round(due);
             });
  const bool answered = failure.empty();
  on_result_({.backend = probe.target.backend->id,
              .order = std::exchange(probe.order, 0),
              .answered = answered,
              .failure = std::move(failure),
              .server_version = probe.server_version,
              .run_id = answered ? probe.run_id : std::string(),
              .latency = io::monotonic_now() - probe.began});
}

}  // namespace quorate::process
