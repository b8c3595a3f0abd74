#include "consensus/cluster/md5.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "consensus/base/little_endian.h"
#include "consensus/base/random.h"

namespace quorate::cluster {
namespace {

std::string in_hexadecimal(const Md5Words& words) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const uint32_t word : words) {
    for (int byte = 0; byte < 4; ++byte) {
      const uint32_t value = word >> (8 * byte) & 0xff;
      text += kDigits[value >> 4];
      text += kDigits[value & 15];
    }
  }
  return text;
}

Md5Words openssl_md5(std::string_view text) {
  std::array<char, 16> digest{};
  unsigned length = 0;
  REQUIRE(EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()),
                     &length, EVP_md5(), nullptr) == 1);
  REQUIRE(length == digest.size());
  Md5Words words;
  for (size_t i = 0; i < words.size(); ++i) words[i] = base::load_u32(digest.data() + 4 * i);
  return words;
}

TEST_CASE("md5 answers what RFC 1321 says, A.5") {
  CHECK(in_hexadecimal(md5("")) == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(in_hexadecimal(md5("a")) == "0cc175b9c0f1b6a831c399e269772661");
  CHECK(in_hexadecimal(md5("abc")) == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(in_hexadecimal(md5("message digest")) == "f96b697d7cb7938d525a2f31aaf161d0");
  CHECK(in_hexadecimal(md5("abcdefghijklmnopqrstuvwxyz")) == "c3fcd3d76192e4007dfb496cca67e13b");
  CHECK(in_hexadecimal(md5("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")) ==
        "d174ab98d277d9f5a5611c2c9f419d9f");
  CHECK(in_hexadecimal(md5("1234567890123456789012345678901234567890"
                           "1234567890123456789012345678901234567890")) ==
        "57edf4a22be3c955ac49da2e2107b67a");
}

TEST_CASE("md5 agrees with OpenSSL at every length up to four blocks, wherever the bytes lie") {
  base::Random random(20);
  std::string bytes(300, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next());
  for (size_t length = 0; length <= 256; ++length) {
    const std::string_view text = std::string_view(bytes).substr(length % 8, length);
    CAPTURE(length);
    CHECK(md5(text) == openssl_md5(text));
  }
}

TEST_CASE("md5 agrees with OpenSSL on a megabyte") {
  const std::string text(1 << 20, 'q');
  CHECK(md5(text) == openssl_md5(text));
}

}  // namespace
}  // namespace quorate::cluster
