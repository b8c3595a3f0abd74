// Maps with one replicated pool, "store", whose backends a, b, c … are admitted.
#pragma once

#include <string>

#include "tests/unit/consensus/cluster/maps.h"

namespace quorate::cluster {

inline const std::string kPoolName = "store";

inline DefinePool pool_of(uint32_t backends) {
  DefinePool pool{.rules = {.name = kPoolName, .consistency = Consistency::kQuorum, .replicas = 3},
                  .backends = {}};
  for (uint32_t i = 0; i < backends; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    pool.backends.push_back({.name = name, .address = name + ":1"});
  }
  return pool;
}

inline OpenSession session(uint64_t nonce, const std::string& name) {
  return {.nonce = {nonce, 1}, .name = name, .address = name + ":9", .coordinator = true};
}

inline void admit(ClusterMap& map, const std::string& name, uint64_t incarnation) {
  const Backend& backend = map.backends.at(named(map, name));
  done(map, AdmitBackend{backend.serial, backend.incarnation, {incarnation, incarnation}});
}

inline ClusterMap map_of(uint32_t backends) {
  ClusterMap map;
  done(map, session(1, "one"));
  done(map, session(2, "two"));
  done(map, pool_of(backends));
  for (uint32_t i = 0; i < backends; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    done(map, NoteIdentity{named(map, name), "", "run-" + name});
    admit(map, name, i + 1);
  }
  return map;
}

inline const Pool& store(const ClusterMap& map) { return *map.find_pool(kPoolName); }

}  // namespace quorate::cluster
