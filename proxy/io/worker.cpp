#include "proxy/io/worker.h"

#include <algorithm>
#include <cstring>

#include "proxy/io/clock.h"
#include "proxy/relay/replication.h"

namespace quorate::io {

using relay::LinkLoss;
using relay::Session;
using relay::Through;

namespace {

constexpr unsigned kMostBuffers = 64;  // of one write

uv_buf_t buffer_of(const char* bytes, size_t size) {
  return uv_buf_init(const_cast<char*>(bytes), static_cast<unsigned>(size));
}

/// The pieces of one write.
class Gather {
 public:
  bool add(const char* bytes, size_t size) {
    buffers_[count_++] = buffer_of(bytes, size);
    size_ += size;
    return count_ < kMostBuffers;
  }
  void add(const base::ByteChain& chain) {
    for (const base::Chunk* c = chain.head(); c != nullptr && count_ < kMostBuffers; c = c->next) {
      add(c->data() + c->begin, c->size());
    }
  }
  void add(const link::Link& link) {
    link.visit_unsent([this](const char* bytes, size_t size) { return add(bytes, size); });
  }
  void add_first(const link::Link& link) {
    link.visit_unsent([this](const char* bytes, size_t size) {
      add(bytes, size);
      return false;
    });
  }
  bool is_full() const { return count_ == kMostBuffers; }
  const uv_buf_t* buffers() const { return buffers_; }
  unsigned count() const { return count_; }
  size_t size() const { return size_; }

 private:
  uv_buf_t buffers_[kMostBuffers];
  unsigned count_ = 0;
  size_t size_ = 0;
};

Stream& stream_of(link::Channel& channel) { return *static_cast<Stream*>(channel.io); }

session::PeerAddress peer_of(Stream& stream) {
  session::PeerAddress peer;
  if (!stream.is_tcp()) return peer;
  sockaddr_storage address{};
  int size = sizeof address;
  const auto* handle = reinterpret_cast<const uv_tcp_t*>(stream.handle());
  if (uv_tcp_getpeername(handle, reinterpret_cast<sockaddr*>(&address), &size) != 0) return peer;
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    peer.ip_bytes = 16;
    std::memcpy(peer.ip.data(), &v6.sin6_addr, 16);
    peer.port = ntohs(v6.sin6_port);
  } else {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    peer.ip_bytes = 4;
    std::memcpy(peer.ip.data(), &v4.sin_addr, 4);
    peer.port = ntohs(v4.sin_port);
  }
  return peer;
}

/// Bytes just read, with what was carried over in front.
const char* with_carry(const link::Channel& channel, const char* bytes) {
  const size_t carried = channel.carry.size();
  if (carried == 0) [[likely]]
    return bytes;
  ASSERT(carried <= ReadBuffer::kCarry);
  char* begin = const_cast<char*>(bytes) - carried;
  std::memcpy(begin, channel.carry.data(), carried);
  return begin;
}

}  // namespace

void Worker::read_clocks() {
  now_ = monotonic_now();
  now_is_known_ = true;
  relay_.set_wall_time(wall_now());
}

Worker::Worker(uint32_t number, uint64_t seed, relay::ProcessFacts& facts, Upcalls upcalls)
    : number_(number),
      facts_(facts),
      upcalls_(std::move(upcalls)),
      client_side_(*this),
      backend_side_(*this),
      dialer_(&loop_, backend_side_, buffer_),
      relay_(number, seed, facts) {
  ASSERT(uv_loop_init(&loop_) == 0);
  uv_prepare_init(&loop_, &prepare_);
  uv_timer_init(&loop_, &timer_);
  prepare_.data = timer_.data = this;
  mailbox_.open(&loop_);
}

Worker::~Worker() {
  join();
  if (!stopping_) {  // it was never started
    close_everything();
    run();
  }
  ASSERT(uv_loop_close(&loop_) == 0);
}

