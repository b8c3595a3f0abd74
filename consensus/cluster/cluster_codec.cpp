#include "consensus/cluster/cluster_codec.h"

#include <type_traits>

#include "consensus/cluster/change_steps.h"
#include "consensus/raft/bytes.h"

namespace quorate::cluster {
namespace {

using base::Failure;
using base::Result;

/// A change's kind as it is written: its place in Change, from 1 on. So the order there is part of
/// the format: new ones go to the end.
constexpr uint8_t kind_of(size_t alternative) { return static_cast<uint8_t>(alternative + 1); }

/// Numbers of 64 bits are added to; this keeps sums from wrapping.
constexpr uint64_t kMaxNumber = uint64_t{1} << 62;

// How many choices an enum has; 0: it is a number with a name.
template <class Enum>
constexpr uint8_t kChoices = 0;
template <>
constexpr uint8_t kChoices<MemberRole> = 3;
template <>
constexpr uint8_t kChoices<Protocol> = 2;
template <>
constexpr uint8_t kChoices<Consistency> = 5;
template <>
constexpr uint8_t kChoices<OnEject> = 3;
template <>
constexpr uint8_t kChoices<BackendState> = 5;
template <>
constexpr uint8_t kChoices<SlotPhase> = 2;
template <>
constexpr uint8_t kChoices<LeaseKind> = 2;
template <>
constexpr uint8_t kChoices<SessionEnd> = 3;
template <>
constexpr uint8_t kChoices<Cause> = 3;
template <>
constexpr uint8_t kChoices<HashKind> = kHashKinds;
template <>
constexpr uint8_t kChoices<Distribution> = kDistributions;

// ---- What each struct consists of, once for both directions.

template <class Value, class Type>
concept A = std::is_same_v<std::remove_const_t<Value>, Type>;

/// Random bits, which may be any.
template <class Archive, A<Nonce> Value>
void fields(Archive& archive, Value& it) {
  archive.bits(it.high);
  archive.bits(it.low);
}
template <class Archive, A<Member> Value>
void fields(Archive& archive, Value& it) {
  archive(it.id, it.name, it.address, it.role);
}
template <class Archive, A<Session> Value>
void fields(Archive& archive, Value& it) {
  archive(it.id, it.nonce, it.member, it.name, it.address, it.coordinator, it.ttl_ms);
}
template <class Archive, A<PlacementRules> Value>
void fields(Archive& archive, Value& it) {
  archive(it.hash, it.distribution, it.hash_tag, it.points);
}
template <class Archive, A<DetectionRules> Value>
void fields(Archive& archive, Value& it) {
  archive(it.interval_ms, it.deadline_ms, it.count, it.readmit_count, it.backoff_ms,
          it.backoff_max_ms, it.steady_ms);
}
template <class Archive, A<PoolRules> Value>
void fields(Archive& archive, Value& it) {
  archive(it.name, it.protocol, it.consistency, it.on_eject, it.replicas, it.min_up, it.placement,
          it.detection);
}
template <class Archive, A<SlotRun> Value>
void fields(Archive& archive, Value& it) {
  archive(it.first, it.count, it.configuration, it.owner, it.phase, it.members, it.next);
}
template <class Archive, A<SlotMembers::Place> Value>
void fields(Archive& archive, Value& it) {
  archive(it.backend, it.joined);
}
template <class Archive, A<SlotMembers> Value>
void fields(Archive& archive, Value& it) {
  archive(it.count);
  for (auto& place : it.places) archive(place);
}
template <class Archive, A<Pool> Value>
void fields(Archive& archive, Value& it) {
  archive(it.serial, it.rules, it.epoch, it.slots, it.member_sets);
}
template <class Archive, A<BackendRules> Value>
void fields(Archive& archive, Value& it) {
  archive(it.name, it.address, it.zone, it.weight, it.spare);
}
template <class Archive, A<Backend> Value>
void fields(Archive& archive, Value& it) {
  archive(it.serial, it.pool, it.rules, it.state, it.by_operator, it.run_id, it.incarnation,
          it.stands_in_for, it.flaps);
}
template <class Archive, A<Lease> Value>
void fields(Archive& archive, Value& it) {
  archive(it.id, it.nonce, it.kind, it.holder, it.ttl_ms, it.what);
}
template <class Archive, A<ClusterMap> Value>
void fields(Archive& archive, Value& it) {
  archive(it.cluster, it.generation, it.index, it.epoch);
  archive.table(it.members, &Member::id);
  archive.table(it.sessions, &Session::id);
  archive.table(it.pools, &Pool::serial);
  archive.table(it.backends, &Backend::serial);
  archive.table(it.leases, &Lease::id);
  archive(it.next_member, it.next_session, it.next_pool, it.next_backend, it.next_lease);
}

template <class Archive, A<FoundCluster> Value>
void fields(Archive& archive, Value& it) {
  archive(it.cluster);
}
template <class Archive, A<AddMember> Value>
void fields(Archive& archive, Value& it) {
  archive(it.name, it.address);
}
template <class Archive, A<DescribeMember> Value>
void fields(Archive& archive, Value& it) {
  archive(it.member, it.name, it.address);
}
template <class Archive, A<RemoveMember> Value>
void fields(Archive& archive, Value& it) {
  archive(it.member);
}
template <class Archive, A<OpenSession> Value>
void fields(Archive& archive, Value& it) {
  archive(it.nonce, it.member, it.name, it.address, it.coordinator, it.ttl_ms);
}
template <class Archive, A<EndSession> Value>
void fields(Archive& archive, Value& it) {
  archive(it.session, it.cause);
}
template <class Archive, A<DefinePool> Value>
void fields(Archive& archive, Value& it) {
  archive(it.rules, it.backends, it.only_if_absent);
}
template <class Archive, A<RemovePool> Value>
void fields(Archive& archive, Value& it) {
  archive(it.pool);
}
template <class Archive, A<AddBackend> Value>
void fields(Archive& archive, Value& it) {
  archive(it.pool, it.rules);
}
template <class Archive, A<EjectBackend> Value>
void fields(Archive& archive, Value& it) {
  archive(it.backend, it.cause, it.was_steady, it.witnesses);
}
template <class Archive, A<ReadyBackend> Value>
void fields(Archive& archive, Value& it) {
  archive(it.backend, it.cause, it.witnesses);
}
template <class Archive, A<DrainBackend> Value>
void fields(Archive& archive, Value& it) {
  archive(it.backend, it.force);
}
template <class Archive, A<RemoveBackend> Value>
void fields(Archive& archive, Value& it) {
  archive(it.backend);
}
template <class Archive, A<NoteIdentity> Value>
void fields(Archive& archive, Value& it) {
  archive(it.backend, it.expected_run_id, it.run_id);
}
template <class Archive, A<AdmitBackend> Value>
void fields(Archive& archive, Value& it) {
  archive(it.backend, it.expected, it.incarnation);
}
template <class Archive, A<DismissBackend> Value>
void fields(Archive& archive, Value& it) {
  archive(it.backend, it.expected);
}
template <class Archive, A<SetSlotOwner> Value>
void fields(Archive& archive, Value& it) {
  archive(it.pool, it.first, it.count, it.owner);
}
template <class Archive, A<RaiseSlotConfiguration> Value>
void fields(Archive& archive, Value& it) {
  archive(it.pool, it.first, it.count);
}
template <class Archive, A<TakeLease> Value>
void fields(Archive& archive, Value& it) {
  archive(it.nonce, it.kind, it.holder, it.ttl_ms, it.what);
}
template <class Archive, A<RenewLease> Value>
void fields(Archive& archive, Value& it) {
  archive(it.lease);
}
template <class Archive, A<EndLease> Value>
void fields(Archive& archive, Value& it) {
  archive(it.lease, it.expired);
}
template <class Archive, A<Recover> Value>
void fields(Archive& archive, Value& it) {
  archive(it.generation, it.least_session, it.raise_epochs_by, it.raise_configurations_by);
}
template <class Archive, A<BeginMove::Slot> Value>
void fields(Archive& archive, Value& it) {
  archive(it.slot, it.configuration, it.members);
}
template <class Archive, A<BeginMove> Value>
void fields(Archive& archive, Value& it) {
  archive(it.pool, it.slots);
}
template <class Archive, A<EndMove::Slot> Value>
void fields(Archive& archive, Value& it) {
  archive(it.slot, it.configuration);
}
template <class Archive, A<EndMove> Value>
void fields(Archive& archive, Value& it) {
  archive(it.pool, it.slots, it.back);
}

// ---- The two directions.

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  template <class... Values>
  void operator()(const Values&... values) {
    (write(values), ...);
  }
  void bits(uint64_t value) { raft::put(out_, value); }
  template <class Key, class Value>
  void table(const std::map<Key, Value>& values, Key Value::*) {
    raft::put(out_, static_cast<uint32_t>(values.size()));
    for (const auto& [key, value] : values) write(value);
  }

