// The cluster map and its changes as bytes: whatever arrives is refused, or is well-formed: it
// survives its own bytes, and applying it breaks nothing.
//
// The first byte chooses: a change, applied to a map with one of everything; or a map.
#include <cstdint>
#include <string_view>

#include "consensus/base/assert.h"
#include "consensus/cluster/cluster_codec.h"

using namespace quorate;
using namespace quorate::cluster;

namespace {

const ClusterMap& one_of_everything() {
  static const ClusterMap map = [] {
    ClusterMap made;
    const auto must = [&](const Change& change) {
      ASSERT(apply(made, made.index + 1, change).ok());
    };
    must(FoundCluster{{1, 1}});
    must(AddMember{"m", "m:1"});
    must(OpenSession{.nonce = {2, 2}, .member = MemberId{1}, .name = "m", .coordinator = true});
    must(DefinePool{.rules = {.name = "cache", .on_eject = OnEject::kSpare},
                    .backends = {{.name = "a", .address = "a:1", .zone = "x"},
                                 {.name = "b", .address = "b:1", .zone = "x"},
                                 {.name = "s", .address = "s:1", .spare = true}}});
    must(DefinePool{.rules = {.name = "store", .consistency = Consistency::kAll, .replicas = 2},
                    .backends = {{.name = "a", .address = "a:2"}}});
    must(TakeLease{.nonce = {3, 3}, .ttl_ms = 1});
    must(EjectBackend{BackendSerial{1}, Cause::kEvidence, false, {MemberId{1}}});
    return made;
  }();
  return map;
}

void try_change(std::string_view bytes) {
  const auto change = decode_change(bytes);
  if (!change) return;
  const std::string again = encode(change.value());
  ASSERT(again == bytes);
  ClusterMap map = one_of_everything();
  const bool allowed = !validate(map, change.value());
  ASSERT(apply(map, map.index + 1, change.value()).ok() == allowed);
  check_invariants(map);
  ASSERT(!describe(map, change.value()).empty());
  ASSERT(decode_map(encode(map)).value() == map);
}

void try_map(std::string_view bytes) {
  const auto map = decode_map(bytes);
  if (!map) return;
  check_invariants(map.value());
  ASSERT(encode(map.value()) == bytes);
  for (const auto& [serial, pool] : map.value().pools) {
    const PoolView view = view_of(map.value(), pool);
    std::vector<PlacementMember> members;
    for (const BackendView& member : view.members) members.push_back(member.member);
    ASSERT(!problem_with(view.rules, members));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  data[0] % 2 == 0 ? try_change(bytes) : try_map(bytes);
  return 0;
}
