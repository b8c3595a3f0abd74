// Discoverer: carries out what control::Discovery decides, for each pool that finds its servers
// itself: asks nodes or sentinels, on connections of its own that it keeps, all on the control
// loop. A server that does not answer in time, or not as it should, is answered for by saying so.
#pragma once

#include <uv.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "backends/io/dialer.h"
#include "backends/io/stream.h"
#include "consensus/base/byte_chain.h"
#include "proxy/config/settings.h"
#include "proxy/control/discovery.h"

namespace quorate::process {

class Discoverer : public io::Stream::Listener {
 public:
  /// Called when what was found for the pool of that name has changed.
  using OnFound = std::function<void(const std::string& pool)>;

  Discoverer(uv_loop_t* loop, io::ReadBuffer& buffer, OnFound on_found);
  ~Discoverer() override;

  /// The pools that there are, at start; later only their times are taken.
  void set_pools(const config::Settings& settings);
  /// Something of the pool is not where it was.
  void hint(const std::string& pool);
  /// nullptr: the pool finds nothing by itself, or has not yet.
  const control::FoundServers* found(const std::string& pool) const;
  /// What every pool has found.
  std::map<std::string, control::FoundServers> all_found() const;
  /// Stops. The loop has to run until handles are closed.
  void close();

  void on_connected(io::Stream&, int) override {}
  void on_read(io::Stream& stream, const char* bytes, size_t count) override;
  void on_end(io::Stream& stream, int status) override;
  void on_written(io::Stream&, size_t) override {}

 private:
  struct Pool;
  struct Asker;

  void begin_round(Pool& pool);
  void schedule(Pool& pool);
  void ask(Pool& pool, const control::ServerAddress& address);
  void on_dialed(Asker& asker, uint64_t round, io::Stream* stream);
  void send_questions(Asker& asker);
  bool send(Asker& asker);
  void take(Asker& asker, std::string reply);
  void finish(Asker& asker, control::DiscoveryAnswer answer);
  void fail(Asker& asker, std::string problem);
  void drop(Asker& asker);
  void forget_unasked(Pool& pool, const std::vector<control::ServerAddress>& asked);
  static void free_asker(Asker* asker);

  uv_loop_t* loop_;
  io::Dialer dialer_;
  base::ChunkPool chunks_;
  OnFound on_found_;
  std::map<std::string, std::unique_ptr<Pool>> pools_;
  std::map<uint64_t, Asker*> askers_;  // by number, so that a late dial finds nothing
  uint64_t next_asker_ = 0;
};

}  // namespace quorate::process
