// Acceptor: an unmodified Redis server as the keeper of versioned registers (consistency.md §4–§6):
// what may be asked of it, and what it may answer.
//
// Every question is one script of ours, or a pipeline of plain reads, so a server needs nothing
// installed. No unconditional mutation is among them: each carries an incarnation, a term and a
// version, and the server's fence refuses it if any of them is not its own.
//
// Stored: per pool one fence (a hash: incarnation, and for each slot the installed term, the
// highest counter accepted under it, the floor below which blank means deleted); per key its data,
// in its own type and without a native TTL, and beside it a meta (a string, see Meta).
//
// Pure. Encoding appends to a warm string; decoding allocates nothing and validates every byte.
// Called by proxy/replicate (requests, answers) and by the relay (bytes). The simulator has a model
// with the same requests and answers; a differential test holds the two together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "backends/wire/redis_commands.h"
#include "consensus/base/version.h"
#include "consensus/cluster/topology.h"

namespace quorate::redis::acceptor {

using base::Term;
using base::Version;

/// Keys that begin so are ours: clients may not name them, and SCAN does not show them.
inline constexpr std::string_view kReservedPrefix = "~q:";
inline constexpr std::string_view kFencePrefix = "~q:f:";  ///< then the pool's serial
inline constexpr std::string_view kMetaPrefix = "~q:m:";   ///< then the key

/// What a key holds, as a letter in its meta.
enum class Type : char {
  kNone = '-',  ///< deleted
  kString = 's',
  kList = 'l',
  kSet = 'e',
  kSortedSet = 'z',
  kHash = 'h',
  kStream = 'x',
};

/// "aT:S:C|t|exp|reply": 'a' is the format, t a Type, exp milliseconds since the epoch or 0, reply
/// what the write that made this version answered (see Recorded replies, below); the rest of the
/// text, may hold any byte.
struct Meta {
  Version version;
  Type type = Type::kNone;
  int64_t expires_at_ms = 0;  ///< 0: never
  std::string_view reply;     ///< empty: not recorded
  bool present() const { return type != Type::kNone; }
};

// ---- Recorded replies. A write that is asked twice is answered kDuplicate, and its reply comes
// from the meta, if it was a number, nil, or a string of at most kMaxRecordedReply bytes: ":7",
// "+OK", "$text" or "_". expand_reply() makes RESP of it.

inline constexpr size_t kMaxRecordedReply = 128;
/// Appends the RESP3 reply that `recorded` stands for. REQUIRES: it is not empty.
void expand_reply(std::string_view recorded, std::string& out);

// ---- Requests.

/// Whom a request is for: where it is refused unless all of it is so.
struct Target {
  cluster::PoolSerial pool{};
  uint16_t slot = 0;
  cluster::Nonce incarnation;
  std::string_view key;  ///< of the client; empty for requests about a slot or the server
};

/// Makes the server an acceptor: its database becomes empty, its fence holds `next`. Refused by one
/// that is another cluster's, has another marker than `expected`, or holds keys and no fence.
/// (target.incarnation is not looked at.)
struct Admit {
  cluster::Nonce cluster;
  cluster::Nonce expected;  ///< what its fence holds now; none: there is no fence
  cluster::Nonce next;
};
/// Raises the slot's fence to `term`.
struct Install {
  Term term;
  /// The configuration in which this backend joined the slot: a floor from before is forgotten.
  uint32_t joined = 0;
};
/// How the state of a key is told.
enum class Form : uint8_t {
  kDeleted,
  kString,  ///< the value
  kDump,    ///< what DUMP gives; never compared, as it is not canonical
};
/// Writes a whole state.
struct Full {
  Version version;
  Form form = Form::kDeleted;
  Type type = Type::kNone;  ///< kDump: what is in it
  int64_t expires_at_ms = 0;
  std::string_view recorded;  ///< reply, as Meta has it; may be empty
  std::string_view payload;
};
/// What runs in a delta.
enum class Body : uint8_t {
  kNothing,      ///< only the expiry changes
  kCommand,      ///< one command
  kTransaction,  ///< several, as MULTI would run them; the reply is an array of theirs
  kScript,       ///< a client's EVAL
  kReader,       ///< a client's EVAL_RO: it may not write
};
/// Where the reply of a delta comes from.
enum class ReplyFrom : uint8_t {
  kCommand,       ///< as typed by RESP3; must have no nil inside an array
  kCommandResp2,  ///< typed by RESP2: a nil may be inside an array
  kValue,         ///< GET of the key afterwards: Lua would round 64-bit numbers
  kField,         ///< HGET of the command's first argument behind the key, for the same reason
};
/// Writes what a command makes of the state `base`.
struct Delta {
  Version version;
  Version base;  ///< zero: blank
  /// Of the result, if the key is there then; kTransaction and kScript begin with it.
  int64_t expires_at_ms = 0;
  Body body = Body::kCommand;
  ReplyFrom reply = ReplyFrom::kCommand;
  /// kCommand: the command with its name, one bulk each ("$3\r\nGET\r\n…"). kTransaction: for each
  /// command a bulk letter_of(ReplyFrom) + how many arguments, as in "N3", then these; K for N if
  /// the client is told the key besides. kScript: the body, then ARGV.
  std::string_view arguments;
  uint32_t argument_count = 0;  ///< bulks in `arguments`; at most kMaxArguments
  uint32_t shown_keys = 0;      ///< kScript: how often it finds the key in KEYS
  /// kError if what is there takes more bytes of the server's memory, about. 0: it may.
  uint64_t largest_base = 0;
};
/// How scripts are told.
char letter_of(ReplyFrom reply);
enum class ReadForm : uint8_t {
  kMeta,     ///< only the meta
  kString,   ///< the value as a string; nil if it is none
  kCommand,  ///< a command that only reads
};
/// Reads meta, fence, and the value or what a command says, all of one moment (or kTorn). Plain
/// commands, no script.
struct Read {
  ReadForm form = ReadForm::kMeta;
  /// The fence must be of this configuration (readers), and if `term` is not zero, exactly of that
  /// term (the owner's first touch).
  uint32_t configuration = 0;
  Term term;
  std::string_view arguments;  ///< kCommand: bulks, as in Delta
  uint32_t argument_count = 0;
};
/// The state of the key, if it is of exactly this version.
struct DumpAt {
  Version version;
};
/// Below `floor`, blank means deleted. For complete members only.
struct RaiseFloor {
  Term term;
  Version floor;
};
/// Forgets a tombstone at or below the floor.
struct Forget {
  Term term;
};
/// Of a member that was removed: drops the key, and the slot's floor. Without a key, only that.
struct Purge {
  Term term;
};
/// The next keys with metas, of all slots of the pool.
struct Scan {
  std::string_view cursor = "0";
  uint32_t count = 100;  ///< a hint
};

struct Request {
  Target target;
  std::variant<Admit, Install, Full, Delta, Read, DumpAt, RaiseFloor, Forget, Purge, Scan> what;
};

/// Lua unpacks no more.
inline constexpr uint32_t kMaxArguments = 7900;

// ---- Answers.

enum class AnswerKind : uint8_t {
  kOk,                  ///< done, or read
  kDuplicate,           ///< it had this version already: `meta`; or Install: this very term
  kNoFence,             ///< another incarnation, or none: this server holds nothing that counts
  kStale,               ///< another term is installed: `floor`; nothing changed
  kOtherConfiguration,  ///< Read: `floor` is of another configuration than expected
  kOld,                 ///< it has a newer version, or a floor above: `version`
  kOldSequence,         ///< blank, and has accepted this counter or a higher one: `high_water`
  kNeedState,  ///< Delta: its version is not the base; DumpAt: not the one wanted: `version`
  /// Data and meta disagree: evicted in part, or somebody else wrote. Of a Read also: something was
  /// written while it was read. Says nothing of the register but `version`.
  kTorn,
  kError,    ///< the command's own error, the same everywhere: `reply`; nothing changed
  kNack,     ///< the server cannot, now: `nack`, `reply`; nothing changed
  kForeign,  ///< Admit: another cluster's, or another marker, or not empty: `reply` says which
  kBroken,   ///< not an answer to this question: treat the connection as broken
};

enum class Nack : uint8_t {
  kNone,
  kOutOfMemory,
  kMisconf,   ///< it cannot persist
  kReadOnly,  ///< it is a replica
  kNoReplicas,
  kLoading,
  kBusy,      ///< a script of somebody is running
  kNoScript,  ///< it has lost the scripts: verify who it is before they are loaded again
  kNoPermission,
};

/// An answer. Views are of the bytes that were decoded, or of the model; valid during the call.
struct Answer {
  AnswerKind kind = AnswerKind::kBroken;
  Nack nack = Nack::kNone;
  /// kOk of Read and DumpAt: there is no meta; it reads as deleted at `gc_floor`.
  bool blank = false;
  Form form = Form::kDeleted;  ///< kOk of DumpAt: of `state`
  Term floor;                  ///< kStale, kOtherConfiguration; kOk of Read: the installed term
  Version version;             ///< kOld, kNeedState, kTorn: of the register; zero: blank
  Meta meta;         ///< kDuplicate; kOk of Delta (the new one); of Read, DumpAt unless blank
  Version gc_floor;  ///< kOk, kDuplicate of Install; kOk of Read
  uint64_t high_water = 0;  ///< kOk, kDuplicate of Install: of the term before; kOldSequence
  /// RESP3. kOk of Delta: the command's reply, if it is not in meta.reply (finish_write() knows);
  /// of Read: the value's (kString: a bulk or nil) or the command's, which may be its error; of
  /// Scan: see ScannedKeys. kError, kNack, kForeign: a line without its '-' and CR LF.
  std::string_view reply;
  std::string_view state;   ///< kOk of DumpAt, by `form`
  std::string_view cursor;  ///< kOk of Scan; "0": it was the last part
};

/// What a Scan has found, read one by one.
class ScannedKeys {
 public:
  /// REQUIRES: `answer` is kOk, of a Scan, and its bytes are still there.
  explicit ScannedKeys(const Answer& answer) : rest_(answer.reply) {}
  /// The next key and its meta; false at the end.
  bool next(std::string_view& key, Meta& meta);

