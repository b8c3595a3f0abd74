#include "consensus/storage/segment.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "consensus/raft/bytes.h"
#include "consensus/raft/crc32c.h"
#include "consensus/raft/mutation.h"

namespace quorate::storage {
namespace {

using base::Failure;
using raft::ByteReader;
using raft::crc32c;
using raft::mutated;
using raft::Mutation;
using raft::put;

constexpr std::string_view kMagic = "QUORATE\n";
constexpr std::string_view kNamePrefix = "log-";
constexpr size_t kNumberDigits = 16;

/// Where a record stands, as the start of its checksum. Never 0 for zeros.
uint32_t place_checksum(uint64_t number, uint64_t offset) {
  std::string place;
  put(place, number);
  put(place, offset);
  return crc32c(place);
}

/// The record at `offset`, if there is a good one.
std::optional<Record> read_record(uint64_t number, std::string_view bytes, uint64_t offset) {
  if (offset + kRecordHeaderBytes > bytes.size()) return std::nullopt;
  ByteReader in(bytes.substr(offset));
  const auto crc = in.get<uint32_t>();
  const auto length = in.get<uint32_t>();
  Record record;
  record.offset = offset;
  record.durable_before = in.get<uint64_t>();
  record.term = in.get<uint64_t>();
  record.index = in.get<uint64_t>();
  record.kind = static_cast<RecordKind>(in.get<uint8_t>());
  const std::string_view zeros = in.take(3);
  const bool known = record.kind >= RecordKind::kHardState && record.kind <= RecordKind::kSynced;
  if (!known || zeros != std::string_view("\0\0\0", 3)) return std::nullopt;
  if (record.durable_before > offset || length > in.left()) return std::nullopt;
  record.payload = in.take(length);
  const std::string_view covered = bytes.substr(offset + 4, kRecordHeaderBytes - 4 + length);
  const bool good = crc32c(covered, place_checksum(number, offset)) == crc;
  if (!good && !mutated(Mutation::kSkipChecksum)) return std::nullopt;
  return record;
}

/// The header, if it is good; an error if it is of another version.
Result<std::optional<SegmentHeader>> read_header(uint64_t number, std::string_view bytes) {
  using Header = std::optional<SegmentHeader>;
  if (bytes.size() < kSegmentHeaderBytes) return Header();
  const std::string_view covered = bytes.substr(0, kSegmentHeaderBytes - 4);
  ByteReader in(bytes.substr(0, kSegmentHeaderBytes));
  if (in.take(kMagic.size()) != kMagic) return Header();
  const auto version = in.get<uint32_t>();
  if (version == 0) return Header();  // no version, but what a torn write leaves
  if (version != kFormatVersion) {
    return Failure{Error{ErrorKind::kVersion, segment_name(number), 0,
                         "format version " + std::to_string(version) + "; this program reads " +
                             std::to_string(kFormatVersion)}};
  }
  SegmentHeader header;
  header.number = in.get<uint64_t>();
  header.previous = in.get<uint64_t>();
  header.previous_end = in.get<uint64_t>();
  header.last_index = in.get<uint64_t>();
  if (in.get<uint32_t>() != crc32c(covered) || header.number != number) return Header();
  return Header(header);
}

}  // namespace

void encode(const SegmentHeader& header, std::string& out) {
  const size_t begin = out.size();
  out += kMagic;
  put(out, kFormatVersion);
  put(out, header.number);
  put(out, header.previous);
  put(out, header.previous_end);
  put(out, header.last_index);
  put(out, crc32c(std::string_view(out).substr(begin)));
}

void encode(const Record& record, uint64_t number, std::string& out) {
  const size_t begin = out.size();
  put<uint32_t>(out, 0);
  put(out, static_cast<uint32_t>(record.payload.size()));
  put(out, record.durable_before);
  put(out, record.term);
  put(out, record.index);
  put(out, static_cast<uint8_t>(record.kind));
  out.append(3, '\0');
  out += record.payload;
  const std::string_view covered = std::string_view(out).substr(begin + 4);
  const uint32_t crc = crc32c(covered, place_checksum(number, record.offset));
  std::memcpy(out.data() + begin, &crc, sizeof crc);
}

std::string segment_name(uint64_t number) {
  char digits[kNumberDigits];
  const auto end = std::to_chars(digits, digits + kNumberDigits, number, 16).ptr;
  const std::string_view text(digits, static_cast<size_t>(end - digits));
  return std::string(kNamePrefix) + std::string(kNumberDigits - text.size(), '0').append(text);
}

std::optional<uint64_t> segment_number(std::string_view name) {
  if (!name.starts_with(kNamePrefix)) return std::nullopt;
  const std::string_view digits = name.substr(kNamePrefix.size());
  uint64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number, 16);
  if (error != std::errc{} || stop != end || segment_name(number) != name) return std::nullopt;
  return number;
}

Result<Segment> read_segment(uint64_t number, std::string_view bytes, uint64_t limit) {
  Segment segment;
  segment.number = number;
  segment.size = bytes.size();
  auto header = read_header(number, bytes);
  if (!header) return Failure{header.error()};
  segment.header = header.value();
  if (segment.header) {
    segment.end = kSegmentHeaderBytes;
    while (segment.end < limit) {
      const auto record = read_record(number, bytes, segment.end);
      if (!record) break;
      segment.durable_end = std::max(segment.durable_end, record->durable_before);
      segment.end += kRecordHeaderBytes + record->payload.size();
      segment.records.push_back(*record);
    }
  }
  // Records after a bad one are not used, but they may vouch for it.
  for (uint64_t offset = segment.end + 1; offset < std::min<uint64_t>(limit, bytes.size());
       ++offset) {
    const auto record = read_record(number, bytes, offset);
    if (record) segment.durable_end = std::max(segment.durable_end, record->durable_before);
  }
  return segment;
}

}  // namespace quorate::storage
