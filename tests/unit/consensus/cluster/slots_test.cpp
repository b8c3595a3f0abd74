#include "consensus/cluster/slots.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

namespace quorate::cluster {
namespace {

TEST_CASE("every slot belongs to whom a table with each member as often as it weighs would give") {
  for (uint32_t a = 1; a <= 4; ++a) {
    for (uint32_t b = 1; b <= 4; ++b) {
      for (uint32_t c = 1; c <= 4; ++c) {
        Slots slots;
        std::vector<uint32_t> table;
        for (const auto& [member, weight] :
             {std::pair{9u, a}, std::pair{4u, b}, std::pair{7u, c}}) {
          slots.add(member, weight);
          table.insert(table.end(), weight, member);
        }
        REQUIRE(slots.count() == table.size());
        for (uint32_t slot = 0; slot < slots.count(); ++slot) {
          CHECK(slots.owner(slot) == table[slot]);
        }
      }
    }
  }
}

TEST_CASE("a hash falls into the slot that is left over when it is divided, of 32 bits or of 64") {
  Slots slots;
  slots.add(0, 1'000'003);
  for (const uint64_t hash : {uint64_t{0}, uint64_t{1'000'002}, uint64_t{1'000'003},
                              uint64_t{UINT32_MAX}, uint64_t{1} << 32, UINT64_MAX}) {
    CHECK(slots.slot(hash) == hash % 1'000'003);
  }
}

TEST_CASE("without members there are no slots") {
  CHECK(Slots().empty());
  CHECK(Slots().count() == 0);
}

}  // namespace
}  // namespace quorate::cluster
