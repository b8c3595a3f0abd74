#include "proxy/member/voter.h"

#include <algorithm>
#include <utility>

#include "consensus/storage/posix_directory.h"
#include "proxy/io/clock.h"
#include "proxy/io/log.h"
#include "proxy/member/group_log.h"
#include "proxy/member/named_members.h"
#include "proxy/member/random.h"

namespace quorate::member {

namespace {

constexpr uint64_t kHouseMs = 100;

/// Who is refused with these words was a member, whatever it takes itself for: part of the
/// protocol.
constexpr std::string_view kLostItsDisk = " has lost its disk: ";

bool is_blank(const raft::Durable& durable) {
  return durable.snapshot == nullptr && durable.entries.empty() && durable.hard_state.term == 0;
}

std::vector<config::Founder> by_name(std::vector<config::Founder> founders) {
  std::ranges::sort(founders, {}, &config::Founder::name);
  return founders;
}

/// The same in every founder: numbers in the order of the names.
raft::Configuration founders_of(const config::ClusterSettings& settings) {
  raft::Configuration configuration;
  uint64_t number = 0;
  for (const config::Founder& founder : by_name(settings.bootstrap)) {
    const raft::MemberId id{++number};
    configuration.voters.push_back(id);
    configuration.addresses[id] = founder.address.text();
  }
  return configuration;
}

raft::MemberId founder_id(const config::ClusterSettings& settings) {
  const auto founders = by_name(settings.bootstrap);
  const auto own = std::ranges::find(founders, settings.member, &config::Founder::name);
  return raft::MemberId{static_cast<uint64_t>(own - founders.begin()) + 1};
}

group::Options options_of(const config::ClusterSettings& settings) {
  group::Options options;
  options.raft.heartbeat_interval = settings.heartbeat_interval;
  options.raft.election_timeout = settings.election_timeout;
  options.raft.resend_timeout = std::max(options.raft.resend_timeout, settings.election_timeout);
  return options;
}

void close_timer(uv_timer_t*& timer) {
  if (timer == nullptr) return;
  uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(timer, nullptr)),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
}

}  // namespace

// ---- The beginning.

Voter::Voter(uv_loop_t* loop, io::ReadBuffer& buffer, io::Mailbox& mailbox,
             const config::ClusterSettings& settings, std::vector<cluster::DefinePool> seeds,
             Upcalls upcalls)
    : loop_(loop),
      mailbox_(mailbox),
      settings_(settings),
      seeds_(std::move(seeds)),
      upcalls_(std::move(upcalls)),
      own_address_(settings.own_address()->text()),
      map_(std::make_shared<const cluster::ClusterMap>()),
      timer_(new uv_timer_t),
      house_(new uv_timer_t) {
  peer::Local local;
  local.hello.cluster = settings.name;
  local.hello.name = settings.member;
  local.hello.address = own_address_;
  local.secret = settings.secret;
  local.objection = [this](const peer::Hello& remote) { return objection_to(remote); };
  port_.emplace(loop, buffer, std::move(local), random_number(), port_upcalls());
  uv_timer_init(loop_, timer_);
  uv_timer_init(loop_, house_);
  timer_->data = house_->data = this;
}

Voter::~Voter() { ASSERT(timer_ == nullptr); }

base::Result<std::unique_ptr<Voter>, std::string> Voter::open(
    uv_loop_t* loop, io::ReadBuffer& buffer, io::Mailbox& mailbox,
    const config::ClusterSettings& settings, std::vector<cluster::DefinePool> seeds, int descriptor,
    Upcalls upcalls) {
  auto looked = look_into(settings);
  if (!looked.ok()) return base::Failure{looked.error()};
  std::unique_ptr<Voter> voter(
      new Voter(loop, buffer, mailbox, settings, std::move(seeds), std::move(upcalls)));
  if (const int status = voter->port_->listen(descriptor); status != 0) {
    voter->close();
    return base::Failure{std::string("cannot listen for members: ") + uv_strerror(status)};
  }
  voter->begin(std::move(looked).value());
  return voter;
}

