// Hello: the first frame of each side. Who it is, of which cluster, what it speaks, and a nonce.
//
//   hello := "QUORATE\n" least_version:2 version:2 flags:4 cluster_id:16 member:8 nonce:32
//            cluster name address (each length:4 bytes)
//
// `flags` announce what a later version may begin after the handshake (TLS is meant to); a bit that
// is not known here is ignored. Versions: both sides take the highest that both speak.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "consensus/base/result.h"
#include "consensus/raft/ids.h"

namespace quorate::peer {

inline constexpr uint16_t kLeastVersion = 1;
inline constexpr uint16_t kVersion = 1;
inline constexpr size_t kMaxNameBytes = 64;
inline constexpr size_t kMaxAddressBytes = 512;

using ClusterId = std::array<uint8_t, 16>;
using Nonce = std::array<uint8_t, 32>;

struct Hello {
  uint16_t least_version = kLeastVersion;
  uint16_t version = kVersion;
  uint32_t flags = 0;
  ClusterId cluster_id{};   ///< zeros: not known yet (it founds a cluster, or joins one)
  raft::MemberId member{};  ///< zero: not known yet
  Nonce nonce{};            ///< new for every connection
  std::string cluster;      ///< its name
  std::string name;         ///< the member's
  std::string address;      ///< where it listens for members; may be empty
  bool operator==(const Hello&) const = default;
};

std::string encode(const Hello& hello);

/// Errors: a sentence for the log of either side.
base::Result<Hello, std::string> decode_hello(std::string_view bytes);

}  // namespace quorate::peer
