// The backends of the simulated world: they die, hang, answer slowly, flap and are replaced, and
// some voters may not reach some of them. Also the truth about it: what each voter's probes have
// shown, against which every ejection and readmission is held.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "consensus/group/output.h"
#include "tests/simulation/group/process.h"

namespace quorate::group_simulation {

using cluster::BackendSerial;

/// What a voter has seen of a backend, by the outcomes that reached it.
struct Seen {
  uint32_t failures = 0;  ///< in a row, counting those that may be failures
  uint32_t answers = 0;   ///< in a row, counting those that may be answers
  Instant failing_at{};   ///< global time of the last outcome with enough failures in a row
  Instant answering_at{};
};

class Backends {
 public:
  using Answer = std::function<void(const group::ProbeResult&)>;

  Backends(World& world, const cluster::DetectionRules& rules) : world_(world), rules_(rules) {}

  // ---- Faults, by address.

  void kill(const std::string& address) { state(address).killed = true; }
  void hang(const std::string& address) { state(address).hangs = true; }
  void slow(const std::string& address, Duration latency) { state(address).latency = latency; }
  void restart(const std::string& address);
  /// Answers once after so long, and then as always.
  void slow_once(const std::string& address, Duration latency) {
    state(address).slow_once = latency;
  }
  void cut(MemberId voter, const std::string& address) { cuts_.insert({voter, address}); }
  void mend(MemberId voter, const std::string& address) { cuts_.erase({voter, address}); }
  void heal();
  bool well(const std::string& address) { return state(address).well(); }
  bool answers(const std::string& address) {
    return !state(address).killed && !state(address).hangs;
  }

  // ---- Probes.

  /// `deadline`: in the voter's time, as `voter_process` has it.
  void probe(MemberId voter, Process& voter_process, const std::string& address,
             const group::ProbeOrder& order, Answer answer);
  /// The voter's process ended: it counts anew.
  void forget(MemberId voter);
  /// What the voter can have seen up to now.
  Seen seen(MemberId voter, BackendSerial backend);

 private:
  struct State {
    bool killed = false;
    bool hangs = false;
    Duration latency = us(200);
    Duration slow_once{};
    uint64_t life = 1;
    bool well() const { return !killed && !hangs && latency < ms(5); }
  };
  struct Track {
    Seen seen;
    uint64_t probe = 0;  ///< under way
    Instant deadline{};  ///< in global time, about
  };

  State& state(const std::string& address) { return states_[address]; }
  void settle(Track& track);
  void count(Seen& seen, bool may_fail, bool may_answer);

  World& world_;
  cluster::DetectionRules rules_;
  std::map<std::string, State> states_;
  std::set<std::pair<MemberId, std::string>> cuts_;
  std::map<std::pair<MemberId, BackendSerial>, Track> tracks_;
};

}  // namespace quorate::group_simulation
