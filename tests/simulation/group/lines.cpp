#include "tests/simulation/group/lines.h"

namespace quorate::group_simulation {

Instant Lines::arrival(Instant& last) {
  last = std::max(last, world_.now() + world_.between(low_, high_));
  return last;
}

ConnectionId Lines::open(const std::string& observer, const std::string& voter, LineEnd at_observer,
                         LineEnd at_voter, bool voter_is_there) {
  const ConnectionId id{++last_id_};
  Line& line = lines_[id];
  line.observer = observer;
  line.voter = voter;
  line.at_observer = std::move(at_observer);
  line.at_voter = std::move(at_voter);
  if (is_cut(line)) return id;  // nobody answers
  world_.at(arrival(line.last_to_voter), [this, id, voter_is_there] {
    const auto found = lines_.find(id);
    if (found == lines_.end()) return;
    Line& it = found->second;
    if (!voter_is_there) {
      const auto lost = it.at_observer.lost;
      lines_.erase(found);
      return lost(id);
    }
    it.open = true;
    it.at_voter.opened(id);
    const auto still = lines_.find(id);
    if (still == lines_.end()) return;
    world_.at(arrival(still->second.last_to_observer), [this, id] {
      const auto there = lines_.find(id);
      if (there != lines_.end()) there->second.at_observer.opened(id);
    });
  });
  return id;
}

void Lines::send(ConnectionId id, bool to_voter, const Bytes& bytes) {
  const auto found = lines_.find(id);
  if (found == lines_.end() || found->second.broken) return;
  Line& line = found->second;
  if (is_cut(line)) return break_line(id);
  world_.at(arrival(to_voter ? line.last_to_voter : line.last_to_observer),
            [this, id, to_voter, bytes] {
              const auto there = lines_.find(id);
              if (there == lines_.end() || there->second.broken) return;
              if (is_cut(there->second)) return break_line(id);
              const auto arrived =
                  to_voter ? there->second.at_voter.arrived : there->second.at_observer.arrived;
              arrived(id, *bytes);
            });
}

/// Nothing passes any more; the ends learn it after a while.
void Lines::break_line(ConnectionId id) {
  lines_.at(id).broken = true;
  world_.after(world_.between(ms(200), ms(4000)), [this, id] {
    const auto there = lines_.find(id);
    if (there == lines_.end()) return;
    const Line line = there->second;
    lines_.erase(there);
    line.at_observer.lost(id);
    if (line.open) line.at_voter.lost(id);
  });
}

void Lines::close(ConnectionId id, bool by_voter, bool silently) {
  const auto found = lines_.find(id);
  if (found == lines_.end()) return;
  const Line line = found->second;
  const auto other = by_voter ? line.at_observer.lost : line.at_voter.lost;
  Instant& last = by_voter ? found->second.last_to_observer : found->second.last_to_voter;
  const bool told = !silently && (by_voter || line.open) && !is_cut(line);
  // After all that was sent before.
  const Instant when = told ? arrival(last) : world_.now() + ms(5000);
  if (!told) found->second.broken = true;
  world_.at(when, [this, id, other] {
    if (lines_.erase(id) > 0) other(id);
  });
}

void Lines::close_all_of(const std::string& end, bool silently) {
  std::vector<std::pair<ConnectionId, bool>> of_it;
  for (const auto& [id, line] : lines_) {
    if (line.observer == end || line.voter == end) of_it.push_back({id, line.voter == end});
  }
  for (const auto& [id, by_voter] : of_it) close(id, by_voter, silently);
}

}  // namespace quorate::group_simulation
