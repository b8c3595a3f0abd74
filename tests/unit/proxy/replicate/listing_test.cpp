// The keys of a replicated pool, as its servers have them: who is asked, and what is told.
#include "proxy/replicate/listing.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "backends/redis/acceptor.h"
#include "tests/unit/consensus/cluster/replicated_maps.h"

namespace quorate::replicate {
namespace {

namespace acceptor = redis::acceptor;
using Kind = Listing::Kind;

/// Servers a, b, c … of a pool of three replicas; what each has is up to the test.
class Pool {
 public:
  explicit Pool(uint32_t backends) : map_(cluster::map_of(backends)) { rebuild(); }

  void rebuild() { table_ = cluster::ReplicaTable::build(map_, cluster::store(map_)); }
  /// At the servers whose letters are in `where`, of those that are members of the key's slot.
  void put(const std::string& key, const std::string& where, uint64_t counter = 1,
           acceptor::Type type = acceptor::Type::kString, int64_t expires_at_ms = 0) {
    for (const cluster::BackendIndex index : members_of(key)) {
      const std::string& name = table_->backends()[index].name;
      if (where.find(name) == std::string::npos) continue;
      acceptor::Meta meta;
      meta.version = {base::Term::of(1, 0, 1), counter};
      meta.type = type;
      meta.expires_at_ms = expires_at_ms;
      stored_[index][key] = meta;
    }
  }
  std::vector<cluster::BackendIndex> members_of(const std::string& key) const {
    std::vector<cluster::BackendIndex> members;
    for (const auto& place : table_->slot(table_->slot_of(key)).members.all()) {
      members.push_back(place.backend);
    }
    return members;
  }

  /// The reply to one command, RESP3.
  std::string ask(const std::vector<std::string_view>& command) {
    Listing::Wanted wanted;
    const auto error = Listing::parse(command, wanted);
    if (error) return *error;
    Listing listing(
        wanted, table_,
        [&](cluster::BackendSerial serial) { return !silent.contains(index_of(serial)); }, now_ms,
        1);
    for (auto asked = listing.take_asked(); !asked.empty(); asked = listing.take_asked()) {
      for (const Listing::Asked& one : asked) answer(listing, one);
    }
    REQUIRE(listing.is_done());
    std::string reply;
    listing.append_reply(*table_, reply);
    return reply;
  }
  /// All keys that a SCAN tells, in the order told; {"error: …"} if it ends so.
  std::vector<std::string> scan(const std::string& count, const std::string& pattern = "*",
                                const std::string& type = "") {
    std::vector<std::string> keys;
    std::string cursor = "0";
    do {
      std::vector<std::string_view> command{"SCAN", cursor, "COUNT", count, "MATCH", pattern};
      if (!type.empty()) command.insert(command.end(), {"TYPE", type});
      const std::string reply = ask(command);
      if (!reply.starts_with("*2")) return {"error: " + reply};
      const auto bulks = bulks_of(reply);
      cursor = bulks.front();
      CHECK(std::stoull(cursor) < uint64_t{1} << 53);
      keys.insert(keys.end(), bulks.begin() + 1, bulks.end());
    } while (cursor != "0");
    return keys;
  }
  static std::vector<std::string> bulks_of(const std::string& reply) {
    std::vector<std::string> bulks;
    for (size_t at = reply.find('$'); at != std::string::npos; at = reply.find('$', at)) {
      const size_t length = std::stoul(reply.substr(at + 1));
      const size_t begin = reply.find("\r\n", at) + 2;
      bulks.push_back(reply.substr(begin, length));
      at = begin + length;
    }
    return bulks;
  }

  std::set<cluster::BackendIndex> silent;
  int64_t now_ms = 1000;
  cluster::ClusterMap& map() { return map_; }

 private:
  cluster::BackendIndex index_of(cluster::BackendSerial serial) const {
    const auto backends = table_->backends();
    const auto found = std::ranges::find(backends, serial, &cluster::ReplicaBackend::serial);
    return static_cast<cluster::BackendIndex>(found - backends.begin());
  }
  void answer(Listing& listing, const Listing::Asked& asked) {
    const cluster::BackendIndex index = index_of(asked.backend);
    if (silent.contains(index)) return listing.on_answer(asked.tag, nullptr);
    acceptor::Answer answer;
    answer.kind = acceptor::AnswerKind::kOk;
    std::string reply;
    std::string cursor = "0";
    if (const auto* scan = std::get_if<acceptor::Scan>(&asked.request.what)) {
      const auto& keys = stored_[index];
      size_t place = std::stoul(std::string(scan->cursor));
      const size_t end = std::min<size_t>(keys.size(), place + scan->count);
      auto key = std::next(keys.begin(), static_cast<std::ptrdiff_t>(std::min(place, end)));
      for (; place < end; ++place, ++key) {
        std::string meta;
        acceptor::append_meta(key->second, meta);
        for (const std::string& text : {key->first, meta}) {
          reply += "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
        }
      }
      if (end < keys.size()) cursor = std::to_string(end);
      answer.reply = reply;
      answer.cursor = cursor;
    } else {
      const auto found = stored_[index].find(std::string(asked.request.target.key));
      answer.blank = found == stored_[index].end();
      if (!answer.blank) answer.meta = found->second;
    }
    listing.on_answer(asked.tag, &answer);
  }