int Worker::listen(int descriptor, bool tcp, cluster::PoolId pool, int backlog,
                   std::string address) {
  addresses_.push_back(std::make_unique<const std::string>(std::move(address)));
  auto* listener = new ListenHandle{.stream = {},
                                    .worker = this,
                                    .pool = pool,
                                    .is_tcp = tcp,
                                    .address = addresses_.back().get()};
  int status = 0;
  if (tcp) {
    uv_tcp_init(&loop_, &listener->tcp);
    status = uv_tcp_open(&listener->tcp, descriptor);
  } else {
    uv_pipe_init(&loop_, &listener->pipe, 0);
    status = uv_pipe_open(&listener->pipe, descriptor);
  }
  listener->stream.data = listener;
  listeners_.push_back(listener);
  if (status != 0) return status;
  return uv_listen(&listener->stream, backlog, [](uv_stream_t* server, int accept_status) {
    auto& handle = *static_cast<ListenHandle*>(server->data);
    if (accept_status == 0) handle.worker->accept(handle);
  });
}

void Worker::start(std::shared_ptr<const relay::ServingPlan> plan) {
  relay_.adopt(std::move(plan), monotonic_now());
  uv_prepare_start(&prepare_,
                   [](uv_prepare_t* handle) { static_cast<Worker*>(handle->data)->flush(); });
  thread_ = std::thread([this] { run(); });
}

void Worker::run() { uv_run(&loop_, UV_RUN_DEFAULT); }

// --- from other threads ---

void Worker::adopt(std::shared_ptr<const relay::ServingPlan> plan) {
  mailbox_.post([this, plan = std::move(plan)] { relay_.adopt(plan, now()); });
}

void Worker::hand_over() {
  mailbox_.post([this] {
    handing_over_ = true;
    relay_.hand_over(now());
  });
}

void Worker::drain() {
  mailbox_.post([this] {
    draining_ = true;
    close_listeners();
    relay_.drain(now());
  });
}

void Worker::stop() {
  mailbox_.post([this] { close_everything(); });
}

void Worker::close_everything() {
  if (std::exchange(stopping_, true)) return;
  close_listeners();
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
  uv_prepare_stop(&prepare_);
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), nullptr);
  mailbox_.close();
  dialer_.close();
  // What is left are streams; each frees itself when it is closed.
  uv_walk(
      &loop_,
      [](uv_handle_t* handle, void*) {
        if (uv_is_closing(handle) == 0 &&
            (handle->type == UV_TCP || handle->type == UV_NAMED_PIPE)) {
          static_cast<Stream*>(handle->data)->close();
        }
      },
      nullptr);
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::answer(session::ClientQuestion question,
                    std::function<void(session::ClientAnswer)> then) {
  mailbox_.post([this, question = std::move(question), then = std::move(then)] {
    then(relay_.answer(question, now()));
  });
}

void Worker::gathered(relay::Relay::Gathering gathering,
                      std::vector<session::ClientAnswer> answers) {
  mailbox_.post([this, gathering = std::move(gathering), answers = std::move(answers)] {
    relay_.on_gathered(gathering, answers, now());
  });
}

void Worker::take_forwards(std::vector<relay::Forward> forwards) {
  mailbox_.post([this, forwards = std::move(forwards)] { relay_.on_forwards(forwards, now()); });
}

void Worker::lose_peer(cluster::SessionId session) {
  mailbox_.post([this, session] { relay_.on_peer_lost(session, now()); });
}

void Worker::report(std::function<void(control::WorkerReport)> answer) {
  mailbox_.post([this, answer = std::move(answer)] {
    control::WorkerReport report;
    report.worker = number_;
    report.buffered_bytes = relay_.chunks().bytes_in_use();
    const relay::ServingPlan& plan = relay_.plan();
    for (cluster::PoolId id = 0; id < plan.pools.size(); ++id) {
      if (plan.pools[id] == nullptr) continue;
      report.pools.push_back({.id = id,
                              .counters = relay_.pool(id).counters,
                              .replication = relay_.replication().counters(id),
                              .owned_slots = relay_.replication().owned_slots(id),
                              .sweep = relay_.replication().sweep_progress(id)});
    }
    for (cluster::BackendId id = 0; id < plan.backends.size(); ++id) {
      const link::Upstream* upstream = relay_.upstream(id);
      if (plan.backends[id] == nullptr || upstream == nullptr) continue;
      report.backends.push_back({.id = id,
                                 .down = upstream->down(),
                                 .counters = upstream->counters,
                                 .server_version = upstream->server_version,
                                 .last_refusal = upstream->last_refusal});
    }
    answer(std::move(report));
  });
}

// --- clients ---

