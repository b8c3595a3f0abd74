// What is refused, and in which words: tests/conversation/config/addresses.txt.

#include "proxy/config/address.h"

#include <doctest/doctest.h>

namespace quorate::config {
namespace {

Address address(std::string_view text) {
  const auto parsed = parse_address(text);
  REQUIRE_MESSAGE(parsed.ok(), text);
  return parsed.value();
}

}  // namespace

TEST_CASE("an address is read into its parts") {
  CHECK(address("127.0.0.1:6379") == Address{"127.0.0.1", 6379, ""});
  CHECK(address("redis-1.internal:1") == Address{"redis-1.internal", 1, ""});
  CHECK(address("[::1]:65535") == Address{"::1", 65535, ""});
  CHECK(address("[fe80::1%eth0]:6379") == Address{"fe80::1%eth0", 6379, ""});
  CHECK(address("unix:/run/redis.sock") == Address{"", 0, "/run/redis.sock"});
  CHECK(address("unix:/run/with:colon") == Address{"", 0, "/run/with:colon"});
  CHECK(address("host.:6379").host == "host.");
}

TEST_CASE("an address is written as it was read") {
  for (const char* text : {"127.0.0.1:6379", "Redis:1", "[::1]:65535", "[FE80::1%eth0]:6379",
                           "unix:/run/redis.sock", "unix:/run/with:colon"}) {
    CHECK(address(text).text() == text);
  }
}

TEST_CASE("a path of 107 bytes is the longest") {
  const std::string path = "/" + std::string(106, 'x');
  CHECK(address("unix:" + path).path == path);
  CHECK(!parse_address("unix:" + path + "x").ok());
}

TEST_CASE("an address with a NUL byte is none") {
  CHECK(!parse_address(std::string_view("127.0.0.1\0:6379", 15)).ok());
  CHECK(!parse_address(std::string_view("unix:/run\0/x", 12)).ok());
  CHECK(!parse_address(std::string_view("[::1\0]:6379", 11)).ok());
}

TEST_CASE("a loopback address is one that only this machine reaches") {
  for (const char* text :
       {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "LocalHost:1", "unix:/run/x"}) {
    CHECK_MESSAGE(is_loopback(address(text)), text);
  }
  for (const char* text :
       {"0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[2001:db8::1]:1", "example.org:1"}) {
    CHECK_MESSAGE(!is_loopback(address(text)), text);
  }
}

TEST_CASE("a connection arrives at who listens there, by whatever name of this machine") {
  const auto arrives = [](const char* target, const char* listening) {
    return arrives_at(address(target), address(listening));
  };
  for (const char* own : {"127.0.0.1:1", "0.0.0.0:1", "localhost:1", "[::1]:1", "[::]:1"}) {
    CHECK_MESSAGE(arrives(own, own), own);
    CHECK_MESSAGE(arrives("LocalHost:1", own), own);
    CHECK_MESSAGE(!arrives("localhost:2", own), own);
    CHECK_MESSAGE(!arrives("unix:/run/x", own), own);
    CHECK_MESSAGE(!arrives("10.0.0.1:1", own), own);
    CHECK_MESSAGE(!arrives("example.org:1", own), own);
  }
  CHECK(arrives("127.0.0.1:1", "localhost:1"));
  CHECK(arrives("127.9.9.9:1", "0.0.0.0:1"));
  CHECK(arrives("0.0.0.0:1", "127.0.0.1:1"));
  CHECK(arrives("[::1]:1", "[::]:1"));
  CHECK(arrives("[0:0::1]:1", "[::1]:1"));
  CHECK(arrives("example.org:1", "EXAMPLE.org:1"));
  CHECK(arrives("10.0.0.1:1", "10.0.0.1:1"));
  CHECK(arrives("unix:/run/x", "unix:/run/x"));
  // Two addresses of loopback are two; a wildcard is that of its family.
  CHECK(!arrives("127.0.0.2:1", "127.0.0.1:1"));
  CHECK(!arrives("127.0.0.1:1", "[::]:1"));
  CHECK(!arrives("[::1]:1", "0.0.0.0:1"));
  CHECK(!arrives("unix:/run/x", "unix:/run/y"));
}

TEST_CASE("addresses overlap when both cannot be listened on") {
  const auto overlapping = [](const char* a, const char* b) {
    const bool result = overlap(address(a), address(b));
    CHECK(result == overlap(address(b), address(a)));
    return result;
  };
  CHECK(overlapping("127.0.0.1:1", "127.0.0.1:1"));
  CHECK(overlapping("0.0.0.0:1", "127.0.0.1:1"));
  CHECK(overlapping("[::]:1", "[::1]:1"));
  CHECK(overlapping("[::1]:1", "[0:0::1]:1"));
  CHECK(overlapping("localhost:1", "LOCALHOST:1"));
  CHECK(overlapping("unix:/a", "unix:/a"));
  CHECK(!overlapping("127.0.0.1:1", "127.0.0.1:2"));
  CHECK(!overlapping("127.0.0.1:1", "127.0.0.2:1"));
  CHECK(!overlapping("0.0.0.0:1", "[::]:1"));
  CHECK(!overlapping("unix:/a", "unix:/b"));
  CHECK(!overlapping("unix:/a", "127.0.0.1:1"));
  CHECK(!overlapping("a:1", "127.0.0.1:1"));
}

}  // namespace quorate::config
