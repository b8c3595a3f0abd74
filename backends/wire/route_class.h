// Where a proxy sends each Redis command, and how the replies of several backends become one.
//
// The table is written by hand, a policy and not a fact of the server: what somebody who shards
// would expect. Every command and subcommand has its line, or the build fails. It looks neither at
// the arguments, apart from route_of(), nor at keys.
//
// A container's own line ("CONFIG") is what a subcommand gets that the table does not know.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "backends/wire/redis_commands.h"

namespace quorate::wire {

enum class RouteClass : uint8_t {
  /// To the backend of its keys, which must all have the same one. Without a key (EVAL with
  /// numkeys 0) to any one.
  kByKey,
  /// As if the channel were a key: PUBLISH meets SUBSCRIBE on the channel's backend.
  kByChannel,
  /// Split over the backends of its keys if they differ; ReplyJoin says how it is put together.
  /// MGET, replies in the order of the keys.
  kSplitGet,
  /// MSET. Pairs must be checked before the split: each part alone would be complete.
  kSplitSet,
  /// DEL UNLINK EXISTS TOUCH.
  kSplitCount,
  /// SCAN: one backend after the other; the cursor says which.
  kByCursor,
  /// Every backend can answer it alike, or it asks for nobody's in particular. Changes nothing.
  kAnyBackend,
  /// The proxy's own: it is about the connection or the proxy, and no backend is asked.
  kLocal,
  /// To every backend of the pool, each on its own; ReplyJoin says how it is put together.
  kAllBackends,
  /// Needs a backend connection of its own for as long as some state lasts there: transactions,
  /// blocking commands, subscriptions, MONITOR, WAIT, tracking.
  kConnectionBound,
  /// Operates a server, not data: refused, unless a user is explicitly permitted.
  kAdminDenied,
};

/// What the client gets if a command went to several backends. An error of any of them wins,
/// except with kFirstSuccess.
enum class ReplyJoin : uint8_t {
  kNone,          ///< never goes to several
  kByPosition,    ///< array: each element to the place of its key
  kAllOk,         ///< +OK once all said so
  kSum,           ///< integers
  kMinimum,       ///< integers
  kEachMinimum,   ///< arrays of 0 and 1, place by place: present everywhere
  kConcatenate,   ///< arrays, one after the other
  kSame,          ///< all must be equal; any of them
  kFirstNonNil,   ///< nil only if all are
  kFirstSuccess,  ///< an error only if all are
};

struct Route {
  RouteClass to = RouteClass::kByKey;
  ReplyJoin join = ReplyJoin::kNone;

  friend constexpr bool operator==(Route, Route) = default;
};

/// The line of a built-in command. REQUIRES: not kUnknown.
Route route_of(RedisCommand command);

/// Position of the one key that alone says where a built-in command goes: kByKey, with
/// CommandSpec::single_key. 0: there is more to it. REQUIRES: not kUnknown.
uint8_t lone_key_of(RedisCommand command);

/// The same for any command, learnt ones too, with a look at arguments where they decide: XREAD and
/// XREADGROUP are connection-bound only with BLOCK. A learnt command goes by its keys if it has
/// any, else to any backend, unless its flags say that it blocks, subscribes or administers.
Route route_of(const CommandSpec& spec, std::span<const std::string_view> args);

}  // namespace quorate::wire
