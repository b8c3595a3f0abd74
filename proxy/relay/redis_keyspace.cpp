// Commands about the whole keyspace of several backends: SCAN, and what is answered by all of them.
//
// A SCAN visits one backend after the other, in the order of their numbers. Its cursor names the
// backend and the place there, in 53 bits, as some clients keep cursors in floating point:
//
//   bits 43..52  1 + the backend's number in the process      bits 0..42  the backend's own cursor
//
// A backend that is gone, or whose keys have other owners while it is ejected, is passed over; one
// that merely does not answer is an error, so that none of its keys is missed. Numbers follow the
// configuration, so that another quorate with the same one reads the same cursors. Over one backend
// its own cursors pass as they are.
#include <algorithm>
#include <optional>

#include "backends/wire/resp_write.h"
#include "consensus/base/text.h"
#include "proxy/relay/redis_dialect.h"

namespace quorate::relay {

using wire::CommandSpec;

namespace {

constexpr int kPlaceBits = 43;
constexpr uint64_t kPlaces = uint64_t{1} << kPlaceBits;

/// The first backend of the pool that has keys of its own and a number of at least `number`.
std::optional<cluster::BackendId> backend_from(const PoolPlan& pool, uint64_t number) {
  if (number > UINT32_MAX) return std::nullopt;
  const auto found = pool.holders.lower_bound(static_cast<cluster::BackendId>(number));
  if (found == pool.holders.end()) return std::nullopt;
  return *found;
}

uint64_t cursor_of(cluster::BackendId backend, uint64_t place) {
  return (uint64_t{backend} + 1) * kPlaces + place;
}

}  // namespace

bool RedisDialect::scan(Session& session, const CommandSpec& spec, std::string_view raw) {
  PoolRuntime& pool = relay_.pool(session.pool);
  const PoolPlan& plan = *pool.plan;
  if (plan.members.size() == 1) {
    return to_one(session, spec, relay_.any_upstream(pool, session), raw);
  }
  std::vector<std::string_view> arguments(request_.arguments.begin(), request_.arguments.end());
  const auto cursor = base::parse_integer<uint64_t>(arguments[1]);
  if (!cursor) return refuse(session, "ERR invalid cursor");
  const uint64_t number = *cursor < kPlaces ? 0 : *cursor / kPlaces - 1;
  const auto backend = backend_from(plan, number);
  if (!backend) {
    relay_.reply(session, "*2\r\n$1\r\n0\r\n*0\r\n");
    return true;
  }
  link::Upstream& upstream = *relay_.upstream(*backend);
  link::Link* link = nullptr;
  switch (pick_shared(session, upstream, link)) {
    case Relay::Pick::kWait: return false;
    case Relay::Pick::kUnavailable: return refuse_pick(session, upstream);
    case Relay::Pick::kLink: break;
  }
  // Of a backend that was passed over nothing is left: the next one begins at its beginning.
  const bool goes_on = *cursor < kPlaces || *backend == number;
  const std::string place = std::to_string(goes_on ? *cursor % kPlaces : 0);
  arguments[1] = place;
  text_.clear();
  wire::append_command(text_, arguments);
  Join& join = relay_.open_join(session, JoinKind::kScan, 1, false);
  relay_.append_fragment(*link, text_);
  relay_.forward_fragment(session, *link, join, 0, false);
  return true;
}

/// *2 $cursor *keys, with a cursor of ours. False: it is something else.
bool RedisDialect::render_scan(const Join& join, std::string& out) {
  const Fragment& fragment = join.memory.fragments.front();
  std::string_view reply = fragment.reply;
  constexpr std::string_view kBegin = "*2\r\n$";
  if (!reply.starts_with(kBegin)) return false;
  reply.remove_prefix(kBegin.size());
  const size_t begin = reply.find("\r\n") + 2;
  const size_t end = reply.find("\r\n", begin);
  if (end == std::string_view::npos) return false;
  const auto place = base::parse_integer<uint64_t>(reply.substr(begin, end - begin));
  if (!place || *place >= kPlaces) return false;

  uint64_t cursor = 0;
  const cluster::BackendId backend = fragment.upstream;
  if (*place != 0) {
    cursor = cursor_of(backend, *place);
  } else {
    const PoolPlan& plan = *relay_.pool(relay_.upstream(backend)->pool()).plan;
    const auto next = backend_from(plan, uint64_t{backend} + 1);
    if (next) cursor = cursor_of(*next, 0);
  }
  wire::append_array(out, 2);
  wire::append_bulk(out, std::to_string(cursor));
  out.append(reply.substr(end + 2));
  return true;
}

}  // namespace quorate::relay
