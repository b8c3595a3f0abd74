// QUORATE: what a client may ask of the proxy itself, in band. Answered by this worker from the
// plan that it serves with and from what the control thread has told: it asks nobody and waits for
// nobody.
//
//   QUORATE STATUS       the proxy, its group, its pool and the pool's backends
//   QUORATE ROUTE key    where a key lives in this pool, and how the ring came to it
#include <charconv>

#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/process_facts.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

namespace {

std::string_view word_for(cluster::BackendState state) {
  switch (state) {
    case cluster::BackendState::kUp: return "up";
    case cluster::BackendState::kEjected: return "ejected";
    case cluster::BackendState::kJoining: return "joining";
    case cluster::BackendState::kDraining: return "draining";
    case cluster::BackendState::kRemoved: return "removed";
  }
  return "?";
}

std::string hexadecimal(uint64_t number) {
  char digits[16];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number, 16);
  return {digits, end};
}

/// Names and values of a map (RESP3), or one after the other (RESP2).
class Answer {
 public:
  Answer(std::string& out, bool resp3) : out_(out), resp3_(resp3) {}
  void open(size_t count) { wire::append_map(out_, count, resp3_); }
  void add(std::string_view name, std::string_view value) {
    wire::append_bulk(out_, name);
    wire::append_bulk(out_, value);
  }
  void add(std::string_view name, uint64_t value) {
    wire::append_bulk(out_, name);
    wire::append_integer(out_, static_cast<int64_t>(value));
  }

 private:
  std::string& out_;
  bool resp3_;
};

}  // namespace

bool RedisDialect::quorate(Session& session) {
  const auto& arguments = request_.arguments;
  if (session.transaction != nullptr && session.transaction->open) {
    session.transaction->aborted = true;
    return refuse(session, "ERR QUORATE is not part of a transaction");
  }
  text_.clear();
  if (arguments.size() == 2 && base::equal_ignoring_case(arguments[1], "STATUS")) {
    append_status(session);
  } else if (arguments.size() == 3 && base::equal_ignoring_case(arguments[1], "ROUTE")) {
    append_route(session, arguments[2]);
  } else {
    return refuse(session, "ERR try QUORATE STATUS or QUORATE ROUTE key");
  }
  relay_.reply(session, text_);
  return true;
}

void RedisDialect::append_status(const Session& session) {
  const ProcessFacts& facts = relay_.facts();
  const auto group = facts.group.load();
  const PoolPlan& pool = *relay_.pool(session.pool).plan;
  const bool resp3 = session.flavor == link::Flavor::kResp3;
  Answer answer(text_, resp3);
  answer.open(12);
  answer.add("version", facts.version);
  answer.add("role", group->role);
  answer.add("cluster", group->cluster);
  answer.add("member", group->member);
  answer.add("leader", group->leader);
  answer.add("in_touch", group->in_touch ? 1 : 0);
  answer.add("term", group->term);
  answer.add("applied", group->applied);
  answer.add("trails_by", group->behind);
  answer.add("pool", pool.name);
  answer.add("epoch", pool.epoch);
  wire::append_bulk(text_, "backends");
  size_t count = 0;
  std::string backends;
  for (const auto& backend : relay_.plan().backends) {
    if (backend == nullptr || backend->pool != pool.id || backend->is_nobody()) continue;
    ++count;
    Answer one(backends, resp3);
    one.open(3);
    one.add("name", backend->name);
    one.add("address", backend->label);
    one.add("state", word_for(backend->state));
  }
  wire::append_array(text_, count);
  text_.append(backends);
}

void RedisDialect::append_route(const Session& session, std::string_view key) {
  const PoolPlan& pool = *relay_.pool(session.pool).plan;
  const auto how = pool.placement.explain(key);
  const BackendPlan* backend =
      how.member ? relay_.plan().backends[pool.members[*how.member]].get() : nullptr;
  Answer answer(text_, session.flavor == link::Flavor::kResp3);
  answer.open(8);
  answer.add("pool", pool.name);
  answer.add("epoch", pool.epoch);
  answer.add("hashed", how.hashed);
  answer.add("hash", hexadecimal(how.hash));
  answer.add("token", how.token ? hexadecimal(*how.token) : "");
  // A random distribution has no owner to tell.
  answer.add("backend", backend != nullptr ? backend->name : "");
  answer.add("address", backend != nullptr ? backend->label : "");
  answer.add("state", backend != nullptr ? word_for(backend->state) : "");
}

}  // namespace quorate::relay
