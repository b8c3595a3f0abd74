// RedisDialect: what the commands of a redis pool mean to the relay: framing, which backend, in how
// many parts, or answered here (redis_local.cpp).
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "backends/redis/replicated_command.h"
#include "backends/wire/command_reply.h"
#include "backends/wire/redis_commands.h"
#include "backends/wire/resp_request.h"
#include "backends/wire/route_class.h"
#include "proxy/relay/dialect.h"
#include "proxy/relay/relay.h"

namespace quorate::relay {

class RedisDialect final : public Dialect {
 public:
  explicit RedisDialect(Relay& relay);

  size_t step(Session& session, const char* begin, const char* end) override;
  LargePart feed_large(Session& session, const char* begin, const char* end) override;
  bool step_held(Session& session) override;
  void refuse_held(Session& session) override;
  bool shape(const link::Pending& pending, char* bytes, size_t size) override;
  bool repeat(Session& session, link::Link& link, const link::Pending& pending,
              std::string_view reply) override;
  void append_end(std::string& out, const link::Upstream& upstream, const link::Pending& pending,
                  RequestEnd end) override;
  void render_join(const Session& session, const Join& join, base::ByteChain& out) override;
  void on_answer(Session* session, link::Upstream& upstream, const link::Pending& question,
                 std::string_view answer) override;
  void on_no_answer(Session& session, link::Upstream& upstream,
                    const link::Pending& question) override;
  void on_pin_lost(Session& session) override;
  void forget(Session& session) override;

  /// A step of session.blocked was answered (Relay::forward_round).
  struct RoundPart {
    bool is_reply = false;  ///< of the command itself; else it goes on, or waits for another answer
    size_t without = 0;     ///< so many bytes in front are none of the client's
  };
  RoundPart on_round(Session& session, const link::Pending& pending, const link::ReplyPiece& piece);
  /// The next step of session.blocked.
  void go_on(Session& session);
  /// A pop of session.blocked was answered, in a pool that keeps replicas.
  void on_tried(Session& session, bool got_nothing, std::string_view reply);
  /// Ends the blocking command of a session as CLIENT UNBLOCK does. REQUIRES: Wait::kBlocked.
  void unblock(Session& session, bool with_error);

  /// What it kept a connection for is at another node now.
  void on_pin_moved(Session& session);
  /// Whose the request is by the plan of today; nullptr: it names no key.
  link::Upstream* home_of(PoolRuntime& pool, std::string_view request);

  /// A new client: the default user's, as far as no password is asked for.
  void begin(Session& session);
  /// The users have changed. False: the session's is gone.
  bool renew_user(Session& session);

  /// What this worker says to a question that goes to all of them.
  session::ClientAnswer answer(const session::ClientQuestion& question);
  /// CLIENT KILL, and it is among the killed: it is told so first.
  static bool kills_asker(const Session& session, const session::ClientQuestion& question);
  /// The reply to the client that asked, once all have answered.
  void append_gathered(std::string& out, const Session& session,
                       const session::ClientQuestion& question,
                       const std::vector<session::ClientAnswer>& answers);

 private:
  static constexpr std::string_view kCrossSlot =
      "CROSSSLOT Keys in request don't hash to the same backend";
  static constexpr std::string_view kReservedKey =
      "ERR keys that begin with \"~q:\" are the proxy's own in a pool that keeps replicas";
  static constexpr uint8_t kMaskPasswords = kOwnShapes;  // CONFIG GET
  enum Question : uint32_t {
    kCommandInfo,
    kCommandGetkeys,
    kDatabase,
    kScriptLoad,
    kFunctionList,
    kUnblocking,
  };
  enum Step : uint16_t { kQueued, kExecuted, kWaited, kReplicas };  // of session.blocked

