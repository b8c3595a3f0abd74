// Worker: one thread, one libuv loop, one relay. It carries bytes between sockets and the relay and
// does nothing else: every decision is the relay's.
//
// One turn of the loop: sockets that have bytes are read, each into the worker's one buffer, and
// the relay is told; the relay is told the time, if it wanted to be; and at its end (flush)
// whatever the relay left is carried out, each socket written once.
//
// Other threads reach it by post() only.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "backends/io/dialer.h"
#include "backends/io/stream.h"
#include "proxy/control/report.h"
#include "proxy/io/listening_socket.h"
#include "proxy/io/mailbox.h"
#include "proxy/relay/forward.h"
#include "proxy/relay/relay.h"

namespace quorate::io {

class Worker {
 public:
  /// What a worker tells the control thread, on the worker's thread.
  struct Upcalls {
    std::function<void(uint32_t worker, std::vector<relay::LinkEvent>)> on_link_events;
    std::function<void(uint32_t worker)> on_drained;
    std::function<void(uint32_t worker)> on_handed_over;
    /// Asks all workers, this one too, and has the answers sent to gathered().
    std::function<void(uint32_t worker, relay::Relay::Gathering)> on_gathering;
    /// Has each delivered, to another worker or to another process.
    std::function<void(std::vector<relay::Forward>)> on_forwards;
    std::function<void(std::vector<relay::Relay::Wish>)> on_wishes;
  };

  Worker(uint32_t number, uint64_t seed, relay::ProcessFacts& facts, Upcalls upcalls);
  ~Worker();

  /// Accepts clients of `pool` on a bound descriptor, which it then owns. Before start().
  /// Returns 0 or a libuv error.
  int listen(int descriptor, bool tcp, cluster::PoolId pool, int backlog, std::string address);
  void start(std::shared_ptr<const relay::ServingPlan> plan);

  // From other threads.
  void adopt(std::shared_ptr<const relay::ServingPlan> plan);
  /// Gives its slots of replicated pools to other proxies; then on_handed_over.
  void hand_over();
  void drain();
  void stop();
  void answer(session::ClientQuestion question, std::function<void(session::ClientAnswer)> then);
  void gathered(relay::Relay::Gathering gathering, std::vector<session::ClientAnswer> answers);
  void report(std::function<void(control::WorkerReport)> answer);
  void take_forwards(std::vector<relay::Forward> forwards);
  /// What was forwarded to that process and not answered is lost.
  void lose_peer(cluster::SessionId session);
  void join();

 private:
  struct ListenHandle {
    union {
      uv_stream_t stream;
      uv_tcp_t tcp;
      uv_pipe_t pipe;
    };
    Worker* worker;
    cluster::PoolId pool;
    bool is_tcp;
    const std::string* address;
  };
  class ClientSide : public Stream::Listener {
   public:
    explicit ClientSide(Worker& worker) : worker_(worker) {}
    void on_connected(Stream&, int) override {}
    void on_read(Stream& stream, const char* bytes, size_t count) override;
    void on_end(Stream& stream, int status) override;
    void on_written(Stream& stream, size_t count) override;

   private:
    Worker& worker_;
  };
  class BackendSide : public Stream::Listener {
   public:
    explicit BackendSide(Worker& worker) : worker_(worker) {}
    void on_connected(Stream&, int) override {}
    void on_read(Stream& stream, const char* bytes, size_t count) override;
    void on_end(Stream& stream, int status) override;
    void on_written(Stream& stream, size_t count) override;

   private:
    Worker& worker_;
  };

  /// The time of this turn: read once, when the first thing happens.
  base::Instant now() {
    if (!now_is_known_) read_clocks();
    return now_;
  }
  void read_clocks();

  void run();
  void flush();
  void flush_links();
  void flush_sessions();
  void flush_link(link::Link& link);
  void flush_session(relay::Session& session);
  void write_through(relay::Through through);
  void arm_timer();
  void publish_facts();
  void publish_blocked();
  void tell_events();

  void accept(ListenHandle& listener);
  void refuse(Stream& stream, cluster::PoolId pool);
  void close_session(relay::Session& session);
  void open_link(link::Link& link);
  void on_dialed(cluster::BackendId backend, uint64_t opening, Stream* stream);
  void lose_link(link::Link& link, relay::LinkLoss loss);
  void close_listeners();
  void close_everything();

  const uint32_t number_;
  relay::ProcessFacts& facts_;
  Upcalls upcalls_;
  uv_loop_t loop_{};
  uv_prepare_t prepare_{};
  uv_timer_t timer_{};
  Mailbox mailbox_;
  ReadBuffer buffer_;
  ClientSide client_side_;
  BackendSide backend_side_;
  Dialer dialer_;
  relay::Relay relay_;
  std::vector<ListenHandle*> listeners_;
  std::vector<std::unique_ptr<const std::string>>
      addresses_;  // of listeners; sessions refer to them
  std::vector<link::Link*> flushing_links_;
  std::thread thread_;

  base::Instant now_{};
  bool now_is_known_ = false;
  base::Instant timer_due_ = base::kNever;
  bool handing_over_ = false;
  bool draining_ = false;
  bool told_drained_ = false;
  bool stopping_ = false;
  uint64_t told_commands_ = 0;
  uint64_t told_bytes_in_ = 0;
  uint64_t told_bytes_out_ = 0;
  uint64_t told_blocked_changes_ = 0;
  std::vector<uint64_t> told_blocked_;  // by PoolId
};

}  // namespace quorate::io
