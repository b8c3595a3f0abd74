// Plays the conversations of tests/conversation/relay/*.txt and compares what follows each line
// with what is written below it, indented. With QUORATE_REWRITE=1 it writes down what follows now;
// the difference is reviewed like code.
//
//   relay_conversations DIRECTORY [FILE …]
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "tests/conversation/relay/stage.h"

namespace {

using quorate::conversation::Stage;

constexpr std::string_view kCase = "==== ";
constexpr std::string_view kIndent = "    ";

// Where a failed assertion is to be looked for.
std::string playing;

void tell_where(int) {
  std::fprintf(stderr, "while playing %s\n", playing.c_str());
  std::_Exit(1);
}

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// The file as it would be, if all that follows is what follows now.
std::vector<std::string> play(const std::vector<std::string>& lines, size_t& cases) {
  std::vector<std::string> played;
  std::optional<Stage> stage;
  std::string title;
  for (const std::string& line : lines) {
    if (line.starts_with(kIndent)) continue;
    played.push_back(line);
    playing = title + "\n  " + line;
    if (line.starts_with(kCase)) {
      ++cases;
      title = line;
      stage.emplace();
    } else if (stage && !line.empty() && !line.starts_with('#')) {
      for (const std::string& said : stage->perform(line)) {
        played.push_back(std::string(kIndent) + said);
      }
    }
  }
  return played;
}

void print_difference(const std::string& file, const std::vector<std::string>& written,
                      const std::vector<std::string>& played) {
  size_t at = 0;
  while (at < written.size() && at < played.size() && written[at] == played[at]) ++at;
  std::string title;
  for (size_t i = 0; i < at; ++i) {
    if (written[i].starts_with(kCase)) title = written[i];
  }
  std::printf("%s:%zu: %s\n", file.c_str(), at + 1, title.c_str());
  for (size_t i = at > 3 ? at - 3 : 0; i < at; ++i) std::printf("  %s\n", written[i].c_str());
  for (size_t i = at; i < std::min(at + 6, written.size()); ++i) {
    std::printf("- %s\n", written[i].c_str());
  }
  for (size_t i = at; i < std::min(at + 6, played.size()); ++i) {
    std::printf("+ %s\n", played[i].c_str());
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  std::signal(SIGABRT, tell_where);
  std::vector<std::filesystem::path> files(arguments + 2, arguments + count);
  if (files.empty()) {
    for (const auto& entry : std::filesystem::directory_iterator(arguments[1])) {
      const auto& path = entry.path();
      if (path.extension() == ".txt" && path.filename() != "CMakeLists.txt") files.push_back(path);
    }
  }
  std::ranges::sort(files);
  const bool rewrite = std::getenv("QUORATE_REWRITE") != nullptr;
  size_t cases = 0;
  size_t different = 0;
  for (const auto& file : files) {
    const auto written = lines_of(file);
    const auto played = play(written, cases);
    if (written == played) continue;
    ++different;
    if (rewrite) {
      std::ofstream out(file);
      for (const std::string& line : played) out << line << "\n";
    } else {
      print_difference(file.string(), written, played);
    }
  }
  std::fflush(stdout);
  std::printf("%zu conversations in %zu files, %zu files differ\n", cases, files.size(), different);
  return (different > 0 && !rewrite) || cases == 0 ? 1 : 0;
}
