#include "proxy/control/descriptors.h"

#include <doctest/doctest.h>

#include "tests/unit/proxy/config/world.h"

namespace quorate::control {
namespace {

DescriptorNeed need_of(const std::string& protocol, const std::string& keys, uint32_t workers) {
  return descriptors_needed(config::testing::settings_of("[pool.p]\nprotocol = \"" + protocol +
                                                         "\"\nlisten = \"127.0.0.1:7000\"\n"
                                                         "backends = [\"a:1\", \"b:2\"]\n" +
                                                         keys),
                            workers);
}

}  // namespace

TEST_CASE("pinned connections need descriptors, too, one for each client at most") {
  const auto few = need_of("redis", "max_clients = 10000\npinned_connections = 100\n", 4);
  CHECK(few.clients == 10'000);
  CHECK(few.lent == 2 * 4 * 100);
  CHECK(few.all() == few.clients + few.lent + few.others);
  const auto many = need_of("redis", "max_clients = 500\npinned_connections = 100\n", 4);
  CHECK(many.lent == 500);
  CHECK(many.others == few.others);
}

TEST_CASE("memcached's clients are lent nothing") {
  const auto need = need_of("memcached", "max_clients = 500\n", 2);
  CHECK(need.clients == 500);
  CHECK(need.lent == 0);
}

TEST_CASE("what is there without clients grows with workers and connections") {
  const auto one = need_of("redis", "connections = 1\nside_connections = 8\n", 1);
  const auto two = need_of("redis", "connections = 1\nside_connections = 8\n", 2);
  CHECK(two.others - one.others == 2 * 2 * 9 + 1);
}

}  // namespace quorate::control
