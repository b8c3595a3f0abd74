// ReplicatedCommand: a client's command on one key of a replicated pool, ready to be queued,
// forwarded to the slot's owner, and turned into what the acceptors are asked (consistency.md
// §6.10).
//
//   class_of(spec)            how such a command is replicated at all; every command has a class
//   command.assign(...)       classified, copied, canonical; or why a replicated pool refuses it
//   read: read_form(), finish_read()
//   write: needs_base(), plan(): what to propose on a base state, or what to answer without
//
// Pure. Time is the owner's wall clock, told by the caller: relative expiry becomes absolute here,
// once. A command is self-contained bytes, so that the same is planned wherever it is forwarded to.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/redis/acceptor.h"
#include "backends/wire/redis_commands.h"
#include "backends/wire/resp_downgrade.h"

namespace quorate::redis {

enum class ReplicationClass : uint8_t {
  kRead,         ///< R: any majority that agrees
  kBlind,        ///< B: a whole state that depends on nothing
  kDelta,        ///< D: the same on every replica, if all begin with the same state
  kRewrite,      ///< X: made deterministic from the base state first
  kState,        ///< S: one replica runs it, the others get its state
  kTransaction,  ///< T: several keys; refused until there are transactions over keys
  kUnsupported,  ///< U: refused, with an error that names the mode
  kSplit,     ///< several keys, each on its own: the relay splits it; with one key it is a command
  kKeyspace,  ///< SCAN, KEYS, DBSIZE, RANDOMKEY: of all backends, without our own keys
  kLocal,     ///< the connection's or the proxy's own affair, or a channel's: not replicated
};
char letter_of(ReplicationClass replication);

/// Of a built-in command or subcommand; kUnsupported for one that was learnt.
ReplicationClass class_of(const wire::CommandSpec& spec);
/// Whether somebody has said so: what is not named is refused, too.
bool is_classified(const wire::CommandSpec& spec);

/// "ERR 'rename' is not supported in pool 'x', whose consistency is \"quorum\": …", without '-'.
std::string refusal_text(const wire::CommandSpec& spec, ReplicationClass replication,
                         std::string_view pool);

/// The newest state of a key that its owner knows.
struct BaseState {
  base::Version version;  ///< zero: never written
  acceptor::Type type = acceptor::Type::kNone;
  int64_t expires_at_ms = 0;

  bool present() const { return type != acceptor::Type::kNone; }
};

/// What becomes of a write on a base state. Re-used: plan() overwrites it, strings stay warm.
struct Plan {
  enum class Kind : uint8_t {
    kReply,  ///< nothing to write: `reply`
    kRead,   ///< run `arguments` (which only read) on the base version, then plan again with it
    kFull,   ///< propose a whole state; when it is chosen the client is told `reply`
    kDelta,  ///< propose a delta to all; `shape` says how the backends' reply becomes the client's
    kState,  ///< as kDelta, to one backend; its state (DumpAt) to the others
  };
  /// How the reply of the delta becomes the client's.
  enum class Shape : uint8_t {
    kAsIs,
    kFixed,  ///< `reply`, if the delta succeeds
  };
  Kind kind = Kind::kReply;
  Shape shape = Shape::kAsIs;
  // kRead, kDelta, kState
  acceptor::Body body = acceptor::Body::kCommand;
  acceptor::ReplyFrom reply_from = acceptor::ReplyFrom::kCommand;
  std::string arguments;
  uint32_t argument_count = 0;
  uint32_t shown_keys = 0;  ///< Body::kScript
  // kFull, kDelta, kState
  int64_t expires_at_ms = 0;
  // kFull
  acceptor::Form form = acceptor::Form::kDeleted;
  std::string payload;
  /// RESP3. kReply, kFull, Shape::kFixed
  std::string reply;
};

class ReplicatedCommand {
 public:
  enum class Kind : uint8_t { kCommand, kTransaction, kScript };

  /// One command on one key. nullopt: it is taken. Otherwise the error for the client, without '-';
  /// then this is not a command. REQUIRES: look_up_command(args) found `spec` and accepts the
  /// count.
  std::optional<std::string> assign(const wire::CommandSpec& spec,
                                    std::span<const std::string_view> args, std::string_view pool);
  /// MULTI … EXEC on one key: begin, add each, and say what WATCH saw of the key, if it was
  /// watched: what finish_read() of WATCH has told, see watched_version().
  void begin_transaction();
  void set_watched(const base::Version& version) { watched_ = version; }
  /// nullopt: not a reply of WATCH, but an error. Zero: the key was not there.
  static std::optional<base::Version> watched_version(std::string_view reply);
  std::optional<std::string> add_to_transaction(const wire::CommandSpec& spec,
                                                std::span<const std::string_view> args,
                                                std::string_view pool);
  /// EVAL with exactly one distinct key; for EVALSHA the caller knows the body.
  std::optional<std::string> assign_script(std::string_view body,
                                           std::span<const std::string_view> keys,
                                           std::span<const std::string_view> args, bool read_only,
                                           std::string_view pool);