  cluster::ClusterMap map_;
  std::shared_ptr<const cluster::ReplicaTable> table_;
  std::map<cluster::BackendIndex, std::map<std::string, acceptor::Meta>> stored_;
};

std::vector<std::string> sorted(std::vector<std::string> keys) {
  std::ranges::sort(keys);
  return keys;
}

std::vector<std::string> hundred() {
  std::vector<std::string> keys;
  for (int i = 100; i < 200; ++i) keys.push_back("k" + std::to_string(i));
  return keys;
}

TEST_CASE("every key is told once, however many have it and whatever the parts") {
  for (const uint32_t backends : {3u, 5u}) {
    Pool pool(backends);
    for (const std::string& key : hundred()) pool.put(key, "abcde");
    for (const std::string count : {"1", "7", "1000"}) CHECK(sorted(pool.scan(count)) == hundred());
    CHECK(sorted(Pool::bulks_of(pool.ask({"KEYS", "*"}))) == hundred());
    CHECK(pool.ask({"DBSIZE"}) == ":100\r\n");
    CHECK(Pool::bulks_of(pool.ask({"RANDOMKEY"})).size() == 1);
  }
}

TEST_CASE("a key that only a majority has is told, whichever that is") {
  for (const std::string where : {"ab", "ac", "bc"}) {
    Pool pool(3);
    for (const std::string& key : hundred()) pool.put(key, where);
    CHECK(sorted(pool.scan("10")) == hundred());
    CHECK(pool.ask({"DBSIZE"}) == ":100\r\n");
  }
}

TEST_CASE("what a newer version has deleted is not told") {
  Pool pool(3);
  pool.put("gone", "abc");
  pool.put("gone", "bc", 2, acceptor::Type::kNone);
  pool.put("there", "abc");
  CHECK(pool.scan("10") == std::vector<std::string>{"there"});
  CHECK(pool.ask({"DBSIZE"}) == ":1\r\n");
  CHECK(Pool::bulks_of(pool.ask({"KEYS", "*"})) == std::vector<std::string>{"there"});
}

TEST_CASE("patterns, types and times are those of the keys") {
  Pool pool(3);
  pool.put("late", "abc", 1, acceptor::Type::kString, 999);
  pool.put("soon", "abc", 1, acceptor::Type::kString, 1001);
  pool.put("hash", "abc", 1, acceptor::Type::kHash);
  CHECK(sorted(pool.scan("10")) == std::vector<std::string>{"hash", "soon"});
  CHECK(pool.scan("10", "h*") == std::vector<std::string>{"hash"});
  CHECK(Pool::bulks_of(pool.ask({"KEYS", "s*"})) == std::vector<std::string>{"soon"});
  CHECK(pool.scan("10", "*", "hash") == std::vector<std::string>{"hash"});
  CHECK(pool.scan("10", "*", "nosuchtype").empty());
}

TEST_CASE("one server that is silent is passed over; two are an error") {
  Pool pool(3);
  for (const std::string& key : hundred()) pool.put(key, "abc");
  for (const cluster::BackendIndex dead : {0, 1, 2}) {
    pool.silent = {dead};
    CHECK(sorted(pool.scan("9")) == hundred());
    CHECK(pool.ask({"DBSIZE"}) == ":100\r\n");
  }
  pool.silent = {0, 1};
  CHECK(pool.ask({"DBSIZE"}).starts_with("-TRYAGAIN backend "));
  CHECK(pool.scan("9").front().starts_with("error: -TRYAGAIN backend "));
}

TEST_CASE("a server that falls silent in the middle of a SCAN is an error, and it goes on later") {
  Pool pool(3);
  for (const std::string& key : hundred()) pool.put(key, "abc");
  const std::string cursor = Pool::bulks_of(pool.ask({"SCAN", "0", "COUNT", "10"})).front();
  pool.silent = {1, 2};
  CHECK(pool.ask({"SCAN", cursor, "COUNT", "1000"}).starts_with("*2"));  // of the first one
  pool.silent = {0};
  CHECK(pool.ask({"SCAN", cursor, "COUNT", "10"}).starts_with("-TRYAGAIN backend a "));
  pool.silent.clear();
  CHECK(pool.ask({"SCAN", cursor, "COUNT", "10"}).starts_with("*2"));
}

TEST_CASE("a SCAN whose slots have other members, or another process, is to begin again") {
  Pool pool(3);
  for (const std::string& key : hundred()) pool.put(key, "abc");
  const std::string cursor = Pool::bulks_of(pool.ask({"SCAN", "0", "COUNT", "10"})).front();
  cluster::done(pool.map(), cluster::NoteIdentity{cluster::named(pool.map(), "c"), "run-c", "x"});
  cluster::admit(pool.map(), "c", 77);
  pool.rebuild();
  CHECK(pool.ask({"SCAN", cursor}).starts_with("-TRYAGAIN keys have moved"));
  CHECK(sorted(pool.scan("10")) == hundred());
}

TEST_CASE("what cannot be a SCAN is refused as redis-server does") {
  Pool pool(3);
  CHECK(pool.ask({"SCAN", "x"}) == "ERR invalid cursor");
  CHECK(pool.ask({"SCAN", "0", "COUNT", "0"}) == "ERR syntax error");
  CHECK(pool.ask({"SCAN", "0", "COUNT", "x"}) == "ERR value is not an integer or out of range");
  CHECK(pool.ask({"SCAN", "0", "MATCH"}) == "ERR syntax error");
  CHECK(pool.ask({"SCAN", "5"}) == "-ERR invalid cursor\r\n");
}

}  // namespace
}  // namespace quorate::replicate
