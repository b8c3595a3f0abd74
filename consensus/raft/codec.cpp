#include "consensus/raft/codec.h"

#include <memory>

namespace quorate::raft {
namespace {

using base::Failure;
using base::Result;

// The kinds as they are written: numbers that are never given to anything else.
enum class EntryKind : uint8_t { kNoop = 1, kCommand = 2, kConfiguration = 3 };
enum class MessageKind : uint8_t {
  kPreVote = 1,
  kPreVoteResponse,
  kRequestVote,
  kRequestVoteResponse,
  kAppendEntries,
  kAppendEntriesResponse,
  kAppendEntriesRefused,
  kHeartbeat,
  kHeartbeatResponse,
  kInstallSnapshot,
  kInstallSnapshotResponse,
  kTimeoutNow,
  kReadIndex,
  kReadIndexResponse,
  kStaleTerm,
};

/// Indexes and terms are added to; this keeps sums from wrapping.
constexpr uint64_t kMaxNumber = uint64_t{1} << 62;

void put_flag(std::string& out, bool value) { put<uint8_t>(out, value ? 1 : 0); }

/// Reads fields, and remembers if one was a value that cannot be.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : reader_(bytes) {}

  uint64_t number() {
    const auto value = reader_.get<uint64_t>();
    if (value > kMaxNumber) malformed_ = true;
    return value;
  }
  template <class Number>
  Number any() {
    return reader_.get<Number>();
  }
  bool flag() {
    const auto value = reader_.get<uint8_t>();
    if (value > 1) malformed_ = true;
    return value == 1;
  }
  std::string_view bytes() { return reader_.get_bytes(); }
  MemberId member() { return MemberId{reader_.get<uint64_t>()}; }
  void require(bool condition) { malformed_ |= !condition; }
  /// How many things of at least `each` bytes follow; never more than there can be.
  uint32_t count(size_t each) {
    const auto value = reader_.get<uint32_t>();
    if (value > reader_.left() / each) return malformed_ = true, 0;
    return value;
  }
  void fail(DecodeError error) { error_ = error; }
  bool bad() const { return malformed_ || reader_.failed() || error_; }

  template <class T>
  Result<T, DecodeError> end(T value) const {
    if (error_) return Failure{*error_};
    if (malformed_) return Failure{DecodeError::kMalformed};
    if (!reader_.finished()) return Failure{DecodeError::kTruncated};
    return value;
  }

 private:
  ByteReader reader_;
  bool malformed_ = false;
  std::optional<DecodeError> error_;
};

// ---- Configurations.

void put_ids(std::string& out, const std::vector<MemberId>& ids) {
  put(out, static_cast<uint32_t>(ids.size()));
  for (const MemberId id : ids) put(out, number(id));
}

std::vector<MemberId> get_ids(Fields& in) {
  std::vector<MemberId> ids(in.count(8));
  for (MemberId& id : ids) id = in.member();
  return ids;
}

Configuration get_configuration(Fields& in) {
  Configuration c;
  c.voters = get_ids(in);
  c.old_voters = get_ids(in);
  c.learners.resize(in.count(9));
  for (Learner& learner : c.learners) {
    learner.id = in.member();
    learner.joining = in.flag();
  }
  const uint32_t addresses = in.count(12);
  for (uint32_t i = 0; i < addresses; ++i) {
    const MemberId id = in.member();
    // Ascending and unique, so that equal configurations have equal bytes.
    in.require(c.addresses.empty() || c.addresses.rbegin()->first < id);
    c.addresses.emplace(id, in.bytes());
  }
  in.require(in.bad() || valid(c));
  return c;
}

// ---- Entries.

struct PutEntryData {
  std::string& out;

  void operator()(const Noop&) const { kind(EntryKind::kNoop); }
  void operator()(const Command& command) const {
    kind(EntryKind::kCommand);
    out += command.bytes;
  }
  void operator()(const Configuration& configuration) const {
    kind(EntryKind::kConfiguration);
    encode(configuration, out);
  }
  void kind(EntryKind kind) const { put(out, static_cast<uint8_t>(kind)); }
};

void put_entry(std::string& out, const Entry& entry) {
  put(out, entry.term);
  const size_t length_at = out.size();
  put<uint32_t>(out, 0);
  encode(entry.data, out);
  const auto length = static_cast<uint32_t>(out.size() - length_at - 4);
  std::memcpy(out.data() + length_at, &length, sizeof length);
}

std::vector<EntryRef> get_entries(Fields& in, Index prev_index, Term prev_term, Term last_term) {
  std::vector<EntryRef> entries;
  const uint32_t count = in.count(13);
  entries.reserve(count);
  for (uint32_t i = 0; i < count && !in.bad(); ++i) {
    const Term term = in.number();
    in.require(term >= prev_term && term <= last_term && term > 0);
    prev_term = term;
    auto data = decode_entry_data(in.bytes());
    if (!data) {
      in.fail(data.error());
      break;
    }
    entries.push_back(
        std::make_shared<const Entry>(Entry{term, prev_index + 1 + i, std::move(data).value()}));
  }
  return entries;
}

// ---- Messages.

struct PutMessage {
  std::string& out;

