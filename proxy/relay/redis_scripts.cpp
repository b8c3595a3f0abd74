// EVAL, EVALSHA and SCRIPT over several backends, and over one that was restarted: what clients
// showed to the proxy stands on a shelf (script_shelf.h), and is loaded where it is missing.
//
//   EVALSHA x   to a backend that this worker does not know to have x: SCRIPT LOAD first, then it
//   -NOSCRIPT   all the same (somebody flushed it): certainly not executed, so it is loaded and
//               asked again, if no later command of the client may have been executed meanwhile
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "consensus/cluster/hash.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

using wire::CommandSpec;
using wire::RedisCommand;

namespace {

constexpr size_t kNameSize = 40;
constexpr size_t kMostNotes = 16384;

std::string folded(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = base::ascii_lower(c);
  return lower;
}

bool is_valid_flush(std::span<const std::string_view> arguments) {
  if (arguments.size() == 2) return true;
  return arguments.size() == 3 && (base::equal_ignoring_case(arguments[2], "sync") ||
                                   base::equal_ignoring_case(arguments[2], "async"));
}

bool is_evalsha(const CommandSpec& spec) {
  return spec.id == RedisCommand::kEvalsha || spec.id == RedisCommand::kEvalshaRo;
}

// What is noted of a script and a backend. Even: loaded there, until the backend may have been
// restarted, and so have lost it. Odd: nobody has shown it, until the shelf gets another script.
uint64_t loaded_note(const link::Upstream& upstream) {
  return 2 + 2 * (upstream.counters.connections_lost + upstream.counters.connect_failures);
}
uint64_t unknown_note(const ScriptShelf& scripts) { return 1 + 2 * scripts.puts(); }

}  // namespace

// What was noted before a SCRIPT FLUSH, of whichever worker's client, is void.
void RedisDialect::drop_stale_script_notes() {
  const uint64_t flushes = relay_.facts().scripts.flushes();
  if (flushes == script_flushes_ && seen_scripts_.size() < kMostNotes &&
      loaded_scripts_.size() < kMostNotes) [[likely]]
    return;
  script_flushes_ = flushes;
  seen_scripts_.clear();
  loaded_scripts_.clear();
}

void RedisDialect::show_script(const Session& session, std::string_view body) {
  drop_stale_script_notes();
  const uint64_t hash = cluster::hash_of(cluster::HashKind::kXxh3, body) ^ session.pool;
  if (seen_scripts_.insert(hash).second) relay_.facts().scripts.put(session.pool, body);
}

uint64_t& RedisDialect::script_note(const link::Upstream& upstream, const std::string& name) {
  auto& notes = loaded_scripts_[name];
  if (notes.size() <= upstream.number()) notes.resize(upstream.number() + 1, 0);
  return notes[upstream.number()];
}

/// Before a script command goes to `upstream`.
RedisDialect::Prepared RedisDialect::prepare_script(Session& session, const CommandSpec& spec,
                                                    link::Upstream& upstream) {
  const auto& arguments = request_.arguments;
  if (spec.id == RedisCommand::kEval || spec.id == RedisCommand::kEvalRo) {
    // With another count of keys the server refuses the command, and keeps no script of it.
    const auto keys = base::parse_integer<int64_t>(arguments[2]);
    const bool is_valid = keys && *keys >= 0 && static_cast<size_t>(*keys) + 3 <= arguments.size();
    if (is_valid) show_script(session, arguments[1]);
    return Prepared::kReady;
  }
  if (!is_evalsha(spec) || arguments[1].size() != kNameSize) return Prepared::kReady;
  const auto inquiry = inquiries_.find(session.client_id);
  if (inquiry != inquiries_.end() && !inquiry->second.refusal.empty()) {
    refuse_pick(session, upstream);
    return Prepared::kRefused;
  }
  drop_stale_script_notes();
  std::string name = folded(arguments[1]);
  uint64_t& note = script_note(upstream, name);
  const uint64_t unknown = unknown_note(relay_.facts().scripts);
  if (note == loaded_note(upstream) || note == unknown) return Prepared::kReady;
  const auto body = relay_.facts().scripts.find(session.pool, name);
  if (body == nullptr) {  // the backend may know it; if not, it will say so
    note = unknown;
    return Prepared::kReady;
  }
  if (session.slots.in_flight() != 0) {  // a SCRIPT FLUSH, perhaps, which this must not overtake
    session.wait = Wait::kAnswered;
    return Prepared::kWait;
  }
  link::Link* link = relay_.question_link(upstream);
  if (link == nullptr) return Prepared::kReady;  // which finds out that it is unavailable
  std::string question;
  wire::append_command(question, {"SCRIPT", "LOAD", *body});
  inquiries_[session.client_id].name = std::move(name);
  relay_.ask(session, *link, question, kScriptLoad);
  return Prepared::kWait;
}

