// BlockedCommand: a command that waits on several backends in turn, one at a time (BLPOP over keys
// of different backends; WAIT), or that is tried again and again (pops in a pool that keeps
// replicas). What the dialect remembers between two steps; how it goes on is told in
// relay/redis_blocking.cpp and relay/redis_replicated_blocking.cpp. A command that waits on one
// backend needs none of this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backends/redis/replicated_command.h"
#include "consensus/base/time.h"

namespace quorate::session {

struct BlockedCommand {
  enum class Unblock : uint8_t { kNo, kTimeout, kError };

  /// Keys that follow each other and may be named by one command; of WAIT, a backend and no keys.
  struct Run {
    uint32_t upstream = 0;
    uint32_t group = 0;          ///< PoolPlan::group_of() of each of them
    std::vector<uint32_t> keys;  ///< into `words`
  };

  std::vector<std::string> words;  ///< the command
  std::vector<Run> runs;
  uint32_t slot = 0;
  bool is_silent = false;     ///< CLIENT REPLY OFF
  bool is_wait = false;       ///< WAIT
  size_t next = 0;            ///< the run to ask; all were asked: block on one of them
  size_t turn = 0;            ///< which one: each in turn
  base::Instant deadline{};   ///< the client's; kNever: none
  std::string refusal;        ///< what the backend said when the command was queued there
  int64_t least = INT64_MAX;  ///< WAIT: replicas of the backend that has fewest
  Unblock unblock = Unblock::kNo;

  // In a pool that keeps replicas.
  std::vector<redis::ReplicatedCommand> pops;  ///< of one key each, in the client's order
  bool is_asked = false;                       ///< pops[next], and it is not answered yet
  base::Instant again_at{};                    ///< pops[next] is not tried before
};

}  // namespace quorate::session
