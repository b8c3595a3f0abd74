#include "backends/wire/function_list.h"

#include <doctest/doctest.h>

#include <string>

namespace quorate::wire {
namespace {

// As Redis 7.0 answers for a library with two functions.
const std::string kList =
    "*1\r\n*6\r\n$12\r\nlibrary_name\r\n$2\r\nf1\r\n$6\r\nengine\r\n$3\r\nLUA\r\n$"
    "9\r\nfunctions\r\n"
    "*2\r\n*6\r\n$4\r\nname\r\n$6\r\nwrites\r\n$11\r\ndescription\r\n$-1\r\n$5\r\nflags\r\n*0\r\n"
    "*6\r\n$4\r\nname\r\n$5\r\nreads\r\n$11\r\ndescription\r\n$-1\r\n$5\r\nflags\r\n"
    "*2\r\n+allow-stale\r\n+no-writes\r\n";

}  // namespace

TEST_CASE("a function has the flags that FUNCTION LIST tells of it") {
  CHECK(has_function_flag(kList, "reads", "no-writes"));
  CHECK(has_function_flag(kList, "READS", "allow-stale"));
  CHECK(!has_function_flag(kList, "reads", "allow-oom"));
  CHECK(!has_function_flag(kList, "writes", "no-writes"));
  CHECK(!has_function_flag(kList, "nosuch", "no-writes"));
}

TEST_CASE("what is no list of libraries tells of no flag") {
  CHECK(!has_function_flag("*0\r\n", "reads", "no-writes"));
  CHECK(!has_function_flag("-ERR unknown command\r\n", "reads", "no-writes"));
  CHECK(!has_function_flag("*1\r\n*2\r\n$9\r\nfunctions\r\n:1\r\n", "reads", "no-writes"));
  for (size_t size = 0; size < kList.size(); ++size) {
    CHECK(!has_function_flag(kList.substr(0, size), "reads", "no-writes"));
  }
}

}  // namespace quorate::wire
