// Random damage to the reference file: whatever it is, it is either settings or a diagnostic with a
// place in the text, never a crash and never a refusal without a word. Seeded: a failure names the
// seed that repeats it.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "consensus/base/random.h"
#include "proxy/config/print.h"
#include "proxy/config/utf8.h"
#include "tests/unit/proxy/config/world.h"

namespace quorate::config::testing {
namespace {

// What is likely to matter to a parser of TOML, of values, or of references.
constexpr std::array<std::string_view, 44> kPieces{
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "\\",
    "\n",
    "\r\n",
    "\r",
    "#",
    "=",
    ".",
    ",",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "${",
    "$${",
    "${env:",
    "${file:/",
    "-1",
    "0",
    "1e9",
    "true",
    "0x1F",
    "999999",
    "1979-05-27",
    "nan",
    "-",
    " ",
    "\t",
    "\0",
    "\xFF",
    "\xC3",
    "\xC3\xA9",
    "\xEF\xBB\xBF",
    "pool",
    "backends = []",
    "[pool.cache]",
    "password = \"x\"",
    "unix:",
    "\x1B[31m",
};

class Vandal {
 public:
  explicit Vandal(uint64_t seed) : random_(seed) {}

  std::string damaged(std::string text) {
    for (uint64_t hits = 1 + random_.below(4); hits > 0; --hits) hit(text);
    return text;
  }

 private:
  size_t anywhere(const std::string& text) { return random_.below(text.size() + 1); }

  void hit(std::string& text) {
    const size_t at = anywhere(text);
    const size_t length = std::min<size_t>(random_.below(20), text.size() - at);
    const std::string_view piece = kPieces[random_.below(kPieces.size())];
    switch (random_.below(8)) {
      case 0: text.erase(at, length); break;
      case 1: text.insert(at, piece); break;
      case 2: text.replace(at, length, piece); break;
      case 3: text.insert(anywhere(text), text.substr(at, length)); break;
      case 4: text.resize(at); break;
      case 5:
        if (at < text.size()) text[at] = static_cast<char>(random_.below(256));
        break;
      case 6: swap_lines(text); break;
      default: uncomment(text, at); break;
    }
  }

  void swap_lines(std::string& text) {
    std::vector<std::string> lines(1);
    for (char c : text) {
      lines.back() += c;
      if (c == '\n') lines.emplace_back();
    }
    std::swap(lines[random_.below(lines.size())], lines[random_.below(lines.size())]);
    text.clear();
    for (const std::string& line : lines) text += line;
  }

  static void uncomment(std::string& text, size_t at) {
    const size_t comment = text.find("\n# ", at);
    if (comment != std::string::npos) text.erase(comment + 1, 2);
  }

  base::Random random_;
};

/// The columns of each line, the position behind its last character included.
std::vector<uint32_t> columns_of(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<uint32_t> columns{1};
  while (!text.empty()) {
    const size_t length = std::max<size_t>(code_point_length(text), 1);
    if (text[0] == '\n') {
      columns.push_back(1);
    } else {
      ++columns.back();
    }
    text.remove_prefix(length);
  }
  return columns;
}

void check_diagnostic(const Diagnostic& diagnostic, const std::vector<uint32_t>& columns) {
  CHECK(!diagnostic.message.empty());
  CHECK(diagnostic.file == "quorate.toml");
  if (diagnostic.line == 0) {
    CHECK(diagnostic.message.starts_with("there is no pool"));
    return;
  }
  REQUIRE(diagnostic.line <= columns.size());
  CHECK(diagnostic.column >= 1);
  CHECK(diagnostic.column <= columns[diagnostic.line - 1]);
  CHECK(diagnostic.caret_length >= 1);
  const std::string shown = render(diagnostic, Colour::kNever);
  CHECK(std::count(shown.begin(), shown.end(), '\n') == 3);
  CHECK(std::none_of(shown.begin(), shown.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7F;
  }));
}

}  // namespace

TEST_CASE("a damaged file is settings or a diagnostic with a place, never a crash") {
  constexpr uint64_t kSeeds = 4'000;
  const std::string reference = read_text(source_path("conf/quorate.toml"));
  REQUIRE(!reference.empty());
  uint64_t accepted = 0;
  uint64_t syntax = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    INFO("seed: " << seed);
    const std::string text = Vandal(seed).damaged(reference);
    const LoadResult loaded = load_text(text);
    const auto& diagnostics = loaded.ok() ? loaded.value().warnings : loaded.error();
    const bool errors = std::any_of(diagnostics.begin(), diagnostics.end(), [](const auto& one) {
      return one.severity == Severity::kError;
    });
    CHECK(errors == !loaded.ok());
    const std::vector<uint32_t> columns = columns_of(text);
    for (const Diagnostic& diagnostic : diagnostics) check_diagnostic(diagnostic, columns);
    if (!loaded.ok()) {
      syntax += diagnostics.front().message.starts_with("syntax") ? 1u : 0u;
      continue;
    }
    ++accepted;
    // What was accepted is whole: it can be written, and means the same when read.
    const std::string printed = to_toml(loaded.value().settings);
    if (printed.find("${redacted}") == std::string::npos) {
      CHECK(settings_of(printed) == loaded.value().settings);
    }
  }
  // Each of the three ways out is taken often, or the test proves little.
  CHECK(accepted > kSeeds / 20);
  CHECK(syntax > kSeeds / 20);
  CHECK(kSeeds - accepted - syntax > kSeeds / 20);
}

}  // namespace quorate::config::testing
