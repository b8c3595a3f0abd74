#include "tests/simulation/replicate/world.h"

#include <algorithm>
#include <cstdio>

#include "consensus/base/assert.h"

namespace quorate::replicate_simulation {

using namespace std::chrono_literals;

namespace {

constexpr Duration kRequestTimeout = 400ms;

constexpr const char* kNames[] = {"get", "set",   "set",  "set",   "append",
                                  "del", "rpush", "lpop", "lrange"};

}  // namespace

World::World(uint64_t seed, Mix mix, bool verbose)
    : random_(seed), profile_(draw_profile(random_, mix)), verbose_(verbose) {
  const auto pool_serial = cluster::PoolSerial{1};
  map_.cluster = {1, 2};
  cluster::Pool pool;
  pool.serial = pool_serial;
  pool.rules.name = "p";
  pool.rules.consistency = cluster::Consistency::kQuorum;
  pool.rules.replicas = profile_.backends;
  pool.rules.placement.hash_tag = "{}";
  for (uint32_t i = 0; i < profile_.backends + profile_.spares; ++i) {
    Backend backend;
    backend.incarnation = {1, i + 1};
    acceptor::Request admit{{pool_serial, 0, {}, {}}, acceptor::Admit{{1, 2}, {}, {1, i + 1}}};
    backend.model.handle(admit);
    backends_.push_back(std::move(backend));
    cluster::Backend in_map;
    in_map.serial = cluster::BackendSerial{i + 1};
    in_map.pool = pool_serial;
    in_map.rules.name = "b" + std::to_string(i);
    in_map.run_id = run_id_of(i, 0);
    in_map.incarnation = {1, i + 1};
    map_.backends.emplace(in_map.serial, in_map);
  }
  cluster::SlotMembers members;
  for (uint32_t i = 0; i < profile_.backends; ++i) {
    members.places[members.count++] = {cluster::BackendSerial{i + 1}, 1};
  }
  pool.member_sets = {members};
  pool.slots = {{.first = 0, .count = cluster::kSlots}};
  map_.pools.emplace(pool_serial, pool);
  table_ = cluster::ReplicaTable::build(map_, map_.pools.at(pool_serial));
  for (uint32_t i = 0; i < profile_.keys; ++i) {
    Key key;
    key.name = profile_.same_slot ? "{k}" + std::to_string(i) : "k" + std::to_string(i);
    key.is_list = random_.below(100) >= profile_.strings;
    keys_.push_back(std::move(key));
  }
  proxies_.resize(profile_.proxies);
  for (uint32_t i = 0; i < profile_.proxies; ++i) start_proxy(i);
  for (uint32_t i = 0; i < profile_.clients; ++i) {
    clients_.push_back({static_cast<uint32_t>(random_.below(profile_.proxies)), 0});
  }
}

void World::at(Instant when, std::function<void()> what) {
  tasks_.push({when, ++order_, std::move(what)});
}

Duration World::delay() {
  int64_t us = random_.between(1, is_calm_ ? 500 : profile_.delay_us);
  if (!is_calm_ && random_.chance_ppm(profile_.slow_ppm)) us *= 20;
  return std::chrono::microseconds(us);
}

void World::note(const std::string& line) {
  for (const char c : line) {
    trace_ = (trace_ ^ static_cast<uint8_t>(c)) * 1099511628211u;
  }
  if (verbose_) {
    std::printf("%10.3f ms  %s\n", static_cast<double>(now_.time_since_epoch().count()) / 1e6,
                line.c_str());
  }
}

void World::run() {
  for (uint32_t i = 0; i < profile_.clients; ++i) {
    after(10ms + delay(), [this, i] { client_turn(i); });
  }
  const int64_t span_us =
      static_cast<int64_t>(profile_.operations) * profile_.think_us / profile_.clients + 50'000;
  for (uint32_t i = 0; i < profile_.faults; ++i) {
    after(std::chrono::microseconds(random_.between(0, span_us)), [this] { fault(); });
  }
  Instant calm_at = now_ + std::chrono::microseconds(span_us) + 2s;
  at(calm_at, [this] { heal(); });
  at(calm_at + 3s, [this] { final_reads(); });
  const Instant end = calm_at + 40s;  // sweeps rest between passes
  while (!tasks_.empty() && tasks_.top().at <= end) {
    Task task = tasks_.top();
    tasks_.pop();
    now_ = task.at;
    task.what();
  }
  check();
}

void World::client_turn(uint32_t client) {
  if (is_calm_) return;
  std::vector<uint32_t> open;
  for (uint32_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i].sent < profile_.operations) open.push_back(i);
  }
  if (open.empty()) return;
  Client& me = clients_[client];
  if (me.under_way < profile_.depth && proxies_[me.proxy].coordinator != nullptr &&
      !proxies_[me.proxy].is_leaving) {
    const uint32_t index = open[random_.below(open.size())];
    const bool reads = random_.below(100) < profile_.reads;
    const bool deletes = random_.below(100) < profile_.deletes;
    Verb verb{};
    if (keys_[index].is_list) {
      verb = reads                   ? Verb::kRange
             : deletes               ? Verb::kDelete
             : random_.below(3) == 0 ? Verb::kPop
                                     : Verb::kPush;
      if (random_.below(30) == 0) verb = Verb::kGet;
    } else {
      constexpr Verb kWrites[] = {Verb::kSet, Verb::kSetIfAbsent, Verb::kAppend, Verb::kSet};
      verb = reads ? Verb::kGet : deletes ? Verb::kDelete : kWrites[random_.below(4)];
      if (verb == Verb::kSet && random_.below(100) < profile_.expiring) verb = Verb::kSetExpiring;
      if (random_.below(100) < profile_.wrong_types) verb = Verb::kPush;
    }
    submit(client, index, verb);
  } else if (proxies_[me.proxy].coordinator == nullptr || proxies_[me.proxy].is_leaving) {
    me.proxy = static_cast<uint32_t>(random_.below(profile_.proxies));
    me.connection += 100;  // nothing is promised of the order of two connections
  }
  after(std::chrono::microseconds(random_.between(1, profile_.think_us)),
        [this, client] { client_turn(client); });
}

