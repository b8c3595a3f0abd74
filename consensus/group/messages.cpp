#include "consensus/group/messages.h"

#include <type_traits>

#include "consensus/cluster/cluster_codec.h"
#include "consensus/raft/codec.h"

namespace quorate::group {
namespace {

/// Numbers of 64 bits are added to; this keeps sums from wrapping.
constexpr uint64_t kMaxNumber = uint64_t{1} << 62;
constexpr int64_t kMaxNanoseconds = int64_t{1} << 62;

// ---- Requests: a kind, then the bytes of whoever's change it is.

enum class RequestKind : uint8_t { kChange = 1, kMembership, kTransfer };
enum class StepKind : uint8_t { kAddLearner = 1, kPromote, kRemove };

void put_member(std::string& out, MemberId id) { raft::put(out, raft::number(id)); }

void put(std::string& out, const raft::Change& change) {
  raft::put(out, static_cast<uint32_t>(change.size()));
  for (const auto& step : change) {
    if (const auto* add = std::get_if<raft::AddLearner>(&step)) {
      raft::put(out, StepKind::kAddLearner);
      put_member(out, add->id);
      raft::put_bytes(out, add->address);
      raft::put<uint8_t>(out, add->joining ? 1 : 0);
    } else if (const auto* promote = std::get_if<raft::Promote>(&step)) {
      raft::put(out, StepKind::kPromote);
      put_member(out, promote->id);
    } else {
      raft::put(out, StepKind::kRemove);
      put_member(out, std::get<raft::Remove>(step).id);
    }
  }
}

void put(std::string& out, const Request& request) {
  if (const auto* change = std::get_if<cluster::Change>(&request)) {
    raft::put(out, RequestKind::kChange);
    raft::put_bytes(out, cluster::encode(*change));
  } else if (const auto* membership = std::get_if<raft::Change>(&request)) {
    raft::put(out, RequestKind::kMembership);
    put(out, *membership);
  } else {
    raft::put(out, RequestKind::kTransfer);
    put_member(out, std::get<TransferLeadership>(request).target);
  }
}

enum class OutcomeKind : uint8_t { kDone = 1, kRefused, kUnknown };

void put(std::string& out, const Outcome& outcome) {
  if (const auto* done = std::get_if<Done>(&outcome)) {
    raft::put(out, OutcomeKind::kDone);
    raft::put(out, done->index);
    raft::put(out, done->id);
    raft::put(out, done->epoch);
  } else if (const auto* refused = std::get_if<Refused>(&outcome)) {
    raft::put(out, OutcomeKind::kRefused);
    raft::put(out, refused->reason);
    raft::put_bytes(out, refused->text);
  } else {
    raft::put(out, OutcomeKind::kUnknown);
  }
}

// ---- Reading.

/// Reads fields, and remembers if one was a value that cannot be.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : reader_(bytes) {}

  uint64_t number() {
    const auto value = reader_.get<uint64_t>();
    require(value <= kMaxNumber);
    return value;
  }
  template <class Number>
  Number any() {
    return reader_.get<Number>();
  }
  Duration duration() {
    const auto value = reader_.get<int64_t>();
    require(value >= 0 && value <= kMaxNanoseconds);
    return Duration(value);
  }
  MemberId member() { return MemberId{number()}; }
  std::string_view bytes() { return reader_.get_bytes(); }
  std::string text() { return std::string(bytes()); }
  /// How many things of at least `each` bytes follow; never more than there can be.
  uint32_t count(size_t each) {
    const auto value = reader_.get<uint32_t>();
    if (value <= reader_.left() / each) return value;
    require(false);
    return 0;
  }
  void require(bool condition) { malformed_ |= !condition; }
  bool bad() const { return malformed_ || reader_.failed(); }
  bool finished() const { return !malformed_ && reader_.finished(); }

