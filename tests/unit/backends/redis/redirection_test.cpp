#include "backends/redis/redirection.h"

#include <doctest/doctest.h>

using quorate::redis::Redirection;
using quorate::redis::redirection_of;
using Kind = Redirection::Kind;

TEST_CASE("MOVED and ASK name a server") {
  const auto moved = redirection_of("-MOVED 3999 127.0.0.1:6381\r\n");
  CHECK(moved.kind == Kind::kMoved);
  CHECK(moved.host == "127.0.0.1");
  CHECK(moved.port == 6381);
  const auto ask = redirection_of("-ASK 3999 fd00::7:6381\r\n");
  CHECK(ask.kind == Kind::kAsk);
  CHECK(ask.host == "fd00::7");
  CHECK(redirection_of("-MOVED 3999 :6381\r\n").host.empty());
}

TEST_CASE("what names nobody is asked again later") {
  for (const char* reply :
       {"-MOVED 3999 ?:6381\r\n", "-MOVED 3999 host:x\r\n", "-MOVED 3999\r\n", "-MOVED x\r\n",
        "-ASK 3999 host:70000\r\n", "-TRYAGAIN Multiple keys\r\n", "-CLUSTERDOWN Hash slot\r\n"}) {
    CHECK_MESSAGE(redirection_of(reply).kind == Kind::kLater, reply);
  }
}

TEST_CASE("other errors are errors") {
  for (const char* reply : {"-ERR MOVED 1 a:1\r\n", "-MOVEDX\r\n", "-\r\n", "-WRONGTYPE x\r\n"}) {
    CHECK_MESSAGE(redirection_of(reply).kind == Kind::kNone, reply);
  }
  CHECK(redirection_of("-READONLY You can't write against a read only replica.\r\n").kind ==
        Kind::kPrimary);
  CHECK(redirection_of("-LOADING Redis is loading\r\n").kind == Kind::kNotHere);
}
