#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/cli/blocking_socket.h"
#include "proxy/cli/inspect_backend.h"

namespace quorate::cli {
namespace {

struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
struct FreeReply {
  void operator()(void* reply) const { freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, FreeContext>;
using Reply = std::unique_ptr<redisReply, FreeReply>;

timeval timeval_of(base::Duration duration) {
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return {microseconds / 1'000'000, microseconds % 1'000'000};
}

Context connect(const config::Address& address, base::Duration timeout) {
  const timeval limit = timeval_of(timeout);
  Context context(address.is_unix()
                      ? redisConnectUnixWithTimeout(address.path.c_str(), limit)
                      : redisConnectWithTimeout(address.host.c_str(), address.port, limit));
  if (context && context->err == 0) redisSetTimeout(context.get(), limit);
  return context;
}

std::string error_of(const Context& context, base::Duration timeout) {
  if (!context) return "out of memory";
  std::string_view text = context->errstr;
  // hiredis hands on EAGAIN when SO_RCVTIMEO runs out, and EINPROGRESS when the connect does.
  if (text == "Resource temporarily unavailable" || text == "Operation now in progress" ||
      text == "Connection timed out") {
    return no_answer_within(timeout);
  }
  return std::string(text);
}

/// One conversation; the first thing that goes wrong ends it.
class Conversation {
 public:
  Conversation(Context context, base::Duration timeout, Inspection& inspection)
      : context_(std::move(context)), timeout_(timeout), inspection_(inspection) {}

  /// The reply, or nothing and a problem that begins with the command's name.
  Reply ask(const std::vector<std::string>& arguments) {
    std::vector<const char*> words;
    std::vector<size_t> lengths;
    for (const std::string& argument : arguments) {
      words.push_back(argument.data());
      lengths.push_back(argument.size());
    }
    Reply reply(static_cast<redisReply*>(redisCommandArgv(
        context_.get(), static_cast<int>(words.size()), words.data(), lengths.data())));
    if (!reply) {
      inspection_.problem = arguments[0] + ": " + error_of(context_, timeout_);
    } else if (reply->type == REDIS_REPLY_ERROR) {
      inspection_.problem = arguments[0] + ": " + std::string(reply->str, reply->len);
      reply.reset();
    }
    return reply;
  }

 private:
  Context context_;
  base::Duration timeout_;
  Inspection& inspection_;
};

// The value of "name:value" in an INFO reply.
std::string field(std::string_view info, std::string_view name) {
  size_t at = 0;
  while (at < info.size()) {
    const size_t end = std::min(info.find("\r\n", at), info.size());
    const std::string_view line = info.substr(at, end - at);
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') {
      return std::string(line.substr(name.size() + 1));
    }
    at = end + 2;
  }
  return {};
}

// The handshake that the data path makes too: AUTH, SELECT, PING.
bool shake_hands(Conversation& conversation, const config::BackendSettings& backend) {
  if (!backend.password.empty()) {
    std::vector<std::string> auth{"AUTH"};
    if (!backend.user.empty()) auth.push_back(backend.user);
    auth.push_back(backend.password);
    if (!conversation.ask(auth)) return false;
  }
  if (backend.db != 0 && !conversation.ask({"SELECT", std::to_string(backend.db)})) return false;
  return conversation.ask({"PING"}) != nullptr;
}

}  // namespace

Inspection inspect_redis(const config::BackendSettings& backend, base::Duration timeout) {
  Inspection inspection;
  Context context = connect(backend.address, timeout);
  if (!context || context->err != 0) {
    inspection.problem = "cannot connect: " + error_of(context, timeout);
    return inspection;
  }
  Conversation conversation(std::move(context), timeout, inspection);
  if (!shake_hands(conversation, backend)) return inspection;
  const Reply reply = conversation.ask({"INFO"});
  if (!reply) return inspection;
  const std::string_view info(reply->str == nullptr ? "" : reply->str, reply->len);
  inspection.version = field(info, "redis_version");
  inspection.role = field(info, "role");
  inspection.eviction_policy = field(info, "maxmemory_policy");
  if (inspection.role == "slave") {
    inspection.problem = "is a replica of " + field(info, "master_host") + ":" +
                         field(info, "master_port") + ": writes are refused";
  }
  if (field(info, "cluster_enabled") == "1") {
    inspection.problem = "runs in cluster mode: it redirects keys that are not its own";
  }
  return inspection;
}

}  // namespace quorate::cli
