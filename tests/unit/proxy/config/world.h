// What the configuration tests share: the repository's own files, a small world of environment
// variables and secret files, and a shorthand for loading.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

#include "proxy/config/load.h"

namespace quorate::config::testing {

/// A path below the top of the repository.
std::filesystem::path source_path(std::string_view below);

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// The variables and files that the tests' configurations refer to; there are no others.
inline Environment small_world() {
  Environment world;
  world.variable = [](const std::string& name) -> std::optional<std::string> {
    static const std::map<std::string, std::string> kVariables{
        {"PASSWORD", "hunter2"},          {"TIMEOUT", "3s"},   {"LEVEL", "debgu"},
        {"ADDRESS", "10.9.8.7:6379"},     {"NAME", "hidden"},  {"EMPTY", ""},
        {"NESTED", "${env:PASSWORD}"},    {"PORT", "6379"},    {"NONSENSE", "10.9.8.7"},
        {"SYNTAX", "\"\nworkers = 3\n#"}, {"SOON", "3 weeks"}, {"LATE", "9999h"},
    };
    const auto found = kVariables.find(name);
    if (found == kVariables.end()) return std::nullopt;
    return found->second;
  };
  world.file = [](const std::string& path) -> base::Result<std::string, std::string> {
    static const std::map<std::string, std::string> kFiles{
        {"/run/secrets/redis", "s3cret\n"},
        {"/run/secrets/windows", "s3cret\r\n"},
        {"/run/secrets/two-lines", "one\ntwo\n\n"},
        {"/run/secrets/nul", std::string("a\0b", 3)},
    };
    if (path == "/run/secrets/locked") return base::Failure{std::string("Permission denied")};
    const auto found = kFiles.find(path);
    if (found == kFiles.end()) return base::Failure{std::string("No such file or directory")};
    return found->second;
  };
  return world;
}

inline LoadResult load_text(std::string_view text) {
  return load(text, "quorate.toml", small_world());
}

/// The settings of a text that must be right; every diagnostic shows when it is not.
Settings settings_of(std::string_view text);

}  // namespace quorate::config::testing