  /// As bytes for a forward, and back. false: they are not a command's.
  void encode(std::string& out) const;
  bool decode(std::string_view bytes);

  void clear();
  bool empty() const { return bytes_.empty(); }
  Kind kind() const { return kind_; }
  ReplicationClass replication() const { return class_; }
  bool is_read() const { return class_ == ReplicationClass::kRead; }
  wire::RedisCommand id() const { return id_; }
  std::string_view key() const;
  std::optional<base::Version> watched() const { return watched_; }
  /// Bytes it holds, for bounds of queues.
  size_t size() const { return bytes_.size(); }

  // ---- Reads.

  acceptor::ReadForm read_form() const;
  /// The command as bulks: what acceptor::Read{kCommand} takes.
  std::string_view arguments() const { return bytes_; }
  uint32_t argument_count() const { return static_cast<uint32_t>(parts_.size()); }
  /// The client's reply, RESP3, appended: from what a majority agrees on. `meta`: of the agreed
  /// version (type kNone: deleted or never there); `reply`: Answer::reply of the read, or nothing
  /// if the key is not there and no replica was asked the command.
  void finish_read(const acceptor::Meta& meta, std::string_view reply, int64_t now_ms,
                   std::string& out) const;

  // ---- Writes, by the slot's owner.

  /// Whether the plan depends on the state: false for blind writes.
  bool needs_base() const;
  /// `read_reply`: of a Plan::kRead that this gave before; else empty. An expired base is to be
  /// deleted first, by its own version. REQUIRES: !is_read().
  void plan(const BaseState& base, std::string_view read_reply, int64_t now_ms, Plan& out) const;

  /// The client's reply, RESP3, appended, from an acceptor that said kOk or kDuplicate to what the
  /// plan (kFull, kDelta, kState) proposed. false: only duplicates were told, and the reply was too
  /// long to be recorded: the write is done, its reply is not known.
  bool finish_write(const Plan& plan, const acceptor::Answer& answer, std::string& out) const;

  /// How the reply differs in RESP2; of a transaction, how each of its replies does.
  wire::ReplyShape reply_shape() const;
  std::vector<wire::ReplyShape> queued_shapes() const;

 private:
  struct Part {
    uint32_t begin;  // of the bytes of an argument, in bytes_
    uint32_t size;
  };
  std::string_view part(size_t index) const {
    return std::string_view(bytes_).substr(parts_[index].begin, parts_[index].size);
  }

  /// One command of a transaction.
  struct Queued {
    wire::RedisCommand id = wire::RedisCommand::kUnknown;
    acceptor::ReplyFrom reply_from = acceptor::ReplyFrom::kCommand;
    bool names_its_key = false;
    std::vector<std::string_view> arguments;
  };
  /// The one whose head is the part `at`, which then is that of the next.
  Queued next_queued(size_t& at) const;
  void unwrap(std::string_view replies, std::string& out) const;
  /// How the reply of such a write travels out of Lua.
  static acceptor::ReplyFrom reply_from(wire::RedisCommand id);
  void add_part(std::string_view bytes);
  std::optional<std::string> add_command(const wire::CommandSpec& spec,
                                         std::span<const std::string_view> args,
                                         std::string_view pool, ReplicationClass& replication,
                                         bool in_transaction);
  void plan_set(const BaseState& base, std::string_view read_reply, int64_t now_ms,
                Plan& out) const;
  void plan_getex(const BaseState& base, std::string_view read_reply, int64_t now_ms,
                  Plan& out) const;
  void plan_pop(const BaseState& base, Plan& out) const;
  void plan_expire(const BaseState& base, int64_t now_ms, Plan& out) const;
  void plan_getset(const BaseState& base, std::string_view read_reply, Plan& out) const;
  bool reads_value(const BaseState& base, std::string_view read_reply, Plan& out) const;
  void append_absent(std::string& out) const;

  Kind kind_ = Kind::kCommand;
  ReplicationClass class_ = ReplicationClass::kUnsupported;
  wire::RedisCommand id_ = wire::RedisCommand::kUnknown;
  uint32_t key_part_ = 0;
  uint32_t shown_keys_ = 0;  // kScript: how often it names its one key
  std::string script_key_;   // kScript: which is none of its arguments
  std::optional<base::Version> watched_;
  std::string bytes_;        // bulks: the arguments, one behind the other
  std::vector<Part> parts_;  // of bytes_
};

}  // namespace quorate::redis
