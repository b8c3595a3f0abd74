#include "proxy/member/peer_port.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "consensus/base/assert.h"
#include "proxy/config/address.h"
#include "proxy/io/clock.h"
#include "proxy/io/log.h"

namespace quorate::member {

namespace {

using namespace std::chrono_literals;

constexpr base::Duration kDialTimeout = 1s;
constexpr base::Duration kBackoff = 50ms;
constexpr base::Duration kBackoffMax = 1s;
constexpr uint64_t kTickMs = 50;
constexpr int kBacklog = 256;
constexpr size_t kIncoming = 8192;  ///< connections that others may have made
constexpr size_t kWriteParts = 64;

peer::Nonce random_nonce() {
  peer::Nonce nonce{};
  ASSERT(RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) == 1);
  return nonce;
}

}  // namespace

peer::ClusterId wire(const cluster::Nonce& nonce) {
  peer::ClusterId id{};
  static_assert(sizeof id == sizeof nonce.high + sizeof nonce.low);
  std::memcpy(id.data(), &nonce.high, sizeof nonce.high);
  std::memcpy(id.data() + sizeof nonce.high, &nonce.low, sizeof nonce.low);
  return id;
}

struct PeerPort::Link {
  uint64_t id = 0;
  Purpose purpose{};
  raft::MemberId member{};  ///< kMember: whom it was dialed for
  std::string address;      ///< whom it was dialed at
  io::Stream* stream = nullptr;
  std::optional<peer::Connection> connection;
  bool known = false;     ///< it has been told that it is established
  bool observer = false;  ///< kIncoming: its first message was an observer's
  std::string question;
  std::function<void(std::string, std::string)> done;
};

/// A member that is to be connected to.
struct PeerPort::Dialed {
  std::string address;
  uint64_t link = 0;  ///< 0: none at the moment
  base::Instant next_try{};
  base::Duration backoff = kBackoff;
  bool tried = false;   ///< connected, or failed to, at least once
  std::string problem;  ///< the last that was logged
};

PeerPort::PeerPort(uv_loop_t* loop, io::ReadBuffer& buffer, peer::Local local, uint64_t seed,
                   Upcalls upcalls)
    : loop_(loop),
      buffer_(buffer),
      local_(std::move(local)),
      upcalls_(std::move(upcalls)),
      dialer_(loop, *this, buffer),
      random_(seed),
      timer_(new uv_timer_t) {
  uv_timer_init(loop_, timer_);
  timer_->data = this;
  uv_timer_start(
      timer_, [](uv_timer_t* timer) { static_cast<PeerPort*>(timer->data)->tick(); }, kTickMs,
      kTickMs);
}

PeerPort::~PeerPort() { ASSERT(timer_ == nullptr); }

int PeerPort::listen(int descriptor) {
  listener_ = new uv_tcp_t;
  uv_tcp_init(loop_, listener_);
  listener_->data = this;
  if (const int status = uv_tcp_open(listener_, descriptor); status != 0) return status;
  return uv_listen(reinterpret_cast<uv_stream_t*>(listener_), kBacklog,
                   [](uv_stream_t* server, int status) {
                     if (status == 0) static_cast<PeerPort*>(server->data)->accept();
                   });
}

void PeerPort::close() {
  if (timer_ == nullptr) return;
  upcalls_ = {};
  dialer_.close();
  for (auto& [id, link] : links_) {
    if (link->stream != nullptr) link->stream->close();
  }
  links_.clear();
  members_.clear();
  if (listener_ != nullptr) {
    uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(listener_, nullptr)),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
  }
  uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(timer_, nullptr)),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
}

// ---- Connections begin.

PeerPort::Link& PeerPort::add_link(Purpose purpose) {
  const uint64_t id = ++last_id_;
  auto& link = links_[id];
  link = std::make_unique<Link>();
  link->id = id;
  link->purpose = purpose;
  return *link;
}

PeerPort::Link* PeerPort::find(uint64_t id) {
  const auto found = links_.find(id);
  return found == links_.end() ? nullptr : found->second.get();
}

void PeerPort::begin(Link& link, peer::Side side, io::Stream* stream) {
  link.stream = stream;
  stream->owner = &link;
  stream->tune(60);
  link.connection.emplace(side, local_, random_nonce(), peer::Limits{}, io::monotonic_now());
  stream->want_reading(true);
  write(link);
}

void PeerPort::accept() {
  auto* stream = io::Stream::tcp(loop_, *this, buffer_);
  if (uv_accept(reinterpret_cast<uv_stream_t*>(listener_), stream->handle()) != 0 ||
      links_.size() >= kIncoming) {
    return stream->close();
  }
  begin(add_link(Purpose::kIncoming), peer::Side::kListener, stream);
}

