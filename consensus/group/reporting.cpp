// Evidence: the leader asks, voters report, the jury concludes (jury.h).
//
//   leader: Pulse(stamp of its clock) ──► voter: Report(that stamp, how long ago, what was seen)
//   voter, when its opinion changes or a session is new: Report at once, with the last stamp
#include <algorithm>

#include "consensus/group/state.h"

namespace quorate::group {
namespace {

int64_t stamp_of(Instant when) { return when.time_since_epoch().count(); }

}  // namespace

void Group::State::begin_to_lead() {
  began_to_lead_ = now_;
  next_pulse_ = now_;
  jury_.begin(map_, now_);
}

void Group::State::pulse() {
  next_pulse_ = now_ + options_.report_interval;
  for (const MemberId id : raft_.configuration().members()) {
    if (id != self_) send(id, Pulse{term_, stamp_of(now_)});
  }
  report_wanted_ = true;
}

void Group::State::handle(MemberId from, const Pulse& message) {
  if (leader_ != from || message.term != term_) return;
  // Of two that overtook each other the later one says more.
  const bool late = last_pulse_ && last_pulse_->from == from && last_pulse_->term == message.term &&
                    message.stamp < last_pulse_->stamp;
  if (late) return;
  last_pulse_ = {from, message.term, message.stamp, now_};
  report_wanted_ = true;
}

Report Group::State::make_report() const {
  Report report;
  report.term = term_;
  report.sights = detector_.sights(now_);
  report.sessions = feed_.sessions(now_);
  if (session_ != SessionId{}) report.sessions.push_back({session_, Duration(0), map_.index});
  return report;
}

void Group::State::report() {
  if (leads_) {
    jury_.on_report(self_, make_report(), now_, now_);
    deliberate_wanted_ = true;
    return;
  }
  const bool asked = last_pulse_ && leader_ == last_pulse_->from && term_ == last_pulse_->term;
  if (!asked) return;
  Report report = make_report();
  report.stamp = last_pulse_->stamp;
  report.held = now_ - last_pulse_->arrived;
  send(last_pulse_->from, std::move(report));
}

void Group::State::handle(MemberId from, const Report& message) {
  // Only stamps that this leadership has given away say anything.
  const bool ours = leads_ && message.term == term_ && message.stamp <= stamp_of(now_) &&
                    message.stamp >= stamp_of(began_to_lead_);
  if (!ours) return;
  jury_.on_report(from, message, Instant(Duration(message.stamp)), now_);
  deliberate_wanted_ = true;
}

void Group::State::deliberate() {
  deliberate_wanted_ = false;
  for (Jury::Proposal& proposal : jury_.deliberate(map_, raft_.configuration(), now_)) {
    start(proposal.about, std::move(proposal.change));
  }
  for (std::string& text : jury_.take_held()) note(EventKind::kHeld, std::move(text));
}

}  // namespace quorate::group
