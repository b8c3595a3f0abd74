#include "tests/unit/proxy/replicate/scene.h"

#include <algorithm>

#include "consensus/base/assert.h"

namespace quorate::test {

using namespace std::chrono_literals;

namespace {

constexpr cluster::PoolSerial kPool{1};
constexpr cluster::Nonce kCluster{1, 2};
constexpr base::WallTime kWallEpoch{1'000'000'000};

cluster::BackendSerial serial_of(uint32_t backend) { return cluster::BackendSerial{backend + 1}; }

}  // namespace

Scene::Scene(uint32_t proxies, uint32_t backends, uint32_t replicas)
    : backends_(backends), proxies_(proxies), links_(size_t{proxies} * backends) {
  map_.cluster = kCluster;
  cluster::Pool pool;
  pool.serial = kPool;
  pool.rules.name = "p";
  pool.rules.consistency = cluster::Consistency::kQuorum;
  pool.rules.replicas = replicas;
  pool.rules.placement.hash_tag = "{}";
  pool.slots = {{.first = 0, .count = cluster::kSlots}};
  for (uint32_t i = 0; i < backends; ++i) {
    backends_[i].incarnation = {1, i + 1};
    backends_[i].model.handle(
        {{kPool, 0, {}, {}}, acceptor::Admit{kCluster, {}, backends_[i].incarnation}});
    cluster::Backend in_map;
    in_map.serial = serial_of(i);
    in_map.pool = kPool;
    in_map.rules.name = "b" + std::to_string(i);
    in_map.run_id = "r" + std::to_string(i);
    in_map.incarnation = backends_[i].incarnation;
    map_.backends.emplace(in_map.serial, in_map);
  }
  std::vector<uint32_t> members(replicas);
  for (uint32_t i = 0; i < replicas; ++i) members[i] = i;
  map_.pools.emplace(kPool, pool);
  members_of(members);
  publish();
  slot_ = table_->slot_of("{k}");
  auto& runs = map_.pools.at(kPool).slots;
  const auto after = static_cast<uint16_t>(slot_ + 1);
  runs = {{.first = slot_, .count = 1}};
  if (slot_ > 0) runs.push_back({.first = 0, .count = slot_});
  if (after < cluster::kSlots) {
    runs.push_back({.first = after, .count = static_cast<uint16_t>(cluster::kSlots - after)});
  }
  std::ranges::sort(runs, {}, &cluster::SlotRun::first);
  for (uint32_t i = 0; i < proxies; ++i) {
    Proxy& proxy = proxies_[i];
    proxy.session = cluster::SessionId{i + 1};
    replicate::Options options;
    options.request_timeout = 400ms;
    options.seed = i + 1;
    options.pool = kPool;
    options.sweep_pause = 1s;
    proxy.coordinator = std::make_unique<replicate::Coordinator>(options);
    cluster::Session session;
    session.id = proxy.session;
    session.name = "p" + std::to_string(i);
    session.coordinator = true;
    map_.sessions.emplace(session.id, session);
  }
  give_to(0);
  tell_all();
}

// ---- Clients.

uint64_t Scene::submit(uint32_t proxy, const std::vector<std::string>& words) {
  const std::vector<std::string_view> views(words.begin(), words.end());
  const wire::CommandLookup found = wire::look_up_command(views);
  ASSERT(found.spec != nullptr);
  redis::ReplicatedCommand command;
  const auto refused = command.assign(*found.spec, views, "p");
  ASSERT(!refused);
  return submit(proxy, command);
}

uint64_t Scene::submit_script(uint32_t proxy, const std::string& key) {
  const std::string_view keys[] = {key};
  redis::ReplicatedCommand command;
  const auto refused = command.assign_script("return 1", keys, {}, false, "p");
  ASSERT(!refused);
  return submit(proxy, command);
}

uint64_t Scene::submit(uint32_t index, const redis::ReplicatedCommand& command) {
  Proxy& proxy = proxies_[index];
  const uint64_t id = next_operation_++;
  proxy.ends[id] = "";
  proxy.coordinator->submit(replicate::OperationId{id}, command, now());
  carry_out(index);
  settle();
  return id;
}

std::string Scene::end_of(uint64_t id) const {
  for (const Proxy& proxy : proxies_) {
    const auto found = proxy.ends.find(id);
    if (found != proxy.ends.end()) return found->second;
  }
  return "no such operation";
}

std::string Scene::call(uint32_t proxy, const std::vector<std::string>& words) {
  return end_of(submit(proxy, words));
}

// ---- Links.

void Scene::hold(uint32_t proxy, uint32_t backend) { link(proxy, backend).mode = Mode::kHeld; }

void Scene::hold_answers(uint32_t proxy, uint32_t backend) {
  link(proxy, backend).mode = Mode::kAnswersHeld;
  settle();
}

void Scene::let_one(uint32_t proxy, uint32_t backend) {
  Link& it = link(proxy, backend);
  ASSERT(it.mode == Mode::kHeld && !it.requests.empty());
  it.mode = Mode::kFlows;
  deliver_one(proxy, backend);
  it.mode = Mode::kHeld;
  settle();
}

void Scene::flow(uint32_t proxy, uint32_t backend) {
  link(proxy, backend).mode = Mode::kFlows;
  settle();
}

void Scene::cut(uint32_t proxy, uint32_t backend, Fate fate) {
  Link& it = link(proxy, backend);
  it.mode = Mode::kCut;
  std::deque<Message> lost = std::exchange(it.answers, {});
  for (Message& message : std::exchange(it.requests, {})) {
    if (fate == Fate::kExecuted) backends_[backend].model.handle(message.request->request);
    if (fate == Fate::kLate) backends_[backend].late.push_back(message.request);
    lost.push_back(std::move(message));
  }
  for (const Message& message : lost) {
    proxies_[proxy].coordinator->on_request_lost(message.id, false, now());
    carry_out(proxy);
  }
  settle();
}

void Scene::execute_late(uint32_t backend) {
  for (const auto& request : std::exchange(backends_[backend].late, {})) {
    backends_[backend].model.handle(request->request);
  }
}

bool Scene::deliver_one(uint32_t proxy, uint32_t backend) {
  Link& it = link(proxy, backend);
  if (it.mode == Mode::kHeld) return false;
  if (!it.requests.empty()) {
    Message message = std::move(it.requests.front());
    it.requests.pop_front();
    if (it.mode == Mode::kCut) {
      proxies_[proxy].coordinator->on_request_lost(message.id, true, now());
      carry_out(proxy);
      return true;
    }
    message.answer =
        std::make_shared<OwnedAnswer>(backends_[backend].model.handle(message.request->request));
    it.answers.push_back(std::move(message));
    if (it.mode != Mode::kFlows) return true;
  }
  if (it.mode != Mode::kFlows || it.answers.empty()) return false;
  const Message message = std::move(it.answers.front());
  it.answers.pop_front();
  proxies_[proxy].coordinator->on_answer(message.id, message.answer->answer, now());
  carry_out(proxy);
  return true;
}

bool Scene::forward_one() {
  if (forwards_.empty()) return false;
  const Forward forward = std::move(forwards_.front());
  forwards_.pop_front();
  const uint64_t guest = next_guest_++;
  guests_[guest] = {forward.from, forward.id};
  proxies_[forward.to].coordinator->on_forward(replicate::GuestId{guest}, forward.command,
                                               forward.seen, now());
  carry_out(forward.to);
  return true;
}

void Scene::settle() {
  int rounds = 0;
  for (bool moves = true; moves;) {
    ASSERT(++rounds < 10'000);  // or it never comes to an end
    moves = forward_one();
    for (uint32_t proxy = 0; proxy < proxies_.size(); ++proxy) {
      for (uint32_t i = 0; i < backends_.size(); ++i) moves |= deliver_one(proxy, i);
    }
  }
}

void Scene::carry_out(uint32_t index) {
  Proxy& proxy = proxies_[index];
  const replicate::Output& output = proxy.coordinator->output();
  for (const auto& asked : output.asked) {
    link(index, cluster::number(asked.backend) - 1)
        .requests.push_back({asked.id, std::make_shared<OwnedRequest>(asked.request), nullptr});
  }
  for (const auto& ended : output.ended) {
    constexpr const char* kEnds[] = {"ok ", "failed ", "unknown "};
    std::string& end = proxy.ends.at(static_cast<uint64_t>(ended.id));
    ASSERT(end.empty());
    end = kEnds[static_cast<size_t>(ended.end)] + std::string(ended.reply);
    std::erase_if(end, [](char c) { return c == '\r'; });
    std::ranges::replace(end, '\n', ' ');
    end.pop_back();
  }
  for (const auto& forwarded : output.forwarded) {
    uint32_t to = 0;
    while (proxies_[to].session != forwarded.to) ++to;
    forwards_.push_back({index, to, forwarded.id, *forwarded.command, forwarded.seen});
  }
  struct Told {
    Guest guest;
    End end;
    std::string reply;
  };
  std::vector<Told> told;
  for (const auto& ended : output.guests_ended) {
    const auto found = guests_.find(static_cast<uint64_t>(ended.id));
    ASSERT(found != guests_.end());
    told.push_back({found->second, ended.end, std::string(ended.reply)});
    guests_.erase(found);
  }
  wishes_.insert(wishes_.end(), output.wishes.begin(), output.wishes.end());
  proxy.coordinator->carried_out();
  for (const Told& one : told) {
    proxies_[one.guest.from].coordinator->on_forward_reply(one.guest.id, one.end, one.reply, now());
    carry_out(one.guest.from);
  }
}

// ---- Time.

replicate::Now Scene::now() const {
  const auto since_start = std::chrono::duration_cast<base::WallTime>(now_.time_since_epoch());
  return {now_, kWallEpoch + since_start};
}

void Scene::pass(Duration time) {
  const base::Instant end = now_ + time;
  while (true) {
    base::Instant next = base::kNever;
    for (const Proxy& proxy : proxies_) {
      next = std::min(next, proxy.coordinator->next_deadline());
    }
    if (next > end) break;
    now_ = std::max(next, now_ + Duration(1000));
    for (uint32_t i = 0; i < proxies_.size(); ++i) {
      proxies_[i].coordinator->on_time(now());
      carry_out(i);
    }
    settle();
  }
  now_ = end;
}

void Scene::pass_until_sweeping(uint32_t proxy) {
  for (int i = 0; i < 10'000 && !is_sweeping(proxy); ++i) pass(1ms);
  ASSERT(is_sweeping(proxy));
}

// ---- The group.

cluster::SlotRun& Scene::run() {
  auto& runs = map_.pools.at(kPool).slots;
  return *std::ranges::find(runs, slot_, &cluster::SlotRun::first);
}

uint16_t Scene::members_of(const std::vector<uint32_t>& backends) {
  cluster::Pool& pool = map_.pools.at(kPool);
  cluster::SlotMembers members;
  const bool is_first = pool.member_sets.empty();
  const uint32_t joined = is_first ? 1 : run().configuration;
  for (const uint32_t backend : backends) {
    uint32_t since = joined;
    if (!is_first) {
      for (const auto& place : pool.member_sets[run().members].all()) {
        if (place.backend == serial_of(backend)) since = place.joined;
      }
    }
    members.places[members.count++] = {serial_of(backend), since};
  }
  pool.member_sets.push_back(members);
  return static_cast<uint16_t>(pool.member_sets.size() - 1);
}

void Scene::publish() {
  ++map_.index;
  table_ = cluster::ReplicaTable::build(map_, map_.pools.at(kPool));
}

void Scene::give_to(uint32_t proxy) {
  run().owner = proxies_[proxy].session;
  publish();
}

void Scene::raise_configuration() {
  ++run().configuration;
  publish();
}

void Scene::begin_move(const std::vector<uint32_t>& backends) {
  ++run().configuration;
  run().phase = cluster::SlotPhase::kJoint;
  run().next = members_of(backends);
  publish();
}

void Scene::end_move() {
  ++run().configuration;
  run().phase = cluster::SlotPhase::kStable;
  run().members = std::exchange(run().next, cluster::SlotRun::kNowhere);
  publish();
}

void Scene::lose_memory(uint32_t backend) {
  backends_[backend].model.flush();
  map_.backends.at(serial_of(backend)).incarnation = {};
  for (cluster::SlotMembers& members : map_.pools.at(kPool).member_sets) {
    for (cluster::SlotMembers::Place& place : members.places) {
      if (place.backend == serial_of(backend)) place = {};
    }
  }
  publish();
}

void Scene::tell(uint32_t proxy) {
  proxies_[proxy].coordinator->adopt(table_, proxies_[proxy].session, now());
  carry_out(proxy);
  settle();
}

void Scene::tell_all() {
  for (uint32_t i = 0; i < proxies_.size(); ++i) tell(i);
}

size_t Scene::wishes(replicate::Output::Wish::Kind kind) const {
  return static_cast<size_t>(std::ranges::count(wishes_, kind, &replicate::Output::Wish::kind));
}

}  // namespace quorate::test
