#include "consensus/base/version.h"

#include <doctest/doctest.h>

namespace quorate::base {
namespace {

TEST_CASE("a newer configuration outranks every term of an older one, whoever has it") {
  CHECK(Term::of(2, 0, 1) > Term::of(1, 65535, UINT32_MAX));
  CHECK(Term::of(2, 1, 1) > Term::of(2, 0, 9));
  CHECK(Term::of(2, 1, 2) > Term::of(2, 1, 1));
  CHECK(Term::of(7, 3, 1).configuration() == 7);
  CHECK(Term::of(7, 3, 1).bump() == 3);
}

TEST_CASE("a counter decides only within one term") {
  CHECK(Version{{1, 1}, 2} > Version{{1, 1}, 1});
  CHECK(Version{{1, 2}, 0} > Version{{1, 1}, kMaxCounter});
  CHECK(Version{}.is_zero());
  CHECK(!Version{{1, 0}, 0}.is_zero());
}

TEST_CASE("terms and versions come back from their text") {
  for (const Version& version :
       {Version{}, Version{{1, 2}, 3}, Version{{kMaxTermNumber, UINT32_MAX}, kMaxCounter}}) {
    CHECK(parse_version(to_string(version)) == version);
    CHECK(parse_term(to_string(version.term)) == version.term);
    CHECK(to_string(version).size() <= kVersionText);
  }
  CHECK(to_string(Version{{65536, 4}, 12}) == "65536:4:12");
}

TEST_CASE("what is not exactly a version is none") {
  for (const char* text :
       {"", ":", "::", "1:2", "1:2:", ":1:2", "1::2", "1:2:3:4", "-1:2:3", "1:2:-3", " 1:2:3",
        "1:2:3 ", "1:2:x", "1:4294967296:3", "281474976710656:1:1", "1:1:281474976710656"}) {
    CAPTURE(text);
    CHECK(!parse_version(text));
  }
  for (const char* text : {"", ":", "1", "1:", ":1", "1:2:3", "1:4294967296"}) {
    CAPTURE(text);
    CHECK(!parse_term(text));
  }
}

}  // namespace
}  // namespace quorate::base
