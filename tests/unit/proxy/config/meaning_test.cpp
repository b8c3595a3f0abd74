// That a warning is true. What is warned of, and in which words: tests/conversation/config.

#include "proxy/config/meaning.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "proxy/config/choices.h"
#include "tests/unit/proxy/config/world.h"

namespace quorate::config::testing {
namespace {

/// The largest share of 10,000 keys, in percent, that one of three equal backends gets.
uint32_t largest_share(const PoolSettings& pool) {
  std::vector<cluster::PlacementMember> members;
  for (const BackendSettings& backend : pool.backends) {
    members.push_back(
        {.name = backend.name, .weight = backend.weight, .on_ring = true, .zone = ""});
  }
  const auto placement = cluster::Placement::build(pool.placement_rules(), members);
  base::Random random(1);
  std::array<uint32_t, 3> counts{};
  for (int i = 0; i < 10'000; ++i) {
    ++counts[placement.owner("user:" + std::to_string(i), random)];
  }
  return *std::max_element(counts.begin(), counts.end()) / 100;
}

}  // namespace

TEST_CASE("of all hashes and distributions exactly those are warned of that pile keys up") {
  for (const auto& hash : choices<HashKind>()) {
    for (const auto& distribution : choices<Distribution>()) {
      if (distribution.value == Distribution::kRandom) continue;  // warned of for itself
      INFO("hash " << hash.text << ", distribution " << distribution.text);
      const std::string text =
          "[pool.a]\nprotocol = \"redis\"\nlisten = \"127.0.0.1:7000\"\n"
          "backends = [\"10.0.0.1:6379\", \"10.0.0.2:6379\", \"10.0.0.3:6379\"]\nhash = \"" +
          std::string(hash.text) + "\"\ndistribution = \"" + std::string(distribution.text) +
          "\"\n";
      const LoadResult loaded = load_text(text);
      REQUIRE(loaded.ok());
      const bool warned = !loaded.value().warnings.empty();
      const bool piled_up = largest_share(loaded.value().settings.pools[0]) >= 95;
      CHECK(warned == piled_up);
    }
  }
}

}  // namespace quorate::config::testing
