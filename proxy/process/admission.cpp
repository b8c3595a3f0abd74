#include "proxy/process/admission.h"

#include <algorithm>
#include <utility>

#include "backends/redis/acceptor.h"
#include "proxy/io/clock.h"
#include "proxy/io/log.h"
#include "proxy/member/group_log.h"
#include "proxy/member/random.h"

namespace quorate::process {

namespace {

using namespace std::chrono_literals;

constexpr base::Duration kTimeout = 1s;
/// Between two looks at a backend that holds replicas, and at one that does not yet.
constexpr base::Duration kPoll = 1s;
constexpr base::Duration kSoon = 100ms;

}  // namespace

Admission::Admission(uv_loop_t* loop, io::ReadBuffer& buffer)
    : admitter_(loop, buffer, [this](const AdmitResult& result) { on_result(result); }) {}

void Admission::on_tick(member::Membership& membership,
                        const std::shared_ptr<const relay::ServingPlan>& plan, base::Instant now) {
  membership_ = &membership;
  plan_ = plan;
  if (!membership.standing().leads) {
    seen_.clear();
    return;
  }
  const auto map = membership.map();
  std::erase_if(seen_, [&](const auto& entry) { return !map->backends.contains(entry.first); });
  for (const auto& [serial, backend] : map->backends) {
    if (!map->pools.at(backend.pool).rules.replicated()) continue;
    if (backend.state == cluster::BackendState::kRemoved) continue;
    Seen& seen = seen_[serial];
    if (seen.proposing || now < seen.next_look) continue;
    look(*map, backend, {});
  }
}

/// With `next`, to make it an acceptor.
void Admission::look(const cluster::ClusterMap& map, const cluster::Backend& backend,
                     cluster::Nonce next) {
  const auto plan = std::ranges::find_if(plan_->backends, [&](const auto& one) {
    return one != nullptr && one->serial == backend.serial;
  });
  if (plan == plan_->backends.end()) return;
  Seen& seen = seen_[backend.serial];
  seen.next = next;
  seen.next_look = io::monotonic_now() + (backend.incarnation ? kPoll : kSoon);
  admitter_.ask({.backend = *plan,
                 .pool = backend.pool,
                 .cluster = map.cluster,
                 .run_id = backend.run_id,
                 .next = next,
                 .timeout = kTimeout});
}

void Admission::on_result(const AdmitResult& result) {
  const auto map = membership_->map();
  const auto found = map->backends.find(result.backend);
  if (found == map->backends.end()) return;
  const cluster::Backend& backend = found->second;
  Seen& seen = seen_[result.backend];
  const cluster::Nonce written = std::exchange(seen.next, {});
  say(backend, seen, !result.failure.empty() ? result.failure : result.objection);
  if (!result.failure.empty() || !membership_->standing().leads) return;
  if (!result.who.run_id.empty() && result.who.run_id != backend.run_id) {
    return propose(cluster::NoteIdentity{backend.serial, backend.run_id, result.who.run_id},
                   backend.serial);
  }
  if (result.who.evicted_keys != 0 && backend.incarnation) {
    return propose(cluster::DismissBackend{backend.serial, backend.incarnation}, backend.serial);
  }
  if (!result.objection.empty()) return;
  if (result.admitted) {
    return propose(cluster::AdmitBackend{backend.serial, backend.incarnation, written},
                   backend.serial);
  }
  const bool holds =
      backend.incarnation && result.marker == redis::acceptor::to_text(backend.incarnation);
  if (!holds) look(*map, backend, member::random_nonce());
}

void Admission::propose(const cluster::Change& change, cluster::BackendSerial backend) {
  seen_[backend].proposing = true;
  membership_->request(change, [this, backend](const group::Outcome& outcome) {
    Seen& seen = seen_[backend];
    seen.proposing = false;
    seen.next_look = io::monotonic_now();
    if (std::holds_alternative<group::Done>(outcome)) return;
    io::log_debug("admission not agreed on", {{"why", member::text_of(outcome)}});
    seen.next_look += kSoon;
  });
}

void Admission::say(const cluster::Backend& backend, Seen& seen, const std::string& objection) {
  if (std::exchange(seen.objection, objection) == objection || objection.empty()) return;
  io::log_warn(
      "backend holds no replicas",
      {{"backend", backend.rules.name}, {"address", backend.rules.address}, {"why", objection}});
}

std::string Admission::objection_to(cluster::BackendSerial backend) const {
  const auto found = seen_.find(backend);
  return found != seen_.end() ? found->second.objection : std::string();
}

}  // namespace quorate::process