 private:
  std::string_view rest_;
};

// ---- Bytes.

/// What must be remembered of a request until it is answered.
struct Expected {
  enum class Question : uint8_t {
    kAdmit,
    kInstall,
    kFull,
    kDelta,
    kReadMeta,
    kReadString,
    kReadCommand,
    kDumpAt,
    kRaiseFloor,
    kForget,
    kPurge,
    kScan,
  };
  Question question{};
  uint8_t replies = 1;  ///< how many RESP replies the answer consists of, one behind the other
  bool resp2 = false;   ///< Delta: kCommandResp2
  uint32_t configuration = 0;  ///< Read
  Term term;                   ///< Read: zero: any of the configuration
  cluster::Nonce incarnation;  ///< Read
};

Expected expected_of(const Request& request);

/// Appends the request's commands.
void encode(const Request& request, std::string& out);

/// `replies`: exactly as many RESP3 replies as expected. Never fails: what cannot be an answer is
/// kBroken.
Answer decode(const Expected& expected, std::string_view replies);

/// The text of a meta, as it is stored; appended.
void append_meta(const Meta& meta, std::string& out);
std::optional<Meta> parse_meta(std::string_view text);

/// 32 hexadecimal digits, as the fence holds an incarnation and a cluster; none: empty.
std::string to_text(const cluster::Nonce& nonce);
std::optional<cluster::Nonce> parse_nonce(std::string_view text);
/// The pool's fence: a hash, whose field "i" is the incarnation.
std::string fence_key(cluster::PoolSerial pool);

// ---- Scripts.

enum class Script : uint8_t {
  kAdmit,
  kInstall,
  kFull,
  kDelta,
  kRun,
  kDumpAt,
  kRaiseFloor,
  kForget,
  kPurge,
  kScan,
};
inline constexpr size_t kScripts = 10;
/// The scripts' format, metas and fence included; a fence of another one is refused.
inline constexpr std::string_view kFormat = "1";

std::string_view text_of(Script script);
/// 40 hexadecimal digits.
std::string_view sha1_of(Script script);
/// SCRIPT LOAD of all of them: as many replies as there are scripts, each the sha1 as a bulk.
void append_script_loads(std::string& out);
/// Whether the reply to SCRIPT LOAD says that the server holds it.
bool is_loaded(Script script, std::string_view reply);

}  // namespace quorate::redis::acceptor