  void begin(MessageKind kind, Term term) const {
    put(out, static_cast<uint8_t>(kind));
    put(out, term);
  }
  void operator()(const PreVote& m) const {
    begin(MessageKind::kPreVote, m.term);
    put(out, m.next_term);
    put(out, m.last_log_index);
    put(out, m.last_log_term);
  }
  void operator()(const PreVoteResponse& m) const {
    begin(MessageKind::kPreVoteResponse, m.term);
    put(out, m.next_term);
    put_flag(out, m.granted);
  }
  void operator()(const RequestVote& m) const {
    begin(MessageKind::kRequestVote, m.term);
    put(out, m.last_log_index);
    put(out, m.last_log_term);
    put_flag(out, m.leadership_transfer);
  }
  void operator()(const RequestVoteResponse& m) const {
    begin(MessageKind::kRequestVoteResponse, m.term);
    put_flag(out, m.granted);
  }
  void operator()(const AppendEntries& m) const {
    begin(MessageKind::kAppendEntries, m.term);
    put(out, m.prev_log_index);
    put(out, m.prev_log_term);
    put(out, m.leader_commit);
    put(out, static_cast<uint32_t>(m.entries.size()));
    for (const EntryRef& entry : m.entries) put_entry(out, *entry);
  }
  void operator()(const AppendEntriesResponse& m) const {
    begin(MessageKind::kAppendEntriesResponse, m.term);
    put(out, m.match_index);
  }
  void operator()(const AppendEntriesRefused& m) const {
    begin(MessageKind::kAppendEntriesRefused, m.term);
    put(out, m.prev_log_index);
    put(out, m.conflict_index);
    put(out, m.conflict_term);
  }
  void operator()(const Heartbeat& m) const {
    begin(MessageKind::kHeartbeat, m.term);
    put(out, m.commit_index);
    put(out, m.round);
  }
  void operator()(const HeartbeatResponse& m) const {
    begin(MessageKind::kHeartbeatResponse, m.term);
    put(out, m.round);
  }
  void operator()(const InstallSnapshot& m) const {
    begin(MessageKind::kInstallSnapshot, m.term);
    put(out, m.snapshot.index);
    put(out, m.snapshot.term);
    put(out, m.snapshot.size);
    put(out, m.snapshot.checksum);
    encode(m.configuration, out);
    put(out, m.offset);
    put_bytes(out, m.data);
  }
  void operator()(const InstallSnapshotResponse& m) const {
    begin(MessageKind::kInstallSnapshotResponse, m.term);
    put(out, m.snapshot_index);
    put(out, m.next_offset);
    put_flag(out, m.installed);
  }
  void operator()(const TimeoutNow& m) const { begin(MessageKind::kTimeoutNow, m.term); }
  void operator()(const ReadIndex& m) const {
    begin(MessageKind::kReadIndex, m.term);
    put(out, m.request);
  }
  void operator()(const ReadIndexResponse& m) const {
    begin(MessageKind::kReadIndexResponse, m.term);
    put(out, m.request);
    put_flag(out, m.index.has_value());
    put(out, m.index.value_or(0));
  }
  void operator()(const StaleTerm& m) const { begin(MessageKind::kStaleTerm, m.term); }
};

AppendEntries get_append_entries(Fields& in, Term term) {
  AppendEntries m;
  m.term = term;
  m.prev_log_index = in.number();
  m.prev_log_term = in.number();
  m.leader_commit = in.number();
  in.require(m.prev_log_term <= term);
  m.entries = get_entries(in, m.prev_log_index, m.prev_log_term, term);
  return m;
}

InstallSnapshot get_install_snapshot(Fields& in, Term term) {
  InstallSnapshot m;
  m.term = term;
  m.snapshot.index = in.number();
  m.snapshot.term = in.number();
  m.snapshot.size = in.number();
  m.snapshot.checksum = in.any<uint32_t>();
  m.configuration = get_configuration(in);
  m.offset = in.number();
  m.data = in.bytes();
  in.require(m.snapshot.index > 0 && m.snapshot.term <= term);
  in.require(m.offset + m.data.size() <= m.snapshot.size);
  return m;
}

ReadIndexResponse get_read_index_response(Fields& in, Term term) {
  ReadIndexResponse m{term, in.any<uint64_t>(), std::nullopt};
  const bool has_index = in.flag();
  const Index index = in.number();
  if (has_index) m.index = index;
  in.require(has_index || index == 0);
  return m;
}

Message get_message(Fields& in) {
  const auto kind = static_cast<MessageKind>(in.any<uint8_t>());
  const Term term = in.number();
  // Braces, not parentheses: they evaluate from left to right.
  switch (kind) {
    case MessageKind::kPreVote: return PreVote{term, in.number(), in.number(), in.number()};
    case MessageKind::kPreVoteResponse: return PreVoteResponse{term, in.number(), in.flag()};
    case MessageKind::kRequestVote: return RequestVote{term, in.number(), in.number(), in.flag()};
    case MessageKind::kRequestVoteResponse: return RequestVoteResponse{term, in.flag()};
    case MessageKind::kAppendEntries: return get_append_entries(in, term);
    case MessageKind::kAppendEntriesResponse: return AppendEntriesResponse{term, in.number()};
    case MessageKind::kAppendEntriesRefused:
      return AppendEntriesRefused{term, in.number(), in.number(), in.number()};
    case MessageKind::kHeartbeat: return Heartbeat{term, in.number(), in.number()};
    case MessageKind::kHeartbeatResponse: return HeartbeatResponse{term, in.number()};
    case MessageKind::kInstallSnapshot: return get_install_snapshot(in, term);
    case MessageKind::kInstallSnapshotResponse:
      return InstallSnapshotResponse{term, in.number(), in.number(), in.flag()};
    case MessageKind::kTimeoutNow: return TimeoutNow{term};
    case MessageKind::kReadIndex: return ReadIndex{term, in.any<uint64_t>()};
    case MessageKind::kReadIndexResponse: return get_read_index_response(in, term);
    case MessageKind::kStaleTerm: return StaleTerm{term};
  }
  in.fail(DecodeError::kUnknownKind);
  return StaleTerm{};
}

}  // namespace