  // A name that the built-in table does not have, as the backends told.
  struct Learned {
    std::unique_ptr<const wire::DynamicCommandSpec> spec;  // nullptr: they do not know it either
    base::Instant until{};                                 // then it is asked for again
  };
  // What a waiting session asked, and what it was answered.
  struct Inquiry {
    std::string name;                            // kCommandInfo, kScriptLoad, kFunctionList
    std::vector<std::string> keys;               // kCommandGetkeys
    bool only_reads = false;                     // kFunctionList
    std::string reply;                           // of EXEC
    std::vector<session::Transaction::Own> own;  // what its reply lacks
    std::string refusal;                         // an error instead of an answer
    bool answered = false;
    bool is_repeated = false;  // kCommandInfo: the first asking was lost with its connection
  };

  void refuse_framing(Session& session, std::string_view error);
  bool dispatch(Session& session, std::string_view raw);
  bool dispatch_with_care(Session& session, const wire::CommandLookup& lookup,
                          std::string_view raw);
  bool dispatch_by_circumstances(Session& session, const wire::CommandLookup& lookup,
                                 std::string_view raw);
  bool dispatch_inline(Session& session);
  bool route(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  bool may_replicate(const Session& session, const wire::CommandSpec& spec) const;
  bool is_held_up(const Session& session, const wire::CommandSpec& spec) const;
  size_t begin_large(Session& session, const char* begin, const char* end);

  // What backends are asked (redis_questions.cpp).
  /// False: no backend can be asked now.
  bool ask_backend(Session& session, std::string_view command, Question question);
  /// What is known about a name that the built-in table does not have.
  struct LearnedName {
    enum class Verdict : uint8_t { kKnown, kUnknown, kAsking, kUnavailable } verdict;
    const wire::CommandSpec* spec = nullptr;
  };
  LearnedName learned(Session& session);
  bool dispatch_unknown(Session& session, std::string_view raw);
  bool refuse_unknown(Session& session);
  bool to_answered_keys_backend(Session& session, const wire::CommandSpec& spec,
                                std::string_view raw);

  // Pools with replicas (redis_replicated.cpp). False: wait.
  bool dispatch_replicated(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  bool to_the_connection(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  bool replicate(Session& session, const wire::CommandSpec& spec);
  bool split_replicated(Session& session, const wire::CommandSpec& spec);
  bool list_replicated(Session& session);
  bool names_reserved_key(const wire::CommandSpec& spec) const;
  // Their transactions and scripts (redis_replicated_script.cpp).
  std::optional<bool> transact_replicated(Session& session, const wire::CommandSpec& spec);
  bool enqueue_replicated(Session& session, const wire::CommandSpec& spec);
  bool exec_replicated(Session& session);
  bool watch_replicated(Session& session, const wire::CommandSpec& spec);
  std::optional<bool> script_replicated(Session& session, const wire::CommandSpec& spec);
  bool eval_replicated(Session& session, const wire::CommandSpec& spec);
  // Their blocking pops (redis_replicated_blocking.cpp).
  bool block_replicated(Session& session, const wire::CommandSpec& spec);
  void try_to_pop(Session& session);
  std::optional<std::string> ask_for_last_id(std::string_view key, const std::string& pool);
  void read_from(Session& session, std::optional<std::string_view> id, std::string_view reply);
  void pause(Session& session);
  static void render_parts(const Session& session, const Join& join, std::string& out);

  bool to_keys_backend(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  bool run_script(Session& session, const wire::CommandSpec& spec, link::Upstream& upstream,
                  std::string_view raw);
  link::Upstream& first_upstream(PoolRuntime& pool);
  static uint8_t shape_of(wire::RedisCommand command);
  bool to_one(Session& session, const wire::CommandSpec& spec, link::Upstream& upstream,
              std::string_view raw);
  bool send_to(Session& session, const wire::CommandSpec& spec, link::Upstream& upstream,
               std::string_view raw, uint8_t shape);
  bool send_for(Session& session, const wire::CommandSpec& spec, link::Upstream& upstream,
                Relay::Use use, std::string_view raw, uint8_t shape);
  bool to_all(Session& session, const wire::CommandSpec& spec, wire::ReplyJoin how,
              std::string_view raw);
  // The whole keyspace (redis_keyspace.cpp).
  bool scan(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  bool render_scan(const Join& join, std::string& out);

  bool split(Session& session, const wire::CommandSpec& spec, wire::Route route, uint32_t step,
             std::string_view raw);
  bool send_by_slot(Session& session, const wire::CommandSpec& spec, wire::Route route,
                    uint32_t step, std::string_view name_element);
  Relay::Pick pick_for_database(Session& session, link::Upstream& upstream, Relay::Use use,
                                link::Link*& link);

  Relay::Pick pick_shared(Session& session, link::Upstream& upstream, link::Link*& link);

  /// The pick was kUnavailable: says why.
  bool refuse_pick(Session& session, const link::Upstream& upstream);
  bool refuse(Session& session, std::string_view error);
  bool refuse_arity(Session& session, const wire::CommandSpec& spec);

  // EVAL, EVALSHA, SCRIPT (redis_scripts.cpp).
  enum class Prepared : uint8_t { kReady, kWait, kRefused };
  Prepared prepare_script(Session& session, const wire::CommandSpec& spec,
                          link::Upstream& upstream);
  void on_script_loaded(Session& session, link::Upstream& upstream);
  void note_script_command(Session& session, const wire::CommandSpec& spec);
  void note_known_scripts(Session& session, Join& join);
  void show_script(const Session& session, std::string_view body);
  void drop_stale_script_notes();
  bool waits_as_function(Session& session);
  uint64_t& script_note(const link::Upstream& upstream, const std::string& name);
  // What is asked of the proxy itself (redis_quorate.cpp).
  bool quorate(Session& session);
  void append_status(const Session& session);
  void append_route(const Session& session, std::string_view key);

  // MULTI, EXEC, DISCARD, WATCH, UNWATCH (redis_transaction.cpp). False: wait.
  bool transact(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  static bool waits_for_pin(Session& session, const link::Upstream& upstream);
  bool watch(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  bool unwatch(Session& session);
  bool exec(Session& session, std::string_view raw);
  bool discard(Session& session);
  bool enqueue(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  /// EXEC of the transaction that is open, if one is, will be refused.
  void abort_transaction(Session& session);
  bool refuse_in_transaction(Session& session, std::string_view error);
  bool begin_there(Session& session, link::Upstream& upstream);
  void say_quietly(Session& session, std::string_view command);
  void end_transaction(Session& session);
  // What of a transaction the proxy answers itself (redis_transaction_own.cpp).
  static bool is_own(const Session& session, const wire::CommandSpec& spec);
  void exec_there(Session& session, std::string_view raw);
  void keep_exec(const Session& session, const Join& join);
  bool tell_exec(Session& session, std::string_view raw);
  void tell_exec(Session& session, std::string_view reply,
                 const std::vector<session::Transaction::Own>& own, std::string_view raw);
  link::Upstream* backend_of_keys(Session& session, const wire::CommandSpec& spec, bool& crosses);

  // What needs a connection of its own, or cannot be had through a proxy.
  bool to_own_connection(Session& session, const wire::CommandSpec& spec, std::string_view raw);

  // Blocking commands (redis_blocking.cpp). False: wait.
  bool block(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  bool block_on_one(Session& session, const wire::CommandSpec& spec, link::Upstream& upstream,
                    std::string_view raw);
  bool block_on_several(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  bool wait_for_replicas(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  bool refuse_pin(Session& session, const link::Upstream& upstream, Relay::PinResult result);
  bool has_database(Session& session, link::Upstream& upstream);
  void send_poll(Session& session, const session::BlockedCommand::Run& run);
  void send_slice(Session& session, uint32_t group);
  void send_wait(Session& session);
  static void append_part(const session::BlockedCommand& blocked, const std::vector<uint32_t>& keys,
                          std::string_view timeout, std::string& out);
  void end_waiting(Session& session);

  // What only reads, in a pool that lets replicas answer (redis_replicas.cpp).
  bool reads_only(const Session& session, const wire::CommandSpec& spec) const;
  bool to_replica(Session& session, const wire::CommandSpec& spec, std::string_view raw);

  // CLUSTER, as one node that has every slot (redis_cluster.cpp).
  bool cluster_command(Session& session, const wire::CommandSpec& spec);

  // Publish and subscribe (redis_pubsub.cpp). False: wait.
  bool subscribe(Session& session, session::TopicKind kind);
  bool unsubscribe(Session& session, session::TopicKind kind);
  bool say_farewell(Session& session);
  bool publish(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  bool pubsub(Session& session, wire::RedisCommand command);
  void append_subscription(const Session& session, std::string_view what,
                           const std::string_view* topic, session::TopicKind kind);
  bool refuse_for_subscriber(Session& session, const wire::CommandSpec& spec);

  // Commands about the connection or the proxy itself (redis_local.cpp). False: wait.
  bool answer_locally(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  std::optional<Relay::Use> use_for_ping(const Session& session);
  bool lets_wait(const Session& session, link::Upstream& upstream) const;
  bool hello(Session& session);
  bool auth(Session& session);
  bool select(Session& session);
  bool reset(Session& session);
  bool info(Session& session, std::string_view raw);  // redis_info.cpp
  void render_info(const Session& session, const Join& join, std::string& out);
  void append_info(const Session& session, const std::vector<std::string_view>& texts,
                   std::string& out);
  bool switch_flavor(Session& session, link::Flavor flavor);
  // Users (redis_users.cpp).
  std::shared_ptr<const wire::AclUser> user_named(const Session& session,
                                                  std::string_view name) const;
  bool authenticate(Session& session, std::string_view user, std::string_view password);
  /// The user's password is right.
  bool password_matches(const Session& session, std::string_view user,
                        std::string_view password) const;
  bool may_stream(const Session& session, const wire::CommandSpec& spec) const;
  bool refuse_by_user(Session& session, const wire::CommandSpec& spec);
  bool acl(Session& session, const wire::CommandSpec& spec);
  bool to_servers(Session& session, const wire::CommandSpec& spec, std::string_view raw);
  bool ok(Session& session);
  std::string_view server_version(const Session& session) const;

  // CLIENT (redis_client.cpp).
  static constexpr int64_t kLongestPauseMs = int64_t{24} * 3600 * 1000;
  bool client(Session& session, wire::RedisCommand command);
  bool client_reply(Session& session);
  bool client_setinfo(Session& session);
  bool client_list(Session& session);
  bool client_kill(Session& session);
  bool client_pause(Session& session);
  bool client_unblock(Session& session);
  bool client_tracking(Session& session);
  bool client_caching(Session& session);
  bool gather(Session& session, session::ClientQuestion question);
  /// `running`: bytes of the command that asks, if it is the session's.
  void append_client_info(const Session& session, size_t running, std::string& out) const;
  static bool is_resp3(const Session& session) { return session.flavor == link::Flavor::kResp3; }

  Relay& relay_;
  wire::Request request_;
  std::string encoded_;                  // an inline command, as an array
  std::string text_;                     // replies of our own
  redis::ReplicatedCommand replicated_;  // at hand

  std::unordered_map<std::string, Learned> learned_;
  std::unordered_map<uint64_t, Inquiry> inquiries_;  // by client id, while it waits

  // Scripts that stand on the shelf already, by hash; and where they are loaded: a note for each
  // backend, by its number.
  std::unordered_set<uint64_t> seen_scripts_;
  std::unordered_map<std::string, std::vector<uint64_t>> loaded_scripts_;
  uint64_t script_flushes_ = 0;

  // split(): the upstream of each key, and the number of each upstream's fragment.
  std::vector<uint32_t> owners_;
  std::vector<uint32_t> fragment_of_;  // by upstream, or by slot
  struct Part {
    link::Upstream* upstream;
    link::Link* link;
    uint32_t keys;
    uint32_t group = 0;  // of keys that one command may name
  };
  std::vector<Part> parts_;
};

}  // namespace quorate::relay
