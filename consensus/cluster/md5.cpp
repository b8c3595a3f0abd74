#include "consensus/cluster/md5.h"

#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

#include "consensus/base/little_endian.h"

namespace quorate::cluster {
namespace {

constexpr size_t kBlock = 64;
constexpr size_t kLengthField = 8;

// RFC 1321, 3.4: T[i] = floor(2^32 * |sin(i + 1)|).
constexpr std::array<uint32_t, 64> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

constexpr std::array<std::array<int, 4>, 4> kRotations = {
    {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}};

/// Which word of the block a step reads: the four rounds walk it by 1, 5, 3 and 7.
constexpr std::array<std::pair<size_t, size_t>, 4> kWalks = {{{1, 0}, {5, 1}, {3, 5}, {7, 0}}};

template <size_t kRound>
[[gnu::always_inline]] inline uint32_t mix(uint32_t b, uint32_t c, uint32_t d) {
  // F and G are written so that the word which arrives last (b) is waited for by one operation
  // less.
  if constexpr (kRound == 0) return d ^ (b & (c ^ d));
  if constexpr (kRound == 1) return (d & b) + (~d & c);
  if constexpr (kRound == 2) return b ^ c ^ d;
  return c ^ (b | ~d);
}

/// Step `kStep` of 64. The roles of A, B, C, D rotate backwards by one each step; as the indexes
/// are constants, the rotation costs nothing and the four words stay in registers.
template <size_t kStep>
[[gnu::always_inline]] inline void step(Md5Words& state, const std::array<uint32_t, 16>& block) {
  constexpr size_t kRound = kStep / 16;
  uint32_t& a = state[(64 - kStep) % 4];
  const uint32_t b = state[(65 - kStep) % 4];
  const uint32_t c = state[(66 - kStep) % 4];
  const uint32_t d = state[(67 - kStep) % 4];
  constexpr size_t kWord = (kWalks[kRound].first * (kStep % 16) + kWalks[kRound].second) % 16;
  a += block[kWord] + kSines[kStep] + mix<kRound>(b, c, d);
  a = std::rotl(a, kRotations[kRound][kStep % 4]) + b;
}

template <size_t... kSteps>
[[gnu::always_inline]] inline void all_steps(Md5Words& state, const std::array<uint32_t, 16>& block,
                                             std::index_sequence<kSteps...>) {
  (step<kSteps>(state, block), ...);
}

void absorb(Md5Words& digest, const char* bytes) {
  std::array<uint32_t, 16> block;
  for (size_t i = 0; i < block.size(); ++i) block[i] = base::load_u32(bytes + 4 * i);
  Md5Words state = digest;
  all_steps(state, block, std::make_index_sequence<64>{});
  for (size_t i = 0; i < digest.size(); ++i) digest[i] += state[i];
}

}  // namespace

Md5Words md5(std::string_view text) {
  Md5Words digest = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  const uint64_t bits = uint64_t{text.size()} * 8;
  while (text.size() >= kBlock) {
    absorb(digest, text.data());
    text.remove_prefix(kBlock);
  }

  // What is left, a set bit, zeros, and the length in bits: one block, or two when the length does
  // not fit behind the bytes.
  std::array<char, 2 * kBlock> tail{};
  if (!text.empty()) std::memcpy(tail.data(), text.data(), text.size());
  tail[text.size()] = static_cast<char>(0x80);
  const size_t end = text.size() + 1 + kLengthField <= kBlock ? kBlock : 2 * kBlock;
  base::store_u64(tail.data() + end - kLengthField, bits);
  absorb(digest, tail.data());
  if (end == 2 * kBlock) absorb(digest, tail.data() + kBlock);
  return digest;
}

}  // namespace quorate::cluster
