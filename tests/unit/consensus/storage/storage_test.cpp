#include "consensus/storage/storage.h"

#include <doctest/doctest.h>

#include "tests/simulation/raft/simulated_disk.h"
#include "tests/unit/consensus/storage/story.h"

namespace quorate::storage::tests {
namespace {

using simulation::SimulatedDisk;

Storage::Opened open(Directory& disk, uint64_t segment_bytes = 1 << 20) {
  auto opened = Storage::open(disk, StorageOptions{segment_bytes});
  REQUIRE_MESSAGE(opened.ok(), to_string(opened.error()));
  return std::move(opened).value();
}

/// Carries `orders` out with a sync after each, until an error. Returns how many are on disk.
size_t tell(Storage& storage, const std::vector<Persist>& orders) {
  for (size_t i = 0; i < orders.size(); ++i) {
    if (!storage.append(orders[i]) || !storage.sync()) return i;
  }
  return orders.size();
}

Durable state_after(const std::vector<Persist>& orders, size_t count) {
  Durable state;
  for (size_t i = 0; i < count; ++i) state = after(state, orders[i]);
  return state;
}

TEST_CASE("an empty directory is a member that knows nothing") {
  SimulatedDisk disk(1);
  const Storage::Opened opened = open(disk);
  CHECK(opened.empty);
  CHECK(same(opened.durable, Durable{}));
  CHECK(opened.torn_tails.empty());
}

TEST_CASE("what was synced is found again, through any number of restarts and segments") {
  for (const uint64_t segment_bytes : {1u, 200u, 500u, 1u << 20}) {
    SimulatedDisk disk(1);
    const std::vector<Persist> orders = long_story();
    Durable expected;
    bool first = true;
    for (const Persist& order : orders) {
      Storage::Opened opened = open(disk, segment_bytes);
      CHECK(opened.empty == first);
      CHECK(same(opened.durable, expected));
      REQUIRE(tell(*opened.storage, {order}) == 1);
      expected = after(expected, order);
      first = false;
      disk.lose_power();
    }
    CHECK(same(open(disk, segment_bytes).durable, expected));
  }
}

TEST_CASE("segments that a snapshot stands for are removed, and not before") {
  SimulatedDisk disk(1);
  Storage::Opened opened = open(disk, 1);  // every sync is followed by a new segment
  Storage& storage = *opened.storage;
  for (raft::Index i = 1; i <= 10; ++i) REQUIRE(tell(storage, {entries({entry(i, 0)})}) == 1);
  CHECK(storage.segment_count() == 11);
  REQUIRE(tell(storage, {taken(4, 0, "four")}) == 1);
  CHECK(storage.segment_count() <= 11 - 4 + 1);
  REQUIRE(tell(storage, {taken(10, 0, "ten")}) == 1);
  CHECK(storage.segment_count() <= 2);
  disk.lose_power();
  CHECK(open(disk).durable.snapshot->state == "ten");
  CHECK(disk.files().contains("snapshot-000000000000000a"));
  CHECK(!disk.files().contains("snapshot-0000000000000004"));
}

TEST_CASE("a power failure before or in any operation loses nothing that was synced") {
  const std::vector<Persist> orders = long_story();
  for (const uint64_t segment_bytes : {1u, 300u, 1u << 20}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      bool finished = false;
      for (uint64_t operation = 0; !finished; ++operation) {
        SimulatedDisk disk(seed);
        disk.crash_after(operation);
        auto opened = Storage::open(disk, StorageOptions{segment_bytes});
        size_t synced = 0;
        if (opened) {
          synced = tell(*opened.value().storage, orders);
          finished = synced == orders.size() && !disk.crashed();
        }
        disk.lose_power();
        // What was not synced may be there too, up to any record.
        const Durable before = state_after(orders, synced);
        std::vector<Persist> rest(orders.begin() + static_cast<ptrdiff_t>(synced), orders.end());
        rest.resize(std::min<size_t>(rest.size(), 1));
        const Storage::Opened again = open(disk, segment_bytes);
        REQUIRE(one_of(again.durable, states_of(rest, before)));
        // And whatever was found once is found from then on.
        disk.lose_power();
        REQUIRE(same(open(disk, segment_bytes).durable, again.durable));
      }
    }
  }
}

TEST_CASE("a crash while recovering changes nothing") {
  const std::vector<Persist> orders = long_story();
  for (uint64_t seed = 0; seed < 10; ++seed) {
    bool finished = false;
    for (uint64_t operation = 0; !finished; ++operation) {
      SimulatedDisk disk(seed);
      REQUIRE(tell(*open(disk, 300).storage, orders) == orders.size());
      disk.lose_power();
      disk.crash_after(operation);
      finished = Storage::open(disk, StorageOptions{300}).ok();
      disk.lose_power();
      REQUIRE(same(open(disk, 300).durable, state_after(orders, orders.size())));
    }
  }
}

// Found by the simulation (seed 9069 of its first day): recovery removed the old snapshot while the
// new one's name was not on disk yet.
TEST_CASE("a kill in any operation and a power failure in any of the next start lose nothing") {
  const std::vector<Persist> orders = long_story();
  for (uint64_t seed = 0; seed < 4; ++seed) {
    bool finished = false;
    for (uint64_t operation = 0; !finished; ++operation) {
      bool started = false;
      for (uint64_t later = 0; !started; ++later) {
        SimulatedDisk disk(seed);
        disk.crash_after(operation);
        auto opened = Storage::open(disk, StorageOptions{300});
        const size_t synced = opened ? tell(*opened.value().storage, orders) : 0;
        finished = synced == orders.size() && !disk.crashed();
        disk.restart();
        disk.crash_after(later);
        started = Storage::open(disk, StorageOptions{300}).ok();
        disk.lose_power();
        std::vector<Persist> rest(orders.begin() + static_cast<ptrdiff_t>(synced), orders.end());
        rest.resize(std::min<size_t>(rest.size(), 1));
        const auto again = Storage::open(disk, StorageOptions{300});
        REQUIRE_MESSAGE(again.ok(), to_string(again.error()));
        REQUIRE(one_of(again.value().durable, states_of(rest, state_after(orders, synced))));
      }
    }
  }
}

TEST_CASE("after a failed sync nothing is written or promised any more") {
  SimulatedDisk disk(1);
  Storage::Opened opened = open(disk);
  REQUIRE(tell(*opened.storage, {vote(1, 2)}) == 1);
  disk.fail_syncs(1);
  REQUIRE(opened.storage->append(vote(2, 2)).ok());
  const Status failed = opened.storage->sync();
  REQUIRE(!failed);
  CHECK(failed.error().kind == ErrorKind::kOutput);
  CHECK(!opened.storage->sync());
  CHECK(!opened.storage->append(vote(3, 2)));
  disk.lose_power();
  CHECK(open(disk).durable.hard_state.term <= 2);
}

TEST_CASE("what a failed sync left in the page cache only is on disk once it has been recovered") {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimulatedDisk disk(seed);
    {
      Storage::Opened opened = open(disk);
      REQUIRE(tell(*opened.storage, {entries({entry(1, 0, std::string(300, 'a'))})}) == 1);
      disk.fail_syncs(1);
      REQUIRE(opened.storage->append(entries({entry(2, 0, std::string(300, 'b'))})).ok());
      REQUIRE(!opened.storage->sync());
    }
    disk.restart();  // the process died of it; the cache still shows entry 2
    Durable found;
    {
      Storage::Opened opened = open(disk);
      found = opened.durable;
      REQUIRE(found.entries.size() == 2);
      REQUIRE(tell(*opened.storage, {entries({entry(3, 0)})}) == 1);
    }
    disk.lose_power();
    REQUIRE(same(open(disk).durable, after(found, entries({entry(3, 0)}))));
  }
}

