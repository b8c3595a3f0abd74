// CRC-32C (Castagnoli, as iSCSI, ext4 and LevelDB use it), eight bytes at a time ("slicing by 8",
// Kounavis and Berry 2005). For records on disk and snapshots on the wire; not for strangers'
// bytes, which need a MAC.
#pragma once

#include <cstdint>
#include <string_view>

namespace quorate::raft {

/// The checksum of `bytes` that follow bytes whose checksum is `before` (0: nothing before).
uint32_t crc32c(std::string_view bytes, uint32_t before = 0);

}  // namespace quorate::raft
