// SUBSCRIBE and its kin, and PUBSUB. How messages come here: subscriptions.h.
//
// Replies to (UN)SUBSCRIBE are messages, too: pushes in RESP3, sent even when CLIENT REPLY is off,
// and in their place among other messages. So these commands wait until all before them is
// answered.
//
// PUBSUB tells of this process's clients (subscriber_counts.h).
#include <algorithm>

#include "backends/wire/resp_write.h"
#include "proxy/relay/process_facts.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

using session::TopicKind;
using wire::CommandSpec;
using wire::RedisCommand;

namespace {

constexpr std::string_view kSubscribed[] = {"subscribe", "psubscribe", "ssubscribe"};
constexpr std::string_view kUnsubscribed[] = {"unsubscribe", "punsubscribe", "sunsubscribe"};

}  // namespace

/// "subscribe", the topic and how many there are now.
void RedisDialect::append_subscription(const Session& session, std::string_view what,
                                       const std::string_view* topic, TopicKind kind) {
  const session::Subscriber none;
  const auto& subscriber = session.subscriber != nullptr ? *session.subscriber : none;
  wire::append_header(text_, is_resp3(session) ? '>' : '*', 3);
  wire::append_bulk(text_, what);
  if (topic != nullptr) {
    wire::append_bulk(text_, *topic);
  } else {
    wire::append_null(text_, is_resp3(session));
  }
  const size_t count = kind == TopicKind::kShard ? subscriber.count(kind) : subscriber.count();
  wire::append_integer(text_, static_cast<int64_t>(count));
}

bool RedisDialect::subscribe(Session& session, TopicKind kind) {
  if (session.input_ended) {  // nobody would read the messages
    session.closing = true;
    return true;
  }
  if (session.slots.in_flight() != 0) {
    session.wait = Wait::kAnswered;
    return false;
  }
  const std::span<const std::string_view> names = std::span(request_.arguments).subspan(1);
  Subscriptions& subscriptions = relay_.subscriptions();
  switch (subscriptions.prepare(session, kind, names)) {
    case Subscriptions::Verdict::kWait: return false;
    case Subscriptions::Verdict::kRefused: return refuse(session, subscriptions.refusal());
    case Subscriptions::Verdict::kReady: break;
  }
  text_.clear();
  for (const std::string_view name : names) {
    subscriptions.add(session, kind, name);
    append_subscription(session, kSubscribed[static_cast<size_t>(kind)], &name, kind);
  }
  session.restrict_commands();
  relay_.reply_always(session, text_);
  return true;
}

bool RedisDialect::unsubscribe(Session& session, TopicKind kind) {
  if (session.slots.in_flight() != 0) {
    session.wait = Wait::kAnswered;
    return false;
  }
  const std::string_view what = kUnsubscribed[static_cast<size_t>(kind)];
  Subscriptions& subscriptions = relay_.subscriptions();
  if (session.subscriber != nullptr && !session.subscriber->farewell.empty()) {
    return say_farewell(session);
  }
  std::vector<std::string> names(request_.arguments.begin() + 1, request_.arguments.end());
  if (names.empty()) {
    const auto all = subscriptions.names(session, kind);
    names.assign(all.begin(), all.end());
  }
  text_.clear();
  if (names.empty()) append_subscription(session, what, nullptr, kind);
  for (const std::string_view name : names) {
    subscriptions.remove(session, kind, name);
    append_subscription(session, what, &name, kind);
  }
  session.restrict_commands();
  if (session.subscriber == nullptr) {
    relay_.reply_always(session, text_);
    return true;
  }
  session.subscriber->farewell = text_;
  return say_farewell(session);
}

/// The reply to UNSUBSCRIBE, once the backends send its client nothing any more.
bool RedisDialect::say_farewell(Session& session) {
  if (relay_.subscriptions().await_removals(session)) return false;
  const std::string farewell = std::exchange(session.subscriber->farewell, {});
  relay_.reply_always(session, farewell);
  return true;
}

/// True: it was refused, as a client that is subscribed in RESP2 may not say it.
bool RedisDialect::refuse_for_subscriber(Session& session, const CommandSpec& spec) {
  switch (spec.id) {
    case RedisCommand::kPing:
    case RedisCommand::kSubscribe:
    case RedisCommand::kSsubscribe:
    case RedisCommand::kPsubscribe:
    case RedisCommand::kUnsubscribe:
    case RedisCommand::kSunsubscribe:
    case RedisCommand::kPunsubscribe:
    case RedisCommand::kQuit:
    case RedisCommand::kReset: return false;
    default: break;
  }
  return refuse(session, std::string("ERR Can't execute '")
                             .append(spec.name)
                             .append("': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                                     "RESET are allowed in this context"));
}

bool RedisDialect::pubsub(Session& session, RedisCommand command) {
  const auto& arguments = request_.arguments;
  const SubscriberCounts& counts = relay_.facts().subscriber_counts;
  const bool is_shard =
      command == RedisCommand::kPubsubShardchannels || command == RedisCommand::kPubsubShardnumsub;
  const TopicKind kind = is_shard ? TopicKind::kShard : TopicKind::kChannel;
  text_.clear();
  switch (command) {
    case RedisCommand::kPubsubChannels:
    case RedisCommand::kPubsubShardchannels: {
      if (arguments.size() > 3) {
        return refuse(session,
                      std::string("ERR unknown subcommand or wrong number of arguments for '")
                          .append(arguments[1])
                          .append("'. Try PUBSUB HELP."));
      }
      const auto names =
          counts.names(session.pool, kind, arguments.size() == 3 ? &arguments[2] : nullptr);
      wire::append_array(text_, names.size());
      for (const std::string& name : names) wire::append_bulk(text_, name);
      break;
    }
    case RedisCommand::kPubsubNumpat:
      wire::append_integer(text_,
                           static_cast<int64_t>(counts.topics(session.pool, TopicKind::kPattern)));
      break;
    default:
      wire::append_array(text_, 2 * (arguments.size() - 2));
      for (size_t i = 2; i < arguments.size(); ++i) {
        wire::append_bulk(text_, arguments[i]);
        wire::append_integer(
            text_, static_cast<int64_t>(counts.clients(session.pool, kind, arguments[i])));
      }
  }
  relay_.reply(session, text_);
  return true;
}

}  // namespace quorate::relay
