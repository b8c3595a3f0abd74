#include "tests/simulation/group/backends.h"

namespace quorate::group_simulation {

void Backends::restart(const std::string& address) {
  State& it = state(address);
  it.killed = it.hangs = false;
  it.latency = us(200);
  ++it.life;
}

void Backends::heal() {
  cuts_.clear();
  for (auto& [address, it] : states_) {
    if (!it.well()) restart(address);
    it.slow_once = Duration(0);
  }
}

void Backends::count(Seen& seen, bool may_fail, bool may_answer) {
  seen.failures = may_fail ? seen.failures + 1 : 0;
  seen.answers = may_answer ? seen.answers + 1 : 0;
  if (seen.failures >= rules_.count) seen.failing_at = world_.now();
  if (seen.answers >= rules_.readmit_count) seen.answering_at = world_.now();
}

/// A probe whose deadline has passed without an outcome has failed.
void Backends::settle(Track& track) {
  if (track.probe == 0 || world_.now() < track.deadline) return;
  track.probe = 0;
  count(track.seen, true, false);
}

void Backends::probe(MemberId voter, Process& voter_process, const std::string& address,
                     const group::ProbeOrder& order, Answer answer) {
  Track& track = tracks_[{voter, order.backend}];
  if (track.probe != 0) track.deadline = world_.now();  // it has given up, whatever the clock says
  settle(track);
  track.probe = order.probe;
  const Duration patience = order.deadline - voter_process.local_now();
  track.deadline = world_.now() + patience - patience / 40;
  State& it = state(address);
  if (it.hangs || cuts_.contains({voter, address})) return;
  Duration latency = it.killed ? us(100) : it.latency;
  if (it.slow_once > Duration(0) && !it.killed) {
    latency = std::exchange(it.slow_once, Duration(0));
    world_.counted.add(Count::kOneSlowAnswer);
  }
  group::ProbeResult result{.probe = order.probe,
                            .answered = !it.killed,
                            .latency = latency,
                            .run_id = it.killed ? "" : address + "#" + std::to_string(it.life),
                            .failure = it.killed ? "connection refused" : ""};
  const auto arrive = [this, voter, backend = order.backend, result, answer] {
    Track& now_track = tracks_[{voter, backend}];
    if (now_track.probe == result.probe) {
      now_track.probe = 0;
      // On the edge of its deadline the voter may count it as either.
      const bool late = world_.now() >= now_track.deadline;
      count(now_track.seen, !result.answered || late, result.answered);
    }
    answer(result);
  };
  world_.after(
      latency + world_.between(us(50), us(400)),
      voter_process.in_this_life([&voter_process, arrive] { voter_process.when_awake(arrive); }));
}

void Backends::forget(MemberId voter) {
  for (auto& [who, track] : tracks_) {
    if (who.first != voter) continue;
    track.probe = 0;
    track.seen.failures = track.seen.answers = 0;
  }
}

Seen Backends::seen(MemberId voter, BackendSerial backend) {
  Track& track = tracks_[{voter, backend}];
  settle(track);
  return track.seen;
}

}  // namespace quorate::group_simulation
