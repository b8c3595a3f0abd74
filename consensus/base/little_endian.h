// Unaligned little-endian loads and stores, one instruction each on the machines that matter.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace quorate::base {

inline uint32_t load_u32(const char* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap32(word);
  return word;
}

inline void store_u32(char* bytes, uint32_t word) {
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap32(word);
  std::memcpy(bytes, &word, sizeof word);
}

inline void store_u64(char* bytes, uint64_t word) {
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  std::memcpy(bytes, &word, sizeof word);
}

}  // namespace quorate::base
