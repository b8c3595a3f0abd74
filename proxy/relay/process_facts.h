// ProcessFacts: what the workers share: what INFO and HELLO tell about the whole process, written
// by the control thread and, as relaxed sums, by the workers; and the scripts that clients loaded.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "consensus/base/limits.h"
#include "consensus/base/time.h"
#include "proxy/relay/script_shelf.h"
#include "proxy/relay/subscriber_counts.h"

namespace quorate::relay {

/// How this proxy stands to its group (proxy/member/membership.h), for QUORATE STATUS.
struct GroupFacts {
  std::string role;
  std::string member;
  std::string cluster;
  std::string leader;
  uint64_t term = 0;
  uint64_t applied = 0;
  uint64_t behind = 0;
  bool in_touch = true;

  bool operator==(const GroupFacts&) const = default;
};

struct ProcessFacts {
  std::string version;  ///< quorate's own
  std::string run_id;   ///< 40 hexadecimal digits, new for every process
  std::string os;
  int64_t process_id = 0;
  uint32_t workers = 1;
  base::WallTime started{};

  /// Replaced whole by the control thread; never nullptr.
  std::atomic<std::shared_ptr<const GroupFacts>> group{std::make_shared<const GroupFacts>()};

  std::atomic<uint64_t> connections_received{0};
  std::atomic<uint64_t> commands_processed{0};
  std::atomic<uint64_t> bytes_in{0};
  std::atomic<uint64_t> bytes_out{0};
  /// What they were at the last CONFIG RESETSTAT: INFO tells what came after it, metrics all.
  struct Before {
    std::atomic<uint64_t> connections_received{0};
    std::atomic<uint64_t> commands_processed{0};
    std::atomic<uint64_t> bytes_in{0};
    std::atomic<uint64_t> bytes_out{0};
  };
  Before before;
  std::atomic<uint64_t> resident_bytes{0};
  std::atomic<uint64_t> next_client_id{1};
  std::array<std::atomic<uint32_t>, limits::kPools> pool_clients{};  ///< connected now, by PoolId
  std::array<std::atomic<uint32_t>, limits::kPools> pool_blocked{};  ///< in a blocking command
  mutable SubscriberCounts subscriber_counts;  ///< of all workers; guards itself

  ScriptShelf scripts;

  /// CONFIG RESETSTAT.
  void reset_statistics() {
    before.connections_received = connections_received.load();
    before.commands_processed = commands_processed.load();
    before.bytes_in = bytes_in.load();
    before.bytes_out = bytes_out.load();
  }
};

}  // namespace quorate::relay
