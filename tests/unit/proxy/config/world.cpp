#include "tests/unit/proxy/config/world.h"

#include <doctest/doctest.h>

namespace quorate::config::testing {

std::filesystem::path source_path(std::string_view below) {
  return std::filesystem::path(QUORATE_SOURCE_DIR) / below;
}

Settings settings_of(std::string_view text) {
  const LoadResult loaded = load_text(text);
  if (!loaded) {
    FAIL_CHECK(render(loaded.error(), Colour::kNever));
    return {};
  }
  return loaded.value().settings;
}

}  // namespace quorate::config::testing