base::Result<Voter::Found, std::string> Voter::look_into(const config::ClusterSettings& settings) {
  Found found;
  auto directory = storage::open_directory(settings.data_dir);
  if (!directory) return base::Failure{storage::to_string(directory.error())};
  found.directory = std::move(directory).value();
  auto identity = read_identity(*found.directory);
  if (!identity) return base::Failure{storage::to_string(identity.error())};
  found.identity = identity.value();
  auto opened = storage::Storage::open(*found.directory);
  if (!opened) return base::Failure{storage::to_string(opened.error())};
  for (const storage::TornTail& torn : opened.value().torn_tails) {
    io::log_warn("the end of the log was cut: a write was interrupted, nothing promised is lost",
                 {{"file", torn.file}, {"offset", torn.offset}, {"bytes", torn.bytes}});
  }
  found.storage = std::move(opened.value().storage);
  found.durable = std::move(opened.value().durable);
  if (auto why = group::Group::problem_with(found.durable)) return base::Failure{*why};
  if (auto why = Voter::found(settings, found)) return base::Failure{*why};
  return found;
}

/// A founder's first log and number. Nothing: all is well, whether there was something to do or
/// not.
std::optional<std::string> Voter::found(const config::ClusterSettings& settings, Found& found) {
  const bool founder = !settings.bootstrap.empty();
  const bool blank = is_blank(found.durable);
  if (found.identity && blank && founder) {
    return settings.data_dir +
           ": says who this member is, but its log is gone. Remove the member "
           "from the cluster, empty the folder and join again";
  }
  if (found.identity) return std::nullopt;
  if (!founder) {
    if (blank) return std::nullopt;  // it asks for its number
    return settings.data_dir + ": a log, but no file \"member\" that says whose it is";
  }
  if (blank) {
    const raft::Persist order = raft::founding(founders_of(settings));
    storage::Status done = found.storage->append(order);
    if (done) done = found.storage->sync();
    if (!done) return storage::to_string(done.error());
    found.durable.hard_state = *order.hard_state;
    found.durable.entries = order.entries;
  }
  found.identity = Identity{founder_id(settings), {}, settings.member};
  const storage::Status done = write_identity(*found.directory, *found.identity);
  if (!done) return storage::to_string(done.error());
  return std::nullopt;
}

void Voter::begin(Found found) {
  directory_ = found.directory.get();
  uv_timer_start(
      house_, [](uv_timer_t* timer) { static_cast<Voter*>(timer->data)->tick(); }, 1, kHouseMs);
  if (found.identity) {
    identity_ = *found.identity;
    const raft::Durable durable = std::move(found.durable);
    waiting_ = std::move(found);
    return start_group(durable);
  }
  waiting_ = std::move(found);
}

void Voter::start_group(const raft::Durable& durable) {
  disk_.emplace(
      std::move(waiting_->directory), std::move(waiting_->storage), mailbox_,
      DiskThread::Upcalls{
          .on_persisted =
              [this](uint64_t sequence) {
                if (!stopped_.empty()) return;
                group_->on_persisted(sequence, io::monotonic_now());
                pump();
              },
          .on_failed = [this](const std::string& why) { stop_member("the disk failed: " + why); }});
  waiting_.reset();
  named_ = named_in(durable);
  port_->local().hello.member = identity_.id;
  port_->local().hello.cluster_id = wire(identity_.cluster);
  const group::Self self{.name = settings_.member,
                         .address = own_address_,
                         .nonce = random_nonce(),
                         .wants_session = true,
                         .coordinator = settings_.role == config::MemberRole::kVoter};
  group_.emplace(identity_.id, self, options_of(settings_), durable, random_number(),
                 io::monotonic_now());
  io::log_info("member started", {{"member", settings_.member},
                                  {"id", raft::number(identity_.id)},
                                  {"cluster", settings_.name},
                                  {"listen", own_address_}});
  pump();
}