void Worker::close_listeners() {
  for (ListenHandle* listener : listeners_) {
    uv_close(reinterpret_cast<uv_handle_t*>(&listener->stream),
             [](uv_handle_t* handle) { delete static_cast<ListenHandle*>(handle->data); });
  }
  listeners_.clear();
}

void Worker::accept(ListenHandle& listener) {
  Stream* stream = listener.is_tcp ? Stream::tcp(&loop_, client_side_, buffer_)
                                   : Stream::pipe(&loop_, client_side_, buffer_);
  if (uv_accept(&listener.stream, stream->handle()) != 0) return stream->close();
  facts_.connections_received.fetch_add(1, std::memory_order_relaxed);
  const relay::PoolPlan& plan = *relay_.pool(listener.pool).plan;
  auto& clients = facts_.pool_clients[listener.pool];
  if (clients.fetch_add(1, std::memory_order_relaxed) >= plan.max_clients) {
    clients.fetch_sub(1, std::memory_order_relaxed);
    return refuse(*stream, listener.pool);
  }
  const auto keepalive = std::chrono::duration_cast<std::chrono::seconds>(plan.keepalive);
  stream->tune(static_cast<unsigned>(keepalive.count()));
  Session& session = relay_.open_session(
      listener.pool, facts_.next_client_id.fetch_add(1, std::memory_order_relaxed), now());
  session.listener = listener.address;
  session.peer = peer_of(*stream);
  session.io = stream;
  stream->owner = &session;
  stream->want_reading(true);
}

void Worker::refuse(Stream& stream, cluster::PoolId pool) {
  relay::PoolRuntime& runtime = relay_.pool(pool);
  ++runtime.counters.clients_refused;
  const std::string_view text = runtime.plan->protocol == cluster::Protocol::kRedis
                                    ? "-ERR max number of clients reached\r\n"
                                    : "ERROR Too many open connections\r\n";
  const uv_buf_t buffer = buffer_of(text.data(), text.size());
  stream.try_write(&buffer, 1);
  stream.close();
}

void Worker::close_session(Session& session) {
  Stream& stream = stream_of(session);
  facts_.pool_clients[session.pool].fetch_sub(1, std::memory_order_relaxed);
  relay_.on_client_closed(session, now());
  stream.close();
}

void Worker::ClientSide::on_read(Stream& stream, const char* bytes, size_t count) {
  auto& session = *static_cast<Session*>(stream.owner);
  worker_.relay_.on_client_bytes(session, with_carry(session, bytes), bytes + count, worker_.now());
  // At once: libuv would go on reading before the flush comes to it.
  if (!session.wants_reading) [[unlikely]]
    stream.want_reading(false);
  stream.read_in_bulk(session.large != nullptr);
  if (worker_.relay_.has_through()) [[unlikely]] {
    worker_.write_through(worker_.relay_.take_through());
  }
}

void Worker::ClientSide::on_end(Stream& stream, int status) {
  auto& session = *static_cast<Session*>(stream.owner);
  if (status == UV_EOF) return worker_.relay_.on_client_end(session, worker_.now());
  worker_.close_session(session);
}

void Worker::ClientSide::on_written(Stream& stream, size_t count) {
  auto& session = *static_cast<Session*>(stream.owner);
  worker_.relay_.on_client_sent(session, count, worker_.now());
  worker_.relay_.attend(session);
}

// --- backends ---

void Worker::open_link(link::Link& link) {
  const relay::BackendPlan& backend = relay_.backend(link.upstream());
  const relay::PoolPlan& pool = *relay_.pool_plan_of(link);
  dialer_.dial({.host = backend.host, .port = backend.port, .path = backend.path},
               pool.connect_timeout,
               [this, id = backend.id, opening = link.opening()](
                   Stream* stream, const std::string&) { on_dialed(id, opening, stream); });
}

void Worker::on_dialed(cluster::BackendId backend, uint64_t opening, Stream* stream) {
  // By now the link may have been given up, and even opened anew.
  link::Link* link = relay_.find_opening(backend, opening);
  if (link == nullptr) {
    if (stream != nullptr) stream->close();
    return;
  }
  if (stream == nullptr) return relay_.on_link_closed(*link, LinkLoss::kRefused, now());
  const auto keepalive =
      std::chrono::duration_cast<std::chrono::seconds>(relay_.pool_plan_of(*link)->keepalive);
  stream->tune(static_cast<unsigned>(keepalive.count()));
  stream->owner = link;
  link->io = stream;
  relay_.on_link_connected(*link, now());
  stream->want_reading(true);
}

