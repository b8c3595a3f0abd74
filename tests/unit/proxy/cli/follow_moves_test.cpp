#include "proxy/cli/follow_moves.h"

#include <doctest/doctest.h>

namespace quorate::cli {

TEST_CASE("how far the slots of a pool are, from the most that were left") {
  MoveProgress progress;
  progress.on_left(0, 1);
  CHECK(progress.is_done());
  progress.on_left(1000, 2);
  CHECK(progress.text(10) == "[..........]   0 %  0 of 1000 slots");
  progress.on_left(750, 4);
  CHECK(progress.text(10) == "[##........]  25 %  250 of 1000 slots, 125/s, 6 s left");
  progress.on_left(1500, 5);  // another change has come
  CHECK(progress.text(10) == "[..........]   0 %  0 of 1500 slots");
  progress.on_left(0, 8);
  CHECK(progress.is_done());
  CHECK(progress.text(10) == "[##########] 100 %  1500 of 1500 slots, 500/s, 0 s left");
}

}  // namespace quorate::cli
