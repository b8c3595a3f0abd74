#include "proxy/peer/hello.h"

#include <algorithm>

#include "consensus/raft/bytes.h"

namespace quorate::peer {

namespace {

constexpr std::string_view kMagic = "QUORATE\n";

bool is_plain(std::string_view text, size_t most) {
  return text.size() <= most &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

std::string encode(const Hello& hello) {
  std::string bytes(kMagic);
  raft::put(bytes, hello.least_version);
  raft::put(bytes, hello.version);
  raft::put(bytes, hello.flags);
  raft::put(bytes, hello.cluster_id);
  raft::put(bytes, raft::number(hello.member));
  raft::put(bytes, hello.nonce);
  raft::put_bytes(bytes, hello.cluster);
  raft::put_bytes(bytes, hello.name);
  raft::put_bytes(bytes, hello.address);
  return bytes;
}

base::Result<Hello, std::string> decode_hello(std::string_view bytes) {
  raft::ByteReader reader(bytes);
  if (reader.take(kMagic.size()) != kMagic) {
    return base::Failure{std::string("is not a quorate peer port")};
  }
  Hello hello;
  hello.least_version = reader.get<uint16_t>();
  hello.version = reader.get<uint16_t>();
  // What follows may differ in a version that this one does not speak.
  if (reader.failed() || hello.least_version > kVersion || hello.version < kLeastVersion) {
    return base::Failure{"speaks versions " + std::to_string(hello.least_version) + " to " +
                         std::to_string(hello.version) + " of the peer protocol, this one " +
                         std::to_string(kLeastVersion) + " to " + std::to_string(kVersion)};
  }
  hello.flags = reader.get<uint32_t>();
  hello.cluster_id = reader.get<ClusterId>();
  hello.member = raft::MemberId{reader.get<uint64_t>()};
  hello.nonce = reader.get<Nonce>();
  hello.cluster = reader.get_bytes();
  hello.name = reader.get_bytes();
  hello.address = reader.get_bytes();
  // Names end up in logs. Bytes left over are a later version's.
  if (reader.failed() || !is_plain(hello.cluster, kMaxNameBytes) ||
      !is_plain(hello.name, kMaxNameBytes) || !is_plain(hello.address, kMaxAddressBytes)) {
    return base::Failure{std::string("sent a hello that cannot be")};
  }
  return hello;
}

}  // namespace quorate::peer
