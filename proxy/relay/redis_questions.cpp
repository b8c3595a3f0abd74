// What backends are asked for the sake of a client's command: which command a name is, where its
// keys are, whether a database exists, what a function does. The session waits, and its command is
// dispatched again once there is an answer.
#include "backends/wire/command_error.h"
#include "backends/wire/function_list.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

using wire::CommandSpec;

namespace {

/// How long a name that no backend knows is not asked about again.
constexpr base::Duration kUnknownFor = std::chrono::seconds(10);

/// The bulks of a RESP2 array of bulks; what is something else is left out.
std::vector<std::string> bulks_of(std::string_view reply) {
  std::vector<std::string> bulks;
  size_t at = reply.find('$');
  while (at != std::string_view::npos) {
    const size_t line_end = reply.find("\r\n", at);
    if (line_end == std::string_view::npos) break;
    const auto length = base::parse_integer<int64_t>(reply.substr(at + 1, line_end - at - 1));
    const size_t begin = line_end + 2;
    if (!length || *length < 0 || begin + static_cast<size_t>(*length) > reply.size()) break;
    bulks.emplace_back(reply.substr(begin, static_cast<size_t>(*length)));
    at = reply.find('$', begin + static_cast<size_t>(*length));
  }
  return bulks;
}

}  // namespace

bool RedisDialect::ask_backend(Session& session, std::string_view command, Question question) {
  link::Upstream& upstream = relay_.any_upstream(relay_.pool(session.pool), session);
  link::Link* link = relay_.question_link(upstream);
  if (link == nullptr) return false;
  relay_.ask(session, *link, command, question);
  return true;
}

// A name the table does not have: a module's, or a newer server's. The backends' COMMAND INFO
// decides.
RedisDialect::LearnedName RedisDialect::learned(Session& session) {
  using Verdict = LearnedName::Verdict;
  const std::string_view name = request_.name();
  // "config|get" is what COMMAND INFO calls a subcommand; a command of that name there is none.
  const bool is_path = name.find('|') != std::string_view::npos;
  if (is_path || name.size() > limits::kLearnedNameBytes) return {.verdict = Verdict::kUnknown};
  std::string folded(name);
  for (char& c : folded) c = base::ascii_lower(c);
  const auto found = learned_.find(folded);
  if (found != learned_.end()) {
    if (found->second.spec != nullptr) {
      return {.verdict = Verdict::kKnown, .spec = &found->second.spec->spec()};
    }
    if (relay_.now() < found->second.until) return {.verdict = Verdict::kUnknown};
  }
  const auto asked = inquiries_.find(session.client_id);
  if (asked != inquiries_.end() && !asked->second.refusal.empty()) {
    return {.verdict = Verdict::kUnavailable};
  }
  std::string question;
  wire::append_command(question, {"COMMAND", "INFO", folded});
  if (!ask_backend(session, question, kCommandInfo)) return {.verdict = Verdict::kUnavailable};
  inquiries_[session.client_id].name = std::move(folded);
  return {.verdict = Verdict::kAsking};
}

bool RedisDialect::refuse_unknown(Session& session) {
  abort_transaction(session);
  text_.clear();
  wire::append_unknown_command(text_, request_.arguments);
  relay_.reply_own_error(session, text_);
  return true;
}

bool RedisDialect::dispatch_unknown(Session& session, std::string_view raw) {
  if (base::equal_ignoring_case(request_.name(), "QUORATE")) return quorate(session);
  // Lines of an HTTP request: a browser was made to send it. Nothing behind them is a command; like
  // a server, quorate closes without a word.
  if (base::equal_ignoring_case(request_.name(), "POST") ||
      base::equal_ignoring_case(request_.name(), "HOST:")) {
    session.closing = true;
    return true;
  }
  if (session.replicated) return refuse_unknown(session);
  const LearnedName known = learned(session);
  switch (known.verdict) {
    case LearnedName::Verdict::kAsking: return false;
    case LearnedName::Verdict::kUnavailable:
      abort_transaction(session);
      return refuse_pick(session, relay_.any_upstream(relay_.pool(session.pool), session));
    case LearnedName::Verdict::kUnknown: return refuse_unknown(session);
    case LearnedName::Verdict::kKnown: break;
  }
  if (session.user != nullptr && refuse_by_user(session, *known.spec)) return true;
  if (!known.spec->accepts_count(request_.arguments.size())) {
    abort_transaction(session);
    return refuse_arity(session, *known.spec);
  }
  if (session.transaction != nullptr && session.transaction->open) {
    return enqueue(session, *known.spec, raw);
  }
  return route(session, *known.spec, raw);
}

