#include "backends/wire/command_error.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace quorate::wire;

namespace {

std::string error_for(const std::vector<std::string_view>& args) {
  std::string out;
  append_command_error(out, look_up_command(args), args);
  return out;
}

}  // namespace

TEST_CASE("an unknown command is answered with what it was and how it went on") {
  CHECK(error_for({"foo"}) == "-ERR unknown command 'foo', with args beginning with: \r\n");
  CHECK(error_for({"foo", "a", "b"}) ==
        "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n");
}

TEST_CASE("what is echoed is cut, and stays on its line") {
  using std::string_view_literals::operator""sv;
  const std::string long_text(200, 'x');
  CHECK(error_for({long_text, long_text, "b"}) == "-ERR unknown command '" + std::string(128, 'x') +
                                                      "', with args beginning with: '" +
                                                      std::string(128, 'x') + "' \r\n");
  CHECK(error_for({"a\r\nb", "c\nd\0e"sv}) ==
        "-ERR unknown command 'a  b', with args beginning with: 'c d' \r\n");
  const std::string nearly(120, 'y');  // with quotes and blank 123: five bytes are left
  CHECK(error_for({"foo", nearly, "0123456789", "z"}) ==
        "-ERR unknown command 'foo', with args beginning with: '" + nearly + "' '01234' \r\n");
}

TEST_CASE("an unknown subcommand is told where to find help") {
  CHECK(error_for({"client", "Foo"}) == "-ERR unknown subcommand 'Foo'. Try CLIENT HELP.\r\n");
}

TEST_CASE("a wrong number of arguments names the command as the table does") {
  CHECK(error_for({"GET"}) == "-ERR wrong number of arguments for 'get' command\r\n");
  CHECK(error_for({"CONFIG", "GET"}) ==
        "-ERR wrong number of arguments for 'config|get' command\r\n");
  CHECK(error_for({"EXEC", "now"}) ==
        "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' "
        "command\r\n");
}
