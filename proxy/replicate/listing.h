// Listing: the keys of a replicated pool: one part of a SCAN, or all of KEYS, DBSIZE, RANDOMKEY.
//
// A key that was chosen is with one of any N-q+1 members of its slot, so as many of them are asked
// for their keys, one after the other in the order of the table; the last of these speaks for the
// slot. What another one has is told only if the last one has nothing of that key yet: so every key
// that is there throughout is told, and one that all have is told once. (It may be told twice while
// members are repaired, as SCAN may.) KEYS and DBSIZE need not ask: they keep the newest version of
// each key that any of them has.
//
// A cursor names the server, which one is passed over, and the place there, in 53 bits, as some
// clients keep cursors in floating point. One server that cannot be asked when a SCAN begins is
// passed over for all of it; any other that cannot be asked later is an error. So is, with
// TRYAGAIN, that the members of any slot have changed meanwhile: what has moved from a server that
// was still to be asked to one that was, would be missed.
//
//   bits 46..52  1 + the server's index          bits 39..45  1 + the index that is passed over
//   bits 29..38  of a hash of who has which slot  bits 0..28  the server's own cursor
//
// Pure; one object for each command. Called by relay/replication.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backends/redis/acceptor.h"
#include "consensus/base/random.h"
#include "consensus/base/version.h"
#include "consensus/cluster/replica_table.h"

namespace quorate::replicate {

class Listing {
 public:
  enum class Kind : uint8_t { kScan, kKeys, kSize, kRandomKey };
  struct Wanted {
    Kind kind = Kind::kScan;
    uint64_t cursor = 0;
    std::string pattern;  ///< empty: every key
    std::optional<redis::acceptor::Type> type;
    uint32_t count = 10;
  };
  /// Views in the request are of the listing.
  struct Asked {
    uint32_t tag = 0;
    cluster::BackendSerial backend{};
    redis::acceptor::Request request;
  };
  using Answers = std::function<bool(cluster::BackendSerial)>;

  /// Reads "SCAN cursor [MATCH p] [COUNT n] [TYPE t]", "KEYS p", "DBSIZE", "RANDOMKEY". The error,
  /// without '-', if they are none.
  static std::optional<std::string> parse(std::span<const std::string_view> arguments,
                                          Wanted& wanted);

  /// `answers`: which servers can be asked.
  Listing(Wanted wanted, std::shared_ptr<const cluster::ReplicaTable> table, const Answers& answers,
          int64_t now_ms, uint64_t seed);

  /// What is to be asked now; the caller takes it.
  std::vector<Asked> take_asked() { return std::exchange(asked_, {}); }
  /// `answer`: nullptr if there will be none.
  void on_answer(uint32_t tag, const redis::acceptor::Answer* answer);

  bool is_done() const { return is_done_; }
  /// The client's reply, RESP3, appended, if the table is `now`. REQUIRES: is_done().
  void append_reply(const cluster::ReplicaTable& now, std::string& out) const;

 private:
  static constexpr cluster::BackendIndex kNone = cluster::kNobody;

  void begin(const Answers& answers);
  void ask_part();
  void go_on();
  void end(std::string_view error);
  void on_part(const redis::acceptor::Answer& answer);
  bool is_whole() const { return wanted_.kind == Kind::kKeys || wanted_.kind == Kind::kSize; }
  bool wants(std::string_view key, const redis::acceptor::Meta& meta) const;
  /// Of the members that are asked for this slot the last one; kNone: too few are left.
  cluster::BackendIndex speaker_of(uint16_t slot, cluster::BackendIndex asker,
                                   bool& is_asked) const;
  cluster::BackendIndex server_from(size_t index) const;
  uint64_t cursor() const;

  const Wanted wanted_;
  const std::shared_ptr<const cluster::ReplicaTable> table_;
  const uint64_t layout_;  ///< layout_of(*table_)
  const int64_t now_ms_;
  base::Random random_;
  bool is_done_ = false;
  std::string error_;
  cluster::BackendIndex server_ = kNone;  // at hand; kNone: past the last
  cluster::BackendIndex passed_over_ = kNone;
  std::string place_ = "0";
  uint32_t laps_ = 0;  // kRandomKey: times that the last server was passed
  uint32_t checks_ = 0;
  std::deque<std::string> checking_;  // keys that the speaker is asked for; by tag - 1
  std::vector<Asked> asked_;
  struct Known {
    base::Version version;
    bool wanted = false;
  };
  size_t count_wanted() const;

  std::vector<std::string> told_;                 // kScan, kRandomKey
  std::unordered_map<std::string, Known> known_;  // kKeys, kSize
};

}  // namespace quorate::replicate