void RedisDialect::on_script_loaded(Session& session, link::Upstream& upstream) {
  const auto inquiry = inquiries_.find(session.client_id);
  if (inquiry == inquiries_.end()) return;
  script_note(upstream, inquiry->second.name) = loaded_note(upstream);
  inquiries_.erase(inquiry);
}

// FCALL during CLIENT PAUSE WRITE: whether the function may write is known to the backends alone.
// True: it waits for their answer, or for the end of the pause.
bool RedisDialect::waits_as_function(Session& session) {
  const auto inquiry = inquiries_.find(session.client_id);
  const bool is_answered = inquiry != inquiries_.end() && inquiry->second.answered;
  const bool only_reads = is_answered && inquiry->second.only_reads;
  if (is_answered) inquiries_.erase(inquiry);
  if (only_reads) return false;
  if (!is_answered && session.slots.in_flight() != 0) {  // a FUNCTION LOAD, perhaps
    session.wait = Wait::kAnswered;
    return true;
  }
  std::string question;
  wire::append_command(question, {"FUNCTION", "LIST"});
  if (is_answered || !ask_backend(session, question, kFunctionList)) {
    relay_.wait_for_unpause(session);
  } else {
    inquiries_[session.client_id].name = request_.arguments[1];
  }
  return true;
}

bool RedisDialect::repeat(Session& session, link::Link& link, const link::Pending& pending,
                          std::string_view reply) {
  if (!reply.starts_with("-NOSCRIPT")) return false;
  if (link.front_begin() >= pending.end || pending.is_upload) return false;
  std::string bytes;
  relay_.copy_request(link, pending, bytes);
  wire::Request request;
  const auto status = wire::frame_request(bytes.data(), bytes.data() + bytes.size(), {}, request);
  if (status != wire::RequestStatus::kComplete || request.arguments.size() < 2) return false;
  const std::string name = folded(request.arguments[1]);
  script_note(*relay_.upstream(link.upstream()), name) = 0;
  const auto body = relay_.facts().scripts.find(session.pool, name);
  const bool is_alone = session.slots.in_flight() == 1;
  if (body == nullptr || pending.is_retry || !is_alone || link.state() != link::LinkState::kReady) {
    return false;
  }
  std::string load;
  wire::append_command(load, {"SCRIPT", "LOAD", *body});
  const auto database = static_cast<uint16_t>(pending.detail);
  relay_.forward_quietly(session, link, load, link.database());
  relay_.select_database(link, database);
  relay_.forward_again(link, pending, bytes);
  script_note(*relay_.upstream(link.upstream()), name) =
      loaded_note(*relay_.upstream(link.upstream()));
  return true;
}

// SCRIPT EXISTS: a script of the shelf is as good as loaded.
void RedisDialect::note_known_scripts(Session& session, Join& join) {
  const auto& arguments = request_.arguments;
  for (size_t i = 2; i < arguments.size(); ++i) {
    const bool known = arguments[i].size() == kNameSize &&
                       relay_.facts().scripts.find(session.pool, folded(arguments[i])) != nullptr;
    join.memory.order.push_back(known ? 1 : 0);
  }
}

/// A command for all backends is on its way.
void RedisDialect::note_script_command(Session& session, const CommandSpec& spec) {
  const auto& arguments = request_.arguments;
  if (spec.id == RedisCommand::kScriptLoad) {
    show_script(session, arguments[2]);
  } else if (spec.id == RedisCommand::kScriptFlush && is_valid_flush(arguments)) {
    relay_.facts().scripts.flush(session.pool);
  }
}

}  // namespace quorate::relay
