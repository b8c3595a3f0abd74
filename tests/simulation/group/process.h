// What a simulated process has: lives, a clock of its own, and a scheduler that may forget it for a
// while. What belongs to an earlier life does not happen.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

#include "tests/simulation/group/setting.h"

namespace quorate::group_simulation {

class Process {
 public:
  Process(World& world, uint32_t clock_ppm)
      : world_(world),
        clock_began_(ms(world.random.between(0, 1'000'000))),
        clock_ppm_(world.random.between(-static_cast<int64_t>(clock_ppm), clock_ppm)) {}
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  bool running() const { return running_; }
  bool paused() const { return world_.now() < paused_until_; }
  void pause(Duration duration) {
    paused_until_ = std::max(paused_until_, world_.now() + duration);
  }
  void wake() {
    paused_until_ = world_.now();
    catch_up_later();
  }

  Instant local(Instant global) const {
    const int64_t passed = global.time_since_epoch().count();
    return clock_began_ + Duration(passed + passed / 1'000'000 * clock_ppm_ +
                                   passed % 1'000'000 * clock_ppm_ / 1'000'000);
  }
  Instant local_now() const { return local(world_.now()); }

  /// In this life, when it is not paused, and after all that came before.
  void when_awake(std::function<void()> what) {
    if (!running_) return;
    if (!paused() && missed_.empty()) return what();
    missed_.push_back(std::move(what));
    if (missed_.size() == 1) catch_up_later();
  }
  std::function<void()> in_this_life(std::function<void()> what) {
    return [this, life = life_, what = std::move(what)] {
      if (running_ && life == life_) what();
    };
  }

 protected:
  void begin_life() {
    ++life_;
    running_ = true;
    timer_ = base::kNever;
  }
  void end_life() {
    ++life_;
    running_ = false;
    missed_.clear();
  }

  /// Calls `what` when the local clock shows `wanted`, or a little later.
  void arm(Instant wanted, std::function<void()> what) {
    if (wanted == base::kNever) return;
    const int64_t wait = std::max<int64_t>(1000, (wanted - local_now()).count());
    const Instant when = world_.now() + Duration(wait + wait / 1'000'000 * 20'000 + wait / 1000);
    // With a clock that is late it looks once more; with one that is early it is late by 2 %.
    if (timer_ != base::kNever && timer_ <= when && timer_ > world_.now()) return;
    timer_ = when;
    world_.at(when, in_this_life([this, when, what] {
                if (timer_ != when) return;
                timer_ = base::kNever;
                when_awake(what);
              }));
  }

  World& world_;

 private:
  void catch_up_later() {
    world_.at(std::max(paused_until_, world_.now()), in_this_life([this] { catch_up(); }));
  }
  void catch_up() {
    while (!missed_.empty()) {
      if (paused()) return catch_up_later();
      const std::function<void()> next = std::move(missed_.front());
      missed_.pop_front();
      next();
    }
  }

  Instant clock_began_;
  int64_t clock_ppm_;
  uint64_t life_ = 0;
  bool running_ = false;
  Instant paused_until_{};
  std::deque<std::function<void()>> missed_;  ///< while it was paused; the oldest first
  Instant timer_ = base::kNever;
};

}  // namespace quorate::group_simulation
