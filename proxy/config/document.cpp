#include "proxy/config/document.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "proxy/config/unparsable.h"

// toml++ 3.3 asserts what a file can break ("[.x]" is enough), and under NDEBUG tells the compiler
// that it cannot happen, which is worse. Behind each such assertion it checks and reports, so here
// they are nothing at all, in every build. And its functions are inline: in a namespace of its own
// no other copy, made with other settings, can be linked in place of this one.
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#define toml quorate_toml
#include <toml++/toml.h>

namespace quorate::config {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Place place_of(const toml::source_region& region) {
  return {region.begin.line, region.begin.column, region.end.line, region.end.column};
}

Value copy(const toml::node& node);

Table copy_table(const toml::table& source) {
  Table table;
  table.entries.reserve(source.size());
  for (const auto& [key, node] : source) {
    table.entries.push_back({std::string(key.str()), place_of(key.source()), copy(node)});
  }
  std::stable_sort(table.entries.begin(), table.entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.key_place.line, a.key_place.column) <
           std::tie(b.key_place.line, b.key_place.column);
  });
  return table;
}

Value copy(const toml::node& node) {
  Value value{place_of(node.source()), Moment{}};
  if (const auto* table = node.as_table()) {
    value.content = copy_table(*table);
  } else if (const auto* array = node.as_array()) {
    Array elements;
    elements.reserve(array->size());
    for (const auto& element : *array) elements.push_back(copy(element));
    value.content = std::move(elements);
  } else if (const auto* text = node.as_string()) {
    value.content = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.content = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    value.content = number->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.content = boolean->get();
  }
  return value;
}

}  // namespace

const Entry* Table::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::string_view Value::kind() const {
  constexpr std::string_view kKinds[] = {
      "true or false", "a whole number", "a number with a fraction", "a string", "a date or time",
      "a list",        "a table"};
  return kKinds[content.index()];
}

base::Result<Table, SyntaxError> parse_document(std::string_view text) {
  if (text.size() > kLargestDocument) {
    return base::Failure{SyntaxError{{}, "the file is larger than 1 MiB"}};
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (auto unparsable = find_unparsable(text)) return base::Failure{std::move(*unparsable)};
  const std::string image = ascii_image(text);
  toml::parse_result result = toml::parse(image);
  if (result && image != text) result = toml::parse(text);
  if (!result) {
    const auto& begin = result.error().source().begin;
    return base::Failure{
        explain_syntax_error(text, begin.line, begin.column, result.error().description())};
  }
  return copy_table(result.table());
}

}  // namespace quorate::config