 private:
  template <class Value>
  void write(const Value& value) {
    if constexpr (std::is_same_v<Value, bool>) {
      raft::put<uint8_t>(out_, value ? 1 : 0);
    } else if constexpr (std::is_arithmetic_v<Value>) {
      raft::put(out_, value);
    } else if constexpr (std::is_enum_v<Value>) {
      raft::put(out_, static_cast<std::underlying_type_t<Value>>(value));
    } else {
      fields(*this, value);
    }
  }
  void write(const std::string& text) { raft::put_bytes(out_, text); }
  template <class Value>
  void write(const std::vector<Value>& values) {
    raft::put(out_, static_cast<uint32_t>(values.size()));
    for (const Value& value : values) write(value);
  }

  std::string& out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : reader_(bytes) {}

  template <class... Values>
  void operator()(Values&... values) {
    (read(values), ...);
  }
  void bits(uint64_t& value) { value = reader_.get<uint64_t>(); }
  /// Ascending, as they were written.
  template <class Key, class Value>
  void table(std::map<Key, Value>& values, Key Value::*key) {
    const uint32_t count = length();
    for (uint32_t i = 0; i < count && !bad(); ++i) {
      Value value;
      read(value);
      malformed_ |= !values.empty() && !(values.rbegin()->first < value.*key);
      values.emplace_hint(values.end(), value.*key, std::move(value));
    }
  }

