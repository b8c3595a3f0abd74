#include "proxy/config/twemproxy_server.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace quorate::config {
namespace {

void check_server(std::string_view text, std::string_view address, std::string_view name,
                  uint32_t weight) {
  CAPTURE(std::string(text));
  const auto server = parse_twemproxy_server(text);
  REQUIRE(server.ok());
  CHECK(server.value().address == address);
  CHECK(server.value().name == name);
  CHECK(server.value().weight == weight);
}

TEST_CASE("a server without a name is hashed by host and port, not by its weight") {
  check_server("10.0.0.1:6379:1", "10.0.0.1:6379", "10.0.0.1:6379", 1);
  check_server("10.0.0.1:6379:25", "10.0.0.1:6379", "10.0.0.1:6379", 25);
  check_server("redis.example:6379:1", "redis.example:6379", "redis.example:6379", 1);
}

TEST_CASE("a server on port 11211 is hashed by its host alone") {
  check_server("10.0.0.1:11211:1", "10.0.0.1:11211", "10.0.0.1", 1);
}

TEST_CASE("a server with a name is hashed by it, whatever its address") {
  check_server("10.0.0.1:6379:1 alpha", "10.0.0.1:6379", "alpha", 1);
  check_server("10.0.0.1:11211:2 a:b:c", "10.0.0.1:11211", "a:b:c", 2);
  check_server("/run/redis:3 alpha", "unix:/run/redis", "alpha", 3);
}

TEST_CASE("a unix socket without a name is hashed by its path and a colon") {
  check_server("/run/redis.sock:1", "unix:/run/redis.sock", "/run/redis.sock:", 1);
}

TEST_CASE("what stands before the last two colons is the host, so IPv6 needs no brackets") {
  check_server("::1:6379:1", "[::1]:6379", "::1:6379", 1);
  check_server("fe80::1:11211:1", "[fe80::1]:11211", "fe80::1", 1);
}

TEST_CASE("a port is hashed as it is written, but its address is plain") {
  check_server("h:06379:01", "h:6379", "h:06379", 1);
}

TEST_CASE("what twemproxy cannot read as a server is refused, with a reason") {
  const auto error = [](std::string_view text) { return parse_twemproxy_server(text).error(); };
  constexpr std::string_view kForm =
      "a server is \"host:port:weight\" or \"/path:weight\", then perhaps a blank and a name";
  CHECK(error("h") == kForm);
  CHECK(error("h:1") == kForm);
  CHECK(error(":1:1") == kForm);
  CHECK(error("/run/a:b:1") == kForm);
  CHECK(error("/run/a") == kForm);
  CHECK(error("h:1:0") == "the weight \"0\" is not a number above 0");
  CHECK(error("h:1:") == "the weight \"\" is not a number above 0");
  CHECK(error("h:1:-1") == "the weight \"-1\" is not a number above 0");
  CHECK(error("h:1:1.5") == "the weight \"1.5\" is not a number above 0");
  CHECK(error("h:1:1  two blanks") == "the weight \"1  two\" is not a number above 0");
  CHECK(error("h:1:99999999999") == "the weight \"99999999999\" is not a number above 0");
  CHECK(error("h:0:1") == "the port \"0\" is not in 1..65535");
  CHECK(error("h:65536:1") == "the port \"65536\" is not in 1..65535");
  CHECK(error("h:x:1") == "the port \"x\" is not in 1..65535");
  CHECK(error("h:1:1 ") == "no name follows the blank");
}

TEST_CASE("a pool listens on a host and port, or on a socket, perhaps with permissions") {
  const auto listen = [](std::string_view text) { return parse_twemproxy_listen(text).value(); };
  CHECK(listen("127.0.0.1:22121").address == "127.0.0.1:22121");
  CHECK_FALSE(listen("127.0.0.1:22121").mode.has_value());
  CHECK(listen("::1:22121").address == "[::1]:22121");
  CHECK(listen("/run/pool").address == "unix:/run/pool");
  CHECK_FALSE(listen("/run/pool").mode.has_value());
  CHECK(listen("/run/pool 0666").address == "unix:/run/pool");
  CHECK(listen("/run/pool 0666").mode == 0666);
  CHECK(listen("/run/pool 7").mode == 7);
}

TEST_CASE("an address to listen on that twemproxy cannot read is refused, with a reason") {
  const auto error = [](std::string_view text) { return parse_twemproxy_listen(text).error(); };
  constexpr std::string_view kForm = "an address to listen on is \"host:port\" or \"/path mode\"";
  CHECK(error("22121") == kForm);
  CHECK(error(":22121") == kForm);
  CHECK(error("h:") == "the port \"\" is not in 1..65535");
  CHECK(error("h:70000") == "the port \"70000\" is not in 1..65535");
  CHECK(error("/run/pool 0999") == "the permissions \"0999\" are not octal, 0..777");
  CHECK(error("/run/pool 1777") == "the permissions \"1777\" are not octal, 0..777");
  CHECK(error("/run/pool ") == "the permissions \"\" are not octal, 0..777");
}

TEST_CASE("a number is digits, and no more than an int holds") {
  CHECK(twemproxy_number("0") == 0);
  CHECK(twemproxy_number("0042") == 42);
  CHECK(twemproxy_number("2147483647") == 2147483647);
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1.0", "0x10", "2147483648", "1k"}) {
    CHECK_FALSE(twemproxy_number(text).has_value());
  }
}

}  // namespace
}  // namespace quorate::config
