// Every bound and every delay of replication that is not a setting.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "consensus/base/time.h"

namespace quorate::replicate::limits {

/// Operations under way of one worker and pool; at the bound clients wait. Guests have as many
/// again, so that two proxies that forward to each other cannot starve each other.
inline constexpr uint32_t kOperations = 32'768;
/// Keys whose state an owner remembers while nothing is under way on them.
inline constexpr uint32_t kKnownKeys = 131'072;
/// Above it, memory that an operation used for a large value is given back.
inline constexpr size_t kWarmBytes = size_t{64} * 1024;
/// A direct read that did not come to a conclusion so often goes to the slot's owner.
inline constexpr uint32_t kDirectAttempts = 3;
/// Installations of one slot in a row that were outdone before it waits for a new table.
inline constexpr uint32_t kLargestBackoffShift = 5;
/// From here on a new configuration is wished, so that bumps never run over.
inline constexpr uint16_t kBumpsUsedUp = 65'000;

/// A read asks a further member if those asked have not answered so long.
inline constexpr base::Duration kHedgeDelay = std::chrono::milliseconds(10);
/// Between two attempts at what could not be done at once.
inline constexpr base::Duration kRetryDelay = std::chrono::milliseconds(20);
/// A member that did not take a request is not the first choice for so long.
inline constexpr base::Duration kAvoidDelay = std::chrono::milliseconds(500);
/// A proxy that could not be reached is not forwarded to for so long, if there is another.
inline constexpr base::Duration kUnreachableDelay = std::chrono::milliseconds(1000);
/// An owner that cannot finish a proposal tries so often, after its client's time is up and while
/// a majority answers, before it raises its own term.
inline constexpr uint32_t kAttemptsBeforeSelfBump = 2;

/// A key may take about so much of a server's memory if a command on it is run by one member and
/// its state sent to the others: DUMP and RESTORE of more would stop their servers for too long.
inline constexpr uint64_t kLargestState = 8u << 20;

// ---- Sweeps.

/// Keys a second, of one worker and pool.
inline constexpr uint32_t kSweepRate = 20'000;
/// Keys that it has under way.
inline constexpr uint32_t kSweepKeys = 64;
/// Keys that one answer of a scan brings, about.
inline constexpr uint32_t kScanCount = 100;
/// Keys of one pass that are known to be the same everywhere, so that they are not looked at for
/// each member that has them; what is beyond is looked at more than once.
inline constexpr uint32_t kSettledKeys = 1'000'000;
/// Tombstones of one pass that can be forgotten at its end; the others are by the next one.
inline constexpr uint32_t kTombstones = 65'536;
/// States of one key that differ are written again so often in one pass.
inline constexpr uint8_t kSweepRounds = 6;
/// A member that fails so often in a row is left out of the pass.
inline constexpr uint8_t kScanFailures = 3;
/// A member that has not said what it has of a key after so long is not waited for.
inline constexpr base::Duration kSweepPatience = std::chrono::milliseconds(250);
/// Between two passes while slots move, or have never been swept.
inline constexpr base::Duration kSweepSoon = std::chrono::milliseconds(20);
/// Between two passes otherwise, and for passes that found a member missing; doubled each time.
inline constexpr base::Duration kSweepPause = std::chrono::seconds(10);
/// At the latest, also where nothing is known to differ.
inline constexpr base::Duration kLongestSweepPause = std::chrono::minutes(5);
/// After a pass this many times its own length, so that sweeps are a tenth of what an owner does.
inline constexpr int kSweepRest = 9;
/// Proposals from before a pass are waited for so long; then their slots are left out of it.
inline constexpr base::Duration kDrainTime = std::chrono::seconds(2);

}  // namespace quorate::replicate::limits