void World::submit(uint32_t client, uint32_t key, Verb verb) {
  Client& me = clients_[client];
  Key& of = keys_[key];
  Event event;
  event.client = client + me.connection;
  event.verb = verb;
  event.text = "v" + std::to_string(next_value_++);
  event.began = now_;
  std::vector<std::string> args = {kNames[static_cast<int>(verb)], of.name};
  if (verb == Verb::kRange) {
    args.insert(args.end(), {"0", "-1"});
  } else if (verb == Verb::kSet || verb == Verb::kSetExpiring || verb == Verb::kSetIfAbsent ||
             verb == Verb::kAppend || verb == Verb::kPush) {
    args.push_back(event.text);
  }
  if (verb == Verb::kSetIfAbsent) args.push_back("nx");
  if (verb == Verb::kSetExpiring) {
    const int64_t now_ms = now_of(proxies_[me.proxy]).wall.count() / 1000;
    const int64_t expires_at_ms = now_ms + random_.between(5, 200);
    args.insert(args.end(), {"pxat", std::to_string(expires_at_ms)});
    event.expires_at = Instant(std::chrono::milliseconds(expires_at_ms) - kWallEpoch);
  }
  const std::vector<std::string_view> views(args.begin(), args.end());
  redis::ReplicatedCommand command;
  const wire::CommandLookup found = wire::look_up_command(views);
  ASSERT(found.spec != nullptr);
  const auto refused = command.assign(*found.spec, views, "p");
  ASSERT(!refused);
  ++of.sent;
  ++me.under_way;
  const size_t place = of.history.add(event);
  const uint64_t id = next_operation_++;
  note("client " + std::to_string(client) + " at proxy " + std::to_string(me.proxy) + ": " +
       args[0] + " " + of.name + " " + event.text + " (" + std::to_string(id) + ")");
  proxies_[me.proxy].pending[id] = {key, place, client};
  on_proxy(me.proxy, [this, id, command](Proxy& proxy) {
    proxy.coordinator->submit(replicate::OperationId{id}, command, now_of(proxy));
  });
}

