// Commands taken, kept and handed on; and what reads say. Writes: replicated_plan.cpp.
#include "backends/redis/replicated_command.h"

#include <algorithm>
#include <array>

#include "backends/redis/waiting_command.h"
#include "backends/wire/key_walk.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"

namespace quorate::redis {

using base::equal_ignoring_case;
using wire::RedisCommand;

namespace {

/// Of a queued command's head, beside those of acceptor::ReplyFrom: BLPOP, as LPOP.
constexpr char kNamesItsKey = 'K';
constexpr std::string_view kTooMany =
    "ERR too many arguments for a pool that keeps replicas: at most 7900";

bool is_single(ReplicationClass replication) {
  switch (replication) {
    case ReplicationClass::kRead:
    case ReplicationClass::kBlind:
    case ReplicationClass::kDelta:
    case ReplicationClass::kRewrite:
    case ReplicationClass::kState:
    case ReplicationClass::kSplit: return true;
    default: return false;
  }
}

bool has_option(std::span<const std::string_view> args, size_t from, std::string_view option) {
  return std::any_of(args.begin() + static_cast<std::ptrdiff_t>(std::min(from, args.size())),
                     args.end(),
                     [&](std::string_view arg) { return equal_ignoring_case(arg, option); });
}

/// SET k v and its like whose result no old value has a part in.
bool is_blind_set(std::span<const std::string_view> args) {
  for (const std::string_view option : {"NX", "XX", "GET", "KEEPTTL"}) {
    if (has_option(args, 3, option)) return false;
  }
  return true;
}

/// Lua's numbers are exact up to 2^53.
bool has_wide_field(std::span<const std::string_view> args) {
  return std::ranges::any_of(args, [](std::string_view arg) {
    if (arg.size() != 3 || (arg[0] != 'i' && arg[0] != 'I' && arg[0] != 'u' && arg[0] != 'U')) {
      return false;
    }
    return base::parse_integer<int>(arg.substr(1)).value_or(0) > 53;
  });
}

/// A cursor of HSCAN names a place in one server's memory, which another does not have. So a
/// replica is asked for everything at once: its cursor is 0 then, as the one it is given.
void make_whole(std::vector<std::string_view>& scan) {
  constexpr std::string_view kWhole = "1000000000";
  if (base::parse_integer<uint64_t>(scan[2])) scan[2] = "0";
  for (size_t i = 3; i + 1 < scan.size(); ++i) {
    if (equal_ignoring_case(scan[i], "COUNT")) {
      if (base::parse_integer<int64_t>(scan[i + 1]).value_or(0) > 0) scan[i + 1] = kWhole;
      ++i;
    } else if (equal_ignoring_case(scan[i], "MATCH")) {
      ++i;
    }
  }
  scan.insert(scan.begin() + 3, {"COUNT", kWhole});  // one that comes later counts instead
}

bool is_scan(RedisCommand id) {
  return id == RedisCommand::kHscan || id == RedisCommand::kSscan || id == RedisCommand::kZscan;
}

/// Arguments that name no key: what a server says.
std::string error_of_keys(const wire::CommandSpec& spec, std::span<const std::string_view> args) {
  if (is_unbalanced(spec.id, args)) return std::string(kUnbalancedStreams);
  const bool pops = spec.id == RedisCommand::kLmpop || spec.id == RedisCommand::kZmpop;
  const bool waits = spec.id == RedisCommand::kBlmpop || spec.id == RedisCommand::kBzmpop;
  const size_t count = waits ? 2 : 1;
  const bool is_bad = (pops || waits) && base::parse_integer<int64_t>(args[count]).value_or(0) <= 0;
  return is_bad ? "ERR numkeys should be greater than 0" : "ERR syntax error";
}

template <class Number>
void put(std::string& out, Number number) {
  for (size_t i = 0; i < sizeof number; ++i) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(number) >> (8 * i)));
  }
}
template <class Number>
bool take(std::string_view& bytes, Number& number) {
  if (bytes.size() < sizeof number) return false;
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof number; ++i) {
    value |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  number = static_cast<Number>(value);
  bytes.remove_prefix(sizeof number);
  return true;
}

