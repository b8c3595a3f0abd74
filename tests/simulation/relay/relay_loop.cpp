#include "tests/simulation/relay/relay_loop.h"

#include <algorithm>
#include <cstring>

namespace quorate::simulation {

using link::LinkKind;
using link::LinkState;
using relay::LinkLoss;
using relay::Session;

namespace {

constexpr size_t kReadAtOnce = limits::kReadBytes;
constexpr size_t kRoomForCarry = limits::kReadBytes;

size_t size_of(const std::vector<Socket::Span>& spans) {
  size_t size = 0;
  for (const auto& span : spans) size += span.size;
  return size;
}

std::vector<Socket::Span> spans_of(const base::ByteChain& chain, size_t most) {
  std::vector<Socket::Span> spans;
  for (const base::Chunk* c = chain.head(); c != nullptr && spans.size() < most; c = c->next) {
    spans.push_back({c->data() + c->begin, c->size()});
  }
  return spans;
}

std::vector<Socket::Span> spans_of(const link::Link& link, size_t most) {
  std::vector<Socket::Span> spans;
  link.visit_unsent([&](const char* bytes, size_t size) {
    spans.push_back({bytes, size});
    return spans.size() < most;
  });
  return spans;
}

}  // namespace

RelayLoop::RelayLoop(uint64_t seed, std::shared_ptr<const relay::ServingPlan> plan) {
  facts_.version = "0.0.0";
  facts_.run_id = std::string(40, 'f');
  facts_.os = "none";
  facts_.process_id = 1;
  relay_ = std::make_unique<relay::Relay>(0, seed, facts_);
  relay_->set_wall_time(std::chrono::seconds(1'700'000'000));
  relay_->adopt(std::move(plan), now_);
  flush();
}

RelayLoop::~RelayLoop() = default;

void RelayLoop::advance_to(base::Instant now) {
  ASSERT(now >= now_);
  // The worker's timer counts whole milliseconds, and at least one.
  while (relay_->next_deadline() <= now) {
    const auto due = std::max(relay_->next_deadline(), now_) + std::chrono::milliseconds(1);
    if (due > now) break;
    now_ = due;
    relay_->set_wall_time(relay_->wall_time());
    relay_->on_time(now_);
    flush();
  }
  now_ = now;
}

Socket& RelayLoop::add_socket() {
  auto socket = std::make_unique<Socket>();
  socket->number = ++last_number_;
  return *sockets_.emplace(socket->number, std::move(socket)).first->second;
}

Socket* RelayLoop::socket(uint64_t number) {
  const auto found = sockets_.find(number);
  return found != sockets_.end() ? found->second.get() : nullptr;
}

void RelayLoop::forget(Socket& socket) {
  ASSERT(!socket.open);
  sockets_.erase(socket.number);
}

Socket& RelayLoop::accept(uint32_t pool) {
  Socket& socket = add_socket();
  Session& session = relay_->open_session(pool, ++last_client_id_, now_);
  socket.is_client = true;
  socket.session = session.id;
  socket.reading = true;
  session.io = &socket;
  return socket;
}

Socket* RelayLoop::connected(const Dial& dial) {
  link::Link* link = relay_->find_opening(dial.backend, dial.opening);
  if (link == nullptr) return nullptr;
  Socket& socket = add_socket();
  socket.link = link;
  socket.backend = dial.backend;
  socket.opening = dial.opening;
  link->io = &socket;
  relay_->on_link_connected(*link, now_);
  socket.reading = true;
  return &socket;
}

void RelayLoop::refused(const Dial& dial) {
  link::Link* link = relay_->find_opening(dial.backend, dial.opening);
  if (link != nullptr) relay_->on_link_closed(*link, LinkLoss::kRefused, now_);
}

// --- reading ---

bool RelayLoop::read(Socket& socket, size_t at_most) {
  if (!socket.readable()) return false;
  if (!socket.to_relay.empty() && !socket.broken) {
    const size_t count = std::min({at_most, kReadAtOnce, socket.to_relay.size()});
    std::string bytes = socket.to_relay.substr(0, count);
    socket.to_relay.erase(0, count);
    on_read(socket, std::move(bytes));
    return true;
  }
  socket.reading = false;
  if (!socket.is_client) {
    lose_link(socket, LinkLoss::kClosed);
  } else {
    Session& session = *relay_->find_session(socket.session);
    if (socket.broken) {
      close_session(session);
    } else {
      relay_->on_client_end(session, now_);
    }
  }
  return true;
}

void RelayLoop::on_read(Socket& socket, std::string bytes) {
  Session* session = socket.is_client ? relay_->find_session(socket.session) : nullptr;
  link::Channel& channel =
      session != nullptr ? static_cast<link::Channel&>(*session) : *socket.link;
  const size_t carried = channel.carry.size();
  ASSERT(carried <= kRoomForCarry);
  counters.carried += carried > 0 ? 1 : 0;
  // A block of its exact size, gone afterwards: whoever keeps a view of it is found out by ASan.
  const auto buffer = std::make_unique<char[]>(carried + bytes.size());
  if (carried > 0) std::memcpy(buffer.get(), channel.carry.data(), carried);
  std::memcpy(buffer.get() + carried, bytes.data(), bytes.size());
  const char* end = buffer.get() + carried + bytes.size();
  if (session != nullptr) {
    relay_->on_client_bytes(*session, buffer.get(), end, now_);
    if (!session->wants_reading) socket.reading = false;
  } else {
    link::Link& link = *socket.link;
    relay_->on_link_bytes(link, buffer.get(), end, now_);
    if (!link.wants_reading || link.wants_close) socket.reading = false;
  }
  if (relay_->has_through()) write_through();
}

void RelayLoop::write_through() {
  const relay::Through through = relay_->take_through();
  link::Channel& channel =
      through.session != nullptr ? static_cast<link::Channel&>(*through.session) : *through.link;
  ++counters.through;
  if (channel.io == nullptr || socket_of(channel).is_writing()) {
    return relay_->keep_rest(through, 0);
  }
  Socket& socket = socket_of(channel);
  std::vector<Socket::Span> spans;
  if (through.session != nullptr) spans = spans_of(through.session->output, kMostBuffers);
  if (spans.size() == kMostBuffers) return relay_->keep_rest(through, 0);
  const size_t queued = size_of(spans);
  spans.push_back({through.bytes, through.size});
  if (socket.broken) return relay_->keep_rest(through, 0);
  const size_t taken = try_write(socket, spans);
  const size_t of_through = taken > queued ? taken - queued : 0;
  counters.through_kept += of_through < through.size ? 1 : 0;
  relay_->keep_rest(through, of_through);
  if (through.session != nullptr && taken > 0) {
    relay_->on_client_sent(*through.session, std::min(taken, queued), now_);
  }
}

// --- writing ---

size_t RelayLoop::try_write(Socket& socket, const std::vector<Socket::Span>& spans) {
  ASSERT(!socket.is_writing());
  size_t taken = 0;
  for (const auto& span : spans) {
    const size_t part = std::min(span.size, socket.room);
    socket.from_relay.append(span.bytes, part);
    if (socket.room != SIZE_MAX) socket.room -= part;
    taken += part;
    if (part < span.size) break;
  }
  return taken;
}

void RelayLoop::start_write(Socket& socket, const std::vector<Socket::Span>& spans, bool copy) {
  ASSERT(!socket.is_writing() && size_of(spans) > 0);
  socket.writing = spans;
  for (const auto& span : spans) socket.writing_copy.append(span.bytes, span.size);
  if (copy) {
    socket.owned = socket.writing_copy;
    socket.writing = {{socket.owned.data(), socket.owned.size()}};
  }
  socket.written = 0;
}

void RelayLoop::make_room(Socket& socket, size_t bytes) {
  socket.room = bytes > SIZE_MAX - socket.room ? SIZE_MAX : socket.room + bytes;
  if (socket.open && socket.is_writing()) go_on_writing(socket);
}

// What the kernel would do: it takes the bytes from where they were said to be, now.
void RelayLoop::go_on_writing(Socket& socket) {
  std::string bytes;
  for (const auto& span : socket.writing) bytes.append(span.bytes, span.size);
  ASSERT(bytes == socket.writing_copy);
  const size_t part = std::min(bytes.size() - socket.written, socket.room);
  socket.from_relay.append(bytes, socket.written, part);
  socket.written += part;
  if (socket.room != SIZE_MAX) socket.room -= part;
  if (socket.written < bytes.size()) return;
  socket.writing.clear();
  socket.writing_copy.clear();
  socket.owned.clear();
  if (socket.is_client) {
    Session& session = *relay_->find_session(socket.session);
    relay_->on_client_sent(session, bytes.size(), now_);
    relay_->attend(session);
  } else {
    relay_->attend(*socket.link);
  }
}

// --- the end of a turn ---

void RelayLoop::flush() {
  ++counters.flushes;
  do {
    flush_links();
    std::vector<link::Link*> opening;
    opening.swap(relay_->links_to_open());
    for (link::Link* link : opening) {
      if (link->state() != LinkState::kConnecting) continue;
      dials_.push_back({link->upstream(), link->opening(), link});
    }
    flush_sessions();
  } while (!relay_->attention_links().empty() || !relay_->attention_sessions().empty() ||
           !relay_->links_to_open().empty());
  for (const relay::LinkEvent& event : relay_->events()) events.push_back(event);
  relay_->events().clear();
  // One worker: what it says is what all say.
  std::vector<relay::Relay::Gathering> gatherings;
  gatherings.swap(relay_->gatherings());
  for (const auto& gathering : gatherings) {
    const auto answer = relay_->answer(gathering.question, now_);
    relay_->on_gathered(gathering, {answer}, now_);
  }
  if (!gatherings.empty()) flush();
}

void RelayLoop::flush_links() {
  std::vector<link::Link*> links;
  links.swap(relay_->attention_links());
  for (link::Link* link : links) {
    link->listed = false;
    flush_link(*link);
  }
}

void RelayLoop::flush_sessions() {
  auto& attended = relay_->attention_sessions();
  for (uint32_t left = attended.size(); left > 0; --left) {
    Session* session = relay_->find_session(attended.front());
    attended.pop_front();
    if (session == nullptr) continue;
    session->listed = false;
    flush_session(*session);
  }
}

void RelayLoop::flush_link(link::Link& link) {
  if (link.io == nullptr) return;
  Socket& socket = socket_of(link);
  if (link.wants_close) {
    link.wants_close = false;
    link.io = nullptr;
    return close(socket);
  }
  if (link.state() == LinkState::kConnecting) return;
  while (!socket.is_writing() && link.unsent() > 0) {
    if (socket.broken) return lose_link(socket, LinkLoss::kClosed);
    const auto spans = spans_of(link, kMostBuffers);
    const size_t offered = size_of(spans);
    const size_t taken = try_write(socket, spans);
    if (taken > 0) relay_->on_link_sent(link, taken, now_);
    if (taken == offered) continue;
    const auto rest = spans_of(link, kMostBuffers);
    start_write(socket, rest, true);
    ++counters.link_writes;
    relay_->on_link_sent(link, size_of(rest), now_);
  }
  socket.reading = link.wants_reading;
}

void RelayLoop::flush_session(Session& session) {
  Socket& socket = socket_of(session);
  if (session.wants_close) return close_session(session);
  while (!socket.is_writing() && !session.output.empty()) {
    if (socket.broken) return close_session(session);
    const auto spans = spans_of(session.output, kMostBuffers);
    const size_t offered = size_of(spans);
    const size_t taken = try_write(socket, spans);
    if (taken < offered) {
      if (taken > 0) relay_->on_client_sent(session, taken, now_);
      start_write(socket, spans_of(session.output, kMostBuffers), false);
      ++counters.session_writes;
    } else {
      relay_->on_client_sent(session, taken, now_);
    }
  }
  if (session.must_close_now()) return close_session(session);
  socket.reading = session.wants_reading && !session.input_ended;
}

void RelayLoop::close(Socket& socket) {
  ASSERT(socket.open);
  socket.open = false;
  socket.reading = false;
  socket.link = nullptr;
  socket.writing.clear();
  socket.writing_copy.clear();
}

void RelayLoop::lose_link(Socket& socket, LinkLoss loss) {
  link::Link& link = *socket.link;
  link.io = nullptr;
  close(socket);
  relay_->on_link_closed(link, loss, now_);
}

void RelayLoop::close_session(Session& session) {
  Socket& socket = socket_of(session);
  relay_->on_client_closed(session, now_);
  close(socket);
}

// --- the whole ---

void RelayLoop::adopt(std::shared_ptr<const relay::ServingPlan> plan) {
  relay_->adopt(std::move(plan), now_);
}

void RelayLoop::drain() { relay_->drain(now_); }

// --- what must hold between two turns ---

void RelayLoop::check_invariants() {
  using session::Wait;
  std::map<const link::Link*, const Session*> lent;
  std::map<uint32_t, uint64_t> blocked;
  relay_->for_each_session([&](Session& session) {
    if (session.is_blocked()) ++blocked[session.pool];
    if (session.dead) return;
    const uint32_t in_flight = session.slots.in_flight();
    const bool uploads =
        session.large != nullptr && session.large->sink == session::LargeInput::Sink::kLink;
    ASSERT(!session.runnable);
    ASSERT(session.wait != Wait::kAnswered || in_flight > 0);
    ASSERT(session.wait != Wait::kPipeline || in_flight > 0);
    ASSERT(session.wait != Wait::kOutput || !session.output.empty());
    ASSERT(session.wait == Wait::kNone || session.wait == Wait::kBlocked || session.closing ||
           !session.carry.empty() || session.large != nullptr || session.backlog != nullptr);
    if (session.backlog != nullptr) {
      ASSERT(!session.backlog->empty() && session.carry.empty());
      ASSERT(session.wait != Wait::kNone || session.closing);
    }
    ASSERT(session.has_lent == (session.pin != nullptr || session.side != nullptr));
    ASSERT(session.wait != Wait::kBlocked || in_flight > 0);
    ASSERT(session.blocked == nullptr || session.wait == Wait::kBlocked);
    ASSERT(session.restricted == (!session.authenticated || session.user != nullptr ||
                                  session.transaction != nullptr || session.in_subscriber_mode() ||
                                  session.reads_replicas));
    ASSERT(session.deferred <= in_flight);
    if (in_flight == 0) ASSERT(!session.slots.holds_any() && session.deferred == 0);
    if (session.side != nullptr) {
      ASSERT(session.side->owner == session.id && session.side->kind() == LinkKind::kSide);
      ASSERT(lent.emplace(session.side, &session).second);
      ASSERT(!session.side->pendings().empty() || uploads || session.wait == Wait::kQuestion ||
             session.wait == Wait::kBackend);
    }
    ASSERT(!session.holds_pin || session.pin != nullptr);
    if (session.pin != nullptr) {
      ASSERT(session.pin->owner == session.id && session.pin->kind() == LinkKind::kPinned);
      ASSERT(lent.emplace(session.pin, &session).second);
      ASSERT(!session.pin->pendings().empty() || uploads || session.holds_pin);
    }
    if (uploads) ASSERT(session.large->link == session.side || session.large->link == session.pin);
  });
  ASSERT(relay_->pool(0).counters.blocked == blocked[0]);
  constexpr uint32_t kMostBackends = 32;
  for (uint32_t id = 0; id < kMostBackends; ++id) {
    link::Upstream* upstream = relay_->upstream(id);
    if (upstream == nullptr) continue;
    uint64_t pendings = 0;
    uint64_t connected = 0;
    upstream->for_each_link([&](link::Link& link) {
      pendings += link.pendings().size();
      connected += link.state() == LinkState::kReady || link.state() == LinkState::kRetiring;
      if (link.state() == LinkState::kClosed) ASSERT(link.pendings().empty());
      if (!link.is_lent()) {
        ASSERT(link.wants_reading);
      } else if (!lent.contains(&link)) {
        ASSERT(link.owner == base::SlabId{} && link.wants_reading && link.carry.empty());
        ASSERT(link.pendings().empty());
      }
    });
    ASSERT(upstream->counters.in_flight == pendings);
    ASSERT(upstream->counters.connected == connected);
  }
}

}  // namespace quorate::simulation
