// What an operator sees while slots of a replicated pool move: a bar on a terminal, a line every
// five seconds otherwise. Whoever stops looking stops nothing.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

namespace quorate::cli {

struct FollowOptions {
  std::string admin;
  std::string pool;
  uint64_t index = 0;     ///< of the change: a proxy that has not applied it says nothing of it
  bool terminal = false;  ///< a line may be drawn again and again
};

/// How far it is. Pure, but for what it remembers: the most that was left, and when it began.
class MoveProgress {
 public:
  /// `left`: slots that are not in their place yet. `seconds`: since some moment, not going back.
  void on_left(uint32_t left, double seconds);
  bool is_done() const { return left_ == 0; }
  double share() const;  ///< 0 to 1
  /// "[#######.............]  35 %  358 of 1024 slots, 120/s, 6 s left"
  std::string text(uint32_t width) const;

 private:
  uint32_t most_ = 0;
  uint32_t left_ = 0;
  double began_ = 0;
  double now_ = 0;
};

/// Returns when every slot of the pool is in its place; an exit code.
int follow_moves(const FollowOptions& options, std::ostream& err);

}  // namespace quorate::cli
