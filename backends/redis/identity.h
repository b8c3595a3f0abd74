// Which process a Redis server is, and whether it may hold replicas: what its INFO tells, and
// nothing else (CONFIG may be forbidden to us). Redis 7.0's names of fields.
//
// A replica's promise is bound to one process: a server that was restarted may have come back with
// old data and a marker that looks right (consistency.md §4.4), and only its run_id says so. It is
// asked on every connection that versioned requests are to use, before any of them.
//
// Pure. Called by the handshake of such connections, by the control thread's admission, and by its
// prober.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backends/link/greeting.h"

namespace quorate::redis {

struct Identity {
  std::string run_id;
  std::string role;
  std::string replication_id;
  std::string second_replication_id;  ///< not zeros: its data was another server's once
  std::string eviction_policy;
  uint64_t evicted_keys = 0;
  uint64_t keys = 0;  ///< of database 0
  bool loading = false;
};

/// From the reply to INFO, RESP2 or RESP3.
Identity read_identity(std::string_view info);

/// Why this server cannot hold replicas, in a sentence for the operator; nothing if it can.
std::string objection_to(const Identity& identity);

/// For a connection (RESP3) that is to carry versioned requests: who is there, and then the
/// acceptor's scripts.
link::Greeting replica_greeting(const link::Credentials& credentials);
/// The answers come in the order of the greeting; `left` counts down from its replies to one. To
/// the question who is there, `who` is filled in.
link::GreetingVerdict judge_replica_greeting(uint32_t left, std::string_view reply, Identity& who);
/// What there is against the process of `who`, if the group knows the one of `run_id` there.
std::string mismatch(const Identity& who, std::string_view run_id);

}  // namespace quorate::redis