/// One bulk of canonical RESP at the front of `rest`: where its bytes are. false: it is none.
bool take_bulk(std::string_view& rest, std::string_view& bulk) {
  if (rest.empty() || rest[0] != '$') return false;
  const size_t line = rest.find("\r\n");
  if (line == std::string_view::npos) return false;
  const auto size = base::parse_integer<size_t>(rest.substr(1, line - 1));
  if (!size || rest.size() < line + 2 || rest.size() - line - 2 < *size + 2) return false;
  bulk = rest.substr(line + 2, *size);
  rest.remove_prefix(line + 2 + *size);
  if (!rest.starts_with("\r\n")) return false;
  rest.remove_prefix(2);
  return true;
}

/// "#!lua flags=no-writes,…", a script's first line: taken off, but for its end. Or what is wrong.
std::optional<std::string> take_shebang(std::string_view& body, bool& read_only) {
  if (!body.starts_with("#!")) return std::nullopt;
  const size_t end = body.find('\n');
  if (end == std::string_view::npos) return "ERR Invalid script shebang";
  std::string_view line = body.substr(2, end - 2);
  body.remove_prefix(end);
  const auto word = [&line](char separator) {
    const size_t size = std::min(line.find(separator), line.size());
    const std::string_view one = line.substr(0, size);
    line.remove_prefix(std::min(size + 1, line.size()));
    return one;
  };
  const std::string_view engine = word(' ');
  if (engine != "lua") return "ERR Unexpected engine in script shebang: " + std::string(engine);
  while (!line.empty()) {
    std::string_view option = word(' ');
    if (option.empty()) continue;
    if (!option.starts_with("flags=")) {
      return "ERR Unknown lua shebang option: " + std::string(option);
    }
    for (option.remove_prefix(6); !option.empty();) {
      const std::string_view flag = option.substr(0, option.find(','));
      option.remove_prefix(std::min(flag.size() + 1, option.size()));
      constexpr std::array kHarmless{"allow-oom", "allow-stale", "no-cluster",
                                     "allow-cross-slot-keys"};
      const bool known = std::ranges::any_of(kHarmless, [&](auto one) { return flag == one; });
      if (flag == "no-writes") {
        read_only = true;
      } else if (!known) {
        return "ERR Unexpected flag in script shebang: " + std::string(flag);
      }
    }
  }
  return std::nullopt;
}

std::string_view name_of(acceptor::Type type) {
  switch (type) {
    case acceptor::Type::kNone: return "none";
    case acceptor::Type::kString: return "string";
    case acceptor::Type::kList: return "list";
    case acceptor::Type::kSet: return "set";
    case acceptor::Type::kSortedSet: return "zset";
    case acceptor::Type::kHash: return "hash";
    case acceptor::Type::kStream: return "stream";
  }
  return "none";
}

}  // namespace

acceptor::ReplyFrom ReplicatedCommand::reply_from(RedisCommand id) {
  switch (id) {
    case RedisCommand::kIncr:
    case RedisCommand::kIncrby:
    case RedisCommand::kDecr:
    case RedisCommand::kDecrby: return acceptor::ReplyFrom::kValue;
    case RedisCommand::kHincrby: return acceptor::ReplyFrom::kField;
    case RedisCommand::kBitfield:
    case RedisCommand::kHmget:
    case RedisCommand::kMget:
    case RedisCommand::kZmscore:
    case RedisCommand::kGeopos:
    case RedisCommand::kGeohash:
    case RedisCommand::kXreadgroup:
    case RedisCommand::kXclaim:
    case RedisCommand::kXautoclaim:
    case RedisCommand::kXpending:
    case RedisCommand::kXread: return acceptor::ReplyFrom::kCommandResp2;
    default: return acceptor::ReplyFrom::kCommand;
  }
}

