// Commands of a transaction that are about the connection or the proxy: CLIENT, ROLE, ACL, PUBSUB,
// CLUSTER. No backend can answer them, and its EXEC tells nothing of them: what it tells is held,
// and they are done and answered at their places in it. Not if it tells that nothing was executed.
//
//   EXEC             to the backend, as a join that is silent; the session waits, and EXEC is
//                    dispatched again
//   *2 …             keep_exec()
//   EXEC, again      *3, the first reply, that of CLIENT ID, the second: slot by slot
#include <algorithm>

#include "backends/wire/resp_reply.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

using session::Transaction;
using wire::CommandSpec;
using wire::RedisCommand;

namespace {

/// The size of the reply at the beginning of `bytes`; all of them if that is not clear.
size_t size_of_first(std::string_view bytes) {
  wire::ReplyScanner scanner;
  const auto progress = scanner.feed(bytes.data(), bytes.data() + bytes.size());
  return progress.done ? progress.consumed : bytes.size();
}

}  // namespace

bool RedisDialect::is_own(const Session& session, const CommandSpec& spec) {
  switch (spec.id) {
    case RedisCommand::kClientReply: return false;  // it would tear the reply of EXEC
    case RedisCommand::kClientList:
    case RedisCommand::kClientKill:
    case RedisCommand::kClientPause:
    case RedisCommand::kClientUnpause:
    case RedisCommand::kClientUnblock:
      return !session.is_subscribed();  // other workers are asked: a message could come between
    case RedisCommand::kRole:
    case RedisCommand::kReadonly:
    case RedisCommand::kReadwrite: return true;
    default: break;
  }
  const bool is_about_us =
      spec.container == RedisCommand::kClient || spec.container == RedisCommand::kAcl ||
      spec.container == RedisCommand::kPubsub || spec.container == RedisCommand::kCluster;
  return is_about_us && wire::route_of(spec.id).to == wire::RouteClass::kLocal;
}

void RedisDialect::exec_there(Session& session, std::string_view raw) {
  const bool skips = session.skip_next_reply;
  inquiries_[session.client_id] = {.own = std::move(session.transaction->own)};
  Join& join = relay_.open_join(session, JoinKind::kExec, 1, true);
  join.is_write = true;
  relay_.append_fragment(*session.pin, raw);
  relay_.forward_fragment(session, *session.pin, join, 0, true);
  end_transaction(session);
  session.skip_next_reply = skips;
  session.wait = Wait::kAnswered;
}

void RedisDialect::keep_exec(const Session& session, const Join& join) {
  Inquiry& inquiry = inquiries_[session.client_id];
  inquiry.answered = true;
  const Fragment& fragment = join.memory.fragments[0];
  if (join.is_too_large()) {
    wire::append_error(inquiry.reply,
                       "ERR EXEC was executed, but its reply is larger than max_split");
  } else if (fragment.end != FragmentEnd::kAnswered) {
    append_end(inquiry.reply, *relay_.upstream(fragment.upstream), {}, fragment.request_end());
  } else {
    inquiry.reply = fragment.reply;
  }
}

/// False: no EXEC of the session was answered.
bool RedisDialect::tell_exec(Session& session, std::string_view raw) {
  const auto found = inquiries_.find(session.client_id);
  if (found == inquiries_.end() || found->second.reply.empty()) return false;
  const Inquiry inquiry = std::move(found->second);
  inquiries_.erase(found);
  tell_exec(session, inquiry.reply, inquiry.own, raw);
  return true;
}

void RedisDialect::tell_exec(Session& session, std::string_view reply,
                             const std::vector<Transaction::Own>& own, std::string_view raw) {
  const size_t line_end = reply.find("\r\n");
  const auto count = base::parse_integer<int64_t>(reply.substr(1, line_end - 1));
  if (!reply.starts_with('*') || !count || *count < 0) return relay_.reply(session, reply);
  // One reply, though in several slots: all of it is wanted, or nothing.
  const bool were_off = session.replies_off;
  session.replies_off = were_off || std::exchange(session.skip_next_reply, false);
  reply.remove_prefix(line_end + 2);
  std::string text;
  const size_t all = static_cast<size_t>(*count) + own.size();
  wire::append_array(text, all);
  auto next = own.begin();
  for (size_t place = 0; place < all; ++place) {
    if (next == own.end() || next->place != place) {
      const size_t size = size_of_first(reply);
      text.append(reply.substr(0, size));
      reply.remove_prefix(size);
      continue;
    }
    if (!text.empty()) relay_.reply(session, text);
    text.clear();
    wire::frame_request(next->command.data(), next->command.data() + next->command.size(), {},
                        request_);
    answer_locally(session, *wire::look_up_command(request_.arguments).spec, next->command);
    ++next;
  }
  if (!text.empty()) relay_.reply(session, text);
  session.replies_off = were_off;
  wire::frame_request(raw.data(), raw.data() + raw.size(), {}, request_);  // EXEC, as before
}

}  // namespace quorate::relay
