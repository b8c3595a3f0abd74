#include "proxy/config/substitution.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/unit/proxy/config/world.h"

namespace quorate::config::testing {
namespace {

Substituted made(std::string_view text) {
  const auto result = substitute(text, small_world());
  REQUIRE_MESSAGE(result.ok(), text);
  return result.value();
}

std::string refused(std::string_view text) {
  const auto result = substitute(text, small_world());
  REQUIRE_MESSAGE(!result.ok(), text);
  return result.error();
}

}  // namespace

TEST_CASE("text without references is itself and no secret") {
  for (const char* text : {"", "plain", "$", "$$", "{}", "}", "$x", "$ {env:PORT}", "a$b{c}"}) {
    CHECK(made(text).text == text);
    CHECK(!made(text).secret);
  }
}

TEST_CASE("variables and files are put in, anywhere and more than once") {
  CHECK(made("${env:PASSWORD}").text == "hunter2");
  CHECK(made("127.0.0.1:${env:PORT}").text == "127.0.0.1:6379");
  CHECK(made("${env:PORT}${env:PORT}-${file:/run/secrets/redis}!").text == "63796379-s3cret!");
  CHECK(made("${env:EMPTY}").text.empty());
  CHECK(made("${env:EMPTY}").secret);
}

TEST_CASE("of a file only the last line break is left out") {
  CHECK(made("${file:/run/secrets/redis}").text == "s3cret");
  CHECK(made("${file:/run/secrets/windows}").text == "s3cret");
  CHECK(made("${file:/run/secrets/two-lines}").text == "one\ntwo\n");
}

TEST_CASE("what was put in is not looked through again") {
  CHECK(made("${env:NESTED}").text == "${env:PASSWORD}");
}

TEST_CASE("a doubled dollar is a plain one before a brace") {
  CHECK(made("$${env:PASSWORD}").text == "${env:PASSWORD}");
  CHECK(!made("$${env:PASSWORD}").secret);
  CHECK(made("$$${").text == "$${");
  CHECK(made("$${${env:PORT}}").text == "${6379}");
}

TEST_CASE("what cannot be put in is refused by name") {
  CHECK(refused("${env:ABSENT}") == "the environment variable ABSENT is not set");
  CHECK(refused("${file:/absent}") == "cannot read /absent: No such file or directory");
  CHECK(refused("${file:/run/secrets/locked}") ==
        "cannot read /run/secrets/locked: Permission denied");
  for (const char* text :
       {"${", "${}", "${env}", "${env:", "${env:}", "${env:1X}", "${env:A B}", "${file:}",
        "${file:relative}", "${ENV:PORT}", "x ${PORT} y", "${env:PORT} ${redacted}"}) {
    CHECK(!refused(text).empty());
  }
}

TEST_CASE("the process's own environment and files are read") {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("quorate-substitution-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string file = (folder / "secret").string();
  std::ofstream(file) << "from a file\n";
  ::setenv("QUORATE_TEST_VARIABLE", "from a variable", 1);

  const Environment world = process_environment();
  CHECK(substitute("${env:QUORATE_TEST_VARIABLE}", world).value().text == "from a variable");
  CHECK(substitute("${file:" + file + "}", world).value().text == "from a file");
  CHECK(!substitute("${env:QUORATE_TEST_ABSENT}", world).ok());
  CHECK(substitute("${file:" + folder.string() + "}", world).error().ends_with("Is a directory"));
  CHECK(substitute("${file:" + file + "-absent}", world)
            .error()
            .ends_with("No such file or directory"));

  std::ofstream(file) << std::string(64 * 1024, 'x');
  CHECK(substitute("${file:" + file + "}", world).value().text.size() == 64 * 1024);
  std::ofstream(file) << std::string(64 * 1024 + 1, 'x');
  CHECK(substitute("${file:" + file + "}", world).error().ends_with("larger than 65536 bytes"));
  CHECK(substitute("${file:/dev/zero}", world).error().ends_with("larger than 65536 bytes"));
  ::unsetenv("QUORATE_TEST_VARIABLE");
  std::filesystem::remove_all(folder);
}

}  // namespace quorate::config::testing
