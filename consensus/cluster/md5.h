// MD5 (RFC 1321), because ketama's points and the "md5" key hash are cut from it. It is on the data
// path, and most keys fit one block: there is no streaming, no context, no allocation.
//
// Not for security: quorate signs and verifies nothing with it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace quorate::cluster {

/// The digest as its four words A, B, C, D; its 16 bytes are these words, little-endian. Ketama
/// uses the words, so nobody has to assemble them again.
using Md5Words = std::array<uint32_t, 4>;

Md5Words md5(std::string_view text);

}  // namespace quorate::cluster