// --- taking ---

void ReplicatedCommand::clear() {
  kind_ = Kind::kCommand;
  class_ = ReplicationClass::kUnsupported;
  id_ = RedisCommand::kUnknown;
  key_part_ = shown_keys_ = 0;
  script_key_.clear();
  watched_.reset();
  bytes_.clear();
  parts_.clear();
}

void ReplicatedCommand::add_part(std::string_view bytes) {
  wire::append_header(bytes_, '$', static_cast<int64_t>(bytes.size()));
  parts_.push_back({static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(bytes.size())});
  bytes_.append(bytes).append("\r\n");
}

/// Appends it, if it is one that can be; `key_part_` is then its key.
std::optional<std::string> ReplicatedCommand::add_command(const wire::CommandSpec& spec,
                                                          std::span<const std::string_view> args,
                                                          std::string_view pool,
                                                          ReplicationClass& replication,
                                                          bool in_transaction) {
  replication = class_of(spec);
  if (!is_single(replication)) return refusal_text(spec, replication, pool);
  const wire::KeyWalk keys(spec, args);
  if (keys.error() != wire::KeyError::kNone || keys.empty()) return error_of_keys(spec, args);
  for (const wire::KeyPosition key : keys) {
    if (args[key.index] == args[keys.front()]) continue;
    return refusal_text(spec, ReplicationClass::kTransaction, pool);
  }
  // What it takes besides its arguments: a head, and what makes a scan whole.
  if (parts_.size() + args.size() + 3 > acceptor::kMaxArguments) return std::string(kTooMany);
  if (auto error = error_of_pop(spec.id, args)) return error;
  switch (spec.id) {
    case RedisCommand::kSet:
      if (!is_blind_set(args)) replication = ReplicationClass::kDelta;
      break;
    case RedisCommand::kDel:
    case RedisCommand::kUnlink: replication = ReplicationClass::kDelta; break;
    case RedisCommand::kExists:
    case RedisCommand::kTouch: replication = ReplicationClass::kRead; break;
    case RedisCommand::kMget: return refusal_text(spec, ReplicationClass::kUnsupported, pool);
    case RedisCommand::kXinfoStream:
    case RedisCommand::kXinfoGroups:
    case RedisCommand::kXinfoConsumers:
      if (in_transaction) {  // Lua would drop what has no value
        return refusal_text(spec, ReplicationClass::kUnsupported, pool) + " in a transaction";
      }
      break;
    case RedisCommand::kBitfield:
      if (has_wide_field(args)) {
        return refusal_text(spec, ReplicationClass::kUnsupported, pool) +
               " for fields of more than 53 bits";
      }
      break;
    default: break;
  }
  std::vector<std::string_view> run(args.begin(), args.end());
  uint32_t key = keys.front();
  if (is_scan(spec.id)) make_whole(run);
  if (in_transaction) {
    char how = acceptor::letter_of(reply_from(spec.id));
    if (waits(spec.id, args)) {
      if (names_its_key(spec.id)) how = kNamesItsKey;
      run = without_waiting(spec.id, args);
      key = wire::KeyWalk(*wire::look_up_command(run).spec, run).front();
    }
    add_part(how + std::to_string(run.size()));
  }
  key_part_ = static_cast<uint32_t>(parts_.size()) + key;
  for (const std::string_view arg : run) add_part(arg);
  return std::nullopt;
}

std::optional<std::string> ReplicatedCommand::assign(const wire::CommandSpec& spec,
                                                     std::span<const std::string_view> args,
                                                     std::string_view pool) {
  clear();
  auto refusal = add_command(spec, args, pool, class_, false);
  if (refusal) {
    clear();
    return refusal;
  }
  id_ = spec.id;
  return std::nullopt;
}

