#include "proxy/config/document.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "proxy/config/unparsable.h"
#include "proxy/config/utf8.h"

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

// Each costs another reading of the text.
constexpr size_t kMostRepetitions = 20;

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

size_t offset_of(std::string_view text, uint32_t line, uint32_t column) {
  size_t at = 0;
  for (; line > 1; --line) at = text.find('\n', at) + 1;
  for (; column > 1; --column) at += code_point_length(text.substr(at));
  return at;
}

// Gives the key another name of as many bytes, one that stands nowhere in the text. False: there is
// none to be had.
bool rename_key(std::string& text, const Place& key) {
  const size_t begin = offset_of(text, key.line, key.column);
  const size_t size = key.end_column - key.column;
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  for (const char first : kLetters) {
    for (const char last : kLetters) {
      std::string name(size, first);
      name.back() = last;
      if (text.find(name) != std::string::npos) continue;
      text.replace(begin, size, name);
      return true;
    }
  }
  return false;
}

void remove_key(Table& table, const Place& place);

void remove_key(Value& value, const Place& place) {
  if (auto* table = std::get_if<Table>(&value.content)) remove_key(*table, place);
  if (auto* array = std::get_if<Array>(&value.content)) {
    for (Value& element : *array) remove_key(element, place);
  }
}

void remove_key(Table& table, const Place& place) {
  std::erase_if(table.entries, [&](const Entry& entry) { return entry.key_place == place; });
  for (Entry& entry : table.entries) remove_key(entry.value, place);
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

base::Result<Document, std::vector<SyntaxError>> parse_document(std::string_view text) {
  if (text.size() > kLargestDocument) {
    return base::Failure{std::vector{SyntaxError{{}, "the file is larger than 1 MiB"}}};
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (auto unparsable = find_unparsable(text)) {
    return base::Failure{std::vector{std::move(*unparsable)}};
  }
  std::string readable(text);
  std::vector<SyntaxError> errors;
  std::pair<uint32_t, uint32_t> last;  // line and column
  while (true) {
    const std::string image = ascii_image(readable);
    toml::parse_result result = toml::parse(image);
    if (result && image != readable) result = toml::parse(readable);
    if (result) {
      Table table = copy_table(result.table());
      for (const SyntaxError& repetition : errors) remove_key(table, repetition.place);
      return Document{std::move(table), std::move(errors)};
    }
    const auto& begin = result.error().source().begin;
    // A place that is met again means that something else was renamed.
    const std::pair<uint32_t, uint32_t> here(begin.line, begin.column);
    if (std::exchange(last, here) == here) return base::Failure{std::move(errors)};
    errors.push_back(
        explain_syntax_error(readable, begin.line, begin.column, result.error().description()));
    const bool goes_on = errors.back().repeats_key && errors.size() < kMostRepetitions &&
                         rename_key(readable, errors.back().place);
    if (!goes_on) return base::Failure{std::move(errors)};
  }
}

}  // namespace quorate::config
