// The transcripts of tests/conversation/config: a configuration, then what quorate says of it.
// With "---- then" a second configuration follows, and what is said is the diff of a reload.
// QUORATE_REWRITE=1 writes down what is said now; the difference is reviewed like code.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "proxy/config/diff.h"
#include "tests/unit/proxy/config/world.h"

namespace quorate::config::testing {
namespace {

constexpr std::string_view kCase = "==== ";
constexpr std::string_view kThen = "---- then\n";
constexpr std::string_view kSays = "---- says\n";

struct Case {
  std::string title;
  std::string before;
  std::string after;  // of a reload; else empty
  std::string says;
};

struct Transcript {
  std::string heading;
  std::vector<Case> cases;
};

Case parse_case(std::string_view text) {
  Case parsed;
  const size_t title_end = text.find('\n');
  parsed.title = text.substr(0, title_end);
  text.remove_prefix(title_end + 1);
  const size_t says = text.find(kSays);
  REQUIRE_MESSAGE(says != std::string_view::npos, "no '---- says' in: " << parsed.title);
  parsed.says = text.substr(says + kSays.size());
  text = text.substr(0, says);
  const size_t then = text.find(kThen);
  if (then != std::string_view::npos) {
    parsed.after = text.substr(then + kThen.size());
    text = text.substr(0, then);
  }
  parsed.before = text;
  return parsed;
}

Transcript parse_transcript(const std::string& text) {
  Transcript transcript;
  size_t at = text.find(kCase);
  transcript.heading = text.substr(0, at);
  while (at != std::string::npos) {
    const size_t next = text.find("\n" + std::string(kCase), at);
    const size_t end = next == std::string::npos ? text.size() : next + 1;
    transcript.cases.push_back(
        parse_case(std::string_view(text).substr(at + kCase.size(), end - at - kCase.size())));
    at = next == std::string::npos ? next : next + 1;
  }
  return transcript;
}

std::string what_is_said(const Case& one) {
  const LoadResult before = load_text(one.before);
  if (!before) return render(before.error(), Colour::kNever);
  if (one.after.empty()) return render(before.value().warnings, Colour::kNever) + "valid\n";
  const LoadResult after = load_text(one.after);
  if (!after) return render(after.error(), Colour::kNever);
  std::string text;
  for (const Change& change : diff(before.value().settings, after.value().settings)) {
    text += render(change) + "\n";
  }
  return text.empty() ? "nothing changes\n" : text;
}

std::string written(const Transcript& transcript) {
  std::string text = transcript.heading;
  for (const Case& one : transcript.cases) {
    text += std::string(kCase) + one.title + "\n" + one.before;
    if (!one.after.empty()) text += std::string(kThen) + one.after;
    text += std::string(kSays) + one.says;
    if (&one != &transcript.cases.back()) text += "\n";
  }
  return text;
}

// The blank line between two cases belongs to the file's layout.
void trim(Case& one) {
  while (one.says.ends_with("\n\n")) one.says.pop_back();
}

}  // namespace

TEST_CASE("every transcript says what it is recorded to say") {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(source_path("tests/conversation/config"))) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() >= 5);
  const bool rewrite = std::getenv("QUORATE_REWRITE") != nullptr;
  for (const auto& file : files) {
    Transcript transcript = parse_transcript(read_text(file));
    CHECK_MESSAGE(!transcript.cases.empty(), file.filename().string());
    for (Case& one : transcript.cases) {
      trim(one);
      const std::string said = what_is_said(one);
      if (rewrite) {
        one.says = said;
        continue;
      }
      INFO(file.filename().string() << ": " << one.title);
      CHECK(said == one.says);
    }
    if (rewrite) std::ofstream(file, std::ios::binary) << written(transcript);
  }
}

}  // namespace quorate::config::testing
