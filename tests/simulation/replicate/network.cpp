// What coordinators want done, carried: in order on each connection, late, or not at all.
#include <algorithm>

#include "consensus/base/assert.h"
#include "tests/simulation/replicate/world.h"

namespace quorate::replicate_simulation {

using namespace std::chrono_literals;
using test::OwnedAnswer;
using test::OwnedRequest;

namespace {

constexpr const char* kQuestions[] = {"admit", "install", "full",   "delta", "read",
                                      "dump",  "floor",   "forget", "purge", "scan"};

}  // namespace

replicate::Now World::now_of(const Proxy& proxy) const {
  const auto since_start = std::chrono::duration_cast<base::WallTime>(now_.time_since_epoch());
  return {now_, since_start + kWallEpoch + base::WallTime(proxy.skew_us)};
}

void World::on_proxy(uint32_t proxy, std::function<void(Proxy&)> what) {
  on_proxy_later(proxy, proxies_[proxy].life, now_, std::move(what));
}

void World::on_proxy_later(uint32_t proxy, uint64_t life, Instant when,
                           std::function<void(Proxy&)> what) {
  at(when, [this, proxy, life, what = std::move(what)] {
    Proxy& it = proxies_[proxy];
    if (it.life != life || it.coordinator == nullptr) return;
    if (it.paused_until > now_ || !it.deferred.empty()) {
      if (it.deferred.empty()) {
        at(it.paused_until, [this, proxy, life] { run_deferred(proxy, life); });
      }
      it.deferred.push_back(what);
      return;
    }
    what(it);
    carry_out(proxy);
  });
}

void World::run_deferred(uint32_t proxy, uint64_t life) {
  Proxy& it = proxies_[proxy];
  if (it.life != life || it.coordinator == nullptr) return;
  if (it.paused_until > now_) {
    return at(it.paused_until, [this, proxy, life] { run_deferred(proxy, life); });
  }
  const auto deferred = std::exchange(it.deferred, {});
  for (const auto& what : deferred) {
    what(it);
    carry_out(proxy);
  }
}

void World::carry_out(uint32_t index) {
  Proxy& proxy = proxies_[index];
  const replicate::Output& output = proxy.coordinator->output();
  for (const auto& asked : output.asked) send(index, asked.id, asked.backend, asked.request);
  for (const auto& ended : output.ended) {
    end_of(proxy, static_cast<uint64_t>(ended.id), ended.end, ended.reply);
  }
  for (const auto& forwarded : output.forwarded) forward(index, forwarded);
  for (const auto& ended : output.guests_ended) {
    guest_ended(index, ended.id, ended.end, std::string(ended.reply));
  }
  for (const auto& one : output.wishes) wish(index, one);
  proxy.coordinator->carried_out();
  const Instant wake = proxy.coordinator->next_deadline();
  if (wake == base::kNever || (proxy.wakes_at > now_ && proxy.wakes_at <= wake)) return;
  proxy.wakes_at = std::max(wake, now_ + 1us);
  on_proxy_later(index, proxy.life, proxy.wakes_at,
                 [this](Proxy& it) { it.coordinator->on_time(now_of(it)); });
}

void World::send(uint32_t proxy, replicate::RequestId id, cluster::BackendSerial serial,
                 const acceptor::Request& request) {
  Proxy& from = proxies_[proxy];
  const uint32_t backend = cluster::number(serial) - 1;
  Connection& connection = from.connections[backend];
  if (!connection.up || !is_expected_process(from, backend)) {
    on_proxy_later(proxy, from.life, now_, [this, id](Proxy& it) {
      it.coordinator->on_request_lost(id, true, now_of(it));
    });
    return;
  }
  connection.unanswered.push_back(id);
  connection.last_there = std::max(connection.last_there, now_ + delay());
  const Journey journey{proxy,
                        from.life,
                        backend,
                        backends_[backend].process,
                        connection.epoch,
                        id,
                        std::make_shared<OwnedRequest>(request)};
  at(connection.last_there, [this, journey] { arrive(journey, false); });
}

void World::arrive(const Journey& journey, bool is_late) {
  const auto& [proxy, life, backend, process, epoch, id, request] = journey;
  Backend& to = backends_[backend];
  if (to.process != process) return;  // the connection ended with it
  const auto again = [this, journey](Instant when, bool late) {
    at(when, [this, journey, late] { arrive(journey, late); });
  };
  if (to.paused_until > now_) return again(to.paused_until, is_late);
  Proxy& from = proxies_[proxy];
  const bool is_connected =
      from.life == life && from.connections[backend].up && from.connections[backend].epoch == epoch;
  if (!is_connected && !is_late) {
    // It had left its proxy: it never comes, or whenever it likes.
    if (random_.below(2) == 0) return;
    const int64_t late_us = random_.between(0, is_calm_ ? 1000 : 400'000);
    return again(now_ + std::chrono::microseconds(late_us), true);
  }
  if (is_late) ++counts_[Count::kLateExecutions];
  const std::string key(request->request.target.key);
  const base::Version before = version_at(backend, key);
  const auto answer = std::make_shared<OwnedAnswer>(to.model.handle(request->request));
  if (version_at(backend, key) != before && !is_member(backend, key)) {
    strays_[{backend, key}] = version_at(backend, key);
  }
  if (verbose_) {
    note("    proxy " + std::to_string(proxy) + " -> backend " + std::to_string(backend) + ": " +
         kQuestions[request->request.what.index()] + (is_late ? " (late)" : "") + " -> " +
         std::to_string(static_cast<int>(answer->answer.kind)) + " meta " +
         base::to_string(answer->answer.meta.version) + " floor " +
         base::to_string(answer->answer.floor) + " has " +
         base::to_string(version_at(backend, key)));
  }
  check_version(backend, key);
  if (!is_connected) return;
  Connection& connection = from.connections[backend];
  connection.last_back = std::max(connection.last_back, now_ + delay());
  on_proxy_later(proxy, life, connection.last_back, [this, journey, answer](Proxy& it) {
    Connection& back = it.connections[journey.backend];
    if (!back.up || back.epoch != journey.epoch) return;
    std::erase(back.unanswered, journey.id);
    it.coordinator->on_answer(journey.id, answer->answer, now_of(it));
  });
}

void World::check_version(uint32_t backend, std::string_view key) {
  const test::AcceptorModel& model = backends_[backend].model;
  const auto found = model.metas().find(std::string(key));
  if (found == model.metas().end()) return;
  const acceptor::Meta& meta = found->second.meta;
  const std::string name = std::string(key) + " " + base::to_string(meta.version);
  const std::string state = model.value_of(key) + std::to_string(meta.expires_at_ms);
  const auto [known, is_new] = states_.emplace(name, state);
  if (!is_new && known->second != state) throw Violation{name + " stands for two states"};
}

void World::cut(uint32_t index, uint32_t backend) {
  Proxy& proxy = proxies_[index];
  if (proxy.coordinator == nullptr || !proxy.connections[backend].up) return;
  ++counts_[Count::kCuts];
  note("the connection of proxy " + std::to_string(index) + " to backend " +
       std::to_string(backend) + " is cut");
  Connection& connection = proxy.connections[backend];
  connection.up = false;
  ++connection.epoch;
  const std::deque<replicate::RequestId> lost = std::exchange(connection.unanswered, {});
  on_proxy(index, [this, lost](Proxy& it) {
    for (const replicate::RequestId id : lost) {
      it.coordinator->on_request_lost(id, false, now_of(it));
    }
  });
  const int64_t for_us = random_.between(1000, profile_.fault_us);
  at(now_ + std::chrono::microseconds(is_calm_ ? 0 : for_us),
     [this, index, backend, life = proxy.life] {
       if (proxies_[index].life == life) proxies_[index].connections[backend].up = true;
     });
}

// ---- Between proxies.

void World::forward(uint32_t index, const replicate::Output::Forwarded& forwarded) {
  Proxy& from = proxies_[index];
  const replicate::ForwardId id = forwarded.id;
  uint32_t to = 0;
  while (to < proxies_.size() &&
         (proxies_[to].coordinator == nullptr || proxies_[to].session != forwarded.to)) {
    ++to;
  }
  if (to == proxies_.size() || to == index || !link(index, to).up) {
    on_proxy_later(index, from.life, now_, [this, id](Proxy& it) {
      it.coordinator->on_forward_reply(id, replicate::End::kNotDelivered, {}, now_of(it));
    });
    return;
  }
  PeerLink& between = link(index, to);
  Instant& last = between.last[index < to ? 0 : 1];
  last = std::max(last, now_ + delay());
  const uint64_t guest = next_guest_++;
  guests_[guest] = {index, from.life, between.epoch, id};
  at(last, [this, index, to, guest, epoch = between.epoch, to_life = proxies_[to].life,
            seen = forwarded.seen, command = *forwarded.command] {
    PeerLink& now_between = link(index, to);
    const bool is_late = !now_between.up || now_between.epoch != epoch;
    if (is_late && random_.below(2) == 0) return;  // it was cut meanwhile
    if (is_late) ++counts_[Count::kLateForwards];
    on_proxy_later(to, to_life, now_, [this, guest, seen, command](Proxy& it) {
      it.coordinator->on_forward(replicate::GuestId{guest}, command, seen, now_of(it));
    });
  });
}

void World::guest_ended(uint32_t proxy, replicate::GuestId id, replicate::End end,
                        std::string reply) {
  const auto found = guests_.find(static_cast<uint64_t>(id));
  if (found == guests_.end()) throw Violation{"a guest ended twice"};
  const Guest guest = found->second;
  guests_.erase(found);
  PeerLink& between = link(proxy, guest.from);
  if (!between.up || between.epoch != guest.link_epoch) return;
  Instant& last = between.last[proxy < guest.from ? 0 : 1];
  last = std::max(last, now_ + delay());
  at(last, [this, proxy, guest, end, reply] {
    PeerLink& now_between = link(proxy, guest.from);
    if (!now_between.up || now_between.epoch != guest.link_epoch) return;
    on_proxy_later(guest.from, guest.from_life, now_, [this, guest, end, reply](Proxy& it) {
      it.coordinator->on_forward_reply(guest.id, end, reply, now_of(it));
    });
  });
}

void World::cut_peers(uint32_t a, uint32_t b) {
  PeerLink& between = link(a, b);
  if (a == b || !between.up) return;
  between.up = false;
  ++between.epoch;
  note("proxies " + std::to_string(a) + " and " + std::to_string(b) + " lose each other");
  for (const auto& [one, other] : {std::pair{a, b}, std::pair{b, a}}) {
    if (proxies_[one].coordinator == nullptr) continue;
    const cluster::SessionId session = proxies_[other].session;
    on_proxy(one,
             [this, session](Proxy& it) { it.coordinator->on_peer_lost(session, now_of(it)); });
  }
  const int64_t for_us = random_.between(1000, profile_.fault_us);
  after(std::chrono::microseconds(is_calm_ ? 0 : for_us), [this, a, b] { link(a, b).up = true; });
}

}  // namespace quorate::replicate_simulation