void ReplicatedCommand::begin_transaction() {
  clear();
  kind_ = Kind::kTransaction;
  class_ = ReplicationClass::kState;
  id_ = RedisCommand::kExec;
}

std::optional<base::Version> ReplicatedCommand::watched_version(std::string_view reply) {
  if (!reply.starts_with('+') || !reply.ends_with("\r\n")) return std::nullopt;
  return base::parse_version(reply.substr(1, reply.size() - 3));
}

std::optional<std::string> ReplicatedCommand::add_to_transaction(
    const wire::CommandSpec& spec, std::span<const std::string_view> args, std::string_view pool) {
  const size_t bytes = bytes_.size();
  const size_t parts = parts_.size();
  const uint32_t first_key = key_part_;
  const auto undo = [&](std::string why) {
    bytes_.resize(bytes);
    parts_.resize(parts);
    key_part_ = first_key;
    return why;
  };
  ReplicationClass replication{};
  auto refusal = add_command(spec, args, pool, replication, true);
  if (refusal) return undo(std::move(*refusal));
  if (parts == 0) return std::nullopt;
  if (part(key_part_) != part(first_key)) {
    return undo("CROSSSLOT a transaction in pool '" + std::string(pool) +
                "', whose consistency is \"quorum\", is about one key");
  }
  key_part_ = first_key;
  return std::nullopt;
}

std::optional<std::string> ReplicatedCommand::assign_script(std::string_view body,
                                                            std::span<const std::string_view> keys,
                                                            std::span<const std::string_view> args,
                                                            bool read_only, std::string_view pool) {
  clear();
  const bool one = !keys.empty() && std::ranges::all_of(keys, [&](std::string_view key) {
    return key == keys.front();
  });
  if (!one) {
    return "CROSSSLOT a script in pool '" + std::string(pool) +
           "', whose consistency is \"quorum\", is about exactly one key";
  }
  if (args.size() + 1 > acceptor::kMaxArguments) return std::string(kTooMany);
  if (auto refusal = take_shebang(body, read_only)) return refusal;
  kind_ = Kind::kScript;
  class_ = ReplicationClass::kState;
  id_ = read_only ? RedisCommand::kEvalRo : RedisCommand::kEval;
  shown_keys_ = static_cast<uint32_t>(keys.size());
  script_key_ = keys.front();
  add_part(body);
  for (const std::string_view arg : args) add_part(arg);
  return std::nullopt;
}

std::string_view ReplicatedCommand::key() const {
  return kind_ == Kind::kScript ? std::string_view(script_key_) : part(key_part_);
}

// --- as bytes ---

void ReplicatedCommand::encode(std::string& out) const {
  put(out, static_cast<uint8_t>(kind_));
  put(out, static_cast<uint8_t>(class_));
  put(out, static_cast<uint16_t>(id_));
  put(out, key_part_);
  put(out, shown_keys_);
  put(out, static_cast<uint32_t>(script_key_.size()));
  out.append(script_key_);
  put(out, static_cast<uint8_t>(watched_ ? 1 : 0));
  if (watched_) {
    put(out, watched_->term.number);
    put(out, watched_->term.session);
    put(out, watched_->counter);
  }
  out.append(bytes_);
}

