#include "proxy/relay/forward.h"

#include <doctest/doctest.h>

#include <array>

namespace quorate::relay {

TEST_CASE("a forward is read as it was written, and nothing shorter or wrong is one") {
  Forward forward;
  forward.header = {.from = cluster::SessionId{7},
                    .worker = 3,
                    .to = cluster::SessionId{0xFFFFFFFF},
                    .pool = cluster::PoolSerial{9},
                    .slot = 4095,
                    .id = 0x0102030405060708,
                    .seen = {0xFFFF'FFFF'FFFF, 5}};
  forward.bytes = std::string("any\0thing", 9);
  const std::string bytes = encode(forward);
  const auto read = decode_forward(bytes);
  REQUIRE(read);
  CHECK(read->header == forward.header);
  CHECK(read->bytes == forward.bytes);
  for (size_t size = 0; size < kForwardHeaderBytes; ++size) {
    CHECK_FALSE(decode_forward(std::string_view(bytes).substr(0, size)));
  }
  forward.header.slot = cluster::kSlots;
  CHECK_FALSE(decode_forward(encode(forward)));
}

TEST_CASE("every worker of a process answers for as many slots as every other") {
  std::array<int, 3> slots{};
  for (uint16_t slot = 0; slot < cluster::kSlots; ++slot) ++slots[worker_of(slot, 3)];
  CHECK(slots[0] - slots[2] <= 1);
  CHECK(slots[0] >= slots[1]);
}

}  // namespace quorate::relay
