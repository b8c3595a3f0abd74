#include "proxy/config/yaml_passwords.h"

#include <doctest/doctest.h>

namespace quorate::config {

TEST_CASE("the value of a password is masked, wherever YAML lets it stand") {
  CHECK(without_passwords("p:\n  redis_auth: a b: c # d\n  hash: md5\n") ==
        "p:\n  redis_auth: ********\n  hash: md5\n");
  CHECK(without_passwords("p:\n  redis_auth:\n\n    one\n    two\n  hash: md5") ==
        "p:\n  redis_auth: ********\n\n    ********\n    ********\n  hash: md5");
  CHECK(without_passwords("p:\n  redis_auth: \"one\n   two\"\nq:") ==
        "p:\n  redis_auth: ********\n   ********\nq:");
  CHECK(without_passwords("p: {hash: md5, redis_auth: x, redis: true}") ==
        "p: {hash: md5, redis_auth: ********");
  CHECK(without_passwords("p: {\"redis_auth\":\"x\"}") == "p: {\"redis_auth\": ********");
  CHECK(without_passwords("  Password: x") == "  Password: ********");
}

TEST_CASE("what is no password is shown as it stands") {
  for (const char* text : {"", "\n", ":", "a: b\r\nc:\n", "- auth.example:6379:1 auth",
                           "listen: pass-through:1", "p:\n  servers:\n  - h:2:1\n"}) {
    CHECK(without_passwords(text) == text);
  }
}

}  // namespace quorate::config
