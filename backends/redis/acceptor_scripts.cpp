// The scripts, as the build has put them together from backends/redis/scripts/*.lua.
#include <array>

#include "backends/redis/acceptor.h"
#include "backends/wire/resp_write.h"

namespace quorate::redis::acceptor {
namespace {

struct Text {
  std::string_view text;
  std::string_view sha1;
};

constexpr std::array<Text, kScripts> kTexts = {{
#include "backends/redis/acceptor_scripts.inc"
}};

}  // namespace

std::string_view text_of(Script script) { return kTexts[static_cast<size_t>(script)].text; }
std::string_view sha1_of(Script script) { return kTexts[static_cast<size_t>(script)].sha1; }

void append_script_loads(std::string& out) {
  for (const Text& script : kTexts) wire::append_command(out, {"SCRIPT", "LOAD", script.text});
}

bool is_loaded(Script script, std::string_view reply) {
  std::string expected;
  wire::append_bulk(expected, sha1_of(script));
  return reply == expected;
}

}  // namespace quorate::redis::acceptor