PeerPort::Upcalls Voter::port_upcalls() {
  using io::monotonic_now;
  PeerPort::Upcalls upcalls;
  upcalls.on_member_message = [this](raft::MemberId from, std::string_view bytes) {
    return !group_ || group_->on_message(from, bytes, monotonic_now());
  };
  upcalls.on_member_lost = [this](raft::MemberId member) {
    if (group_) group_->on_connection_lost(member, monotonic_now());
    if (upcalls_.on_member_lost) upcalls_.on_member_lost(member);
    again_ = true;
  };
  upcalls.on_member_failed = [this](raft::MemberId member, const std::string& why) {
    on_refused(member, why);
  };
  upcalls.on_forward = [this](uint64_t way_back, std::string_view bytes) {
    return !upcalls_.on_forward || upcalls_.on_forward(way_back, bytes);
  };
  upcalls.on_forward_reply = [this](raft::MemberId from, std::string_view bytes) {
    return !upcalls_.on_forward_reply || upcalls_.on_forward_reply(from, bytes);
  };
  upcalls.on_observer_connected = [this](group::ConnectionId connection) {
    if (group_) group_->on_observer_connected(connection, monotonic_now());
  };
  upcalls.on_observer_message = [this](group::ConnectionId connection, std::string_view bytes) {
    return group_ && group_->on_observer_message(connection, bytes, monotonic_now());
  };
  upcalls.on_observer_lost = [this](group::ConnectionId connection) {
    if (group_) group_->on_observer_lost(connection, monotonic_now());
    again_ = true;
  };
  upcalls.on_request = [this](const std::string& text, std::function<void(std::string)> answer) {
    answer_question(text, std::move(answer));
  };
  upcalls.after = [this] { pump(); };
  return upcalls;
}

// ---- Events in, outputs carried out.

void Voter::request(group::Request request, Answer answer) {
  if (!group_ || !stopped_.empty()) {
    return answer(group::Refused{group::Refused::Reason::kNoLeader,
                                 stopped_.empty() ? "this member has not joined its cluster yet"
                                                  : "this member has stopped: " + stopped_});
  }
  const group::RequestId id{++last_request_};
  requests_[id] = std::move(answer);
  group_->request(id, std::move(request), io::monotonic_now());
  pump();
}

void Voter::on_probe(const group::ProbeResult& result) {
  if (!group_ || !stopped_.empty()) return;
  group_->on_probe(result, io::monotonic_now());
  pump();
}

void Voter::on_traffic(cluster::BackendSerial backend, uint32_t failures_in_a_row) {
  if (!group_ || !stopped_.empty()) return;
  group_->on_traffic(backend, failures_in_a_row, io::monotonic_now());
  pump();
}

cluster::SessionId Voter::session() const {
  return group_ && stopped_.empty() ? group_->session() : cluster::SessionId{};
}

bool Voter::forward_to_member(raft::MemberId to, std::string_view bytes) {
  return stopped_.empty() && port_->forward_to_member(to, bytes);
}

bool Voter::reply_forward(uint64_t way_back, std::string_view bytes) {
  return stopped_.empty() && port_->reply_forward(way_back, bytes);
}

void Voter::flush_forwards() {
  if (stopped_.empty()) port_->flush();
}

// What is called while an output is carried out may call back; it is then done in another turn.
void Voter::pump() {
  again_ = true;
  if (pumping_ || !group_ || !stopped_.empty()) return;
  pumping_ = true;
  while (std::exchange(again_, false) && stopped_.empty()) {
    group::Output output = group_->take_output();
    if (!carry_out(output)) break;
    again_ = again_ || output.more;
  }
  pumping_ = false;
  if (!stopped_.empty()) return;
  port_->flush();
  // A connection that ended in there has something to tell.
  if (again_) return pump();
  arm_timer();
}

bool Voter::carry_out(group::Output& output) {
  if (output.fatal) {
    stop_member(*output.fatal);
    return false;
  }
  if (output.persist) disk_->write(std::move(*output.persist));
  if (output.peers) port_->set_members(*output.peers);
  for (const group::MemberEnvelope& one : output.to_members) {
    port_->send_to_member(one.to, *one.bytes);
  }
  for (const group::ObserverEnvelope& one : output.to_observers) {
    port_->send_to_observer(one.to, *one.bytes);
  }
  for (const group::ConnectionId connection : output.close) port_->close_observer(connection);
  log_events(output.events);
  if (output.map != nullptr) {
    map_ = output.map;
    if (!adopt_cluster()) return false;
    if (upcalls_.on_map) upcalls_.on_map(map_);
  }
  for (const group::RequestEnd& end : output.ended) {
    auto node = requests_.extract(end.id);
    if (!node.empty()) node.mapped()(end.outcome);
  }
  for (const group::ProbeOrder& order : output.probes) {
    if (upcalls_.on_probe_order) upcalls_.on_probe_order(order);
  }
  return stopped_.empty();
}

