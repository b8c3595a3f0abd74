// History: what clients of one key saw, and whether a single Redis could have shown it to them.
//
// Linearizability by Wing and Gong's search with Lowe's memory of what was tried. An operation with
// an unknown end may take effect at any time after it began, or never; one that failed must not
// have. Operations of one client on one key take effect in the order in which they were sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/time.h"

namespace quorate::replicate_simulation {

/// A command, as the checker understands it; `text` is the value or the element.
enum class Verb : uint8_t {
  kGet,
  kSet,
  kSetExpiring,
  kSetIfAbsent,
  kAppend,
  kDelete,
  kPush,
  kPop,
  kRange
};

enum class Known : uint8_t { kOpen, kSucceeded, kFailed, kUnknown };

struct Event {
  uint32_t client = 0;
  Verb verb{};
  std::string text;
  base::Instant began{};
  base::Instant ended{};                    ///< of kSucceeded
  base::Instant expires_at = base::kNever;  ///< by a clock that is right
  Known known = Known::kOpen;
  std::string reply;  ///< RESP3, of kSucceeded
};

class History {
 public:
  size_t add(Event event) {
    events_.push_back(std::move(event));
    return events_.size() - 1;
  }
  Event& at(size_t index) { return events_[index]; }
  size_t size() const { return events_.size(); }
  /// Values with a time to live may vanish once, as nobody says when it has come.
  std::optional<std::string> violation() const;
  /// A value that was read though its time was up, by `skew` or more, before the read began.
  std::optional<std::string> read_after_its_time(base::Duration skew) const;

 private:
  std::vector<Event> events_;
};

}  // namespace quorate::replicate_simulation