// The keys of this call are known to a server alone: COMMAND GETKEYS, then as ever.
bool RedisDialect::to_answered_keys_backend(Session& session, const CommandSpec& spec,
                                            std::string_view raw) {
  PoolRuntime& pool = relay_.pool(session.pool);
  if (pool.plan->members.size() == 1) {
    return to_one(session, spec, relay_.any_upstream(pool, session), raw);
  }
  const auto found = inquiries_.find(session.client_id);
  if (found == inquiries_.end() || !found->second.answered) {
    std::vector<std::string_view> question = {"COMMAND", "GETKEYS"};
    question.insert(question.end(), request_.arguments.begin(), request_.arguments.end());
    std::string bytes;
    wire::append_command(bytes, question);
    if (ask_backend(session, bytes, kCommandGetkeys)) return false;
    return refuse_pick(session, relay_.any_upstream(pool, session));
  }
  if (!found->second.refusal.empty()) {
    return refuse_pick(session, relay_.any_upstream(pool, session));
  }
  const auto& keys = found->second.keys;
  link::Upstream& upstream =
      keys.empty() ? relay_.any_upstream(pool, session) : relay_.upstream_for(pool, keys.front());
  for (const std::string& key : keys) {
    if (&relay_.upstream_for(pool, key) == &upstream) continue;
    inquiries_.erase(found);
    return refuse(session, kCrossSlot);
  }
  if (!to_one(session, spec, upstream, raw)) return false;
  inquiries_.erase(session.client_id);
  return true;
}

void RedisDialect::on_answer(Session* session, link::Upstream& upstream,
                             const link::Pending& question, std::string_view answer) {
  if (question.slot == kDatabase) {
    if (answer.starts_with('+')) {
      upstream.learn_database(static_cast<uint16_t>(question.detail));
    } else if (session != nullptr) {
      inquiries_[session->client_id].refusal = answer;
    }
    return;
  }
  if (session == nullptr) return;
  if (question.slot == kUnblocking) {
    // The two travel on different connections: perhaps it had not begun to wait yet.
    const bool same = session->wait == Wait::kBlocked && session->slots.head() == question.detail;
    if (same && answer == ":0\r\n") unblock(*session, question.opcode != 0);
    return;
  }
  if (question.slot == kScriptLoad) return on_script_loaded(*session, upstream);
  const auto found = inquiries_.find(session->client_id);
  if (question.slot == kCommandInfo) {
    if (found == inquiries_.end()) return;
    // It is loading, or busy, or does not let us ask: that says nothing about the command. A server
    // without COMMAND INFO has an error of its own for it.
    if (answer.starts_with('-') && !answer.starts_with("-ERR")) {
      found->second.refusal = answer;
      return;
    }
    if (learned_.size() >= limits::kLearnedCommands) learned_.clear();
    auto parsed = wire::parse_command_info(answer);
    learned_[found->second.name] = {
        .spec = parsed.ok() ? std::move(parsed).value() : nullptr,
        .until = relay_.now() + kUnknownFor,
    };
    inquiries_.erase(found);
    return;
  }
  Inquiry& inquiry = inquiries_[session->client_id];
  inquiry.answered = true;
  if (question.slot == kFunctionList) {
    inquiry.only_reads = wire::has_function_flag(answer, inquiry.name, "no-writes");
  } else if (answer.starts_with('-')) {
    inquiry.refusal = answer;
  } else {
    inquiry.keys = bulks_of(answer);
  }
}

void RedisDialect::on_no_answer(Session& session, link::Upstream& upstream,
                                const link::Pending& question) {
  if (question.slot == kUnblocking) return;
  Inquiry& inquiry = inquiries_[session.client_id];
  // A connection that is lost just then is asked for once more; a server that is silent is not.
  if (question.slot == kCommandInfo && !question.is_timed_out && !inquiry.is_repeated) {
    inquiry.is_repeated = true;
    return;
  }
  inquiry.refusal.clear();
  append_end(inquiry.refusal, upstream, {}, RequestEnd::kNotExecuted);
  inquiry.answered = true;
}

void RedisDialect::forget(Session& session) {
  if (!inquiries_.empty()) inquiries_.erase(session.client_id);
  if (session.subscriber != nullptr) relay_.subscriptions().forget(session);
}

}  // namespace quorate::relay