bool ReplicatedCommand::decode(std::string_view bytes) {
  clear();
  const auto fail = [this] {
    clear();
    return false;
  };
  uint8_t kind = 0;
  uint8_t replication = 0;
  uint16_t id = 0;
  uint32_t key_size = 0;
  uint8_t watched = 0;
  if (!take(bytes, kind) || !take(bytes, replication) || !take(bytes, id) ||
      !take(bytes, key_part_) || !take(bytes, shown_keys_) || !take(bytes, key_size) ||
      bytes.size() < key_size) {
    return fail();
  }
  script_key_ = bytes.substr(0, key_size);
  bytes.remove_prefix(key_size);
  if (!take(bytes, watched)) return fail();
  if (watched != 0) {
    base::Version version;
    if (!take(bytes, version.term.number) || !take(bytes, version.term.session) ||
        !take(bytes, version.counter)) {
      return fail();
    }
    watched_ = version;
  }
  if (kind > static_cast<uint8_t>(Kind::kScript) || id >= wire::kRedisCommandCount ||
      replication > static_cast<uint8_t>(ReplicationClass::kState)) {
    return fail();
  }
  kind_ = static_cast<Kind>(kind);
  class_ = static_cast<ReplicationClass>(replication);
  id_ = static_cast<RedisCommand>(id);
  for (std::string_view bulk; !bytes.empty();) {
    if (!take_bulk(bytes, bulk) || parts_.size() >= acceptor::kMaxArguments) return fail();
    add_part(bulk);
  }
  if (parts_.empty() || key_part_ >= parts_.size()) return fail();
  if (kind_ != Kind::kCommand) return true;
  const auto& spec = wire::redis_command_table()[id];
  const bool fits = parts_.size() > key_part_ && spec.accepts_count(parts_.size());
  return fits || fail();
}

// --- reads ---

acceptor::ReadForm ReplicatedCommand::read_form() const {
  switch (id_) {
    case RedisCommand::kExists:
    case RedisCommand::kTouch:
    case RedisCommand::kType:
    case RedisCommand::kWatch:
    case RedisCommand::kTtl:
    case RedisCommand::kPttl:
    case RedisCommand::kExpiretime:
    case RedisCommand::kPexpiretime: return acceptor::ReadForm::kMeta;
    case RedisCommand::kGet: return acceptor::ReadForm::kString;
    default: return acceptor::ReadForm::kCommand;
  }
}