 private:
  raft::ByteReader reader_;
  bool malformed_ = false;
};

raft::Change read_membership(Fields& in) {
  raft::Change change;
  const uint32_t steps = in.count(9);
  for (uint32_t i = 0; i < steps && !in.bad(); ++i) {
    const auto kind = static_cast<StepKind>(in.any<uint8_t>());
    const MemberId id = in.member();
    if (kind == StepKind::kAddLearner) {
      std::string address = in.text();
      change.emplace_back(raft::AddLearner{id, std::move(address), in.any<uint8_t>() != 0});
    } else if (kind == StepKind::kPromote) {
      change.emplace_back(raft::Promote{id});
    } else {
      in.require(kind == StepKind::kRemove);
      change.emplace_back(raft::Remove{id});
    }
  }
  return change;
}

Request read_request(Fields& in) {
  switch (static_cast<RequestKind>(in.any<uint8_t>())) {
    case RequestKind::kChange: {
      auto change = cluster::decode_change(in.bytes());
      if (change) return std::move(change).value();
      in.require(false);
      return cluster::Change{};
    }
    case RequestKind::kMembership: return read_membership(in);
    case RequestKind::kTransfer: return TransferLeadership{in.member()};
  }
  in.require(false);
  return cluster::Change{};
}

Outcome read_outcome(Fields& in) {
  switch (static_cast<OutcomeKind>(in.any<uint8_t>())) {
    case OutcomeKind::kDone: {
      Done done;
      done.index = in.number();
      done.id = in.number();
      done.epoch = in.number();
      return done;
    }
    case OutcomeKind::kRefused: {
      const auto reason = in.any<uint8_t>();
      in.require(reason <= static_cast<uint8_t>(Refused::Reason::kRejected));
      return Refused{static_cast<Refused::Reason>(reason), in.text()};
    }
    case OutcomeKind::kUnknown: return Unknown{};
  }
  in.require(false);
  return Unknown{};
}

// ---- Members' messages.

enum class MemberKind : uint8_t { kRaft = 1, kPulse, kReport, kForward, kForwardEnd };

struct MemberWriter {
  std::string& out;

  void operator()(const raft::Message& m) const {
    raft::put(out, MemberKind::kRaft);
    raft::encode(m, out);
  }
  void operator()(const Pulse& m) const {
    raft::put(out, MemberKind::kPulse);
    raft::put(out, m.term);
    raft::put(out, m.stamp);
  }
  void operator()(const Report& m) const {
    raft::put(out, MemberKind::kReport);
    raft::put(out, m.term);
    raft::put(out, m.stamp);
    raft::put(out, m.held.count());
    raft::put(out, static_cast<uint32_t>(m.sights.size()));
    for (const Sight& sight : m.sights) {
      raft::put(out, sight.backend);
      raft::put(out, sight.failures);
      raft::put(out, sight.answers);
      raft::put(out, sight.age.count());
      raft::put_bytes(out, sight.run_id);
    }
    raft::put(out, static_cast<uint32_t>(m.sessions.size()));
    for (const Heard& heard : m.sessions) {
      raft::put(out, heard.session);
      raft::put(out, heard.age.count());
      raft::put(out, heard.confirmed);
    }
  }
  void operator()(const Forward& m) const {
    raft::put(out, MemberKind::kForward);
    raft::put(out, m.term);
    raft::put(out, m.life);
    raft::put(out, m.request);
    put(out, m.what);
  }
  void operator()(const ForwardEnd& m) const {
    raft::put(out, MemberKind::kForwardEnd);
    raft::put(out, m.life);
    raft::put(out, m.request);
    put(out, m.outcome);
  }
};

Report read_report(Fields& in) {
  Report report;
  report.term = in.number();
  report.stamp = in.any<int64_t>();
  report.held = in.duration();
  const uint32_t sights = in.count(24);
  for (uint32_t i = 0; i < sights && !in.bad(); ++i) {
    Sight& sight = report.sights.emplace_back();
    sight.backend = BackendSerial{in.any<uint32_t>()};
    sight.failures = in.any<uint32_t>();
    sight.answers = in.any<uint32_t>();
    sight.age = in.duration();
    sight.run_id = in.text();
    in.require(sight.run_id.size() <= cluster::kMaxNameBytes);
  }
  const uint32_t sessions = in.count(20);
  for (uint32_t i = 0; i < sessions && !in.bad(); ++i) {
    Heard& heard = report.sessions.emplace_back();
    heard.session = SessionId{in.any<uint32_t>()};
    heard.age = in.duration();
    heard.confirmed = in.number();
  }
  return report;
}

Forward read_forward(Fields& in) {
  Forward forward;
  forward.term = in.number();
  forward.life = in.any<uint64_t>();
  forward.request = in.number();
  forward.what = read_request(in);
  return forward;
}

ForwardEnd read_forward_end(Fields& in) {
  ForwardEnd end;
  end.life = in.any<uint64_t>();
  end.request = in.number();
  end.outcome = read_outcome(in);
  return end;
}

// ---- Observers' messages.

enum class ObserverKind : uint8_t { kSubscribe = 1, kConfirm, kPropose, kTraffic };

struct ObserverWriter {
  std::string& out;