void Voter::arm_timer() {
  const base::Instant deadline = group_->next_deadline();
  if (deadline == base::kNever) {
    uv_timer_stop(timer_);
    return;
  }
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - io::monotonic_now()).count();
  uv_update_time(loop_);
  uv_timer_start(
      timer_,
      [](uv_timer_t* timer) {
        auto& voter = *static_cast<Voter*>(timer->data);
        voter.group_->on_time(io::monotonic_now());
        voter.pump();
      },
      static_cast<uint64_t>(std::max<int64_t>(wait, 0)), 0);
}

void Voter::stop_member(const std::string& why) {
  if (!stopped_.empty()) return;
  stopped_ = why;
  io::log_error("member stopped; the pools are served with what was agreed last", {{"why", why}});
  port_->close();
  uv_timer_stop(timer_);
  uv_timer_stop(house_);
  for (auto& [id, answer] : std::exchange(requests_, {})) answer(group::Unknown{});
  if (upcalls_.on_stopped) upcalls_.on_stopped(why);
}

void Voter::close() {
  // What still comes, a worker's last report say, finds a member that takes no part: its timers
  // are gone.
  if (stopped_.empty()) stopped_ = "this proxy is ending";
  requests_.clear();
  upcalls_ = {};
  port_->close();
  if (disk_) disk_->stop();
  close_timer(timer_);
  close_timer(house_);
}

// ---- What somebody has to do.

void Voter::tick() {
  if (!stopped_.empty()) return;
  if (!group_ || !group_->configuration().contains(identity_.id)) join();
  if (group_) keep_house();
}

/// The cluster's id goes to disk before anybody is told that this member has one.
bool Voter::adopt_cluster() {
  if (!map_->cluster || map_->cluster == identity_.cluster) return true;
  if (identity_.cluster) {
    stop_member("the data directory belongs to cluster " + hex(identity_.cluster) +
                ", the group is " + hex(map_->cluster));
    return false;
  }
  identity_.cluster = map_->cluster;
  if (const storage::Status done = write_identity(*directory_, identity_); !done) {
    stop_member("the disk failed: " + storage::to_string(done.error()));
    return false;
  }
  port_->local().hello.cluster_id = wire(identity_.cluster);
  return true;
}

void Voter::keep_house() {
  if (!group_->leader()) return;
  const bool leads = group_->leader() == identity_.id;
  if (!map_->cluster) {
    // Not before whoever may know a cluster of these founders has had a chance to say so.
    if (leads && port_->has_tried_all()) propose("cluster", cluster::FoundCluster{random_nonce()});
    return;
  }
  const auto own = map_->members.find(identity_.id);
  if (own != map_->members.end() &&
      (own->second.name != settings_.member || own->second.address != own_address_)) {
    propose("name", cluster::DescribeMember{identity_.id, settings_.member, own_address_});
  }
  for (const cluster::DefinePool& seed : seeds_) {
    if (map_->find_pool(seed.rules.name) == nullptr) propose("pool " + seed.rules.name, seed);
  }
}

void Voter::propose(const std::string& what, const cluster::Change& change) {
  if (std::exchange(proposing_[what], true)) return;
  request(change, [this, what](const group::Outcome& outcome) {
    proposing_[what] = false;
    const auto* refused = std::get_if<group::Refused>(&outcome);
    if (refused != nullptr && refused->reason == group::Refused::Reason::kInvalid) {
      say_once(what + ": " + refused->text);
    }
  });
}

void Voter::say_once(const std::string& why) {
  if (std::exchange(said_, why) != why) io::log_warn("not accepted", {{"why", why}});
}

