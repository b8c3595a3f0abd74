// Arbitrary bytes at either end of a connection between members, before the handshake and after it:
// nothing is read past its end, no frame outgrows its bound, and how bytes are cut changes nothing.
#include <cstdint>
#include <string>
#include <vector>

#include "consensus/base/assert.h"
#include "proxy/peer/connection.h"

using namespace quorate;
using namespace quorate::peer;

namespace {

Local local_of(uint64_t id) {
  Local local;
  local.hello.member = raft::MemberId{id};
  local.hello.cluster = "c";
  local.hello.name = "m";
  return local;
}

std::string take(Connection& from) {
  std::string bytes;
  from.visit_unsent([&](std::string_view part) {
    bytes.append(part);
    return true;
  });
  from.on_sent(bytes.size());
  return bytes;
}

struct Seen {
  std::vector<std::string> frames;
  std::string problem;
  bool operator==(const Seen&) const = default;
};

void drain(Connection& to, Seen& seen) {
  while (const auto frame = to.next_frame()) {
    ASSERT(frame->payload.size() <= kMaxPayloadBytes);
    seen.frames.emplace_back(frame->payload);
  }
}

Seen feed(Side side, bool established, std::string_view bytes, size_t piece) {
  const Local own = local_of(1);
  const Local other = local_of(2);
  Connection under_test(side, own, {}, {}, {});
  if (established) {
    Connection peer(side == Side::kDialer ? Side::kListener : Side::kDialer, other, {}, {}, {});
    for (int turn = 0; turn < 4; ++turn) {
      peer.on_bytes(take(under_test), {});
      under_test.on_bytes(take(peer), {});
    }
    ASSERT(under_test.established());
  }
  Seen seen;
  for (size_t at = 0; at < bytes.size() && !under_test.over(); at += piece) {
    under_test.on_bytes(bytes.substr(at, piece), {});
    drain(under_test, seen);
  }
  seen.problem = under_test.problem();
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Side side = (data[0] & 1) != 0 ? Side::kDialer : Side::kListener;
  const bool established = (data[0] & 2) != 0;
  const Seen whole = feed(side, established, bytes, bytes.size() + 1);
  ASSERT(feed(side, established, bytes, 1) == whole);
  ASSERT(feed(side, established, bytes, 1 + (data[0] >> 2)) == whole);
  return 0;
}
