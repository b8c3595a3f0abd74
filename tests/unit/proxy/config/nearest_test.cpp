#include "proxy/config/nearest.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "proxy/config/schema.h"

namespace quorate::config {

TEST_CASE("the edit distance counts insertions, deletions, substitutions and swaps of neighbours") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("listen", "listen") == 0);
  CHECK(edit_distance("listen", "LISTEN") == 0);
  CHECK(edit_distance("lisen", "listen") == 1);
  CHECK(edit_distance("liisten", "listen") == 1);
  CHECK(edit_distance("lixten", "listen") == 1);
  CHECK(edit_distance("lsiten", "listen") == 1);
  CHECK(edit_distance("ca", "abc") == 3);  // 2 in the unrestricted form
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("the edit distance is symmetric and obeys its bounds on every pair of short words") {
  std::vector<std::string> words{""};
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i].size() == 4) break;
    for (char c : {'a', 'b', 'c'}) words.push_back(words[i] + c);
  }
  for (const auto& a : words) {
    for (const auto& b : words) {
      const size_t distance = edit_distance(a, b);
      CHECK(distance == edit_distance(b, a));
      CHECK(distance <= std::max(a.size(), b.size()));
      CHECK(distance >= std::max(a.size(), b.size()) - std::min(a.size(), b.size()));
      CHECK((distance == 0) == (a == b));
    }
  }
}

TEST_CASE("every slip of one letter in a key leads back to it") {
  const auto names = names_of_keys<PoolSettings>();
  for (std::string_view name : names) {
    for (size_t i = 0; i < name.size(); ++i) {
      std::string dropped(name);
      dropped.erase(i, 1);
      std::string doubled(name);
      doubled.insert(i, 1, name[i]);
      std::string wrong(name);
      wrong[i] = '#';
      for (const std::string& slip : {dropped, doubled, wrong}) {
        INFO("slip: " << slip << " of " << name);
        CHECK(nearest(slip, names) == name);
      }
    }
  }
}

TEST_CASE("what is nothing like a known word has no nearest") {
  const std::vector<std::string_view> known{"listen", "hash", "db", "libmemcached-ketama"};
  CHECK(nearest("frobnicate", known).empty());
  CHECK(nearest("", known).empty());
  CHECK(nearest("xy", known).empty());
  CHECK(nearest("x", known).empty());
  CHECK(nearest("hosts", known).empty());
  CHECK(nearest(std::string(100'000, 'x'), known).empty());
  CHECK(nearest("listen", {}).empty());
}

TEST_CASE("the longer half of a word stands for it") {
  const std::vector<std::string_view> known{"fnv1_64", "fnv1a_64", "libmemcached-ketama"};
  CHECK(nearest("fnv1a", known) == "fnv1a_64");
  CHECK(nearest("libmemcached", known) == "libmemcached-ketama");
  CHECK(nearest("fnv", known).empty());
}

TEST_CASE("of two words as near, the one that only lacks letters is nearest, wherever it stands") {
  for (const auto& known : {std::vector<std::string_view>{"fnv1_64", "fnv1a_64"},
                            std::vector<std::string_view>{"fnv1a_64", "fnv1_64"}}) {
    CHECK(nearest("fnv1a64", known) == "fnv1a_64");
    CHECK(nearest("fnv164", known) == "fnv1_64");
  }
}

TEST_CASE("the earlier of two words of one length wins a tie") {
  const std::vector<std::string_view> known{"crc16", "crc32"};
  CHECK(nearest("crc36", known) == "crc16");
}

}  // namespace quorate::config
