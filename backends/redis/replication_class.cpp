// How each command is replicated (consistency.md §6.10). What is not named here is refused, or is
// the connection's own affair: a command that nobody has thought about never reaches a replica, and
// a test against a server finds that nobody has.
#include <algorithm>
#include <array>
#include <optional>

#include "backends/redis/replicated_command.h"
#include "backends/wire/route_class.h"

namespace quorate::redis {
namespace {

using enum wire::RedisCommand;
using Class = ReplicationClass;
using wire::RedisCommand;

constexpr auto kReads = std::to_array<RedisCommand>({kGet,
                                                     kStrlen,
                                                     kGetrange,
                                                     kSubstr,
                                                     kGetbit,
                                                     kBitcount,
                                                     kBitpos,
                                                     kBitfieldRo,
                                                     kType,
                                                     kWatch,
                                                     kTtl,
                                                     kPttl,
                                                     kExpiretime,
                                                     kPexpiretime,
                                                     kHget,
                                                     kHmget,
                                                     kHgetall,
                                                     kHkeys,
                                                     kHvals,
                                                     kHlen,
                                                     kHexists,
                                                     kHstrlen,
                                                     kHrandfield,
                                                     kLlen,
                                                     kLrange,
                                                     kLindex,
                                                     kLpos,
                                                     kScard,
                                                     kSmembers,
                                                     kSismember,
                                                     kSmismember,
                                                     kSrandmember,
                                                     kZcard,
                                                     kZscore,
                                                     kZmscore,
                                                     kZrange,
                                                     kZrangebyscore,
                                                     kZrangebylex,
                                                     kZrevrange,
                                                     kZrevrangebyscore,
                                                     kZrevrangebylex,
                                                     kZrank,
                                                     kZrevrank,
                                                     kZcount,
                                                     kZlexcount,
                                                     kZrandmember,
                                                     kXlen,
                                                     kXrange,
                                                     kXrevrange,
                                                     kXread,
                                                     kXpending,
                                                     kXinfoStream,
                                                     kXinfoGroups,
                                                     kXinfoConsumers,
                                                     kHscan,
                                                     kSscan,
                                                     kZscan,
                                                     kGeopos,
                                                     kGeodist,
                                                     kGeohash,
                                                     kGeosearch,
                                                     kGeoradiusRo,
                                                     kGeoradiusbymemberRo});

constexpr auto kBlinds = std::to_array<RedisCommand>({kSet, kSetex, kPsetex});

// Of one key, though some could name several.
constexpr auto kPops =
    std::to_array<RedisCommand>({kLmove, kRpoplpush, kLmpop, kZmpop, kBlmove, kBrpoplpush, kBlmpop,
                                 kBzmpop, kBlpop, kBrpop, kBzpopmin, kBzpopmax});

constexpr auto kDeltas = std::to_array<RedisCommand>({kAppend,
                                                      kSetrange,
                                                      kIncr,
                                                      kIncrby,
                                                      kDecr,
                                                      kDecrby,
                                                      kSetbit,
                                                      kBitfield,
                                                      kSetnx,
                                                      kGetset,
                                                      kGetdel,
                                                      kGetex,
                                                      kHset,
                                                      kHmset,
                                                      kHsetnx,
                                                      kHdel,
                                                      kHincrby,
                                                      kLpush,
                                                      kRpush,
                                                      kLpushx,
                                                      kRpushx,
                                                      kLpop,
                                                      kRpop,
                                                      kLset,
                                                      kLrem,
                                                      kLtrim,
                                                      kLinsert,
                                                      kSadd,
                                                      kSrem,
                                                      kZadd,
                                                      kZrem,
                                                      kZincrby,
                                                      kZpopmin,
                                                      kZpopmax,
                                                      kZremrangebyrank,
                                                      kZremrangebyscore,
                                                      kZremrangebylex,
                                                      kPfadd,
                                                      kPfcount,
                                                      kGeoadd,
                                                      kXdel,
                                                      kXack,
                                                      kXsetid,
                                                      kExpire,
                                                      kPexpire,
                                                      kExpireat,
                                                      kPexpireat,
                                                      kPersist});

// What depends on a clock, on chance, or on how a CPU rounds: one replica does it.
constexpr auto kStates = std::to_array<RedisCommand>(
    {kSpop, kIncrbyfloat, kHincrbyfloat, kXadd, kXtrim, kXgroupCreate, kXgroupDestroy, kXgroupSetid,
     kXgroupCreateconsumer, kXgroupDelconsumer, kXreadgroup, kXclaim, kXautoclaim});

constexpr auto kSplits = std::to_array<RedisCommand>({kDel, kUnlink, kExists, kTouch, kMget});

constexpr auto kKeyspaces = std::to_array<RedisCommand>({kScan, kKeys, kDbsize, kRandomkey});

constexpr auto kOverKeys = std::to_array<RedisCommand>(
    {kMset,       kMsetnx,      kRename,  kRenamenx,      kCopy,        kSmove,       kBitop,
     kLcs,        kSinter,      kSunion,  kSdiff,         kSinterstore, kSunionstore, kSdiffstore,
     kSintercard, kZinter,      kZunion,  kZdiff,         kZinterstore, kZunionstore, kZdiffstore,
     kZintercard, kZrangestore, kPfmerge, kGeosearchstore});

// What only the server that has the key or the script could answer, or would answer differently
// from its peers. MULTI and EVAL are no command on a key: the relay has ways of its own for them.
constexpr auto kRefused = std::to_array<RedisCommand>({kMulti,
                                                       kExec,
                                                       kDiscard,
                                                       kUnwatch,
                                                       kEval,
                                                       kEvalRo,
                                                       kEvalsha,
                                                       kEvalshaRo,
                                                       kScript,
                                                       kScriptLoad,
                                                       kScriptExists,
                                                       kScriptFlush,
                                                       kScriptKill,
                                                       kScriptHelp,
                                                       kFcall,
                                                       kFcallRo,
                                                       kFunction,
                                                       kFunctionLoad,
                                                       kFunctionDelete,
                                                       kFunctionFlush,
                                                       kFunctionDump,
                                                       kFunctionHelp,
                                                       kFunctionKill,
                                                       kFunctionList,
                                                       kFunctionRestore,
                                                       kFunctionStats,
                                                       kDump,
                                                       kRestore,
                                                       kRestoreAsking,
                                                       kMove,
                                                       kSort,
                                                       kSortRo,
                                                       kObject,
                                                       kObjectEncoding,
                                                       kObjectFreq,
                                                       kObjectIdletime,
                                                       kObjectRefcount,
                                                       kObjectHelp,
                                                       kGeoradius,
                                                       kGeoradiusbymember,
                                                       kPfdebug,
                                                       kPfselftest,
                                                       kXgroup,
                                                       kXgroupHelp,
                                                       kXinfo,
                                                       kXinfoHelp,
                                                       kWait,
                                                       kMonitor,
                                                       kFlushall,
                                                       kFlushdb,
                                                       kSwapdb,
                                                       kClientCaching,
                                                       kClientTracking,
                                                       kClientHelp,
                                                       kPubsubHelp,
                                                       kSlowlog,
                                                       kSlowlogGet,
                                                       kSlowlogLen,
                                                       kSlowlogReset,
                                                       kSlowlogHelp,
                                                       kLatency,
                                                       kLatencyDoctor,
                                                       kLatencyGraph,
                                                       kLatencyHelp,
                                                       kLatencyHistogram,
                                                       kLatencyHistory,
                                                       kLatencyLatest,
                                                       kLatencyReset,
                                                       kLolwut,
                                                       kLastsave,
                                                       kMemory,
                                                       kMemoryDoctor,
                                                       kMemoryHelp,
                                                       kMemoryMallocStats,
                                                       kMemoryPurge,
                                                       kMemoryStats,
                                                       kMemoryUsage,
                                                       kConfigGet,
                                                       kConfigHelp,
                                                       kConfigResetstat,
                                                       kAclCat,
                                                       kAclGenpass,
                                                       kAclHelp,
                                                       kClusterHelp,
                                                       kModuleHelp,
                                                       kModuleList});

using Classes = std::array<std::optional<Class>, wire::kRedisCommandCount>;

Classes make_classes() {
  Classes classes{};
  for (size_t i = 0; i < classes.size(); ++i) {
    const auto to = wire::route_of(static_cast<RedisCommand>(i)).to;
    const auto& spec = wire::redis_command_table()[i];
    const bool is_own = to == wire::RouteClass::kLocal || to == wire::RouteClass::kByChannel ||
                        spec.categories.has(wire::AclCategory::kPubsub) || spec.id == kCommand ||
                        spec.container == kCommand;
    if (is_own) classes[i] = Class::kLocal;
    if (to == wire::RouteClass::kAdminDenied) classes[i] = Class::kUnsupported;
  }
  const auto put = [&](const auto& commands, Class replication) {
    for (const RedisCommand id : commands) classes[static_cast<size_t>(id)] = replication;
  };
  put(kRefused, Class::kUnsupported);
  put(kReads, Class::kRead);
  put(kBlinds, Class::kBlind);
  put(kDeltas, Class::kDelta);
  put(kPops, Class::kDelta);
  put(kStates, Class::kState);
  put(kSplits, Class::kSplit);
  put(kKeyspaces, Class::kKeyspace);
  put(kOverKeys, Class::kTransaction);
  return classes;
}

const Classes& classes() {
  static const Classes kClasses = make_classes();
  return kClasses;
}

}  // namespace

char letter_of(ReplicationClass replication) {
  return "RBDXSTUMKL"[static_cast<size_t>(replication)];
}

ReplicationClass class_of(const wire::CommandSpec& spec) {
  if (spec.id == RedisCommand::kUnknown) return Class::kUnsupported;
  return classes()[static_cast<size_t>(spec.id)].value_or(Class::kUnsupported);
}

bool is_classified(const wire::CommandSpec& spec) {
  return spec.id != RedisCommand::kUnknown && classes()[static_cast<size_t>(spec.id)].has_value();
}

std::string refusal_text(const wire::CommandSpec& spec, ReplicationClass replication,
                         std::string_view pool) {
  std::string text = replication == Class::kTransaction ? "CROSSSLOT '" : "ERR '";
  text.append(spec.name).append("' is not supported in pool '").append(pool);
  text.append("', whose consistency is \"quorum\"");
  if (replication == Class::kTransaction) {
    text.append(": what it does to several keys could not be one change");
  }
  return text;
}

}  // namespace quorate::redis