// Found by the simulation (seed 4 of its first day): the new segment's proof was not on disk yet.
TEST_CASE("what has been recovered is on disk, even if the power fails at once") {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimulatedDisk disk(seed);
    {
      Storage::Opened opened = open(disk);
      REQUIRE(tell(*opened.storage, {entries({entry(1, 0)})}) == 1);
      REQUIRE(opened.storage->append(entries({entry(2, 0)})).ok());
    }
    disk.restart();  // killed; entry 2 is in the page cache
    const Durable found = open(disk).durable;
    REQUIRE(found.entries.size() == 2);
    disk.lose_power();
    REQUIRE(same(open(disk).durable, found));
  }
}

TEST_CASE("a full disk stops the member, at any byte, and what was synced is there") {
  const std::vector<Persist> orders = long_story();
  for (uint64_t room = 0; room < 2500; room += 7) {
    SimulatedDisk disk(room);
    disk.limit(room);
    auto opened = Storage::open(disk, StorageOptions{300});
    size_t synced = 0;
    if (opened) {
      Storage& storage = *opened.value().storage;
      synced = tell(storage, orders);
      if (synced < orders.size()) {
        const Status again = storage.sync();
        REQUIRE(!again);
        REQUIRE(again.error().kind == ErrorKind::kFull);
      }
    } else {
      REQUIRE(opened.error().kind == ErrorKind::kFull);
    }
    disk.limit(std::nullopt);
    disk.lose_power();
    const std::vector<Persist> rest(orders.begin() + static_cast<ptrdiff_t>(synced), orders.end());
    REQUIRE(one_of(open(disk, 300).durable, states_of(rest, state_after(orders, synced))));
  }
}

