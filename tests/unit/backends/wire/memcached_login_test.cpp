#include "backends/wire/memcached_login.h"

#include <doctest/doctest.h>

#include <string>

using quorate::wire::read_sasl_plain;
using quorate::wire::read_text_login;

namespace {

auto login(const std::string& text) {
  return read_text_login(text.data(), text.data() + text.size());
}

}  // namespace

TEST_CASE("a login is a set whose value is the user and the password") {
  const std::string text = "set any 0 0 8\r\nfoo barr\r\nget x\r\n";
  const auto read = login(text);
  CHECK(read.size == 25);
  CHECK(read.answer.empty());
  CHECK(read.user == "foo");
  CHECK(read.password == "barr");
}

TEST_CASE("until it is here it is waited for") {
  const std::string text = "set any 0 0 8\r\nfoo barr\r\n";
  for (size_t size = 1; size < text.size(); ++size) CHECK(login(text.substr(0, size)).size == 0);
  CHECK(login(std::string(2049, 'x')).closes);
}

TEST_CASE("anything else is refused, line by line, as memcached -Y does") {
  CHECK(login("get foo\r\n").answer == "CLIENT_ERROR unauthenticated");
  CHECK(login("get foo\r\nget bar\r\n").size == 9);
  CHECK(login("set a 0 0 99999\r\n").answer == "CLIENT_ERROR unauthenticated");
  CHECK(login("set a 0 0 x\r\n").answer == "CLIENT_ERROR unauthenticated");
  CHECK(login("set a 0 0 2\r\nhi\r\n").answer == "CLIENT_ERROR bad authentication token format");
  CHECK(login("set a 0 0 2\r\nhi__").answer == "CLIENT_ERROR bad command line termination");
}

TEST_CASE("SASL PLAIN: user and password behind NULs") {
  using namespace std::string_literals;
  const std::string data = "\0user\0secret"s;
  const auto read = read_sasl_plain(data);
  REQUIRE(read.has_value());
  CHECK(read->user == "user");
  CHECK(read->password == "secret");
  CHECK_FALSE(read_sasl_plain("user").has_value());
  CHECK_FALSE(read_sasl_plain("\0user"s).has_value());
}
