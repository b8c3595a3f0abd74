#include "tests/unit/proxy/config/world.h"

#include <doctest/doctest.h>

namespace quorate::config::testing {

Settings settings_of(std::string_view text) {
  const LoadResult loaded = load_text(text);
  if (!loaded) {
    FAIL_CHECK(render(loaded.error(), Colour::kNever));
    return {};
  }
  return loaded.value().settings;
}

}  // namespace quorate::config::testing