const char* to_string(DecodeError error) {
  switch (error) {
    case DecodeError::kTruncated: return "too short or too long";
    case DecodeError::kUnknownKind: return "of an unknown kind";
    case DecodeError::kMalformed: return "malformed";
  }
  return "";
}

void encode(const Message& message, std::string& out) { std::visit(PutMessage{out}, message); }

base::Result<Message, DecodeError> decode_message(std::string_view bytes) {
  Fields in(bytes);
  Message message = get_message(in);
  return in.end(std::move(message));
}

void encode(const EntryData& data, std::string& out) { std::visit(PutEntryData{out}, data); }

base::Result<EntryData, DecodeError> decode_entry_data(std::string_view bytes) {
  if (bytes.empty()) return Failure{DecodeError::kTruncated};
  const auto kind = static_cast<EntryKind>(bytes.front());
  const std::string_view rest = bytes.substr(1);
  switch (kind) {
    case EntryKind::kNoop:
      if (!rest.empty()) return Failure{DecodeError::kTruncated};
      return EntryData(Noop{});
    case EntryKind::kCommand: return EntryData(Command{std::string(rest)});
    case EntryKind::kConfiguration: {
      auto configuration = decode_configuration(rest);
      if (!configuration) return Failure{configuration.error()};
      return EntryData(std::move(configuration).value());
    }
  }
  return Failure{DecodeError::kUnknownKind};
}

void encode(const Configuration& c, std::string& out) {
  put_ids(out, c.voters);
  put_ids(out, c.old_voters);
  put(out, static_cast<uint32_t>(c.learners.size()));
  for (const Learner& learner : c.learners) {
    put(out, number(learner.id));
    put_flag(out, learner.joining);
  }
  put(out, static_cast<uint32_t>(c.addresses.size()));
  for (const auto& [id, address] : c.addresses) {
    put(out, number(id));
    put_bytes(out, address);
  }
}

base::Result<Configuration, DecodeError> decode_configuration(std::string_view bytes) {
  Fields in(bytes);
  Configuration configuration = get_configuration(in);
  return in.end(std::move(configuration));
}

}  // namespace quorate::raft