void PeerPort::dial(Link& link, const std::string& address) {
  link.address = address;
  // What is no address is dialed all the same, at nobody's port: it fails like any other, later.
  const auto parsed = config::parse_address(address);
  io::Endpoint endpoint{.host = "127.0.0.1", .port = 0, .path = {}};
  if (parsed.ok()) endpoint = {parsed.value().host, parsed.value().port, {}};
  dialer_.dial(
      endpoint, kDialTimeout,
      [this, id = link.id](io::Stream* stream, const std::string&) { on_dialed(id, stream); });
}

void PeerPort::on_dialed(uint64_t id, io::Stream* stream) {
  Link* link = find(id);
  if (link == nullptr) {
    if (stream != nullptr) stream->close();
    return;
  }
  if (stream == nullptr) {
    lose(*link, "cannot connect");
    return told();
  }
  begin(*link, peer::Side::kDialer, stream);
}

void PeerPort::set_members(const std::map<raft::MemberId, std::string>& addresses) {
  for (auto it = members_.begin(); it != members_.end();) {
    const auto wanted = addresses.find(it->first);
    if (wanted != addresses.end() && wanted->second == it->second.address) {
      ++it;
      continue;
    }
    const uint64_t id = it->second.link;
    it = members_.erase(it);
    if (Link* link = find(id)) lose(*link, "not a member any more");
  }
  for (const auto& [member, address] : addresses) {
    const auto [entry, fresh] = members_.try_emplace(member);
    if (!fresh) continue;
    entry->second.address = address;
    dial_member(member);
  }
}

void PeerPort::dial_member(raft::MemberId member) {
  Link& link = add_link(Purpose::kMember);
  link.member = member;
  members_[member].link = link.id;
  dial(link, members_[member].address);
}

void PeerPort::connect_to_voter(const std::string& address) {
  disconnect_from_voter();
  dial(add_link(Purpose::kVoter), address);
}

void PeerPort::ask(const std::string& address, const std::string& question,
                   std::function<void(std::string, std::string)> done) {
  Link& link = add_link(Purpose::kQuestion);
  link.question = question;
  link.done = std::move(done);
  dial(link, address);
}

// ---- What comes.

void PeerPort::on_read(io::Stream& stream, const char* bytes, size_t count) {
  auto& link = *static_cast<Link*>(stream.owner);
  const uint64_t id = link.id;
  link.connection->on_bytes({bytes, count}, io::monotonic_now());
  if (link.connection->established() && !std::exchange(link.known, true)) on_established(link);
  take_frames(id);
  if (Link* still = find(id)) {
    write(*still);
    if (still->connection && still->connection->over()) lose(*still, still->connection->problem());
  }
  told();
}

void PeerPort::take_frames(uint64_t id) {
  while (Link* link = find(id)) {
    if (!link->connection) return;
    const auto frame = link->connection->next_frame();
    if (!frame) return;
    if (!dispatch(*link, *frame)) {
      if (Link* still = find(id)) lose(*still, "sent what cannot be");
      return;
    }
  }
}

void PeerPort::on_established(Link& link) {
  const peer::Hello& remote = link.connection->remote();
  switch (link.purpose) {
    case Purpose::kMember: {
      const auto member = members_.find(link.member);
      if (member == members_.end()) return;
      member->second.tried = true;
      member->second.backoff = kBackoff;
      member->second.problem.clear();
      io::log_info("member connected", {{"member", remote.name}, {"address", link.address}});
      return;
    }
    case Purpose::kVoter:
      voter_problems_.erase(link.address);
      if (upcalls_.on_voter_connected) upcalls_.on_voter_connected();
      return;
    case Purpose::kQuestion: send(link, peer::FrameKind::kRequest, link.question); return;
    case Purpose::kIncoming: return;
  }
}

bool PeerPort::dispatch(Link& link, const peer::Frame& frame) {
  const uint64_t id = link.id;
  switch (frame.kind) {
    case peer::FrameKind::kMember: {
      const raft::MemberId from = link.connection->remote().member;
      if (raft::number(from) == 0) return false;
      return !upcalls_.on_member_message || upcalls_.on_member_message(from, frame.payload);
    }
    case peer::FrameKind::kFollow:
      if (link.purpose == Purpose::kVoter) {
        return !upcalls_.on_voter_message || upcalls_.on_voter_message(frame.payload);
      }
      if (link.purpose != Purpose::kIncoming || !upcalls_.on_observer_connected) return false;
      if (!std::exchange(link.observer, true)) {
        upcalls_.on_observer_connected(group::ConnectionId{id});
      }
      return upcalls_.on_observer_message(group::ConnectionId{id}, frame.payload);
    case peer::FrameKind::kForward:
      if (link.purpose != Purpose::kIncoming) return false;
      return !upcalls_.on_forward || upcalls_.on_forward(id, frame.payload);
    case peer::FrameKind::kForwardReply:
      if (link.purpose != Purpose::kMember) return false;
      return !upcalls_.on_forward_reply || upcalls_.on_forward_reply(link.member, frame.payload);
    case peer::FrameKind::kRequest:
      if (link.purpose != Purpose::kIncoming || !upcalls_.on_request) return false;
      upcalls_.on_request(std::string(frame.payload),
                          [this, id](const std::string& text) { answer(id, text); });
      return true;
    case peer::FrameKind::kResponse: {
      if (link.purpose != Purpose::kQuestion || !link.done) return false;
      const auto done = std::exchange(link.done, nullptr);
      done(std::string(frame.payload), {});
      if (Link* still = find(id)) lose(*still, "answered");
      return true;
    }
    default: return false;
  }
}

