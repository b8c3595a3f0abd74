#include "consensus/raft/progress.h"

#include <algorithm>

namespace quorate::raft {
namespace {

struct SentAt {
  std::optional<Instant> operator()(const Probe& probe) const { return probe.sent; }
  std::optional<Instant> operator()(const Install& install) const { return install.sent; }
  std::optional<Instant> operator()(const Replicate& replicate) const {
    if (replicate.in_flight.empty()) return std::nullopt;
    return replicate.in_flight.front().sent;
  }
};

}  // namespace

Instant resend_at(const Progress& progress, Duration resend_timeout) {
  const std::optional<Instant> sent = std::visit(SentAt{}, progress.state);
  return sent ? *sent + resend_timeout : base::kNever;
}

void stop_waiting(Progress& progress) {
  if (auto* install = std::get_if<Install>(&progress.state)) {
    install->sent.reset();
    return;
  }
  if (std::holds_alternative<Replicate>(progress.state)) progress.next = progress.match + 1;
  progress.state = Probe{};
}

bool advance(Progress& progress, Index match) {
  const bool news = match > progress.match;
  progress.match = std::max(progress.match, match);
  progress.next = std::max(progress.next, progress.match + 1);
  if (auto* replicate = std::get_if<Replicate>(&progress.state)) {
    auto& in_flight = replicate->in_flight;
    while (!in_flight.empty() && in_flight.front().last <= progress.match) in_flight.pop_front();
  } else if (auto* install = std::get_if<Install>(&progress.state)) {
    if (progress.match >= install->snapshot->head.index) progress.state = Replicate{};
  } else {
    progress.next = progress.match + 1;
    progress.state = Replicate{};
  }
  return news;
}

void count_catch_up(Progress& progress, Index last_index, Instant now, Duration election_timeout) {
  if (progress.match < progress.catch_up_target) return;
  progress.caught_up = now - progress.catch_up_began < election_timeout;
  progress.catch_up_target = last_index;
  progress.catch_up_began = now;
}

bool keeps_up(const Progress& progress, Instant now, Duration election_timeout) {
  return progress.caught_up && now - progress.catch_up_began < election_timeout &&
         now - progress.last_contact < election_timeout;
}

}  // namespace quorate::raft
