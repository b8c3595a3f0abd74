// Maps to begin a test with, and how to change them in one line.
#pragma once

#include <doctest/doctest.h>

#include "consensus/cluster/cluster_change.h"

namespace quorate::cluster {

/// Applies it, and expects that to work.
inline Applied done(ClusterMap& map, const Change& change) {
  const auto result = apply(map, map.index + 1, change);
  REQUIRE_MESSAGE(result.ok(), (result.ok() ? std::string() : result.error().text));
  check_invariants(map);
  return result.value();
}

/// Why it is refused; and that nothing has changed by it.
inline RefusalKind refused(ClusterMap& map, const Change& change) {
  ClusterMap before = map;
  const auto expected = validate(map, change);
  const auto result = apply(map, map.index + 1, change);
  REQUIRE_FALSE(result.ok());
  REQUIRE(expected.has_value());
  CHECK(expected->kind == result.error().kind);
  before.index = map.index;
  CHECK(before == map);
  return result.error().kind;
}

/// A pool "cache" of backends a, b, c …, in the zones given (one letter each, '-' for none), and
/// spares behind them.
inline ClusterMap map_with_pool(OnEject on_eject, const std::string& zones = "---",
                                uint32_t spares = 0, uint32_t min_up = 1) {
  ClusterMap map;
  DefinePool pool;
  pool.rules.name = "cache";
  pool.rules.on_eject = on_eject;
  pool.rules.min_up = min_up;
  for (size_t i = 0; i < zones.size() + spares; ++i) {
    const bool spare = i >= zones.size();
    const std::string name(1, static_cast<char>('a' + i));
    const std::string zone = spare || zones[i] == '-' ? "" : std::string(1, zones[i]);
    pool.backends.push_back(
        {.name = name, .address = name + ":1", .zone = zone, .weight = 1, .spare = spare});
  }
  done(map, pool);
  return map;
}

inline BackendSerial named(const ClusterMap& map, const std::string& name) {
  return map.find_backend(map.pools.begin()->first, name)->serial;
}

inline EjectBackend eject(const ClusterMap& map, const std::string& name,
                          Cause cause = Cause::kEvidence) {
  return {named(map, name), cause, false, {MemberId{1}, MemberId{2}}};
}

inline ReadyBackend ready(const ClusterMap& map, const std::string& name,
                          Cause cause = Cause::kEvidence) {
  return {named(map, name), cause, {MemberId{1}, MemberId{2}}};
}

inline const BackendView& seen(const PoolView& view, const std::string& name) {
  for (const BackendView& member : view.members) {
    if (member.member.name == name) return member;
  }
  FAIL("no such backend");
  return view.members.front();
}

inline PoolView pool_view(const ClusterMap& map) { return view_of(map, map.pools.begin()->second); }

}  // namespace quorate::cluster
