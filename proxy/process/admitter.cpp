#include "proxy/process/admitter.h"

#include <cstring>

#include "backends/link/link.h"
#include "backends/redis/acceptor.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/io/clock.h"

namespace quorate::process {

namespace acceptor = redis::acceptor;

// One conversation. Freed when its timer is closed.
struct Admitter::Visit {
  Admitter* admitter;
  AdmitOrder order;
  uint64_t number;
  link::Link link;  // for its handshake and its framing
  io::Stream* stream = nullptr;
  uv_timer_t timer{};
  AdmitResult result;
  cluster::Nonce found;
  bool knows_marker = false;

  Visit(Admitter& owner, AdmitOrder what, uint64_t id)
      : admitter(&owner),
        order(std::move(what)),
        number(id),
        link(order.backend->id, link::Flavor::kResp3, link::LinkKind::kMain) {
    result.backend = order.backend->serial;
  }
};

Admitter::Admitter(uv_loop_t* loop, io::ReadBuffer& buffer, OnResult on_result)
    : loop_(loop), dialer_(loop, *this, buffer), on_result_(std::move(on_result)) {}

Admitter::~Admitter() { ASSERT(visits_.empty()); }

bool Admitter::ask(AdmitOrder order) {
  if (is_asking(order.backend->serial)) return false;
  auto* visit = new Visit(*this, std::move(order), ++last_number_);
  visits_[visit->order.backend->serial] = visit;
  uv_timer_init(loop_, &visit->timer);
  visit->timer.data = visit;
  const auto limit = std::chrono::ceil<std::chrono::milliseconds>(visit->order.timeout).count();
  uv_update_time(loop_);
  uv_timer_start(
      &visit->timer,
      [](uv_timer_t* timer) {
        auto& late = *static_cast<Visit*>(timer->data);
        late.admitter->end(late, "no answer in time");
      },
      static_cast<uint64_t>(limit), 0);
  const relay::BackendPlan& backend = *visit->order.backend;
  visit->link.open(io::monotonic_now(), visit->number);
  dialer_.dial({.host = backend.host, .port = backend.port, .path = backend.path},
               visit->order.timeout,
               [this, serial = backend.serial, number = visit->number](
                   io::Stream* stream, const std::string&) { on_dialed(serial, number, stream); });
  return true;
}

void Admitter::close() {
  dialer_.close();
  on_result_ = nullptr;
  while (!visits_.empty()) end(*visits_.begin()->second, "closed");
}

void Admitter::on_dialed(cluster::BackendSerial backend, uint64_t number, io::Stream* stream) {
  const auto found = visits_.find(backend);
  if (found == visits_.end() || found->second->number != number) {
    if (stream != nullptr) stream->close();
    return;
  }
  Visit& visit = *found->second;
  if (stream == nullptr) return end(visit, "cannot connect");
  visit.stream = stream;
  stream->owner = &visit;
  stream->tune(0);
  const relay::BackendPlan& plan = *visit.order.backend;
  const auto greeting = redis::replica_greeting(
      {.user = plan.user, .password = plan.password, .database = plan.database});
  visit.link.on_connected(chunks_, greeting.bytes, greeting.replies);
  stream->want_reading(true);
  send(visit, {});
}

/// Of a handshake, what the link has; later, `bytes`.
void Admitter::send(Visit& visit, std::string_view bytes) {
  if (!bytes.empty()) {
    visit.link.requests().append(chunks_, bytes);
    visit.link.push({.kind = link::PendingKind::kInternal});
  }
  std::string unsent;
  visit.link.visit_unsent([&unsent](const char* part, size_t size) {
    unsent.append(part, size);
    return true;
  });
  const uv_buf_t buffer = uv_buf_init(unsent.data(), static_cast<unsigned>(unsent.size()));
  const ssize_t written = visit.stream->try_write(&buffer, 1);
  // Some kilobytes that a fresh socket does not take are as bad as no answer.
  if (written != static_cast<ssize_t>(unsent.size())) return end(visit, "cannot write");
  visit.link.on_sent(chunks_, unsent.size());
}

void Admitter::on_read(io::Stream& stream, const char* bytes, size_t count) {
  auto& visit = *static_cast<Visit*>(stream.owner);
  const cluster::BackendSerial serial = visit.order.backend->serial;
  const uint64_t number = visit.number;
  link::Link& link = visit.link;
  const size_t carried = link.carry.size();
  char* begin = const_cast<char*>(bytes) - carried;
  if (carried > 0) std::memcpy(begin, link.carry.data(), carried);
  link.begin_bytes(begin, bytes + count);
  link::ReplyPiece piece;
  while (true) {
    const auto result = link.next_piece(piece);
    if (result == link::ReadResult::kMore) break;
    if (result == link::ReadResult::kBroken || !piece.whole()) {
      return end(visit, "does not speak RESP3");
    }
    take(visit, piece.view());
    const auto still = visits_.find(serial);
    if (still == visits_.end() || still->second->number != number) return;
  }
  link.end_bytes(chunks_);
}

void Admitter::take_greeting(Visit& visit, std::string_view reply) {
  link::Link& link = visit.link;
  auto verdict =
      redis::judge_replica_greeting(link.greeting_replies_left(), reply, visit.result.who);
  if (!verdict.refusal.empty()) {
    // Who it is may be told, though it cannot be used.
    const bool known = !visit.result.who.run_id.empty();
    if (known) visit.result.objection = verdict.refusal;
    return end(visit, known ? std::string() : verdict.refusal);
  }
  link.greeting_answered();
  if (link.greeting_replies_left() != 0) return;
  link.become_ready();
  std::string question;
  wire::append_command(question, {"HGET", acceptor::fence_key(visit.order.pool), "i"});
  send(visit, question);
}

void Admitter::take(Visit& visit, std::string_view reply) {
  link::Link& link = visit.link;
  if (link.state() == link::LinkState::kHandshake) return take_greeting(visit, reply);
  if (link.pendings().empty()) return end(visit, "an answer that was not asked for");
  link.pop();
  if (!visit.knows_marker) {
    visit.knows_marker = true;
    if (reply.starts_with('-')) {
      return end(visit, std::string(reply.substr(1, reply.find("\r\n") - 1)));
    }
    if (reply.starts_with('$')) {
      const size_t line = reply.find("\r\n") + 2;
      visit.result.marker = reply.substr(line, reply.size() - line - 2);
    }
    const AdmitOrder& order = visit.order;
    if (!order.next) return end(visit, {});
    if (visit.result.who.run_id != order.run_id) return end(visit, "is another process by now");
    acceptor::Request request;
    request.target.pool = order.pool;
    request.what = acceptor::Admit{
        .cluster = order.cluster,
        .expected = acceptor::parse_nonce(visit.result.marker).value_or(cluster::Nonce{}),
        .next = order.next};
    std::string bytes;
    acceptor::encode(request, bytes);
    return send(visit, bytes);
  }
  acceptor::Request request;
  request.what = acceptor::Admit{};
  const auto answer = acceptor::decode(acceptor::expected_of(request), reply);
  switch (answer.kind) {
    case acceptor::AnswerKind::kOk:
    case acceptor::AnswerKind::kDuplicate: visit.result.admitted = true; break;
    case acceptor::AnswerKind::kForeign: visit.result.objection = answer.reply; break;
    default: return end(visit, "cannot be admitted now: " + std::string(answer.reply));
  }
  end(visit, {});
}

void Admitter::on_end(io::Stream& stream, int status) {
  auto& visit = *static_cast<Visit*>(stream.owner);
  end(visit, status == UV_EOF ? "closed by the server" : uv_strerror(status));
}

void Admitter::end(Visit& visit, std::string failure) {
  AdmitResult result = std::move(visit.result);
  result.failure = std::move(failure);
  visits_.erase(result.backend);
  if (visit.stream != nullptr) visit.stream->close();
  visit.link.close(chunks_);
  uv_close(reinterpret_cast<uv_handle_t*>(&visit.timer),
           [](uv_handle_t* handle) { delete static_cast<Visit*>(handle->data); });
  if (on_result_) on_result_(result);
}

}  // namespace quorate::process