  void operator()(const Subscribe& m) const {
    raft::put(out, ObserverKind::kSubscribe);
    raft::put(out, m.version);
    raft::put(out, m.cluster.high);
    raft::put(out, m.cluster.low);
    raft::put(out, m.generation);
    raft::put(out, m.index);
    raft::put_bytes(out, m.name);
    raft::put(out, m.interval.count());
  }
  void operator()(const Confirm& m) const {
    raft::put(out, ObserverKind::kConfirm);
    raft::put(out, m.messages);
    raft::put(out, m.index);
    raft::put(out, m.session);
  }
  void operator()(const Propose& m) const {
    raft::put(out, ObserverKind::kPropose);
    raft::put(out, m.request);
    put(out, m.what);
  }
  void operator()(const Traffic& m) const {
    raft::put(out, ObserverKind::kTraffic);
    raft::put(out, m.backend);
    raft::put(out, m.failures);
  }
};

Subscribe read_subscribe(Fields& in) {
  Subscribe m;
  m.version = in.any<uint16_t>();
  m.cluster.high = in.any<uint64_t>();
  m.cluster.low = in.any<uint64_t>();
  m.generation = in.any<uint32_t>();
  m.index = in.number();
  m.name = in.text();
  in.require(m.name.size() <= cluster::kMaxNameBytes);
  m.interval = in.duration();
  return m;
}

// ---- Voters' messages.

enum class VoterKind : uint8_t { kPiece = 1, kChanges, kBeat, kProposeEnd, kGoodbye };
enum class FeedKind : uint8_t { kCommand = 1, kConfiguration };

struct VoterWriter {
  std::string& out;

  void operator()(const Piece& m) const {
    raft::put(out, VoterKind::kPiece);
    raft::put(out, m.offset);
    raft::put(out, m.size);
    raft::put_bytes(out, m.data);
  }
  void operator()(const Changes& m) const {
    raft::put(out, VoterKind::kChanges);
    raft::put(out, m.previous);
    raft::put(out, m.last);
    raft::put(out, static_cast<uint32_t>(m.entries.size()));
    for (const FeedEntry& entry : m.entries) put_entry(entry);
  }
  void operator()(const Beat& m) const {
    raft::put(out, VoterKind::kBeat);
    raft::put(out, m.index);
    raft::put(out, m.term);
    put_member(out, m.leader.value_or(MemberId{}));
  }
  void operator()(const ProposeEnd& m) const {
    raft::put(out, VoterKind::kProposeEnd);
    raft::put(out, m.request);
    put(out, m.outcome);
  }
  void operator()(const Goodbye& m) const {
    raft::put(out, VoterKind::kGoodbye);
    raft::put(out, m.reason);
  }

 private:
  void put_entry(const FeedEntry& entry) const {
    raft::put(out, entry.index);
    if (const auto* command = std::get_if<std::string>(&entry.data)) {
      raft::put(out, FeedKind::kCommand);
      raft::put_bytes(out, *command);
    } else {
      std::string bytes;
      raft::encode(std::get<raft::Configuration>(entry.data), bytes);
      raft::put(out, FeedKind::kConfiguration);
      raft::put_bytes(out, bytes);
    }
  }
};

Piece read_piece(Fields& in) {
  Piece m;
  m.offset = in.number();
  m.size = in.number();
  m.data = in.text();
  in.require(m.offset <= m.size && m.data.size() <= m.size - m.offset);
  return m;
}

FeedEntry read_entry(Fields& in) {
  FeedEntry entry;
  entry.index = in.number();
  const auto kind = static_cast<FeedKind>(in.any<uint8_t>());
  const std::string_view bytes = in.bytes();
  if (kind == FeedKind::kCommand) {
    entry.data = std::string(bytes);
    return entry;
  }
  in.require(kind == FeedKind::kConfiguration);
  auto configuration = raft::decode_configuration(bytes);
  in.require(configuration.ok());
  if (configuration) entry.data = std::move(configuration).value();
  return entry;
}

/// Ascending, and within (previous, last].
Changes read_changes(Fields& in) {
  Changes m;
  m.previous = in.number();
  m.last = in.number();
  in.require(m.previous < m.last);
  const uint32_t count = in.count(13);
  Index before = m.previous;
  for (uint32_t i = 0; i < count && !in.bad(); ++i) {
    const FeedEntry& entry = m.entries.emplace_back(read_entry(in));
    in.require(entry.index > before && entry.index <= m.last);
    before = entry.index;
  }
  return m;
}

template <class Message>
std::optional<Message> finish(const Fields& in, Message message) {
  if (!in.finished()) return std::nullopt;
  return message;
}

}  // namespace