void Voter::join() {
  if (asking_ || settings_.join.empty()) return;
  if (!group_) {
    return ask_next(Register{settings_.member, own_address_},
                    [this](const std::string& text, const std::string& problem) {
                      if (!problem.empty()) return say_once(problem);
                      auto registered = decode_registered(text);
                      if (!registered) return say_once(registered.error());
                      identity_ = registered.value();
                      const auto done = write_identity(*directory_, identity_);
                      if (!done)
                        return stop_member("the disk failed: " + storage::to_string(done.error()));
                      start_group(raft::Durable(waiting_->durable));
                    });
  }
  ask_next(Admit{identity_.id, own_address_, settings_.role == config::MemberRole::kVoter},
           [this](const std::string& text, const std::string& problem) {
             if (!problem.empty()) return say_once(problem);
             if (const auto why = decode_admitted(text)) say_once(*why);
           });
}

void Voter::ask_next(const Question& question, std::function<void(std::string, std::string)> done) {
  asking_ = true;
  const std::string address = settings_.join[next_joined_++ % settings_.join.size()].text();
  port_->ask(
      address, encode(question),
      [this, address, done = std::move(done)](const std::string& text, const std::string& problem) {
        asking_ = false;
        done(text, problem.empty() ? problem : address + ": " + problem);
      });
}

// ---- What others ask.

std::string Voter::objection_to(const peer::Hello& remote) const {
  if (raft::number(remote.member) == 0 || remote.cluster_id != peer::ClusterId{}) return {};
  std::string name;
  if (const auto now = map_->members.find(remote.member); now != map_->members.end()) {
    name = now->second.name;
  }
  if (const auto before = named_.find(remote.member); name.empty() && before != named_.end()) {
    name = before->second;
  }
  if (name.empty()) return {};
  return "member " + name + std::string(kLostItsDisk) +
         "remove it from the cluster (quorate member remove), then let it join";
}

/// Founders that have lost their disks must not found a second cluster beside the one that knows
/// them.
void Voter::on_refused(raft::MemberId by, const std::string& why) {
  if (!stopped_.empty() || identity_.cluster || why.find(kLostItsDisk) == std::string::npos) return;
  stop_member("member " + std::to_string(raft::number(by)) + ": " + why +
              ". Nothing is founded here: empty data_dir, and put `join` in place of `bootstrap`");
}

void Voter::answer_question(const std::string& text, std::function<void(std::string)> answer) {
  const auto question = decode_question(text);
  if (!question) return answer(encode_error(question.error()));
  if (!group_) return answer(encode_error("this member has not joined its cluster yet"));
  if (const auto* one = std::get_if<Register>(&question.value())) {
    return answer_register(*one, std::move(answer));
  }
  if (const auto* two = std::get_if<Admit>(&question.value())) {
    return answer_admit(*two, std::move(answer));
  }
  if (!group_->status().leads) return answer(encode_error("does not lead"));
  answer(encode_table(table()));
}

void Voter::answer_register(const Register& question, std::function<void(std::string)> answer) {
  if (!map_->cluster) return answer(encode_error("the cluster is not founded yet"));
  const cluster::Member* known = map_->find_member(question.name);
  if (known != nullptr && known->role != cluster::MemberRole::kObserver) {
    return answer(encode_error("a member named " + question.name +
                               " is in the cluster: if its disk is gone, remove it first "
                               "(quorate member remove)"));
  }
  const Identity identity{known != nullptr ? known->id : raft::MemberId{}, map_->cluster,
                          question.name};
  cluster::Change change = cluster::AddMember{question.name, question.address};
  if (known != nullptr) {
    if (known->address == question.address) return answer(encode_registered(identity));
    change = cluster::DescribeMember{known->id, question.name, question.address};
  }
  request(change, [identity, answer = std::move(answer)](const group::Outcome& outcome) {
    const auto* done = std::get_if<group::Done>(&outcome);
    if (done == nullptr) return answer(encode_error(text_of(outcome)));
    Identity given = identity;
    given.id = raft::MemberId{done->id};
    answer(encode_registered(given));
  });
}

