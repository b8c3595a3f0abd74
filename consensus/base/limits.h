// Every bound of the program that is not a setting, in one place. What an operator would need to
// change is a key of quorate.toml instead (conf/quorate.toml lists those with their defaults).
#pragma once

#include <cstddef>
#include <cstdint>

namespace quorate::limits {

inline constexpr size_t kKiB = 1024;
inline constexpr size_t kMiB = 1024 * kKiB;

// --- Redis protocol, as the server itself has them (RESP; redis 7.0 networking.c) ---
inline constexpr size_t kInlineBytes = 64 * kKiB;       ///< an inline command, a count line
inline constexpr int64_t kMultibulkCount = 0x7FFFFFFF;  ///< arguments of a command
inline constexpr size_t kBulkBytes = 512 * kMiB;      ///< one argument; max_value may only lower it
inline constexpr int64_t kUnauthenticatedCount = 10;  ///< arguments before AUTH
inline constexpr int64_t kUnauthenticatedBulk = 16384;  ///< bytes of one of them

// --- memcached protocol, as the server itself has them (memcached 1.6.18) ---
inline constexpr size_t kMemcachedKeyBytes = 250;
inline constexpr size_t kMemcachedTokens = 24;  ///< of a storage or arithmetic line
inline constexpr size_t kMemcachedMetaFlags = 20;
inline constexpr size_t kMemcachedOpaqueBytes = 32;
inline constexpr size_t kMemcachedLineBytes = 2048;  ///< a line that is not a multi-get

// --- the process ---
/// Pools that one process can have had, those removed by a reload included.
inline constexpr size_t kPools = 1024;

/// Nodes of a cluster that are asked in one round which node has which slots.
inline constexpr size_t kAskedServers = 16;
/// What one of them may answer.
inline constexpr size_t kDiscoveryAnswerBytes = 16 * kMiB;

// --- the admin port ---
inline constexpr size_t kAdminConnections = 64;
inline constexpr size_t kAdminRequestBytes = 64 * kKiB;

// --- the data path ---
/// What is read from a socket at once; a command or reply up to this size is handled whole, a
/// larger one streams (and travels on a side connection).
inline constexpr size_t kReadBytes = 64 * kKiB;
/// The same while a large value streams: half the system's time goes into reads of 64 KiB.
inline constexpr size_t kBulkReadBytes = 1 * kMiB;
/// A client whose unsent replies exceed this is not read from until half of it has left.
inline constexpr size_t kOutputHighWater = 256 * kKiB;
/// A backend connection whose unsent requests exceed this takes no further command.
inline constexpr size_t kRequestHighWater = 1 * kMiB;
/// Commands in flight on one backend connection.
inline constexpr uint32_t kPendingPerLink = 65536;
/// A larger reply to a read is asked again on a side connection instead of being held for a client
/// that may read slowly.
inline constexpr size_t kHeldReplyBytes = 1 * kMiB;
/// Main links of a backend that take no more while a large reply comes that is dropped. All busy
/// so: the next one's neighbours wait for it.
inline constexpr size_t kRetiringLinks = 4;
/// A client that takes nothing of a large reply for so long loses the connection that is lent to it
/// (a larger request_timeout counts instead).
inline constexpr int kSlowReaderSeconds = 60;
/// Nesting of a reply's arrays, where a reply is read as a tree (control path only).
inline constexpr uint32_t kReplyDepth = 64;
/// Names of commands learned from backends (modules, newer servers), of each worker.
inline constexpr size_t kLearnedCommands = 1024;
inline constexpr size_t kLearnedNameBytes = 128;
/// Commands without a key at the beginning of a MULTI.
inline constexpr size_t kQueuedWithoutKey = 1024;
/// A subscriber whose unsent messages exceed the first is closed; and so it is if they exceed the
/// second for so many seconds. Redis' client-output-buffer-limit for pubsub.
inline constexpr size_t kSubscriberOutput = 32 * kMiB;
inline constexpr size_t kSubscriberOutputForLong = 8 * kMiB;
inline constexpr int kSubscriberLongSeconds = 60;
/// Pinned connections that one worker opens to one backend at the same time: a thousand at once
/// would not fit into the backend's listen queue. Whoever needs one more waits.
inline constexpr uint32_t kPinnedOpening = 32;
/// Commands of replicated pools that have not ended, of each worker; and as many of other workers
/// and proxies.
inline constexpr size_t kReplicatedOperations = 16384;
/// Keys that one part of a SCAN of a replicated pool brings at most, about; and keys that KEYS and
/// DBSIZE list.
inline constexpr int64_t kScanPart = 10'000;
inline constexpr size_t kListedKeys = 4'000'000;
/// Such lists under way, of each worker.
inline constexpr size_t kListings = 64;
/// Requests of clients that no server of a pool takes now (a slot on its way, a primary that is
/// not known yet), held to be asked again: of each worker, and their bytes.
inline constexpr size_t kHeldRequests = 65536;
inline constexpr size_t kHeldRequestBytes = 64 * kMiB;
/// Clients waiting for a side connection of one backend, of each worker.
inline constexpr size_t kSideWaiters = 10000;

}  // namespace quorate::limits
