#include "proxy/process/ready_file.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace quorate::process {

TEST_CASE("a ready file is written whole, and nothing is left beside it") {
  const auto folder =
      std::filesystem::temp_directory_path() / ("quorate-ready-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const auto path = folder / "ready.json";
  for (const char* text : {"first, and the longer one\n", "second\n"}) {
    CHECK(write_ready_file(path, text).empty());
    std::stringstream written;
    written << std::ifstream(path).rdbuf();
    CHECK(written.str() == text);
  }
  CHECK(!std::filesystem::exists(path.string() + ".new"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("a ready file that cannot be written says why") {
  CHECK(write_ready_file("/no/such/folder/ready.json", "{}") == "No such file or directory");
  const auto folder =
      std::filesystem::temp_directory_path() / ("quorate-ready-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder / "ready.json" / "in the way");
  CHECK(!write_ready_file(folder / "ready.json", "{}").empty());
  std::filesystem::remove_all(folder);
}

}  // namespace quorate::process