void PeerPort::answer(uint64_t id, const std::string& text) {
  Link* link = find(id);
  if (link == nullptr || !link->connection || !link->connection->established()) return;
  send(*link, peer::FrameKind::kResponse, text);
  write(*link);
}

// ---- What goes.

peer::SendResult PeerPort::send(Link& link, peer::FrameKind kind, std::string_view bytes) {
  return link.connection->send(kind, bytes, io::monotonic_now());
}

const PeerPort::Link* PeerPort::link_to(raft::MemberId member) const {
  const auto usable = [](const Link& link) {
    return link.connection && link.connection->established();
  };
  if (const auto dialed = members_.find(member); dialed != members_.end()) {
    const auto found = links_.find(dialed->second.link);
    if (found != links_.end() && usable(*found->second)) return found->second.get();
  }
  // One that was only added to the group knows its members by their connections.
  for (const auto& [id, link] : links_) {
    if (link->purpose == Purpose::kIncoming && usable(*link) && !link->observer &&
        link->connection->remote().member == member) {
      return link.get();
    }
  }
  return nullptr;
}

PeerPort::Link* PeerPort::link_to(raft::MemberId member) {
  return const_cast<Link*>(std::as_const(*this).link_to(member));
}

bool PeerPort::is_connected(raft::MemberId member) const { return link_to(member) != nullptr; }

bool PeerPort::has_tried_all() const {
  return std::ranges::all_of(members_, [](const auto& one) { return one.second.tried; });
}

void PeerPort::send_to_member(raft::MemberId to, std::string_view bytes) {
  Link* link = link_to(to);
  if (link == nullptr) {
    undelivered_.insert(to);
    return;
  }
  if (send(*link, peer::FrameKind::kMember, bytes) == peer::SendResult::kDropped &&
      upcalls_.on_member_lost) {
    upcalls_.on_member_lost(to);
  }
}

bool PeerPort::forward_to_member(raft::MemberId to, std::string_view bytes) {
  const auto dialed = members_.find(to);
  if (dialed == members_.end()) return false;
  Link* link = find(dialed->second.link);
  if (link == nullptr || !link->connection || !link->connection->established()) return false;
  if (!link->connection->has_room(bytes.size())) return false;
  return send(*link, peer::FrameKind::kForward, bytes) == peer::SendResult::kQueued;
}

bool PeerPort::reply_forward(uint64_t way_back, std::string_view bytes) {
  Link* link = find(way_back);
  if (link == nullptr || !link->connection || !link->connection->established()) return false;
  if (!link->connection->has_room(bytes.size())) return false;
  return send(*link, peer::FrameKind::kForwardReply, bytes) == peer::SendResult::kQueued;
}

void PeerPort::send_to_observer(group::ConnectionId to, std::string_view bytes) {
  Link* link = find(group::number(to));
  if (link != nullptr && link->connection) send(*link, peer::FrameKind::kFollow, bytes);
}

void PeerPort::close_observer(group::ConnectionId connection) {
  Link* link = find(group::number(connection));
  if (link == nullptr) return;
  link->observer = false;  // whoever closes it need not be told
  lose(*link, "closed by this voter");
}

size_t PeerPort::observer_count() const {
  size_t count = 0;
  for (const auto& [id, link] : links_) count += link->observer ? 1 : 0;
  return count;
}

PeerPort::Link* PeerPort::voter_link() {
  for (auto& [id, link] : links_) {
    if (link->purpose == Purpose::kVoter) return link.get();
  }
  return nullptr;
}

void PeerPort::disconnect_from_voter() {
  Link* link = voter_link();
  if (link == nullptr) return;
  if (link->stream != nullptr) link->stream->close();
  links_.erase(link->id);
}

void PeerPort::send_to_voter(std::string_view bytes) {
  Link* link = voter_link();
  if (link == nullptr || !link->connection || !link->connection->established()) return;
  send(*link, peer::FrameKind::kFollow, bytes);
}