void Worker::lose_link(link::Link& link, LinkLoss loss) {
  if (link.io != nullptr) {
    stream_of(link).close();
    link.io = nullptr;
  }
  relay_.on_link_closed(link, loss, now());
}

void Worker::BackendSide::on_read(Stream& stream, const char* bytes, size_t count) {
  auto& link = *static_cast<link::Link*>(stream.owner);
  worker_.relay_.on_link_bytes(link, with_carry(link, bytes), bytes + count, worker_.now());
  if (!link.wants_reading || link.wants_close) [[unlikely]]
    stream.want_reading(false);
  stream.read_in_bulk(link.in_large_reply());
  if (worker_.relay_.has_through()) [[unlikely]] {
    worker_.write_through(worker_.relay_.take_through());
  }
}

void Worker::BackendSide::on_end(Stream& stream, int) {
  worker_.lose_link(*static_cast<link::Link*>(stream.owner), LinkLoss::kClosed);
}

void Worker::BackendSide::on_written(Stream& stream, size_t) {
  worker_.relay_.attend(*static_cast<link::Link*>(stream.owner));
}

// --- the flush: once per turn ---

void Worker::flush() {
  do {
    auto& opening = relay_.links_to_open();
    flush_links();  // a link that was given up closes its old socket before it opens a new one
    if (!opening.empty()) [[unlikely]] {
      std::vector<link::Link*> links;
      links.swap(opening);
      for (link::Link* link : links) {
        if (link->state() == link::LinkState::kConnecting) open_link(*link);
      }
    }
    flush_sessions();
  } while (!relay_.attention_links().empty() || !relay_.attention_sessions().empty() ||
           !relay_.links_to_open().empty());
  if (!relay_.events().empty()) [[unlikely]]
    tell_events();
  for (auto& gathering : relay_.gatherings()) {
    upcalls_.on_gathering(number_, std::move(gathering));
  }
  relay_.gatherings().clear();
  if (!relay_.forwards().empty()) [[unlikely]]
    upcalls_.on_forwards(std::exchange(relay_.forwards(), {}));
  if (!relay_.wishes().empty()) [[unlikely]]
    upcalls_.on_wishes(std::exchange(relay_.wishes(), {}));
  publish_facts();
  arm_timer();
  now_is_known_ = false;
  if (handing_over_ && !relay_.owns_slots()) [[unlikely]] {
    handing_over_ = false;
    upcalls_.on_handed_over(number_);
  }
  if (draining_ && !told_drained_ && relay_.session_count() == 0) [[unlikely]] {
    told_drained_ = true;
    upcalls_.on_drained(number_);
  }
}

void Worker::flush_links() {
  flushing_links_.swap(relay_.attention_links());
  for (link::Link* link : flushing_links_) {
    link->listed = false;
    flush_link(*link);
  }
  flushing_links_.clear();
}

void Worker::flush_sessions() {
  auto& attended = relay_.attention_sessions();
  for (uint32_t left = attended.size(); left > 0; --left) {  // those added meanwhile: next time
    Session* session = relay_.find_session(attended.front());
    attended.pop_front();
    if (session == nullptr) continue;
    session->listed = false;
    flush_session(*session);
  }
}

void Worker::flush_link(link::Link& link) {
  if (link.io == nullptr) return;
  Stream& stream = stream_of(link);
  if (link.wants_close) {
    link.wants_close = false;
    stream.close();
    link.io = nullptr;
    return;
  }
  if (link.state() == link::LinkState::kConnecting) return;
  while (!stream.is_writing() && link.unsent() > 0) {
    Gather gather;
    gather.add(link);
    const ssize_t written = stream.try_write(gather.buffers(), gather.count());
    if (written < 0) return lose_link(link, LinkLoss::kClosed);
    if (written > 0) relay_.on_link_sent(link, static_cast<size_t>(written), now());
    if (static_cast<size_t>(written) == gather.size()) continue;
    // The socket is full. What libuv holds counts as sent: it may be by the time anybody asks. So
    // it is copied, and is no more than what shows that there is room again.
    Gather rest;
    rest.add_first(link);
    if (stream.start_write(rest.buffers(), rest.count(), true) != 0) {
      return lose_link(link, LinkLoss::kClosed);
    }
    relay_.on_link_sent(link, rest.size(), now());
  }
  stream.want_reading(link.wants_reading);
}

