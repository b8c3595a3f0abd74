// Places: every key and value of a document must point at exactly its own text.

#include "proxy/config/document.h"

#include <doctest/doctest.h>

#include <string>

#include "proxy/config/text_of.h"
#include "proxy/config/utf8.h"
#include "tests/unit/proxy/config/world.h"

namespace quorate::config::testing {
namespace {

/// The byte at which a line and column of the text begin.
size_t byte_of(const std::string& text, uint32_t line, uint32_t column) {
  size_t byte = 0;
  for (; line > 1; --line) byte = text.find('\n', byte) + 1;
  for (; column > 1; --column) {
    REQUIRE(byte < text.size());
    byte += code_point_length(std::string_view(text).substr(byte));
  }
  return byte;
}

/// What stands between the two ends of a place.
std::string slice(const std::string& text, const Place& place) {
  const size_t begin = byte_of(text, place.line, place.column);
  const size_t end = byte_of(text, place.end_line, place.end_column);
  REQUIRE(begin <= end);
  return text.substr(begin, end - begin);
}

struct Seen {
  size_t keys = 0;
  size_t values = 0;
};

void check_places(const std::string& text, const Table& table, Seen& seen);

void check_place(const std::string& text, const Value& value, Seen& seen) {
  const std::string written = slice(text, value.place);
  ++seen.values;
  if (const auto* string = std::get_if<std::string>(&value.content)) {
    CHECK((written == toml_string(*string) || written == "'" + *string + "'"));
  } else if (const auto* integer = std::get_if<int64_t>(&value.content)) {
    CHECK(written == std::to_string(*integer));
  } else if (const auto* boolean = std::get_if<bool>(&value.content)) {
    CHECK(written == (*boolean ? "true" : "false"));
  } else if (const Array* array = value.array();
             array != nullptr && written[0] == '[' && written.substr(0, 2) != "[[") {
    CHECK(written.back() == ']');
  }
  if (const Array* array = value.array()) {
    for (const Value& element : *array) check_place(text, element, seen);
  }
  if (const Table* inner = value.table()) check_places(text, *inner, seen);
}

void check_places(const std::string& text, const Table& table, Seen& seen) {
  Place last;
  for (const Entry& entry : table.entries) {
    const std::string written = slice(text, entry.key_place);
    INFO("key: " << entry.key);
    ++seen.keys;
    CHECK((written == entry.key || written == toml_string(entry.key) ||
           written == "'" + entry.key + "'"));
    CHECK((entry.key_place.line > last.line ||
           (entry.key_place.line == last.line && entry.key_place.column > last.column)));
    last = entry.key_place;
    check_place(text, entry.value, seen);
  }
}

Seen check_document(const std::string& text) {
  const auto document = parse_document(text);
  REQUIRE_MESSAGE(document.ok(), document.error().front().message);
  Seen seen;
  check_places(text, document.value().table, seen);
  return seen;
}

}  // namespace

TEST_CASE("keys and values of the reference file point at their own text") {
  const Seen seen = check_document(read_text(source_path("conf/quorate.toml")));
  CHECK(seen.keys > 15);
  CHECK(seen.values > 20);
}

TEST_CASE("places are right in tables, lists, inline tables and dotted keys, on any layout") {
  const Seen seen = check_document(
      "\t workers  =  3   # three\n"
      "log . level = 'info'\n"
      "[ pool . cache ]\n"
      "listen = [ \"a:1\",\t'b:2' ,\n"
      "\n"
      "           # between\n"
      "  \"c:3\" , ]\n"
      "backends = [{address=\"x\",weight=2},{ address = \"y\" , weight = 33 }]\n"
      "  [pool.\"p\xC3\xBC\"]\n"
      "preconnect = true\n"
      "zone = 'a'  # '\xC3\xA4'\n"
      "'single' = -17");
  CHECK(seen.keys == 15);
  CHECK(seen.values == 20);
}

TEST_CASE("places count characters after non-ASCII text on the same line") {
  const std::string text = "a = [\"\xC3\xA4\xF0\x9F\x98\x80\", 7, \"z\"]\n";
  const auto document = parse_document(text);
  REQUIRE(document.ok());
  const Array& list = *document.value().table.find("a")->value.array();
  REQUIRE(list.size() == 3);
  CHECK(list[1].place == Place{1, 12, 1, 13});
  CHECK(list[2].place == Place{1, 15, 1, 18});
}

TEST_CASE("line ends may be CRLF, and a byte order mark counts for nothing") {
  const std::string text = "\xEF\xBB\xBFworkers = 1\r\n[log]\r\nlevel = 2\r\n";
  const auto document = parse_document(text);
  REQUIRE(document.ok());
  CHECK(document.value().table.find("workers")->key_place == Place{1, 1, 1, 8});
  const Table& log = *document.value().table.find("log")->value.table();
  CHECK(log.find("level")->value.place == Place{3, 9, 3, 10});
}

TEST_CASE("entries come in the order of the file, not of the alphabet") {
  const auto document = parse_document("[pool.z]\n[pool.a]\n[pool.m]\n");
  REQUIRE(document.ok());
  const Table& pools = *document.value().table.find("pool")->value.table();
  REQUIRE(pools.entries.size() == 3);
  CHECK(pools.entries[0].key == "z");
  CHECK(pools.entries[1].key == "a");
  CHECK(pools.entries[2].key == "m");
}

TEST_CASE("every kind of value has a name") {
  const auto document = parse_document(
      "a = true\nb = 1\nc = 1.5\nd = \"\"\ne = 07:32:00\nf = []\ng = {}\nh = 1979-05-27\n");
  REQUIRE(document.ok());
  const char* kinds[] = {"true or false", "a whole number", "a number with a fraction",
                         "a string",      "a date or time", "a list",
                         "a table",       "a date or time"};
  for (size_t i = 0; i < document.value().table.entries.size(); ++i) {
    CHECK(document.value().table.entries[i].value.kind() == kinds[i]);
  }
}

TEST_CASE("what is not UTF-8 is refused at its place") {
  struct Broken {
    std::string text;
    uint32_t line;
    uint32_t column;
  };
  const Broken cases[] = {
      {"\xFF", 1, 1},                          // no lead byte
      {"a = 1\n\xC3\xA4 \x80", 2, 3},          // a continuation alone
      {"a = \"\xC3\"\n", 1, 6},                // cut short
      {"a = \"\xC0\x80\"", 1, 6},              // overlong, two bytes
      {"a = \"\xE0\x80\x80\"", 1, 6},          // overlong, three
      {"a = \"\xED\xA0\x80\"", 1, 6},          // a surrogate
      {"a = \"\xF4\x90\x80\x80\"", 1, 6},      // beyond U+10FFFF
      {"a = \"\xF0\x9F\x98", 1, 6},            // the file ends in it
      {"# \xC3\xA4\xE2\x82\xAC\xFE\n", 1, 5},  // in a comment
  };
  for (const Broken& broken : cases) {
    const auto document = parse_document(broken.text);
    REQUIRE(!document.ok());
    CHECK(document.error().front().message == "syntax: this is not UTF-8");
    CHECK(document.error().front().place.line == broken.line);
    CHECK(document.error().front().place.column == broken.column);
  }
}

TEST_CASE("what toml++ takes for impossible is an error like any other") {
  // In the first four it reaches its own __builtin_unreachable(), in the others a false assertion.
  for (const char* text : {"a = \xC3\xA4", "a = +++\"\xC3\xA4\"", "\"a\"\xC3\xA4 = 1",
                           "a = [1,\xC2\xA0 2]", "[.a]", "[#", "[\n]", "[ = ]", "[[.a]]"}) {
    INFO("text: " << text);
    CHECK(!parse_document(text).ok());
  }
}

TEST_CASE("letters other than ASCII keep their bytes and their places") {
  const auto document = parse_document(
      "# \xF0\x9F\x98\x80\n\"\xC3\xA4\" = '\xC3\xB6\\' # \xC3\xBC\nb = "
      "\"\"\"\n\xE2\x82\xAC\\\\\n\"\"\"\n");
  REQUIRE(document.ok());
  REQUIRE(document.value().table.entries.size() == 2);
  const Entry& first = document.value().table.entries[0];
  CHECK(first.key == "\xC3\xA4");
  CHECK(std::get<std::string>(first.value.content) == "\xC3\xB6\\");
  CHECK(first.value.place == Place{2, 7, 2, 11});
  const Entry& second = document.value().table.entries[1];
  CHECK(std::get<std::string>(second.value.content) == "\xE2\x82\xAC\\\n");
  CHECK(second.key_place == Place{3, 1, 3, 2});
}

TEST_CASE("a key that is set twice is told and left out, and the rest is read") {
  const auto document = parse_document(
      "a = 1\na = \"\"\"\ntwo lines\"\"\"\nb = 2\nb = [\n 3 ]\nt = { c = 1, c = 2 }\n"
      "[x]\nd.e = 1\nd.e = 2\nf = 3\n");
  REQUIRE(document.ok());
  std::vector<std::string> told;
  for (const SyntaxError& one : document.value().repetitions) {
    told.push_back(std::to_string(one.place.line) + " " + one.message);
  }
  CHECK(told == std::vector<std::string>{"2 \"a\" is set twice", "5 \"b\" is set twice",
                                         "7 \"c\" is set twice", "10 \"d.e\" is set twice"});
  const Table& table = document.value().table;
  REQUIRE(table.entries.size() == 4);
  CHECK(std::get<int64_t>(table.find("a")->value.content) == 1);
  CHECK(std::get<int64_t>(table.find("b")->value.content) == 2);
  CHECK(table.find("t")->value.table()->entries.size() == 1);
  const Table& x = *table.find("x")->value.table();
  REQUIRE(x.entries.size() == 2);
  CHECK(x.find("d")->value.table()->entries.size() == 1);
}

TEST_CASE("a syntax error behind a key that is set twice is told, too, and many such keys end it") {
  const auto broken = parse_document("a = 1\na = 2\nb = \n");
  REQUIRE(!broken.ok());
  REQUIRE(broken.error().size() == 2);
  CHECK(broken.error()[1].place.line == 3);
  std::string many = "a = 1\n";
  for (int i = 0; i < 1000; ++i) many += "a = 1\n";
  CHECK(!parse_document(many).ok());
}

TEST_CASE("absurd documents are refused, not recursed into") {
  std::string dots = "a";
  for (int i = 0; i < 100'000; ++i) dots += ".a";
  for (const std::string& text :
       {dots + " = 1\n", "[" + dots + "]\n", "x = 1\n[[" + dots + "]]\n"}) {
    const auto document = parse_document(text);
    REQUIRE(!document.ok());
    CHECK(document.error().front().message == "syntax: a key with too many dots");
  }
  const auto lists = parse_document("a = " + std::string(100'000, '['));
  CHECK(!lists.ok());
  const auto large = parse_document(std::string(kLargestDocument + 1, '\n'));
  REQUIRE(!large.ok());
  CHECK(large.error().front().place == Place{});
  CHECK(parse_document(std::string(kLargestDocument, '\n')).ok());
}

}  // namespace quorate::config::testing