void PeerPort::flush() {
  for (auto& [id, link] : links_) {
    if (link->connection) write(*link);
  }
  sweep();
}

/// What the socket takes at once; of the rest, one part is handed to libuv.
void PeerPort::write(Link& link) {
  if (link.stream == nullptr || link.stream->is_writing()) return;
  peer::Connection& connection = *link.connection;
  while (connection.queued_bytes() > 0) {
    std::array<uv_buf_t, kWriteParts> parts;
    unsigned count = 0;
    connection.visit_unsent([&](std::string_view part) {
      parts[count++] =
          uv_buf_init(const_cast<char*>(part.data()), static_cast<unsigned>(part.size()));
      return count < parts.size();
    });
    const ssize_t written = link.stream->try_write(parts.data(), count);
    if (written > 0) {
      connection.on_sent(static_cast<size_t>(written));
      continue;
    }
    // A socket that is of no more use is told by reading from it.
    if (written == 0 && link.stream->start_write(parts.data(), 1, true) == 0) return;
    return;
  }
}

void PeerPort::on_written(io::Stream& stream, size_t count) {
  auto& link = *static_cast<Link*>(stream.owner);
  link.connection->on_sent(count);
  write(link);
}

// ---- Connections end.

void PeerPort::on_end(io::Stream& stream, int status) {
  auto& link = *static_cast<Link*>(stream.owner);
  const std::string why = status == UV_EOF ? "closed by the peer" : uv_strerror(status);
  const bool said = link.connection && !link.connection->problem().empty();
  lose(link, said ? link.connection->problem() : why);
  told();
}

void PeerPort::lose(Link& link, const std::string& why) {
  const auto node = links_.extract(link.id);
  ASSERT(!node.empty());
  const Link& lost = *node.mapped();
  if (lost.stream != nullptr) {
    // A refusal is worth one attempt to be heard.
    if (lost.connection && !lost.stream->is_writing()) write(*node.mapped());
    lost.stream->close();
  }
  const bool was_established = lost.known;
  switch (lost.purpose) {
    case Purpose::kMember: {
      const auto member = members_.find(lost.member);
      if (member == members_.end() || member->second.link != lost.id) break;
      Dialed& dialed = member->second;
      dialed.link = 0;
      dialed.tried = true;
      const int64_t pause = dialed.backoff.count();
      dialed.next_try = io::monotonic_now() + base::Duration{random_.between(pause / 2, pause)};
      dialed.backoff = std::min(dialed.backoff * 2, kBackoffMax);
      if (std::exchange(dialed.problem, why) != why) {
        io::log_warn(
            "no connection to member",
            {{"member", raft::number(lost.member)}, {"address", dialed.address}, {"why", why}});
      }
      if (was_established && upcalls_.on_member_lost) upcalls_.on_member_lost(lost.member);
      if (!was_established && upcalls_.on_member_failed)
        upcalls_.on_member_failed(lost.member, why);
      break;
    }
    case Purpose::kVoter:
      if (std::exchange(voter_problems_[lost.address], why) != why) {
        io::log_warn("no connection to voter", {{"address", lost.address}, {"why", why}});
      }
      if (upcalls_.on_voter_lost) upcalls_.on_voter_lost(lost.address + ": " + why);
      break;
    case Purpose::kQuestion:
      if (lost.done) lost.done({}, why);
      break;
    case Purpose::kIncoming:
      if (lost.observer && upcalls_.on_observer_lost) {
        upcalls_.on_observer_lost(group::ConnectionId{lost.id});
      }
      if (!was_established && why != "closed by the peer") {
        io::log_warn("peer connection refused", {{"why", why}});
      }
      break;
  }
}

/// Connections that ended while something was sent on them.
void PeerPort::sweep() {
  std::vector<uint64_t> over;
  for (const auto& [id, link] : links_) {
    if (link->connection && link->connection->over()) over.push_back(id);
  }
  for (const uint64_t id : over) {
    if (Link* link = find(id)) lose(*link, link->connection->problem());
  }
}

void PeerPort::tick() {
  const base::Instant now = io::monotonic_now();
  for (auto& [id, link] : links_) {
    if (link->connection) link->connection->on_time(now);
  }
  flush();
  // Not at once: whoever hears of it may send again.
  for (const raft::MemberId member : std::exchange(undelivered_, {})) {
    if (upcalls_.on_member_lost) upcalls_.on_member_lost(member);
  }
  std::vector<raft::MemberId> due;
  for (const auto& [member, dialed] : members_) {
    if (dialed.link == 0 && now >= dialed.next_try) due.push_back(member);
  }
  for (const raft::MemberId member : due) dial_member(member);
  told();
}

void PeerPort::told() {
  const auto after = upcalls_.after;  // it may close() this port
  if (after) after();
}

}  // namespace quorate::member
