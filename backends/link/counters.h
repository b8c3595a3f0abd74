// Counters: what happened on one worker. Plain numbers: the worker that counts is the only one that
// reads, and hands copies to whoever asks.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "consensus/base/time.h"

namespace quorate::link {

/// Latencies in buckets that double: up to 16 µs, 32 µs, … 16.8 s, and longer.
struct LatencyHistogram {
  static constexpr size_t kBounds = 21;
  /// Upper bound of bucket `i`, in microseconds.
  static constexpr uint64_t bound_us(size_t i) { return uint64_t{16} << i; }

  void record(base::Duration latency) {
    const uint64_t us = static_cast<uint64_t>(std::max<int64_t>(latency.count(), 0)) / 1000;
    const size_t bucket = us <= 16 ? 0 : static_cast<size_t>(std::bit_width((us - 1) >> 4));
    ++buckets[std::min(bucket, kBounds)];
    sum_us += us;
  }

  std::array<uint64_t, kBounds + 1> buckets{};  ///< the last one: longer than every bound
  uint64_t sum_us = 0;
};

struct BackendCounters {
  uint64_t requests = 0;  ///< sent or queued
  uint64_t replies = 0;   ///< answered in time
  uint64_t request_bytes = 0;
  uint64_t reply_bytes = 0;
  uint64_t unavailable = 0;  ///< refused: certainly not executed
  uint64_t unknown = 0;      ///< writes sent and not answered
  uint64_t timed_out = 0;    ///< reads not answered in time
  uint64_t retried = 0;      ///< reads asked a second time
  uint64_t connects = 0;     ///< connections that became ready
  uint64_t connect_failures = 0;
  uint64_t connections_lost = 0;
  uint64_t failures_in_a_row = 0;  ///< now: connections, time-outs; an answer resets it
  uint64_t in_flight = 0;          ///< now: requests without a reply
  uint64_t connected = 0;          ///< now: ready connections
  LatencyHistogram latency;
};

struct PoolCounters {
  uint64_t clients = 0;  ///< now
  uint64_t blocked = 0;  ///< of them, in a blocking command
  uint64_t clients_accepted = 0;
  uint64_t clients_refused = 0;  ///< above max_clients
  uint64_t clients_cut_off = 0;  ///< closed because too much was held for them
  uint64_t commands = 0;
  uint64_t own_errors = 0;  ///< error replies that this proxy made itself
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

}  // namespace quorate::link