TEST_CASE("a torn tail is cut, and the report says where") {
  SimulatedDisk disk(1);
  REQUIRE(tell(*open(disk).storage, {vote(1, 2)}) == 1);
  const std::string name = segment_name(1);
  std::string bytes = disk.files().at(name);
  const size_t good = bytes.size();
  disk.replace(name, bytes + "half a record");
  const Storage::Opened opened = open(disk);
  CHECK(opened.durable.hard_state == HardState{1, MemberId{2}});
  REQUIRE(opened.torn_tails.size() == 1);
  CHECK(opened.torn_tails[0].file == name);
  CHECK(opened.torn_tails[0].offset == good);
  CHECK(opened.torn_tails[0].bytes == 13);
}

TEST_CASE("damage before the tail refuses to start, and says in which file and where") {
  SimulatedDisk disk(1);
  REQUIRE(tell(*open(disk).storage, {vote(1, 2), entries({entry(1, 1, "precious")})}) == 2);
  const std::string name = segment_name(1);
  std::string bytes = disk.files().at(name);
  const size_t at = bytes.find("precious");
  bytes[at] ^= 1;
  disk.replace(name, bytes);
  const auto opened = Storage::open(disk);
  REQUIRE(!opened);
  CHECK(opened.error().kind == ErrorKind::kCorrupt);
  CHECK(opened.error().file == name);
  CHECK(opened.error().offset == at - 1 - kRecordHeaderBytes);
  CHECK(to_string(opened.error()).find("damaged") != std::string::npos);
}

TEST_CASE("a segment or a log that is missing refuses to start") {
  SimulatedDisk disk(1);
  {
    Storage::Opened opened = open(disk, 1);
    for (raft::Index i = 1; i <= 5; ++i) REQUIRE(tell(*opened.storage, {entries({entry(i, 0)})}));
  }
  const auto files = disk.files();
  for (const auto& [removed, bytes] : files) {
    SimulatedDisk copy(1);
    for (const auto& [name, content] : files) {
      if (name != removed) copy.replace(name, content);
    }
    const auto opened = Storage::open(copy);
    // The last one holds nothing yet that the one before it does not.
    CHECK(opened.ok() == (removed == files.rbegin()->first));
  }
}

TEST_CASE("another version of the format is refused, and left alone") {
  SimulatedDisk disk(1);
  REQUIRE(tell(*open(disk).storage, {vote(1, 2)}) == 1);
  std::string bytes = disk.files().at(segment_name(1));
  bytes[8] = 2;
  disk.replace(segment_name(1), bytes);
  const auto opened = Storage::open(disk);
  REQUIRE(!opened);
  CHECK(opened.error().kind == ErrorKind::kVersion);
  CHECK(disk.files().at(segment_name(1)) == bytes);
}

TEST_CASE("a snapshot that was not finished is no snapshot") {
  SimulatedDisk disk(1);
  REQUIRE(tell(*open(disk).storage, {entries({entry(1, 0)})}) == 1);
  disk.replace("snapshot-0000000000000001.partial", "half of it");
  CHECK(open(disk).durable.snapshot == nullptr);
  CHECK(!disk.files().contains("snapshot-0000000000000001.partial"));
}

}  // namespace
}  // namespace quorate::storage::tests
