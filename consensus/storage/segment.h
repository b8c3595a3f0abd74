// Segments: the files of the log, byte by byte. Little-endian throughout.
//
//   segment  := header record*                          named log-<number, 16 hex digits>
//   header   := "QUORATE\n" version:4 number:8 previous:8 previous_end:8 last_index:8 crc:4
//   record   := crc:4 length:4 durable_before:8 term:8 index:8 kind:1 0:3 payload:length
//
// A segment continues `previous` (0: none), of which only the bytes before `previous_end` count, at
// a time when the log ended with `last_index`. A checksum (CRC-32C) covers the rest of its record
// and where it stands, so that neither a stale nor a misplaced record passes.
//
// `durable_before` is what tells a torn write from damage. When a record was written, the bytes of
// its segment before that offset were on disk. So if bytes are bad and any later record vouches for
// them, they were good once, and were promised to somebody: that is damage, and nothing of this
// disk may be used. If nothing vouches for them, a crash interrupted the write, and nobody was
// promised anything. A `synced` record is written after every sync for nothing but this. (The idea
// is that of Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/storage/error.h"

namespace quorate::storage {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr size_t kSegmentHeaderBytes = 48;
inline constexpr size_t kRecordHeaderBytes = 36;

struct SegmentHeader {
  uint64_t number = 0;
  uint64_t previous = 0;
  uint64_t previous_end = 0;
  uint64_t last_index = 0;
};

enum class RecordKind : uint8_t {
  kHardState = 1,  ///< term; payload: whether there is a vote (1), for whom (8)
  kEntry = 2,      ///< term, index; payload: raft's encoding. Voids what stood there and after it
  kReset = 3,      ///< term, index: the log begins again after a snapshot that ends there
  kSynced = 4,     ///< nothing but durable_before
};

struct Record {
  RecordKind kind{};
  uint64_t term = 0;
  uint64_t index = 0;
  uint64_t durable_before = 0;
  uint64_t offset = 0;  ///< where it begins in its segment
  std::string_view payload;
};

/// Appends to `out`.
void encode(const SegmentHeader& header, std::string& out);
/// Appends to `out`; `record.offset` says where it will stand in segment `number`.
void encode(const Record& record, uint64_t number, std::string& out);

std::string segment_name(uint64_t number);
/// The number in such a name.
std::optional<uint64_t> segment_number(std::string_view name);

/// What could be read of a segment.
struct Segment {
  uint64_t number = 0;
  std::optional<SegmentHeader> header;  ///< none: it is bad
  std::vector<Record> records;          ///< up to the first bad one; views into the bytes read
  uint64_t end = 0;                     ///< where the good bytes end
  uint64_t size = 0;                    ///< where the file ends
  uint64_t durable_end = 0;  ///< the highest durable_before of a good record, wherever it stands
};

/// Reads `bytes`, the whole file, but no record that begins at `limit` or later. Bad bytes are not
/// an error here, with one exception: a header of another version.
Result<Segment> read_segment(uint64_t number, std::string_view bytes, uint64_t limit = UINT64_MAX);

}  // namespace quorate::storage
