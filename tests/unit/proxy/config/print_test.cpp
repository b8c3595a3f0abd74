#include "proxy/config/print.h"

#include <doctest/doctest.h>

#include "proxy/config/schema.h"
#include "tests/unit/proxy/config/random_settings.h"
#include "tests/unit/proxy/config/world.h"

namespace quorate::config::testing {

TEST_CASE("what is printed loads to the same settings, and prints the same again") {
  base::Random random(3);
  for (int i = 0; i < 500; ++i) {
    Settings settings = random_settings(random);
    settings.cluster.secret.clear();
    for (PoolSettings& pool : settings.pools) {
      pool.password.clear();
      pool.sentinel_user.clear();
      pool.sentinel_password.clear();
      pool.users.clear();
      for (BackendSettings& backend : pool.backends) {
        backend.user.clear();
        backend.password.clear();
      }
    }
    const std::string text = to_toml(settings);
    const auto loaded = load_text(text);
    REQUIRE_MESSAGE(loaded.ok(), render(loaded.error(), Colour::kNever));
    CHECK(loaded.value().settings == settings);
    CHECK(to_toml(loaded.value().settings) == text);
  }
}

TEST_CASE("what is printed has every key that the pool's protocol has") {
  const std::string text = to_toml(settings_of(read_text(source_path("conf/quorate.toml"))));
  const size_t pages = text.find("[pool.pages]");
  REQUIRE(pages != std::string::npos);
  for (const auto& key : keys_of<PoolSettings>()) {
    const std::string line = "\n" + std::string(key.name) + " = ";
    INFO("key: " << key.name);
    CHECK(text.substr(0, pages).find(line) != std::string::npos);
    CHECK((text.find(line, pages) != std::string::npos) == (key.traits.only != Protocol::kRedis));
  }
}

TEST_CASE("secrets are printed as what does not load") {
  const Settings settings = settings_of(R"(
[pool.a]
protocol = "redis"
listen = "127.0.0.1:${env:PORT}"
password = "hunter2"
request_timeout = "${env:TIMEOUT}"
backends = ["${env:ADDRESS}", { address = "127.0.0.1:6380", user = "u", password = "hunter2" }]
)");
  const std::string text = to_toml(settings);
  CHECK(text.find("listen = \"${redacted}\"\n") != std::string::npos);
  CHECK(text.find("\npassword = \"${redacted}\"\n") != std::string::npos);
  CHECK(text.find("\nrequest_timeout = \"${redacted}\"\n") != std::string::npos);
  CHECK(text.find("  { address = \"${redacted}\", name = \"${redacted}\" },\n") !=
        std::string::npos);
  CHECK(text.find(
            "  { address = \"127.0.0.1:6380\", user = \"u\", password = \"${redacted}\" },\n") !=
        std::string::npos);
  for (const char* hidden : {"hunter2", "10.9.8.7", "3s\""}) {
    CHECK(text.find(hidden) == std::string::npos);
  }
  const auto loaded = load_text(text);
  REQUIRE(!loaded.ok());
  CHECK(loaded.error().size() == 6);
}

}  // namespace quorate::config::testing
