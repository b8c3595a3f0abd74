// Every cut and every flipped bit of small logs, on the simulated disk and on the real one.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "consensus/storage/posix_directory.h"
#include "tests/simulation/raft/simulated_disk.h"
#include "tests/unit/consensus/storage/story.h"

namespace quorate::storage::tests {
namespace {

using simulation::SimulatedDisk;
using Files = std::map<std::string, std::string>;

Files files_of(const std::vector<Persist>& orders, uint64_t segment_bytes) {
  SimulatedDisk disk(1);
  auto opened = Storage::open(disk, StorageOptions{segment_bytes});
  REQUIRE(opened.ok());
  for (const Persist& order : orders) {
    REQUIRE(opened.value().storage->append(order).ok());
    REQUIRE(opened.value().storage->sync().ok());
  }
  return disk.files();
}

Durable end_of(const std::vector<Persist>& orders) {
  Durable state;
  for (const Persist& order : orders) state = after(state, order);
  return state;
}

/// A directory on the real file system, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "quorate-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string path() const { return path_.string(); }
  void fill(const Files& files) const {
    for (const auto& file : std::filesystem::directory_iterator(path_)) {
      std::filesystem::remove(file.path());
    }
    for (const auto& [name, bytes] : files) put(name, bytes);
  }
  void put(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }

 private:
  std::filesystem::path path_;
};

/// Tries every flip of one bit. `with(name, bytes)` recovers from the files with one replaced.
template <class With>
void flip_every_bit(const Files& files, const Durable& expected, With with) {
  size_t refused = 0;
  size_t unharmed = 0;
  for (const auto& [name, bytes] : files) {
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      const Result<Recovery> found = with(name, flipped);
      if (found) {
        REQUIRE(same(found.value().durable, expected));
        ++unharmed;
      } else {
        REQUIRE(found.error().kind != ErrorKind::kInput);
        ++refused;
      }
    }
  }
  // Only what nothing depends on any more may be flipped without being noticed.
  CHECK(refused > 0);
  CHECK(unharmed < refused);
}

TEST_CASE("a flipped bit, wherever it is, is refused or changes nothing") {
  for (const uint64_t segment_bytes : {400u, 1u << 20}) {
    const Files files = files_of(long_story(), segment_bytes);
    SimulatedDisk disk(1);
    for (const auto& [name, bytes] : files) disk.replace(name, bytes);
    flip_every_bit(files, end_of(long_story()), [&](const std::string& name, std::string bytes) {
      disk.replace(name, std::move(bytes));
      auto found = recover(disk);
      disk.replace(name, files.at(name));
      return found;
    });
  }
}

TEST_CASE("a flipped bit on the real file system is refused or changes nothing") {
  const std::vector<Persist> orders{vote(1, 2), entries({entry(1, 1, "one"), entry(2, 1)}),
                                    taken(1, 1, "state")};
  const Files files = files_of(orders, 1 << 20);
  const TemporaryDirectory place;
  place.fill(files);
  auto directory = open_directory(place.path());
  REQUIRE(directory.ok());
  flip_every_bit(files, end_of(orders), [&](const std::string& name, const std::string& bytes) {
    place.put(name, bytes);
    auto found = recover(*directory.value());
    place.put(name, files.at(name));
    return found;
  });
}

/// Cuts the last segment at every byte: what is found must be a state that the story passed
/// through, and must be there to stay.
template <class Open>
void cut_everywhere(const Files& files, const std::vector<Persist>& orders, Open open) {
  std::string last;
  for (const auto& [name, bytes] : files) {
    if (segment_number(name)) last = name;
  }
  const std::vector<Durable> states = states_of(orders);
  for (size_t size = 0; size <= files.at(last).size(); ++size) {
    Files cut = files;
    cut[last].resize(size);
    open(cut, [&](Directory& directory) {
      Durable found;
      {
        auto opened = Storage::open(directory);
        REQUIRE_MESSAGE(opened.ok(), to_string(opened.error()));
        found = opened.value().durable;
        REQUIRE(one_of(found, states));
        if (size == files.at(last).size()) REQUIRE(same(found, end_of(orders)));
        REQUIRE(opened.value().storage->append(vote(7, 7)).ok());
        REQUIRE(opened.value().storage->sync().ok());
      }
      auto again = Storage::open(directory);
      REQUIRE_MESSAGE(again.ok(), to_string(again.error()));
      REQUIRE(same(again.value().durable, after(found, vote(7, 7))));
    });
  }
}

std::vector<Persist> story_without_snapshots() {
  return {vote(1, 2), entries({entry(1, 1, "first"), entry(2, 1), entry(3, 1)}), vote(2, 3),
          entries({entry(2, 2, "instead"), entry(3, 2)}), entries({entry(4, 2)})};
}

TEST_CASE("a log cut at any byte is a prefix of what was written") {
  for (const uint64_t segment_bytes : {250u, 1u << 20}) {
    const std::vector<Persist> orders = story_without_snapshots();
    cut_everywhere(files_of(orders, segment_bytes), orders, [](const Files& files, auto then) {
      SimulatedDisk disk(1);
      for (const auto& [name, bytes] : files) disk.replace(name, bytes);
      then(disk);
    });
  }
}

TEST_CASE("a log cut at any byte on the real file system is a prefix of what was written") {
  const std::vector<Persist> orders{vote(1, 2), entries({entry(1, 1), entry(2, 1)})};
  const TemporaryDirectory place;
  size_t cuts = 0;
  cut_everywhere(files_of(orders, 1 << 20), orders, [&](const Files& files, auto then) {
    place.fill(files);
    auto directory = open_directory(place.path());
    REQUIRE(directory.ok());
    auto found = recover(*directory.value());
    REQUIRE(found.ok());
    REQUIRE(one_of(found.value().durable, states_of(orders)));
    // A real sync takes its time: every ninth cut is written after, too.
    if (cuts++ % 9 == 0) then(*directory.value());
  });
}

TEST_CASE("on the real file system everything is found again, whatever the segments' size") {
  for (const uint64_t segment_bytes : {1u, 300u, 1u << 20}) {
    const TemporaryDirectory place;
    Durable expected;
    for (const Persist& order : long_story()) {
      auto directory = open_directory(place.path());
      REQUIRE(directory.ok());
      auto opened = Storage::open(*directory.value(), StorageOptions{segment_bytes});
      REQUIRE_MESSAGE(opened.ok(), to_string(opened.error()));
      REQUIRE(same(opened.value().durable, expected));
      REQUIRE(opened.value().storage->append(order).ok());
      REQUIRE(opened.value().storage->sync().ok());
      expected = after(expected, order);
    }
    auto directory = open_directory(place.path());
    auto opened = Storage::open(*directory.value());
    REQUIRE(opened.ok());
    CHECK(same(opened.value().durable, expected));
  }
}

TEST_CASE("two processes cannot use one directory") {
  const TemporaryDirectory place;
  auto first = open_directory(place.path());
  REQUIRE(first.ok());
  const auto second = open_directory(place.path());
  REQUIRE(!second);
  CHECK(second.error().kind == ErrorKind::kLocked);
  first = open_directory("/proc/no/such/place");
  REQUIRE(!first);
  CHECK(first.error().kind == ErrorKind::kOutput);
  CHECK(open_directory(place.path()).ok());
}

}  // namespace
}  // namespace quorate::storage::tests
