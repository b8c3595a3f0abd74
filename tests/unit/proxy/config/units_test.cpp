#include "proxy/config/units.h"

#include <doctest/doctest.h>

#include <limits>

#include "consensus/base/random.h"

namespace quorate::config {

using namespace std::chrono_literals;

TEST_CASE("a duration is one whole number and one unit") {
  CHECK(parse_duration("250us").value() == 250us);
  CHECK(parse_duration("50ms").value() == 50ms);
  CHECK(parse_duration("2s").value() == 2s);
  CHECK(parse_duration("5m").value() == 5min);
  CHECK(parse_duration("1h").value() == 1h);
  CHECK(parse_duration("0s").value() == 0s);
  CHECK(parse_duration("007s").value() == 7s);
}

TEST_CASE("a size is one whole number and one unit") {
  CHECK(parse_size("512B").value() == 512);
  CHECK(parse_size("64KiB").value() == 65536);
  CHECK(parse_size("1MiB").value() == 1u << 20);
  CHECK(parse_size("3GiB").value() == 3ULL << 30);
}

TEST_CASE("nothing else is a duration or a size") {
  for (const char* text :
       {"",     " ",     "s",  "ms", "5",    "5 s",  " 5s", "5s ", "-5s",        "+5s", "5.5s",
        "5,5s", "1m30s", "5S", "5d", "5\ts", "0x5s", "5s5", "s5",  "5\xC2\xB5s", "1e3s"}) {
    INFO("text: '" << text << "'");
    CHECK(!parse_duration(text).ok());
    CHECK(!parse_duration(text).error().empty());
  }
  for (const char* text : {"", "B", "5", "5 B", "-5B", "5KB", "5K", "5kib", "1.5MiB", "5MiB5"}) {
    INFO("text: '" << text << "'");
    CHECK(!parse_size(text).ok());
  }
  CHECK(!parse_duration(std::string_view("5\0s", 3)).ok());
}

TEST_CASE("the unit that was probably meant is named") {
  const auto duration = [](const char* text) { return parse_duration(text).error(); };
  const auto size = [](const char* text) { return parse_size(text).error(); };
  CHECK(duration("5sec") == "unknown unit \"sec\"; did you mean \"5s\"?");
  CHECK(duration("5Minutes") == "unknown unit \"Minutes\"; did you mean \"5m\"?");
  CHECK(duration("5MS") == "unknown unit \"MS\"; did you mean \"5ms\"?");
  CHECK(duration("5M") == "unknown unit \"M\"; did you mean \"5m\"?");
  CHECK(duration("5kb") == "unknown unit \"kb\"; the units are \"us\" \"ms\" \"s\" \"m\" \"h\"");
  CHECK(size("5kb") == "unknown unit \"kb\"; did you mean \"5KiB\"?");
  CHECK(size("5M") == "unknown unit \"M\"; did you mean \"5MiB\"?");
  CHECK(size("5b") == "unknown unit \"b\"; did you mean \"5B\"?");
  CHECK(size("5sec") == "unknown unit \"sec\"; the units are \"B\" \"KiB\" \"MiB\" \"GiB\"");
}

TEST_CASE("a value that does not fit is refused, the largest that does is not") {
  CHECK(parse_duration("2562047h").value() == 2562047h);
  CHECK(!parse_duration("2562048h").ok());
  CHECK(parse_duration("9223372036854775us").ok());
  CHECK(!parse_duration("9223372036854776us").ok());
  CHECK(!parse_duration("99999999999999999999999us").ok());
  CHECK(parse_size("18446744073709551615B").value() == std::numeric_limits<uint64_t>::max());
  CHECK(!parse_size("18446744073709551616B").ok());
  CHECK(parse_size("17179869183GiB").ok());
  CHECK(!parse_size("17179869184GiB").ok());
}

TEST_CASE("a value is written in the largest unit that leaves it whole") {
  CHECK(duration_text(0s) == "0s");
  CHECK(duration_text(1us) == "1us");
  CHECK(duration_text(1500us) == "1500us");
  CHECK(duration_text(1000ms) == "1s");
  CHECK(duration_text(90s) == "90s");
  CHECK(duration_text(120s) == "2m");
  CHECK(duration_text(7200s) == "2h");
  CHECK(size_text(0) == "0B");
  CHECK(size_text(1023) == "1023B");
  CHECK(size_text(1024) == "1KiB");
  CHECK(size_text(512ULL << 20) == "512MiB");
  CHECK(size_text(2048ULL << 20) == "2GiB");
}

TEST_CASE("what is written is read back as the same value") {
  base::Random random(1);
  for (int i = 0; i < 20'000; ++i) {
    const int bits = static_cast<int>(random.below(63));
    const uint64_t number = random.next() >> (63 - bits);
    const base::Duration duration = std::chrono::microseconds(number % 9'223'372'036'854'775);
    CHECK(parse_duration(duration_text(duration)).value() == duration);
    CHECK(parse_size(size_text(number)).value() == number);
  }
}

}  // namespace quorate::config