void ReplicatedCommand::finish_read(const acceptor::Meta& meta, std::string_view reply,
                                    int64_t now_ms, std::string& out) const {
  const int64_t expires = meta.expires_at_ms;
  const auto time = [&](int64_t value) {
    wire::append_integer(out, !meta.present() ? -2 : expires == 0 ? -1 : value);
  };
  switch (id_) {
    case RedisCommand::kExists:
    case RedisCommand::kTouch: return wire::append_integer(out, meta.present() ? 1 : 0);
    case RedisCommand::kType: return wire::append_simple(out, name_of(meta.type));
    case RedisCommand::kWatch:
      // One that is not there has no version of its own: forgetting it is no change.
      return wire::append_simple(out, to_string(meta.present() ? meta.version : base::Version{}));
    case RedisCommand::kTtl: return time((std::max<int64_t>(expires - now_ms, 0) + 500) / 1000);
    case RedisCommand::kPttl: return time(std::max<int64_t>(expires - now_ms, 0));
    case RedisCommand::kExpiretime: return time((expires + 500) / 1000);
    case RedisCommand::kPexpiretime: return time(expires);
    default: break;
  }
  const bool is_told = read_form() == acceptor::ReadForm::kCommand && !reply.empty();
  if (!meta.present() && !is_told) return append_absent(out);
  if (id_ == RedisCommand::kGet && meta.type != acceptor::Type::kString) {
    out.append("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    return;
  }
  out.append(reply);
}

/// What a server says of a key that is not there.
void ReplicatedCommand::append_absent(std::string& out) const {
  const auto repeat = [&](size_t count, std::string_view element) {
    wire::append_array(out, count);
    for (; count > 0; --count) out.append(element);
  };
  const size_t count = parts_.size();
  switch (id_) {
    case RedisCommand::kGetrange:
    case RedisCommand::kSubstr: out.append("$0\r\n\r\n"); return;
    case RedisCommand::kStrlen:
    case RedisCommand::kGetbit:
    case RedisCommand::kBitcount:
    case RedisCommand::kHlen:
    case RedisCommand::kHexists:
    case RedisCommand::kHstrlen:
    case RedisCommand::kLlen:
    case RedisCommand::kScard:
    case RedisCommand::kSismember:
    case RedisCommand::kZcard:
    case RedisCommand::kZcount:
    case RedisCommand::kZlexcount:
    case RedisCommand::kXlen: out.append(":0\r\n"); return;
    case RedisCommand::kBitpos: out.append(part(2) == "1" ? ":-1\r\n" : ":0\r\n"); return;
    case RedisCommand::kBitfieldRo: return repeat((count - 2) / 3, ":0\r\n");
    case RedisCommand::kHgetall: out.append("%0\r\n"); return;
    case RedisCommand::kSmembers: out.append("~0\r\n"); return;
    case RedisCommand::kHmget:
    case RedisCommand::kZmscore:
    case RedisCommand::kGeopos:
    case RedisCommand::kGeohash: return repeat(count - 2, "_\r\n");
    case RedisCommand::kSmismember: return repeat(count - 2, ":0\r\n");
    case RedisCommand::kHrandfield:
    case RedisCommand::kSrandmember:
    case RedisCommand::kZrandmember: out.append(count > 2 ? "*0\r\n" : "_\r\n"); return;
    case RedisCommand::kLpos: {
      bool counts = false;
      for (size_t i = 3; i < count; ++i) counts |= equal_ignoring_case(part(i), "COUNT");
      out.append(counts ? "*0\r\n" : "_\r\n");
      return;
    }
    case RedisCommand::kHkeys:
    case RedisCommand::kHvals:
    case RedisCommand::kLrange:
    case RedisCommand::kZrange:
    case RedisCommand::kZrangebyscore:
    case RedisCommand::kZrangebylex:
    case RedisCommand::kZrevrange:
    case RedisCommand::kZrevrangebyscore:
    case RedisCommand::kZrevrangebylex:
    case RedisCommand::kXrange:
    case RedisCommand::kXrevrange:
    case RedisCommand::kGeosearch:
    case RedisCommand::kGeoradiusRo:
    case RedisCommand::kGeoradiusbymemberRo: out.append("*0\r\n"); return;
    default: out.append("_\r\n"); return;  // GET, HGET, LINDEX, ZSCORE, ZRANK, GEODIST, XREAD
  }
}

ReplicatedCommand::Queued ReplicatedCommand::next_queued(size_t& at) const {
  Queued queued;
  const std::string_view head = at < parts_.size() ? part(at++) : std::string_view();
  if (head.empty()) return queued;
  const auto count = base::parse_integer<size_t>(head.substr(1)).value_or(0);
  for (size_t left = count; left > 0 && at < parts_.size(); --left) {
    queued.arguments.push_back(part(at++));
  }
  if (queued.arguments.empty()) return queued;
  const wire::CommandLookup known = wire::look_up_command(queued.arguments);
  if (known.error == wire::CommandError::kNone) queued.id = known.spec->id;
  queued.reply_from = reply_from(queued.id);
  queued.names_its_key = head.front() == kNamesItsKey;
  return queued;
}

std::vector<wire::ReplyShape> ReplicatedCommand::queued_shapes() const {
  std::vector<wire::ReplyShape> shapes;
  if (kind_ != Kind::kTransaction) return shapes;
  for (size_t at = 0; at < parts_.size();) {
    const Queued queued = next_queued(at);
    shapes.push_back(queued.names_its_key ? wire::ReplyShape{.nil_is_array = true}
                                          : wire::reply_shape_of(queued.id, queued.arguments));
  }
  return shapes;
}

wire::ReplyShape ReplicatedCommand::reply_shape() const {
  if (kind_ == Kind::kTransaction) return {.nil_is_array = true};
  if (kind_ != Kind::kCommand) return {};
  std::vector<std::string_view> args;
  for (size_t i = 0; i < parts_.size(); ++i) args.push_back(part(i));
  return wire::reply_shape_of(id_, args);
}

}  // namespace quorate::redis
