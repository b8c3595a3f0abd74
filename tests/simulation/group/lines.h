// Lines: the connections of observers to voters. In order and whole, or not at all: a line that
// loses a byte has ended, and both ends learn it sooner or later (or by silence).
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "consensus/group/output.h"
#include "tests/simulation/group/setting.h"

namespace quorate::group_simulation {

using group::Bytes;
using group::ConnectionId;

/// What an end of a line does; called at the end's own place.
struct LineEnd {
  std::function<void(ConnectionId)> opened;
  std::function<void(ConnectionId, const std::string&)> arrived;
  std::function<void(ConnectionId)> lost;
};

class Lines {
 public:
  explicit Lines(World& world) : world_(world) {}

  /// `voter` and `observer` in words that cuts know them by.
  ConnectionId open(const std::string& observer, const std::string& voter, LineEnd at_observer,
                    LineEnd at_voter, bool voter_is_there);
  void send_to_voter(ConnectionId line, const Bytes& bytes) { send(line, true, bytes); }
  void send_to_observer(ConnectionId line, const Bytes& bytes) { send(line, false, bytes); }
  /// By one end, which is told nothing more; the other one is, unless the machine is gone.
  void close(ConnectionId line, bool by_voter, bool silently);
  void close_all_of(const std::string& end, bool silently);

  void cut(const std::string& observer, const std::string& voter) {
    cuts_.insert({observer, voter});
  }
  void heal() { cuts_.clear(); }
  void set_delay(Duration low, Duration high) {
    low_ = low;
    high_ = high;
  }

 private:
  struct Line {
    std::string observer;
    std::string voter;
    LineEnd at_observer;
    LineEnd at_voter;
    bool open = false;
    bool broken = false;  ///< something was lost
    Instant last_to_voter{};
    Instant last_to_observer{};
  };

  void send(ConnectionId id, bool to_voter, const Bytes& bytes);
  void break_line(ConnectionId id);
  bool is_cut(const Line& line) const { return cuts_.contains({line.observer, line.voter}); }
  Instant arrival(Instant& last);

  World& world_;
  Duration low_ = us(50);
  Duration high_ = ms(2);
  uint64_t last_id_ = 0;
  std::map<ConnectionId, Line> lines_;
  std::set<std::pair<std::string, std::string>> cuts_;
};

}  // namespace quorate::group_simulation
