// LastMap: what was agreed last, in the data directory, so that a proxy that starts while no voter
// is in reach serves what it knew.
//
//   on_map ──► keep() ──► a second later, in libuv's thread pool: write beside, sync, rename
//
// Replicated pools are left out: who owns a slot is asked of the group, not of a file. The file is
// no promise: one that is missing or damaged is as if nothing had been known.
#pragma once

#include <uv.h>

#include <memory>
#include <string>
#include <string_view>

#include "consensus/base/result.h"
#include "consensus/cluster/cluster_map.h"

namespace quorate::member {

class LastMap {
 public:
  /// `folder` is this proxy's own; made if it is missing.
  LastMap(uv_loop_t* loop, const std::string& folder);
  ~LastMap();
  LastMap(const LastMap&) = delete;
  LastMap& operator=(const LastMap&) = delete;

  /// nullptr: there is none, or it is of no use, which is logged.
  std::shared_ptr<const cluster::ClusterMap> read();
  /// Whether `map` is not older than the one that was read. A voter that has just started goes
  /// once more through maps that it has served already.
  bool is_news(const cluster::ClusterMap& map) const;
  /// At most one write a second, of the last one; only of what can be served.
  void keep(std::shared_ptr<const cluster::ClusterMap> map);
  /// Writes what still waits. The loop has to run until handles are closed.
  void close();

 private:
  struct Write;
  void begin_write();
  void end_write(const std::string& problem);

  uv_loop_t* loop_;
  const std::string file_;
  std::shared_ptr<const cluster::ClusterMap> read_;
  std::shared_ptr<const cluster::ClusterMap> kept_;  ///< written, or on the way
  std::shared_ptr<const cluster::ClusterMap> waits_;
  bool writing_ = false;
  std::string said_;  ///< the last problem
  uv_timer_t* timer_;
};

// As a file: a line with the version and the CRC-32C of what follows, in hex; then the map as
// cluster_codec.h has it.

std::string last_map_file(const cluster::ClusterMap& map);
/// Errors: what is wrong with it.
base::Result<cluster::ClusterMap, std::string> parse_last_map(std::string_view file);

}  // namespace quorate::member
