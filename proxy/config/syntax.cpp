#include "proxy/config/syntax.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "consensus/base/text.h"
#include "proxy/config/utf8.h"

namespace quorate::config {
namespace {

constexpr size_t npos = std::string_view::npos;

// toml++'s words: "Error while parsing key-value pair: expected '=', saw '\n'".
struct Complaint {
  std::string_view scope;    // "key-value pair"; may be empty
  std::string_view problem;  // "expected '=', saw '\n'"
};

Complaint split(std::string_view description) {
  constexpr std::string_view kPrefix = "Error while parsing ";
  if (!description.starts_with(kPrefix)) return {{}, description};
  description.remove_prefix(kPrefix.size());
  const size_t colon = description.find(": ");
  if (colon == npos) return {{}, description};
  return {description.substr(0, colon), description.substr(colon + 2)};
}

// The text between the last pair of single quotes, as toml++ names things.
std::string_view last_quoted(std::string_view problem) {
  const size_t end = problem.rfind('\'');
  const size_t begin = end == npos || end == 0 ? npos : problem.rfind('\'', end - 1);
  return begin == npos ? std::string_view() : problem.substr(begin + 1, end - begin - 1);
}

std::string_view line_of(std::string_view text, uint32_t number) {
  for (; number > 1; --number) {
    const size_t end = text.find('\n');
    if (end == npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

// The byte of the line at which a column begins; the line's end if it lies behind.
size_t byte_of(std::string_view line, uint32_t column) {
  size_t byte = 0;
  for (; column > 1 && byte < line.size(); --column) {
    byte += std::max<size_t>(code_point_length(line.substr(byte)), 1);
  }
  return byte;
}

uint32_t column_of(std::string_view line, size_t byte) {
  uint32_t column = 1;
  for (size_t at = 0; at < byte; ++column) {
    at += std::max<size_t>(code_point_length(line.substr(at)), 1);
  }
  return column;
}

Place place_on(uint32_t number, std::string_view line, size_t begin, size_t end) {
  return {number, column_of(line, begin), number, column_of(line, end)};
}

// Where the value begins that byte `at` lies in: behind the nearest '=', '[' or ',' outside quotes.
size_t value_start(std::string_view line, size_t at) {
  size_t start = npos;
  char quote = 0;
  for (size_t i = 0; i < std::min(at, line.size()); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == '\\' && quote == '"') ++i;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#') {
      return npos;
    } else if (c == '=' || c == '[' || c == ',') {
      start = i + 1;
    }
  }
  if (quote != 0 || start == npos) return npos;
  return line.find_first_not_of(" \t", start);
}

// A word without quotes where a value is wanted, the most frequent slip: protocol = redis.
struct BareWord {
  size_t begin = 0;
  size_t end = 0;
};

std::optional<BareWord> bare_word_at(std::string_view line, size_t at) {
  const size_t begin = value_start(line, at);
  if (begin == npos || begin > at) return std::nullopt;
  size_t end = std::min(line.find_first_of(",]}#\"'=", begin), line.size());
  while (end > begin && (line[end - 1] == ' ' || line[end - 1] == '\t')) --end;
  if (end == begin || at > end || line[begin] == '{') return std::nullopt;
  return BareWord{begin, end};
}

// What toml++ was reading, in the reader's words; what lies in no value is "".
struct Scope {
  std::string_view parser;
  std::string_view reader;
  bool bare_value;  // a number, a date or a word: what quotes were perhaps forgotten around
};
constexpr std::array<Scope, 19> kScopes{{
    {"array", "inside a list", false},
    {"inline table", "inside { }", false},
    {"table header", "inside a [table] line", false},
    {"key", "inside a key", false},
    {"comment", "inside a comment", false},
    {"string", "inside a string", false},
    {"literal string", "inside a string", false},
    {"unicode scalar sequence", "inside a string", false},
    {"value", "inside a value", true},
    {"boolean", "inside a boolean", true},
    {"date", "inside a date", true},
    {"time", "inside a time", true},
    {"date-time", "inside a date", true},
    {"date-time offset", "inside a date", true},
    {"floating-point", "inside a number", true},
    {"decimal integer", "inside a number", true},
    {"hexadecimal integer", "inside a number", true},
    {"octal integer", "inside a number", true},
    {"binary integer", "inside a number", true},
}};

Scope scope_of(std::string_view parser) {
  for (const Scope& scope : kScopes) {
    if (scope.parser == parser) return scope;
  }
  return {parser, {}, false};
}

std::string plain_words(const Complaint& complaint) {
  const std::string_view where = scope_of(complaint.scope).reader;
  if (complaint.problem == "encountered end-of-file") {
    return "the file ends " + std::string(where.empty() ? "in the middle of a line" : where);
  }
  std::string problem(complaint.problem);
  constexpr std::string_view kLineEnd = "'\\n'";
  if (problem.ends_with(kLineEnd)) {
    problem.replace(problem.size() - kLineEnd.size(), kLineEnd.size(), "the end of the line");
  }
  if (!where.empty()) problem.append(", ").append(where);
  return problem;
}

// TOML outside strings and comments is ASCII.
std::string outside_quotes(uint32_t point) {
  if ((point >= 0x2018 && point <= 0x201F) || point == 0xAB || point == 0xBB) {
    return "syntax: TOML's quotes are \" and ', as on a typewriter";
  }
  std::array<char, 16> number{};
  std::snprintf(number.data(), number.size(), "U+%04X", static_cast<unsigned>(point));
  return std::string("syntax: ") + number.data() + " cannot stand outside quotes";
}

}  // namespace

SyntaxError explain_syntax_error(std::string_view text, uint32_t number, uint32_t column,
                                 std::string_view description) {
  const Complaint complaint = split(description);
  const std::string_view line = line_of(text, number);
  const size_t at = byte_of(line, column);
  column = column_of(line, at);  // at the end of the file the parser counts one too many
  const Place here{number, column, number, column + 1};
  const auto says = [&](std::string_view words) { return complaint.problem.find(words) != npos; };

  const bool in_string = scope_of(complaint.scope).reader == "inside a string";
  if (const uint32_t point = code_point(line.substr(at)); point > 0x7F) {
    return {here, in_string ? "syntax: only ASCII can follow a backslash" : outside_quotes(point)};
  }
  if (says("cannot redefine")) {
    const std::string name(last_quoted(complaint.problem));
    if (complaint.scope == "table header") {
      const size_t end = std::min(line.find(']', at), line.size() - 1) + 1;
      return {place_on(number, line, at, end), "[" + name + "] is written twice"};
    }
    const size_t key = name.empty() ? npos : line.substr(0, at).rfind(name);
    if (key == npos) return {here, "syntax: this key is set twice"};
    return {place_on(number, line, key, key + name.size()), "\"" + name + "\" is set twice", true};
  }
  if (in_string && at >= line.size()) {
    return {here, "syntax: the string is not closed"};
  }
  if (says("64 bits")) return {here, "syntax: the number does not fit 64 bits"};
  if (says("expected value, saw") || (says("end-of-file") && complaint.scope == "key-value pair")) {
    if (line.substr(0, at).find('=') != npos) return {here, "syntax: no value follows the \"=\""};
    return {here, "syntax: no \"=\" follows the key"};
  }
  if (scope_of(complaint.scope).bare_value) {
    if (const auto word = bare_word_at(line, at)) {
      const std::string_view bare = line.substr(word->begin, word->end - word->begin);
      const Place place = place_on(number, line, word->begin, word->end);
      for (std::string_view boolean : {"true", "false"}) {
        if (base::equal_ignoring_case(bare, boolean)) {
          return {place, "syntax: write " + std::string(boolean) + " in lower case"};
        }
      }
      // The word itself is not repeated: it may be a password.
      return {place, "syntax: text needs quotes around it"};
    }
  }
  return {here, "syntax: " + plain_words(complaint)};
}

}  // namespace quorate::config