const char* to_string(Goodbye::Reason reason) {
  switch (reason) {
    case Goodbye::Reason::kOtherCluster: return "it belongs to another cluster";
    case Goodbye::Reason::kTooMany: return "it has too many observers";
    case Goodbye::Reason::kRemoved: return "it is no member any more";
    case Goodbye::Reason::kProtocol: return "it speaks another version";
  }
  return "?";
}

const char* to_string(Refused::Reason reason) {
  switch (reason) {
    case Refused::Reason::kInvalid: return "invalid";
    case Refused::Reason::kNoLeader: return "no leader";
    case Refused::Reason::kBusy: return "busy";
    case Refused::Reason::kRejected: return "rejected";
  }
  return "?";
}

std::string encode(const MemberMessage& message) {
  std::string out;
  std::visit(MemberWriter{out}, message);
  return out;
}

std::string encode(const ObserverMessage& message) {
  std::string out;
  std::visit(ObserverWriter{out}, message);
  return out;
}

std::string encode(const VoterMessage& message) {
  std::string out;
  std::visit(VoterWriter{out}, message);
  return out;
}

std::optional<MemberMessage> decode_member_message(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  if (static_cast<MemberKind>(bytes.front()) == MemberKind::kRaft) {
    auto message = raft::decode_message(bytes.substr(1));
    if (!message) return std::nullopt;
    return MemberMessage(std::move(message).value());
  }
  Fields in(bytes);
  switch (static_cast<MemberKind>(in.any<uint8_t>())) {
    case MemberKind::kPulse: {
      Pulse pulse;
      pulse.term = in.number();
      pulse.stamp = in.any<int64_t>();
      return finish<MemberMessage>(in, pulse);
    }
    case MemberKind::kReport: {
      MemberMessage report = read_report(in);
      return finish(in, std::move(report));
    }
    case MemberKind::kForward: {
      MemberMessage forward = read_forward(in);
      return finish(in, std::move(forward));
    }
    case MemberKind::kForwardEnd: {
      MemberMessage end = read_forward_end(in);
      return finish(in, std::move(end));
    }
    case MemberKind::kRaft: break;
  }
  return std::nullopt;
}

std::optional<ObserverMessage> decode_observer_message(std::string_view bytes) {
  Fields in(bytes);
  switch (static_cast<ObserverKind>(in.any<uint8_t>())) {
    case ObserverKind::kSubscribe: {
      ObserverMessage subscribe = read_subscribe(in);
      return finish(in, std::move(subscribe));
    }
    case ObserverKind::kConfirm: {
      Confirm m;
      m.messages = in.number();
      m.index = in.number();
      m.session = SessionId{in.any<uint32_t>()};
      return finish<ObserverMessage>(in, m);
    }
    case ObserverKind::kPropose: {
      Propose m;
      m.request = in.number();
      m.what = read_request(in);
      return finish<ObserverMessage>(in, std::move(m));
    }
    case ObserverKind::kTraffic: {
      Traffic m;
      m.backend = BackendSerial{in.any<uint32_t>()};
      m.failures = in.any<uint32_t>();
      return finish<ObserverMessage>(in, m);
    }
  }
  return std::nullopt;
}

std::optional<VoterMessage> decode_voter_message(std::string_view bytes) {
  Fields in(bytes);
  switch (static_cast<VoterKind>(in.any<uint8_t>())) {
    case VoterKind::kPiece: {
      VoterMessage piece = read_piece(in);
      return finish(in, std::move(piece));
    }
    case VoterKind::kChanges: {
      VoterMessage changes = read_changes(in);
      return finish(in, std::move(changes));
    }
    case VoterKind::kBeat: {
      Beat m;
      m.index = in.number();
      m.term = in.number();
      if (const MemberId leader = in.member(); leader != MemberId{}) m.leader = leader;
      return finish<VoterMessage>(in, m);
    }
    case VoterKind::kProposeEnd: {
      ProposeEnd m;
      m.request = in.number();
      m.outcome = read_outcome(in);
      return finish<VoterMessage>(in, std::move(m));
    }
    case VoterKind::kGoodbye: {
      const auto reason = in.any<uint8_t>();
      in.require(reason <= static_cast<uint8_t>(Goodbye::Reason::kProtocol));
      return finish<VoterMessage>(in, Goodbye{static_cast<Goodbye::Reason>(reason)});
    }
  }
  return std::nullopt;
}

}  // namespace quorate::group