void World::end_of(Proxy& proxy, uint64_t id, replicate::End end, std::string_view reply) {
  const auto found = proxy.pending.find(id);
  if (found == proxy.pending.end()) throw Violation{"an operation ended twice"};
  const Pending pending = found->second;
  proxy.pending.erase(found);
  Event& event = keys_[pending.key].history.at(pending.event);
  --clients_[pending.client].under_way;
  event.ended = now_;
  event.reply = reply;
  switch (end) {
    case replicate::End::kSucceeded:
      event.known = Known::kSucceeded;
      ++counts_[Count::kAcknowledged];
      break;
    case replicate::End::kFailed:
      event.known = Known::kFailed;
      ++counts_[Count::kFailed];
      break;
    default:
      event.known = Known::kUnknown;
      ++counts_[Count::kUnknown];
      break;
  }
  note("  (" + std::to_string(id) + ") ends " + std::to_string(static_cast<int>(end)) + " " +
       std::string(reply.substr(0, reply.find('\r'))));
}

bool World::all_ended() const {
  return std::ranges::all_of(proxies_, [](const Proxy& proxy) { return proxy.pending.empty(); });
}

void World::final_reads() {
  if (!all_ended()) throw Violation{"an operation has not ended though its time is long up"};
  for (uint32_t key = 0; key < keys_.size(); ++key) {
    submit(0, key, keys_[key].is_list ? Verb::kRange : Verb::kGet);
    submit(1, key, keys_[key].is_list ? Verb::kPush : Verb::kAppend);
    submit(0, key, keys_[key].is_list ? Verb::kRange : Verb::kGet);
    if (profile_.ends_deleted) submit(1, key, Verb::kDelete);
  }
}

void World::check() {
  if (!all_ended()) throw Violation{"an operation has not ended though all is calm"};
  for (const Key& key : keys_) {
    const size_t last = profile_.ends_deleted ? 4 : 3;
    for (size_t i = key.history.size() - last; i < key.history.size(); ++i) {
      History history = key.history;
      if (history.at(i).known != Known::kSucceeded) {
        throw Violation{"all is calm, and yet " + key.name +
                        " is not served: " + history.at(i).reply};
      }
    }
    if (const auto violation = key.history.read_after_its_time(kLargestSkew + 1ms)) {
      throw Violation{key.name + ": " + *violation};
    }
    if (const auto violation = key.history.violation()) {
      throw Violation{key.name + " " + *violation};
    }
  }
  check_members();
  for (const Proxy& proxy : proxies_) {
    if (proxy.coordinator == nullptr) continue;
    const replicate::Counters& c = proxy.coordinator->counters();
    const std::pair<Count, uint64_t> all[] = {{Count::kDirectReads, c.direct_reads},
                                              {Count::kInconclusive, c.inconclusive_reads},
                                              {Count::kHedged, c.hedged_reads},
                                              {Count::kForwards, c.forwards},
                                              {Count::kTakeovers, c.takeovers},
                                              {Count::kEmergencies, c.emergencies},
                                              {Count::kSelfBumps, c.self_bumps},
                                              {Count::kDepositions, c.depositions},
                                              {Count::kSettlements, c.settlements},
                                              {Count::kNeedState, c.need_state},
                                              {Count::kOldSequence, c.old_sequence},
                                              {Count::kTransfers, c.transfers},
                                              {Count::kExpiries, c.expiries},
                                              {Count::kLazyInstalls, c.lazy_installs},
                                              {Count::kSweeps, c.sweeps},
                                              {Count::kMended, c.keys_mended},
                                              {Count::kForgotten, c.forgotten},
                                              {Count::kPurged, c.purged}};
    for (const auto& [count, value] : all) counts_[count] += value;
  }
}

}  // namespace quorate::replicate_simulation
