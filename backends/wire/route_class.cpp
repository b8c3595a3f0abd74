#include "backends/wire/route_class.h"

#include <array>
#include <cstddef>

#include "backends/wire/key_walk.h"
#include "consensus/base/assert.h"

namespace quorate::wire {
namespace {

// Without a default, so that the compiler names whatever command has no line. By topic, in the
// order of redis.io's groups.
constexpr Route choose_route(RedisCommand command) {
  using enum RedisCommand;
  constexpr Route kToKey{RouteClass::kByKey, ReplyJoin::kNone};
  constexpr Route kToAny{RouteClass::kAnyBackend, ReplyJoin::kNone};
  constexpr Route kOwn{RouteClass::kLocal, ReplyJoin::kNone};
  constexpr Route kBound{RouteClass::kConnectionBound, ReplyJoin::kNone};
  constexpr Route kDenied{RouteClass::kAdminDenied, ReplyJoin::kNone};
  constexpr auto to_all = [](ReplyJoin join) { return Route{RouteClass::kAllBackends, join}; };

  switch (command) {
    // Strings and bitmaps. MSETNX is all or nothing, which a split would break.
    case kAppend:
    case kBitcount:
    case kBitfield:
    case kBitfieldRo:
    case kBitop:
    case kBitpos:
    case kDecr:
    case kDecrby:
    case kGet:
    case kGetbit:
    case kGetdel:
    case kGetex:
    case kGetrange:
    case kGetset:
    case kIncr:
    case kIncrby:
    case kIncrbyfloat:
    case kLcs:
    case kMsetnx:
    case kPsetex:
    case kSet:
    case kSetbit:
    case kSetex:
    case kSetnx:
    case kSetrange:
    case kStrlen:
    case kSubstr: return kToKey;
    case kMget: return {RouteClass::kSplitGet, ReplyJoin::kByPosition};
    case kMset: return {RouteClass::kSplitSet, ReplyJoin::kAllOk};

    // Keys, whatever their type. SORT's BY and GET patterns reach only keys of the same backend.
    case kCopy:
    case kDump:
    case kExpire:
    case kExpireat:
    case kExpiretime:
    case kMove:
    case kObject:
    case kObjectEncoding:
    case kObjectFreq:
    case kObjectIdletime:
    case kObjectRefcount:
    case kPersist:
    case kPexpire:
    case kPexpireat:
    case kPexpiretime:
    case kPttl:
    case kRename:
    case kRenamenx:
    case kRestore:
    case kRestoreAsking:
    case kSort:
    case kSortRo:
    case kTtl:
    case kType: return kToKey;
    case kObjectHelp: return kToAny;
    case kDel:
    case kExists:
    case kTouch:
    case kUnlink: return {RouteClass::kSplitCount, ReplyJoin::kSum};
    case kMigrate:
      return kDenied;  // takes a key away from where the ring says it is

    // The whole keyspace.
    case kDbsize: return to_all(ReplyJoin::kSum);
    case kFlushall:
    case kFlushdb:
    case kSwapdb: return to_all(ReplyJoin::kAllOk);
    case kKeys: return to_all(ReplyJoin::kConcatenate);
    case kRandomkey: return to_all(ReplyJoin::kFirstNonNil);
    case kScan: return {RouteClass::kByCursor, ReplyJoin::kNone};

    // Hashes.
    case kHdel:
    case kHexists:
    case kHget:
    case kHgetall:
    case kHincrby:
    case kHincrbyfloat:
    case kHkeys:
    case kHlen:
    case kHmget:
    case kHmset:
    case kHrandfield:
    case kHscan:
    case kHset:
    case kHsetnx:
    case kHstrlen:
    case kHvals: return kToKey;

    // Lists.
    case kLindex:
    case kLinsert:
    case kLlen:
    case kLmove:
    case kLmpop:
    case kLpop:
    case kLpos:
    case kLpush:
    case kLpushx:
    case kLrange:
    case kLrem:
    case kLset:
    case kLtrim:
    case kRpop:
    case kRpoplpush:
    case kRpush:
    case kRpushx: return kToKey;
    case kBlmove:
    case kBlmpop:
    case kBlpop:
    case kBrpop:
    case kBrpoplpush: return kBound;

    // Sets.
    case kSadd:
    case kScard:
    case kSdiff:
    case kSdiffstore:
    case kSinter:
    case kSintercard:
    case kSinterstore:
    case kSismember:
    case kSmembers:
    case kSmismember:
    case kSmove:
    case kSpop:
    case kSrandmember:
    case kSrem:
    case kSscan:
    case kSunion:
    case kSunionstore: return kToKey;

    // Sorted sets and geo.
    case kGeoadd:
    case kGeodist:
    case kGeohash:
    case kGeopos:
    case kGeoradius:
    case kGeoradiusRo:
    case kGeoradiusbymember:
    case kGeoradiusbymemberRo:
    case kGeosearch:
    case kGeosearchstore:
    case kZadd:
    case kZcard:
    case kZcount:
    case kZdiff:
    case kZdiffstore:
    case kZincrby:
    case kZinter:
    case kZintercard:
    case kZinterstore:
    case kZlexcount:
    case kZmpop:
    case kZmscore:
    case kZpopmax:
    case kZpopmin:
    case kZrandmember:
    case kZrange:
    case kZrangebylex:
    case kZrangebyscore:
    case kZrangestore:
    case kZrank:
    case kZrem:
    case kZremrangebylex:
    case kZremrangebyrank:
    case kZremrangebyscore:
    case kZrevrange:
    case kZrevrangebylex:
    case kZrevrangebyscore:
    case kZrevrank:
    case kZscan:
    case kZscore:
    case kZunion:
    case kZunionstore: return kToKey;
    case kBzmpop:
    case kBzpopmax:
    case kBzpopmin: return kBound;

    // HyperLogLog.
    case kPfadd:
    case kPfcount:
    case kPfdebug:
    case kPfmerge: return kToKey;
    case kPfselftest: return kToAny;

    // Streams. XREAD and XREADGROUP are bound only if they block, which their arguments say.
    case kXack:
    case kXadd:
    case kXautoclaim:
    case kXclaim:
    case kXdel:
    case kXgroup:
    case kXgroupCreate:
    case kXgroupCreateconsumer:
    case kXgroupDelconsumer:
    case kXgroupDestroy:
    case kXgroupSetid:
    case kXinfo:
    case kXinfoConsumers:
    case kXinfoGroups:
    case kXinfoStream:
    case kXlen:
    case kXpending:
    case kXrange:
    case kXread:
    case kXreadgroup:
    case kXrevrange:
    case kXsetid:
    case kXtrim: return kToKey;
    case kXgroupHelp:
    case kXinfoHelp: return kToAny;

    // Scripts run where their keys are, so everything that prepares them goes everywhere.
    case kEval:
    case kEvalRo:
    case kEvalsha:
    case kEvalshaRo:
    case kFcall:
    case kFcallRo: return kToKey;
    case kScriptLoad: return to_all(ReplyJoin::kSame);
    case kScriptExists: return to_all(ReplyJoin::kEachMinimum);
    case kScriptFlush: return to_all(ReplyJoin::kAllOk);
    case kScriptKill: return to_all(ReplyJoin::kFirstSuccess);
    case kScriptDebug:
      return kDenied;  // stops the server, and turns the connection into a debugger
    case kScript:
    case kScriptHelp: return kToAny;
    case kFunctionLoad: return to_all(ReplyJoin::kSame);
    case kFunctionDelete:
    case kFunctionFlush:
    case kFunctionRestore: return to_all(ReplyJoin::kAllOk);
    case kFunctionKill: return to_all(ReplyJoin::kFirstSuccess);
    case kFunction:
    case kFunctionDump:
    case kFunctionHelp:
    case kFunctionList:
    case kFunctionStats: return kToAny;

    // Transactions.
    case kDiscard:
    case kExec:
    case kMulti:
    case kUnwatch:
    case kWatch: return kBound;

    // Publish and subscribe. Who is subscribed is known to the proxy, not to the backends.
    case kPublish:
    case kSpublish: return {RouteClass::kByChannel, ReplyJoin::kNone};
    case kPsubscribe:
    case kPunsubscribe:
    case kSsubscribe:
    case kSubscribe:
    case kSunsubscribe:
    case kUnsubscribe: return kBound;
    case kPubsub:
    case kPubsubChannels:
    case kPubsubNumpat:
    case kPubsubNumsub:
    case kPubsubShardchannels:
    case kPubsubShardnumsub: return kOwn;
    case kPubsubHelp: return kToAny;

    // The connection.
    case kAuth:
    case kClient:
    case kClientGetname:
    case kClientGetredir:
    case kClientId:
    case kClientInfo:
    case kClientKill:
    case kClientList:
    case kClientNoEvict:
    case kClientPause:
    case kClientReply:
    case kClientSetname:
    case kClientTrackinginfo:
    case kClientUnblock:
    case kClientUnpause:
    case kEcho:
    case kHello:
    case kPing:
    case kQuit:
    case kReset:
    case kSelect: return kOwn;
    case kClientHelp: return kToAny;
    case kClientCaching:
    case kClientTracking: return kBound;

    // About the server: what a client asks before it works is answered for the proxy.
    case kInfo:
    case kRole:
    case kTime: return kOwn;
    // What was slow, the backends tell: each has its own log.
    case kSlowlogGet: return to_all(ReplyJoin::kConcatenate);
    case kSlowlogLen: return to_all(ReplyJoin::kSum);
    case kSlowlogReset: return to_all(ReplyJoin::kAllOk);
    case kLatencyLatest: return to_all(ReplyJoin::kConcatenate);
    case kLatencyReset: return to_all(ReplyJoin::kSum);
    case kCommand:
    case kCommandCount:
    case kCommandDocs:
    case kCommandGetkeys:
    case kCommandGetkeysandflags:
    case kCommandHelp:
    case kCommandInfo:
    case kCommandList:
    case kLatency:
    case kLatencyDoctor:
    case kLatencyGraph:
    case kLatencyHelp:
    case kLatencyHistogram:
    case kLatencyHistory:
    case kLolwut:
    case kSlowlog:
    case kSlowlogHelp: return kToAny;
    case kLastsave: return to_all(ReplyJoin::kMinimum);  // since when all of them are saved
    case kMonitor:
    case kWait: return kBound;

    // Memory: diagnoses are of one process, and there is no joining their prose.
    case kMemoryUsage: return kToKey;
    case kMemory:
    case kMemoryDoctor:
    case kMemoryHelp:
    case kMemoryMallocStats:
    case kMemoryStats: return kToAny;
    case kMemoryPurge: return to_all(ReplyJoin::kAllOk);

    // Configuration. Reading one backend's stands for all of them.
    case kConfig: return kOwn;
    case kConfigGet:
    case kConfigHelp: return kToAny;
    case kConfigResetstat: return to_all(ReplyJoin::kAllOk);
    case kConfigRewrite:
    case kConfigSet: return kDenied;

    // Users are the proxy's own; those of the backends are nobody's business here.
    case kAclList:
    case kAclUsers:
    case kAclWhoami: return kOwn;
    case kAclCat:
    case kAclGenpass:
    case kAclHelp: return kToAny;
    case kAcl:
    case kAclDeluser:
    case kAclDryrun:
    case kAclGetuser:
    case kAclLoad:
    case kAclLog:
    case kAclSave:
    case kAclSetuser: return kDenied;

    // Cluster: the proxy answers as one node that owns every slot.
    case kAsking:
    case kCluster:
    case kClusterCountkeysinslot:
    case kClusterGetkeysinslot:
    case kClusterInfo:
    case kClusterKeyslot:
    case kClusterLinks:
    case kClusterMyid:
    case kClusterNodes:
    case kClusterReplicas:
    case kClusterShards:
    case kClusterSlaves:
    case kClusterSlots:
    case kReadonly:
    case kReadwrite: return kOwn;
    case kClusterHelp: return kToAny;
    case kClusterAddslots:
    case kClusterAddslotsrange:
    case kClusterBumpepoch:
    case kClusterCountFailureReports:
    case kClusterDelslots:
    case kClusterDelslotsrange:
    case kClusterFailover:
    case kClusterFlushslots:
    case kClusterForget:
    case kClusterMeet:
    case kClusterReplicate:
    case kClusterReset:
    case kClusterSaveconfig:
    case kClusterSetConfigEpoch:
    case kClusterSetslot: return kDenied;

    // Operating the server process.
    case kModuleHelp:
    case kModuleList: return kToAny;
    case kBgrewriteaof:
    case kBgsave:
    case kDebug:
    case kFailover:
    case kModule:
    case kModuleLoad:
    case kModuleLoadex:
    case kModuleUnload:
    case kPsync:
    case kReplconf:
    case kReplicaof:
    case kSave:
    case kShutdown:
    case kSlaveof:
    case kSync: return kDenied;

    case kUnknown: break;
  }
  ASSERT(command == kUnknown);  // the switch is complete
  return {};
}

constexpr auto kRoutes = [] {
  std::array<Route, kRedisCommandCount> routes{};
  for (size_t i = 0; i < routes.size(); ++i) routes[i] = choose_route(static_cast<RedisCommand>(i));
  return routes;
}();

Route route_of_learnt(const CommandSpec& spec) {
  if (spec.flags.has(CommandFlag::kAdmin)) return {RouteClass::kAdminDenied, ReplyJoin::kNone};
  if (spec.flags.has(CommandFlag::kBlocking) || spec.flags.has(CommandFlag::kPubsub)) {
    return {RouteClass::kConnectionBound, ReplyJoin::kNone};
  }
  const bool has_keys = spec.key_spec_count != 0 || spec.asks_server;
  return {has_keys ? RouteClass::kByKey : RouteClass::kAnyBackend, ReplyJoin::kNone};
}

/// XREAD and XREADGROUP wait if asked to, which can only be before STREAMS.
Route route_of_stream_read(RedisCommand command, std::span<const std::string_view> args) {
  for (size_t i = 1; i < args.size() && !is_option(args[i], "STREAMS"); ++i) {
    if (is_option(args[i], "BLOCK")) return {RouteClass::kConnectionBound, ReplyJoin::kNone};
    if (is_option(args[i], "COUNT")) {
      i += 1;
    } else if (is_option(args[i], "GROUP")) {
      i += 2;
    }
  }
  return route_of(command);
}

const std::array<uint8_t, kRedisCommandCount> kLoneKeys = [] {
  std::array<uint8_t, kRedisCommandCount> keys{};
  for (size_t i = 0; i < keys.size(); ++i) {
    if (kRoutes[i].to != RouteClass::kByKey) continue;
    keys[i] = static_cast<uint8_t>(redis_command_table()[i].single_key);
  }
  return keys;
}();

}  // namespace

uint8_t lone_key_of(RedisCommand command) { return kLoneKeys[static_cast<size_t>(command)]; }

Route route_of(RedisCommand command) {
  ASSERT(command < RedisCommand::kUnknown);
  return kRoutes[static_cast<size_t>(command)];
}

Route route_of(const CommandSpec& spec, std::span<const std::string_view> args) {
  switch (spec.id) {
    case RedisCommand::kUnknown: return route_of_learnt(spec);
    case RedisCommand::kXread:
    case RedisCommand::kXreadgroup: return route_of_stream_read(spec.id, args);
    default: return kRoutes[static_cast<size_t>(spec.id)];
  }
}

}  // namespace quorate::wire
