// What a seed's world is like: sizes, speeds, and what goes wrong how often; drawn first.
//
// A mix is a family of worlds. kAny draws one of the others for each seed, so that what a rare one
// shows is met by every run; a planted fault is looked for in the one that shows it soonest.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/base/random.h"

namespace quorate::replicate_simulation {

enum class Mix : uint8_t {
  kAny,
  kSwarm,       ///< everything, each parameter by itself
  kForgetting,  ///< one hot key, deleted again and again, by passes that hardly rest
  kMoves,       ///< members come and go, with and without their memory
  kDuels,       ///< slots change hands all the time, and those that had them hear of it late
  kExpiry,      ///< short times to live, read by clocks that differ
  kStranded,    ///< lists, and connections that are lost while states are on their way
  kRestarts,    ///< servers start again with what they had some time ago, and others lag
  kEnd,
};
inline constexpr std::array<std::string_view, static_cast<size_t>(Mix::kEnd)> kMixNames = {
    "any", "swarm", "forgetting", "moves", "duels", "expiry", "stranded", "restarts"};
std::optional<Mix> mix_named(std::string_view name);

struct Profile {
  Mix mix = Mix::kSwarm;  ///< never kAny
  uint32_t backends = 3;
  uint32_t spares = 0;  ///< backends besides, to which slots can move
  uint32_t proxies = 2;
  uint32_t clients = 3;
  uint32_t keys = 1;
  uint32_t operations = 12;  ///< for each key
  uint32_t depth = 1;        ///< commands of one client under way
  int64_t delay_us = 500;    ///< at most, on the way
  int64_t think_us = 5000;   ///< at most, between two commands
  uint32_t faults = 4;
  uint32_t cuts = 0;        ///< of 100 faults: connections to backends, besides the other ones
  uint32_t moves = 0;       ///< of 100 faults: moves and lost memories, besides the other ones
  uint32_t duels = 0;       ///< of 100 faults: slots get another owner, besides the other ones
  uint32_t restarts = 0;    ///< of 100 faults: a server's memory is lost, besides the other ones
  uint32_t late_news = 12;  ///< of 100 times that a proxy is told of a change
  uint32_t slow_ppm = 0;    ///< of messages that take long
  bool group_may_fail = false;
  bool loses_memory = false;
  bool same_slot = false;  ///< all keys are of one slot
  uint32_t strings = 100;  ///< of 100 keys; the others are lists
  uint32_t reads = 40;     ///< of 100 commands
  uint32_t deletes = 10;
  uint32_t wrong_types = 2;  ///< of 100 commands: of another type than the key
  uint32_t expiring = 10;
  int64_t fault_us = 300'000;        ///< at most, how long one lasts
  int64_t sweep_pause_us = 300'000;  ///< between two passes
  bool ends_deleted = false;         ///< the last that is done to each key
};

/// `mix`: may be kAny.
Profile draw_profile(base::Random& random, Mix mix);
std::string describe(const Profile& profile);

}  // namespace quorate::replicate_simulation
