// Prober: asks every backend, over and over, whether it answers: PING or `version`, on a connection
// of its own, all on the control loop. A round that is not answered in time, or not as it should
// be, has failed. What follows from that is Health's business. Between two
// rounds a new connection to Redis is asked which process is there (INFO's run_id).
#pragma once

#include <uv.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "backends/io/dialer.h"
#include "backends/io/stream.h"
#include "consensus/base/byte_chain.h"
#include "consensus/base/random.h"
#include "proxy/relay/serving_plan.h"

namespace quorate::process {

struct ProbeResult {
  cluster::BackendId backend;
  uint64_t order;  ///< what ask() was given; 0: nobody asked for this round
  bool answered;
  std::string failure;         ///< why not
  std::string server_version;  ///< empty: not told
  std::string run_id;          ///< of the process that answered; empty: not told (or memcached)
  base::Duration latency{};    ///< of the whole round
};

struct ProbeTarget {
  std::shared_ptr<const relay::BackendPlan> backend;
  cluster::Protocol protocol{};
  base::Duration interval{};  ///< zero: only when asked to
  base::Duration timeout{};
};

class Prober : public io::Stream::Listener {
 public:
  using OnResult = std::function<void(const ProbeResult&)>;

  Prober(uv_loop_t* loop, io::ReadBuffer& buffer, uint64_t seed, OnResult on_result);
  ~Prober() override;

  /// Who is to be probed from now on. Connections to backends that stay are kept.
  void set_targets(const std::vector<ProbeTarget>& targets);
  /// Once, now; the result names `order`, which is not 0. A round that is under way has failed
  /// then: what still comes of it would be taken for an answer to this one.
  void ask(cluster::BackendId id, uint64_t order, base::Duration timeout);
  /// Stops. The loop has to run until handles are closed.
  void close();

  void on_connected(io::Stream&, int) override {}
  void on_read(io::Stream& stream, const char* bytes, size_t count) override;
  void on_end(io::Stream& stream, int status) override;
  void on_written(io::Stream&, size_t) override {}

 private:
  struct Probe;

  void begin_round(Probe& probe);
  void on_dialed(cluster::BackendId id, uint64_t round, io::Stream* stream, std::string why);
  void send(Probe& probe);
  void judge(Probe& probe, std::string_view reply);
  void ask_who(Probe& probe);
  static void forget_connection(Probe& probe);
  void end_round(Probe& probe, std::string failure);
  static void schedule(Probe& probe, base::Duration wait, void (*then)(uv_timer_t*));

  uv_loop_t* loop_;
  io::Dialer dialer_;
  base::ChunkPool chunks_;
  base::Random random_;
  OnResult on_result_;
  std::map<cluster::BackendId, Probe*> probes_;
};

}  // namespace quorate::process
