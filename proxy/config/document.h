// TOML as an ordered tree with places. The only file that includes toml++: what it parses is
// copied into plain values, sorted as they stand in the file (toml++ sorts by name), so that
// nothing else depends on it and messages come in the reader's order.
//
// Says nothing about which keys there are. Called by load.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "consensus/base/result.h"
#include "proxy/config/diagnostic.h"
#include "proxy/config/syntax.h"

namespace quorate::config {

struct Value;
struct Entry;

using Array = std::vector<Value>;

struct Table {
  std::vector<Entry> entries;  ///< by place

  const Entry* find(std::string_view key) const;
};

/// Dates and times, which no key takes.
struct Moment {};

struct Value {
  Place place;
  std::variant<bool, int64_t, double, std::string, Moment, Array, Table> content;

  const Table* table() const { return std::get_if<Table>(&content); }
  const Array* array() const { return std::get_if<Array>(&content); }
  /// "a string", "a whole number", … for messages.
  std::string_view kind() const;
};

struct Entry {
  std::string key;
  Place key_place;  ///< of the key itself; for [a.b], of "b" in the header
  Value value;
};

/// The largest configuration file that is read, in bytes.
inline constexpr size_t kLargestDocument = 1 << 20;

struct Document {
  Table table;                           ///< of what is set twice only the first
  std::vector<SyntaxError> repetitions;  ///< what is set twice
};

/// The whole text as a table, or its syntax errors: the first, behind what is set twice before it.
base::Result<Document, std::vector<SyntaxError>> parse_document(std::string_view text);

}  // namespace quorate::config
