// Admitter: goes to a backend of a replicated pool, asks the process there who it is, and makes it
// an acceptor if that is wanted (consistency.md §4.2): one connection, a few questions, one answer.
//
//   dial ─► HELLO 3, INFO, scripts ─► its marker ─► (Admit: empties it, writes the new marker)
//
// Who is to be asked, and what follows, the group decides (replicas.h); what it is told is true of
// the process at the other end of that one connection. All on the control loop.
#pragma once

#include <uv.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "backends/io/dialer.h"
#include "backends/io/stream.h"
#include "backends/redis/identity.h"
#include "consensus/base/byte_chain.h"
#include "consensus/cluster/cluster_map.h"
#include "proxy/relay/serving_plan.h"

namespace quorate::process {

struct AdmitOrder {
  std::shared_ptr<const relay::BackendPlan> backend;
  cluster::PoolSerial pool{};
  cluster::Nonce cluster;
  std::string run_id;   ///< only this process is to be admitted
  cluster::Nonce next;  ///< its marker from then on; none: only look
  base::Duration timeout{};
};

struct AdmitResult {
  cluster::BackendSerial backend{};
  std::string failure;    ///< it could not be asked; then the rest is empty
  std::string objection;  ///< why it cannot hold replicas; a sentence
  redis::Identity who;
  std::string marker;  ///< hexadecimal, as its fence has it now; empty: it has none
  bool admitted = false;
};

class Admitter : public io::Stream::Listener {
 public:
  using OnResult = std::function<void(const AdmitResult&)>;

  Admitter(uv_loop_t* loop, io::ReadBuffer& buffer, OnResult on_result);
  ~Admitter() override;

  /// Ends in one OnResult, later. False: that backend is being asked already.
  bool ask(AdmitOrder order);
  bool is_asking(cluster::BackendSerial backend) const { return visits_.contains(backend); }
  void close();

  void on_connected(io::Stream&, int) override {}
  void on_read(io::Stream& stream, const char* bytes, size_t count) override;
  void on_end(io::Stream& stream, int status) override;
  void on_written(io::Stream&, size_t) override {}

 private:
  struct Visit;

  void on_dialed(cluster::BackendSerial backend, uint64_t number, io::Stream* stream);
  void send(Visit& visit, std::string_view bytes);
  void take(Visit& visit, std::string_view reply);
  void take_greeting(Visit& visit, std::string_view reply);
  void end(Visit& visit, std::string failure);

  uv_loop_t* loop_;
  io::Dialer dialer_;
  base::ChunkPool chunks_;
  OnResult on_result_;
  std::map<cluster::BackendSerial, Visit*> visits_;
  uint64_t last_number_ = 0;
};

}  // namespace quorate::process
