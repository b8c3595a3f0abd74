#include "proxy/session/reply_slots.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

using namespace quorate;
using session::ReplySlots;

namespace {

class Slots {
 public:
  ~Slots() {
    slots.clear(chunks);
    output.clear(chunks);
  }
  void fill(uint32_t slot, std::string_view bytes, bool last) {
    slots.fill(chunks, slot, bytes.data(), bytes.size(), last, output);
  }
  std::string out() const {
    std::string text;
    for (const base::Chunk* c = output.head(); c != nullptr; c = c->next) {
      text.append(c->data() + c->begin, c->size());
    }
    return text;
  }

  base::ChunkPool chunks;
  base::ByteChain output;
  ReplySlots slots;
};

}  // namespace

TEST_CASE("replies leave in the order of their slots, in whatever order they come") {
  std::vector<uint32_t> order = {0, 1, 2, 3};
  do {
    Slots one;
    for (int i = 0; i < 4; ++i) one.slots.open();
    for (const uint32_t slot : order) one.fill(slot, std::to_string(slot), true);
    CHECK(one.out() == "0123");
    CHECK(one.slots.in_flight() == 0);
    CHECK(one.slots.held_bytes() == 0);
  } while (std::ranges::next_permutation(order).found);
}

TEST_CASE("a reply in parts holds those behind it until its last part") {
  Slots one;
  one.slots.open();
  one.slots.open();
  one.fill(1, "b", true);
  one.fill(0, "a", false);
  CHECK(one.out() == "a");
  one.fill(0, "A", true);
  CHECK(one.out() == "aAb");
}

TEST_CASE("the beginning of a reply is taken back only while it is held") {
  Slots one;
  for (int i = 0; i < 3; ++i) one.slots.open();
  one.fill(1, "half", false);
  CHECK(one.slots.held_bytes() == 4);
  CHECK(one.slots.take_back(one.chunks, 1));
  CHECK(one.slots.held_bytes() == 0);
  one.fill(1, "error", true);
  one.fill(2, "half", false);
  one.fill(0, "first,", true);
  CHECK(one.out() == "first,errorhalf");
  CHECK(!one.slots.take_back(one.chunks, 2));
}