void Voter::answer_admit(const Admit& question, std::function<void(std::string)> answer) {
  if (group_->configuration().contains(question.id)) return answer(encode_admitted());
  if (!map_->members.contains(question.id)) {
    return answer(encode_error("there is no member " + std::to_string(raft::number(question.id)) +
                               ": it was removed; empty its data_dir to join anew"));
  }
  const raft::Change change{raft::AddLearner{question.id, question.address, question.joining}};
  request(change, [answer = std::move(answer)](const group::Outcome& outcome) {
    const bool done = std::holds_alternative<group::Done>(outcome);
    answer(done ? encode_admitted() : encode_error(text_of(outcome)));
  });
}

// ---- What is told.

Standing Voter::standing() const {
  Standing standing;
  standing.role = "voter";
  standing.member = settings_.member;
  standing.cluster = settings_.name;
  standing.id = raft::number(identity_.id);
  standing.stopped = stopped_;
  standing.applied = map_->index;
  if (!group_) {
    standing.role = "joining";
    return standing;
  }
  const group::GroupStatus status = group_->status();
  if (!group_->configuration().is_voter(identity_.id)) {
    const bool learner = group_->configuration().contains(identity_.id);
    standing.role = learner ? "learner" : (status.removed ? "removed" : "joining");
  }
  standing.term = status.raft.term;
  standing.applied = status.raft.applied;
  standing.behind = status.raft.commit - std::min(status.raft.commit, status.raft.applied);
  standing.leads = status.leads;
  standing.in_touch = stopped_.empty() && status.raft.leader.has_value();
  if (status.raft.leader) standing.leader = name_of(*map_, *status.raft.leader);
  return standing;
}

MemberTable Voter::table() const {
  const group::GroupStatus status = group_->status();
  const base::Instant now = io::monotonic_now();
  const auto seconds = [&](base::Instant then) {
    return std::chrono::duration<double>(now - then).count();
  };
  MemberTable table;
  table.term = status.raft.term;
  for (const auto& [id, member] : map_->members) {
    MemberRow row{member.name, raft::number(id), member.address, to_string(member.role), {}, {},
                  {}};
    const auto peer = std::ranges::find(status.raft.peers, id, &raft::PeerStatus::id);
    if (id == identity_.id) {
      row.state = "leader";
      row.applied = status.raft.applied;
      row.behind = 0;
      row.last_contact_seconds = 0;
    } else if (peer != status.raft.peers.end()) {
      row.applied = peer->match;
      row.behind = status.raft.last - std::min(status.raft.last, peer->match);
      if (peer->last_contact != base::Instant{})
        row.last_contact_seconds = seconds(peer->last_contact);
      if (peer->installing) row.state += " (snapshot)";
    }
    table.rows.push_back(std::move(row));
  }
  for (const auto& [id, session] : map_->sessions) {
    if (raft::number(session.member) != 0) continue;
    MemberRow row{session.name, 0, session.address, "observer", {}, {}, {}};
    const auto seen = std::ranges::find(status.observers, id, &group::ObserverStatus::session);
    const auto told = std::ranges::find(status.sessions, id, &group::SessionStatus::session);
    if (seen != status.observers.end()) {
      row.applied = seen->confirmed;
      row.behind = status.raft.commit - std::min(status.raft.commit, seen->confirmed);
      row.last_contact_seconds = seconds(seen->heard);
    } else if (told != status.sessions.end()) {
      row.applied = told->confirmed;
      row.behind = status.raft.commit - std::min(status.raft.commit, told->confirmed);
      row.last_contact_seconds = seconds(told->heard);
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

void Voter::list_members(std::function<void(MemberTable)> answer) {
  if (!group_ || !stopped_.empty() || !group_->leader()) return answer({});
  if (group_->status().leads) return answer(table());
  const auto& addresses = group_->configuration().addresses;
  const auto leader = addresses.find(*group_->leader());
  if (leader == addresses.end()) return answer({});
  port_->ask(leader->second, encode(Question(ListMembers{})),
             [answer = std::move(answer)](const std::string& text, const std::string& problem) {
               const auto table = decode_table(problem.empty() ? text : encode_error(problem));
               answer(table ? table.value() : MemberTable{});
             });
}

}  // namespace quorate::member
