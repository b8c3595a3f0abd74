// Who a client is and what it may do: AUTH, ACL, and the commands that operate a server.
//
// Without `users` in the configuration there is one user, "default": it may do everything but
// operate the backends. A user that the configuration names may do what its rules say; then also
// commands of the latter kind go to the backends, except those that would turn a shared connection
// into something else.
#include <algorithm>

#include "backends/wire/key_walk.h"
#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

using wire::AclUser;
using wire::CommandSpec;
using wire::RedisCommand;

namespace {

constexpr std::string_view kDefault = "default";

std::string no_permission(const CommandSpec& spec) {
  return "NOPERM this user has no permissions to run the '" + std::string(spec.name) + "' command";
}

/// Not even a permitted user's: they end the protocol on a connection that others share, or change
/// what the configuration says.
bool is_impossible(const CommandSpec& spec) {
  switch (spec.id) {
    case RedisCommand::kPsync:
    case RedisCommand::kSync:
    case RedisCommand::kReplconf:
    case RedisCommand::kScriptDebug: return true;
    default: break;
  }
  return spec.container == RedisCommand::kAcl || spec.id == RedisCommand::kAcl ||
         spec.container == RedisCommand::kCluster;
}

/// DEBUG of one key: its position, else 0.
size_t key_of_debug(std::span<const std::string_view> arguments) {
  if (arguments.size() < 3) return 0;
  constexpr std::string_view kOfKeys[] = {"object",       "listpack",         "ziplist",
                                          "quicklist",    "sdslen",           "htstats-key",
                                          "digest-value", "quicklist-packed", "stringmatch-len"};
  return std::ranges::any_of(
             kOfKeys,
             [&](std::string_view word) { return base::equal_ignoring_case(word, arguments[1]); })
             ? 2
             : 0;
}

}  // namespace

std::shared_ptr<const AclUser> RedisDialect::user_named(const Session& session,
                                                        std::string_view name) const {
  const auto& users = relay_.pool(session.pool).plan->users;
  const AclUser* found = users != nullptr ? users->find(name) : nullptr;
  if (found == nullptr) return nullptr;
  return {users, found};  // shares the ownership of all
}

void RedisDialect::begin(Session& session) {
  session.user = user_named(session, kDefault);
  session.authenticated = password_matches(session, kDefault, "");
  session.reads_replicas = relay_.pool(session.pool).plan->reads_from_replicas;
  session.restrict_commands();
}

bool RedisDialect::renew_user(Session& session) {
  const bool is_named = session.details != nullptr && session.details->user != kDefault;
  const std::string_view name = is_named ? std::string_view(session.details->user) : kDefault;
  session.user = user_named(session, name);
  session.restrict_commands();
  return session.user != nullptr ? session.user->enabled : !is_named;
}

bool RedisDialect::password_matches(const Session& session, std::string_view user,
                                    std::string_view password) const {
  if (const auto named = user_named(session, user)) return named->accepts(password);
  if (user != kDefault) return false;
  const std::string& secret = relay_.pool(session.pool).plan->password;
  return secret.empty() || wire::sha256_hex(password) == wire::sha256_hex(secret);
}

bool RedisDialect::authenticate(Session& session, std::string_view user,
                                std::string_view password) {
  if (!password_matches(session, user, password)) return false;
  session.user = user_named(session, user);
  session.authenticated = true;
  session.restrict_commands();
  if (session.details == nullptr) session.details = std::make_unique<session::ClientDetails>();
  session.details->user = user;
  return true;
}

/// A large command of a limited user goes on as it comes if what is there of it is permitted.
bool RedisDialect::may_stream(const Session& session, const CommandSpec& spec) const {
  if (!session.restricted) return true;
  if (session.replicated || !session.authenticated || session.in_subscriber_mode()) return false;
  if (session.user == nullptr || spec.single_key == 0) return false;
  return spec.single_key < request_.arguments.size() && session.user->allows(spec) &&
         session.user->allows_keys(spec, request_.arguments);
}

/// True: the session's user may not, and has been told.
bool RedisDialect::refuse_by_user(Session& session, const CommandSpec& spec) {
  const AclUser& user = *session.user;
  std::string error;
  if (!user.allows(spec)) {
    error = no_permission(spec);
  } else if (!user.allows_keys(spec, request_.arguments)) {
    error = "NOPERM this user has no permissions to access one of the keys used as arguments";
  } else if (!user.allows_channels(spec, request_.arguments)) {
    error = "NOPERM this user has no permissions to access one of the channels used as arguments";
  } else {
    return false;
  }
  abort_transaction(session);
  if (spec.id == RedisCommand::kExec) {  // a refused EXEC ends the transaction
    error = "EXECABORT Transaction discarded because of: " + error;
    if (session.transaction != nullptr) {
      if (session.holds_pin && session.transaction->begun) say_quietly(session, "DISCARD");
      end_transaction(session);
    }
  }
  return refuse(session, error);
}

bool RedisDialect::acl(Session& session, const CommandSpec& spec) {
  const auto& users = relay_.pool(session.pool).plan->users;
  if (spec.id == RedisCommand::kAclWhoami) {
    wire::append_bulk(text_, session.details != nullptr ? session.details->user : kDefault);
    relay_.reply(session, text_);
    return true;
  }
  AclUser unlimited{.name = std::string(kDefault), .enabled = true};
  const std::string& secret = relay_.pool(session.pool).plan->password;
  unlimited.needs_no_password = secret.empty();
  if (!secret.empty()) unlimited.passwords.push_back(wire::sha256_hex(secret));
  unlimited.keys = {{"*", true, true}};
  unlimited.channels = {"*"};
  unlimited.command_rules = "+@all";
  std::vector<const AclUser*> all;
  if (users == nullptr || users->find(kDefault) == nullptr) all.push_back(&unlimited);
  if (users != nullptr) {
    for (const AclUser& user : users->users) all.push_back(&user);
  }
  wire::append_array(text_, all.size());
  for (const AclUser* user : all) {
    wire::append_bulk(text_, spec.id == RedisCommand::kAclList ? user->line() : user->name);
  }
  relay_.reply(session, text_);
  return true;
}

// SHUTDOWN, DEBUG, CONFIG SET and their like.
bool RedisDialect::to_servers(Session& session, const CommandSpec& spec, std::string_view raw) {
  const auto& arguments = request_.arguments;
  if (session.user == nullptr) return refuse(session, no_permission(spec));
  if (is_impossible(spec)) {
    return refuse(session, "ERR '" + std::string(spec.name) + "' is not possible through quorate");
  }
  for (size_t i = 2; spec.id == RedisCommand::kConfigSet && i < arguments.size(); i += 2) {
    // With another password than the one that quorate has, they would be lost to it.
    if (!base::equal_ignoring_case(arguments[i], "requirepass")) continue;
    return refuse(session, "ERR CONFIG SET requirepass is not possible through quorate");
  }
  PoolRuntime& pool = relay_.pool(session.pool);
  const wire::KeyWalk keys(spec, arguments);
  size_t key = keys.empty() ? 0 : keys.front();
  if (spec.id == RedisCommand::kDebug) key = key_of_debug(arguments);
  if (key != 0) return to_one(session, spec, relay_.upstream_for(pool, arguments[key]), raw);
  return to_all(session, spec, wire::ReplyJoin::kAllOk, raw);
}

}  // namespace quorate::relay