void Worker::flush_session(Session& session) {
  Stream& stream = stream_of(session);
  if (session.wants_close) return close_session(session);
  while (!stream.is_writing() && !session.output.empty()) {
    Gather gather;
    gather.add(session.output);
    const ssize_t written = stream.try_write(gather.buffers(), gather.count());
    if (written < 0) return close_session(session);
    if (static_cast<size_t>(written) < gather.size()) {
      if (written > 0) relay_.on_client_sent(session, static_cast<size_t>(written), now());
      Gather rest;
      rest.add(session.output);
      if (stream.start_write(rest.buffers(), rest.count(), false) != 0) {
        return close_session(session);
      }
    } else {
      relay_.on_client_sent(session, static_cast<size_t>(written), now());
    }
  }
  if (session.must_close_now()) return close_session(session);
  stream.want_reading(session.wants_reading && !session.input_ended);
}

// A large piece goes out from where it was read, behind what its target has unsent; what the socket
// does not take is copied and leaves with the rest.
void Worker::write_through(Through through) {
  link::Channel& channel = through.session != nullptr
                               ? static_cast<link::Channel&>(*through.session)
                               : static_cast<link::Channel&>(*through.link);
  Stream* stream = static_cast<Stream*>(channel.io);
  if (stream == nullptr || stream->is_writing()) return relay_.keep_rest(through, 0);
  Gather gather;
  if (through.session != nullptr) gather.add(through.session->output);
  if (gather.is_full()) return relay_.keep_rest(through, 0);
  const size_t queued = gather.size();
  gather.add(through.bytes, through.size);
  const ssize_t result = stream->try_write(gather.buffers(), gather.count());
  if (result < 0) return relay_.keep_rest(through, 0);  // the next write fails again, and ends it
  const size_t written = static_cast<size_t>(result);
  relay_.keep_rest(through, written > queued ? written - queued : 0);
  if (through.session != nullptr && written > 0) {
    relay_.on_client_sent(*through.session, std::min(written, queued), now());
  }
}

void Worker::arm_timer() {
  const base::Instant due = relay_.next_deadline();
  if (due >= timer_due_) return;  // it fires in time, and is set anew then
  timer_due_ = due;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(due - monotonic_now());
  uv_update_time(&loop_);
  uv_timer_start(
      &timer_,
      [](uv_timer_t* handle) {
        auto& worker = *static_cast<Worker*>(handle->data);
        worker.timer_due_ = base::kNever;
        worker.relay_.on_time(worker.now());
      },
      static_cast<uint64_t>(std::max<int64_t>(wait.count(), 1)), 0);
}

void Worker::publish_blocked() {
  told_blocked_changes_ = relay_.blocked_changes();
  const size_t pools = relay_.plan().pools.size();
  if (told_blocked_.size() < pools) told_blocked_.resize(pools);
  for (cluster::PoolId id = 0; id < pools; ++id) {
    if (relay_.plan().pools[id] == nullptr) continue;
    const uint64_t blocked = relay_.pool(id).counters.blocked;
    if (blocked == told_blocked_[id]) continue;
    facts_.pool_blocked[id].fetch_add(static_cast<uint32_t>(blocked - told_blocked_[id]),
                                      std::memory_order_relaxed);
    told_blocked_[id] = blocked;
  }
}

void Worker::publish_facts() {
  if (relay_.blocked_changes() != told_blocked_changes_) [[unlikely]]
    publish_blocked();
  uint64_t commands = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  relay_.sum_counters(commands, bytes_in, bytes_out);
  if (commands == told_commands_ && bytes_out == told_bytes_out_) return;
  facts_.commands_processed.fetch_add(commands - told_commands_, std::memory_order_relaxed);
  facts_.bytes_in.fetch_add(bytes_in - told_bytes_in_, std::memory_order_relaxed);
  facts_.bytes_out.fetch_add(bytes_out - told_bytes_out_, std::memory_order_relaxed);
  told_commands_ = commands;
  told_bytes_in_ = bytes_in;
  told_bytes_out_ = bytes_out;
}

void Worker::tell_events() {
  std::vector<relay::LinkEvent> events;
  events.swap(relay_.events());
  upcalls_.on_link_events(number_, std::move(events));
}

}  // namespace quorate::io
