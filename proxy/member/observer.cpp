#include "proxy/member/observer.h"

#include <algorithm>
#include <utility>

#include "proxy/io/clock.h"
#include "proxy/member/group_log.h"
#include "proxy/member/joining.h"
#include "proxy/member/random.h"

namespace quorate::member {

namespace {

using io::monotonic_now;

std::vector<std::string> texts_of(const std::vector<config::Address>& addresses) {
  std::vector<std::string> texts;
  texts.reserve(addresses.size());
  for (const config::Address& address : addresses) texts.push_back(address.text());
  return texts;
}

}  // namespace

Observer::Observer(uv_loop_t* loop, io::ReadBuffer& buffer, const config::ClusterSettings& settings,
                   Upcalls upcalls)
    : loop_(loop),
      settings_(settings),
      upcalls_(std::move(upcalls)),
      map_(std::make_shared<const cluster::ClusterMap>()),
      timer_(new uv_timer_t) {
  peer::Local local;
  local.hello.cluster = settings.name;
  local.hello.name = settings.member;
  local.secret = settings.secret;
  PeerPort::Upcalls port;
  port.on_voter_connected = [this] {
    problem_.clear();
    follower_->on_connected(monotonic_now());
  };
  port.on_voter_message = [this](std::string_view bytes) {
    return follower_->on_message(bytes, monotonic_now());
  };
  port.on_voter_lost = [this](const std::string& why) {
    problem_ = why;
    follower_->on_lost(monotonic_now());
    again_ = true;
  };
  port.on_forward_reply = [this](raft::MemberId from, std::string_view bytes) {
    return !upcalls_.on_forward_reply || upcalls_.on_forward_reply(from, bytes);
  };
  port.on_member_lost = [this](raft::MemberId member) {
    if (upcalls_.on_member_lost) upcalls_.on_member_lost(member);
  };
  port.after = [this] { pump(); };
  port_.emplace(loop, buffer, std::move(local), random_number(), std::move(port));
  uv_timer_init(loop_, timer_);
  timer_->data = this;

  const group::Self self{.name = settings.member,
                         .address = {},
                         .nonce = random_nonce(),
                         .wants_session = settings.session,
                         .coordinator = settings.coordinator,
                         .session_ttl_ms = static_cast<uint32_t>(settings.session_expiry /
                                                                 std::chrono::milliseconds(1))};
  group::Options options;
  options.raft.heartbeat_interval = settings.heartbeat_interval;
  options.raft.election_timeout = settings.election_timeout;
  follower_.emplace(self, options, texts_of(settings.join), random_number(), monotonic_now());
  pump();
}

Observer::~Observer() { ASSERT(timer_ == nullptr); }

void Observer::request(group::Request request, Answer answer) {
  const group::RequestId id{++last_request_};
  requests_[id] = std::move(answer);
  follower_->request(id, std::move(request), monotonic_now());
  pump();
}

void Observer::on_traffic(cluster::BackendSerial backend, uint32_t failures_in_a_row) {
  follower_->on_traffic(backend, failures_in_a_row, monotonic_now());
  pump();
}

void Observer::pump() {
  again_ = true;
  if (pumping_ || timer_ == nullptr) return;
  pumping_ = true;
  while (std::exchange(again_, false)) {
    group::FollowerOutput output = follower_->take_output();
    if (output.disconnect) port_->disconnect_from_voter();
    if (output.connect) port_->connect_to_voter(*output.connect);
    for (const group::Bytes& bytes : output.send) port_->send_to_voter(*bytes);
    log_events(output.events);
    if (output.map != nullptr) {
      map_ = output.map;
      // Whoever is of another cluster is not listened to any more.
      port_->local().hello.cluster_id = wire(map_->cluster);
      know_owners();
      if (upcalls_.on_map) upcalls_.on_map(map_);
    }
    for (const group::RequestEnd& end : output.ended) {
      auto node = requests_.extract(end.id);
      if (!node.empty()) node.mapped()(end.outcome);
    }
  }
  pumping_ = false;
  port_->flush();
  if (again_) return pump();
  arm_timer();
}

void Observer::know_owners() {
  const bool replicated = std::ranges::any_of(
      map_->pools, [](const auto& one) { return one.second.rules.replicated(); });
  std::map<raft::MemberId, std::string> voters;
  for (const auto& [id, member] : map_->members) {
    if (replicated && member.role == cluster::MemberRole::kVoter) voters[id] = member.address;
  }
  port_->set_members(voters);
}

bool Observer::forward_to_member(raft::MemberId to, std::string_view bytes) {
  return port_->forward_to_member(to, bytes);
}

void Observer::arm_timer() {
  const base::Instant deadline = follower_->next_deadline();
  if (deadline == base::kNever) {
    uv_timer_stop(timer_);
    return;
  }
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now()).count();
  uv_update_time(loop_);
  uv_timer_start(
      timer_,
      [](uv_timer_t* timer) {
        auto& observer = *static_cast<Observer*>(timer->data);
        observer.follower_->on_time(monotonic_now());
        observer.pump();
      },
      static_cast<uint64_t>(std::max<int64_t>(wait, 0)), 0);
}

void Observer::close() {
  upcalls_ = {};
  requests_.clear();
  port_->close();
  if (timer_ == nullptr) return;
  uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(timer_, nullptr)),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
}

Standing Observer::standing() const {
  const group::FollowerStatus status = follower_->status(monotonic_now());
  Standing standing;
  standing.role = "observer";
  standing.member = settings_.member;
  standing.cluster = settings_.name;
  standing.id = cluster::number(status.session);
  standing.applied = status.index;
  standing.behind = status.connected ? std::optional(status.behind_by()) : std::nullopt;
  standing.in_touch = status.connected && status.behind_since == base::kNever;
  standing.term = status.term;
  if (status.leader) standing.leader = name_of(*map_, *status.leader);
  standing.voter = status.voter;
  standing.problem = problem_;
  if (status.upgrade_needed) standing.stopped = "a change was made that this version does not know";
  return standing;
}

/// Whoever leads answers; the others say so, and the next one is asked.
void Observer::ask_members(std::vector<std::string> addresses,
                           std::function<void(MemberTable)> answer) {
  if (addresses.empty()) return answer({});
  const std::string address = addresses.back();
  addresses.pop_back();
  port_->ask(address, encode(Question(ListMembers{})),
             [this, addresses, answer](const std::string& text, const std::string& problem) {
               const auto table = decode_table(problem.empty() ? text : encode_error(problem));
               if (table) return answer(table.value());
               ask_members(addresses, answer);
             });
}

void Observer::list_members(std::function<void(MemberTable)> answer) {
  std::vector<std::string> addresses;
  for (const auto& [id, member] : map_->members) {
    if (member.role == cluster::MemberRole::kVoter) addresses.push_back(member.address);
  }
  ask_members(std::move(addresses), std::move(answer));
}

}  // namespace quorate::member
