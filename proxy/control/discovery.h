// Discovery: which servers a pool has, as they say themselves: the nodes of a Redis Cluster and
// their slots, or the primary that sentinels monitor and its replicas. Pure; the discoverer
// (proxy/process) carries the questions out and the answers in.
//
//   begin_round() --> who is to be asked --> on_answer() of each --> found(), whole, when it
//   changed
//
// They are asked once an interval, and soon after a hint (a command was redirected, a backend is
// down). All are asked, not one: any of them may be cut off from the rest or behind. The answer of
// the highest epoch counts, at once if it is higher than what is known; of answers of one epoch,
// at the end of the round, the one that most give. A lower epoch counts only when several rounds
// knew no better: then the cluster was made anew.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/base/time.h"

namespace quorate::control {

struct ServerAddress {
  std::string host;
  uint16_t port = 0;

  std::string text() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
  }
  auto operator<=>(const ServerAddress&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct SlotRange {
  uint16_t first = 0;
  uint16_t last = 0;                                   ///< inclusive
  auto operator<=>(const SlotRange&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct FoundPrimary {
  ServerAddress address;
  std::vector<ServerAddress> replicas;
  std::vector<SlotRange> slots;  ///< of a cluster; by sentinels: none, it has all keys
  auto operator<=>(const FoundPrimary&) const = default;  // NOLINT(modernize-use-nullptr)
};

/// Ascending in all its lists, so that equal ones compare equal.
struct FoundServers {
  std::vector<FoundPrimary> primaries;
  bool operator==(const FoundServers&) const = default;
};

/// What one of those that were asked said.
struct DiscoveryAnswer {
  std::string problem;   ///< not empty: nothing that could be used, and why
  bool certain = false;  ///< it is in touch with the others; else it serves until another one is
  uint64_t epoch = 0;
  FoundServers found;
};

/// The replies to CLUSTER INFO and CLUSTER SLOTS of the node at `asked`.
DiscoveryAnswer read_cluster(const ServerAddress& asked, std::string_view info,
                             std::string_view slots);
/// The replies to SENTINEL MASTER and SENTINEL REPLICAS.
DiscoveryAnswer read_sentinel(std::string_view primary, std::string_view replicas);

class Discovery {
 public:
  struct Rules {
    std::vector<ServerAddress> seeds;
    bool asks_found = false;  ///< those that were found are asked as well
    base::Duration interval{};
  };
  explicit Discovery(Rules rules) : rules_(std::move(rules)) {}
  void set_interval(base::Duration interval) { rules_.interval = interval; }

  /// When begin_round() is due; kNever while a round is under way.
  base::Instant next_round() const { return asked_.empty() ? next_round_ : base::kNever; }
  /// Whom to ask: each is to be answered for by on_answer(), once.
  std::vector<ServerAddress> begin_round(base::Instant now);
  /// True: found() is another one now.
  bool on_answer(const ServerAddress& asked, DiscoveryAnswer answer);
  /// Something is not where it was.
  void hint(base::Instant now);

  const std::optional<FoundServers>& found() const { return found_; }
  uint64_t epoch() const { return epoch_; }
  /// Why the last round found nothing; empty: it did.
  const std::string& problem() const { return problem_; }

 private:
  bool adopt(const DiscoveryAnswer& answer);
  bool end_round();

  Rules rules_;
  std::optional<FoundServers> found_;
  uint64_t epoch_ = 0;
  bool certain_ = false;
  base::Instant began_{};
  base::Instant next_round_{};
  std::map<ServerAddress, std::optional<DiscoveryAnswer>> asked_;
  uint32_t older_rounds_ = 0;
  std::string problem_;
};

}  // namespace quorate::control