  bool bad() const { return malformed_ || reader_.failed(); }
  std::optional<DecodeError> error() const {
    if (malformed_) return DecodeError::kMalformed;
    if (!reader_.finished()) return DecodeError::kTruncated;
    return std::nullopt;
  }

 private:
  template <class Value>
  void read(Value& value) {
    if constexpr (std::is_same_v<Value, bool>) {
      const auto byte = reader_.get<uint8_t>();
      malformed_ |= byte > 1;
      value = byte == 1;
    } else if constexpr (std::is_arithmetic_v<Value>) {
      value = reader_.get<Value>();
      if constexpr (sizeof value == 8) malformed_ |= value > kMaxNumber;
    } else if constexpr (std::is_enum_v<Value>) {
      auto bare = reader_.get<std::underlying_type_t<Value>>();
      if constexpr (kChoices < Value >> 0) {
        malformed_ |= bare >= kChoices<Value>;
        if (bare >= kChoices<Value>) bare = 0;
      } else if constexpr (sizeof bare == 8) {
        malformed_ |= bare > kMaxNumber;
      }
      value = Value{bare};
    } else {
      fields(*this, value);
    }
  }
  void read(std::string& text) { text = reader_.get_bytes(); }
  template <class Value>
  void read(std::vector<Value>& values) {
    const uint32_t count = length();
    for (uint32_t i = 0; i < count && !bad(); ++i) read(values.emplace_back());
  }
  /// Never more than there are bytes for.
  uint32_t length() {
    const auto count = reader_.get<uint32_t>();
    if (count <= reader_.left()) return count;
    malformed_ = true;
    return 0;
  }

  raft::ByteReader reader_;
  bool malformed_ = false;
};

template <size_t Alternative = 0>
bool read_alternative(Reader& reader, uint8_t kind, Change& change) {
  if constexpr (Alternative == std::variant_size_v<Change>) {
    return false;
  } else {
    if (kind != kind_of(Alternative)) {
      return read_alternative<Alternative + 1>(reader, kind, change);
    }
    reader(change.emplace<Alternative>());
    return true;
  }
}

}  // namespace

const char* to_string(DecodeError error) {
  switch (error) {
    case DecodeError::kTruncated: return "truncated";
    case DecodeError::kUnknownVersion: return "unknown version";
    case DecodeError::kUnknownKind: return "unknown kind";
    case DecodeError::kMalformed: return "malformed";
  }
  return "?";
}

std::string encode(const Change& change) {
  std::string out;
  raft::put(out, kChangeVersion);
  raft::put(out, kind_of(change.index()));
  Writer writer(out);
  std::visit([&](const auto& one) { writer(one); }, change);
  return out;
}

Result<Change, DecodeError> decode_change(std::string_view bytes) {
  raft::ByteReader head(bytes);
  const auto version = head.get<uint16_t>();
  const auto kind = head.get<uint8_t>();
  if (head.failed()) return Failure{DecodeError::kTruncated};
  if (version != kChangeVersion) return Failure{DecodeError::kUnknownVersion};
  Reader reader(bytes.substr(bytes.size() - head.left()));
  Change change;
  if (!read_alternative(reader, kind, change)) return Failure{DecodeError::kUnknownKind};
  if (const auto error = reader.error()) return Failure{*error};
  return change;
}

std::string encode(const ClusterMap& map) {
  std::string out;
  raft::put(out, kMapVersion);
  Writer writer(out);
  writer(map);
  return out;
}

Result<ClusterMap, DecodeError> decode_map(std::string_view bytes) {
  raft::ByteReader head(bytes);
  const auto version = head.get<uint16_t>();
  if (head.failed()) return Failure{DecodeError::kTruncated};
  if (version != kMapVersion) return Failure{DecodeError::kUnknownVersion};
  Reader reader(bytes.substr(bytes.size() - head.left()));
  ClusterMap map;
  reader(map);
  if (const auto error = reader.error()) return Failure{*error};
  if (problem_with(map)) return Failure{DecodeError::kMalformed};
  return map;
}

}  // namespace quorate::cluster
