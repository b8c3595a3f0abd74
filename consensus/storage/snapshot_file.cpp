#include "consensus/storage/snapshot_file.h"

#include <charconv>

#include "consensus/raft/bytes.h"
#include "consensus/raft/codec.h"
#include "consensus/raft/crc32c.h"
#include "consensus/storage/segment.h"

namespace quorate::storage {
namespace {

using base::Failure;
using raft::ByteReader;
using raft::put;

constexpr std::string_view kMagic = "QUORATS\n";
constexpr std::string_view kNamePrefix = "snapshot-";
constexpr size_t kDigits = 16;

Failure<Error> corrupt(const std::string& name, uint64_t offset, const char* what) {
  return Failure{Error{ErrorKind::kCorrupt, name, offset, what}};
}

}  // namespace

std::string snapshot_name(raft::Index index) {
  char digits[kDigits];
  const auto end = std::to_chars(digits, digits + kDigits, index, 16).ptr;
  const std::string_view text(digits, static_cast<size_t>(end - digits));
  return std::string(kNamePrefix) + std::string(kDigits - text.size(), '0').append(text);
}

std::optional<raft::Index> snapshot_index(std::string_view name) {
  if (!name.starts_with(kNamePrefix)) return std::nullopt;
  const std::string_view digits = name.substr(kNamePrefix.size());
  raft::Index index = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, index, 16);
  if (error != std::errc{} || stop != end || snapshot_name(index) != name) return std::nullopt;
  return index;
}

std::string encode_snapshot(const raft::Snapshot& snapshot) {
  std::string out(kMagic);
  put(out, kFormatVersion);
  put(out, snapshot.head.index);
  put(out, snapshot.head.term);
  std::string configuration;
  raft::encode(snapshot.configuration, configuration);
  raft::put_bytes(out, configuration);
  put(out, static_cast<uint64_t>(snapshot.state.size()));
  out += snapshot.state;
  put(out, raft::crc32c(out));
  return out;
}

Result<raft::SnapshotRef> decode_snapshot(const std::string& name, std::string_view bytes) {
  ByteReader in(bytes);
  if (in.take(kMagic.size()) != kMagic) return corrupt(name, 0, "not a snapshot");
  const auto version = in.get<uint32_t>();
  if (version != kFormatVersion) {
    return Failure{Error{ErrorKind::kVersion, name, 0,
                         "format version " + std::to_string(version) + "; this program reads " +
                             std::to_string(kFormatVersion)}};
  }
  const auto index = in.get<uint64_t>();
  const auto term = in.get<uint64_t>();
  auto configuration = raft::decode_configuration(in.get_bytes());
  const std::string_view state = in.take(in.get<uint64_t>());
  const auto crc = in.get<uint32_t>();
  if (!in.finished()) return corrupt(name, bytes.size(), "it ends too early or too late");
  if (crc != raft::crc32c(bytes.substr(0, bytes.size() - 4))) {
    return corrupt(name, 0, "the checksum is wrong");
  }
  if (!configuration || snapshot_index(name) != index) return corrupt(name, 12, "malformed");
  return raft::make_snapshot(index, term, std::move(configuration).value(), std::string(state));
}

}  // namespace quorate::storage
