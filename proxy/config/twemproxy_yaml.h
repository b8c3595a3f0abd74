// The form of twemproxy's configuration: pools, their keys, and for each key a value or a list of
// values; all still text, each with its place. What the keys mean is twemproxy_pool.h's.
//
// As strict as twemproxy, which takes a subset of YAML: block style only, no tags, one document.
// (It also refuses "---" and aliases, which are harmless and are let pass.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::config {

/// What is wrong with a file that is to be imported, and where: from 1, columns in code points.
struct ImportError {
  uint32_t line = 0;
  uint32_t column = 0;
  std::string message;  ///< never shows a password

  bool operator==(const ImportError&) const = default;
};

struct YamlText {
  std::string text;
  uint32_t line = 0;
  uint32_t column = 0;

  ImportError error(std::string message) const { return {line, column, std::move(message)}; }
};

struct YamlEntry {
  YamlText key;
  bool is_list = false;
  std::vector<YamlText> values;  ///< exactly one unless it is a list
};

struct YamlPool {
  YamlText name;
  std::vector<YamlEntry> entries;  ///< in the file's order, also what is set twice
  bool complete = true;            ///< false: an error kept an entry, or a part of one, out
};

struct YamlPools {
  std::vector<YamlPool> pools;
  std::vector<ImportError> errors;  ///< of form; the pools are then what could be made out
};

/// `text` in quotes for a message: on one line, UTF-8, not endless.
std::string in_quotes(std::string_view text);

YamlPools read_yaml_pools(std::string_view text);

}  // namespace quorate::config
